//! Jobs, apps that end by themselves (`autorestart = false`): how their last run ended.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::model::ending;
use crate::systemd::{self, Manager, UnitState};
use crate::units::Facts;

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Not failed, as systemd sees it.
    pub ok: bool,
    /// `exited with code 0`
    pub words: String,
    pub at: Option<SystemTime>,
}

/// Of those of the instances that are jobs, have run and do not run now, by their place. systemd forgets it with the unit: after a boot, and of an instance
/// that only its clock names soon after its end.
pub async fn ended(
    manager: &Manager,
    apps: &[&Facts],
    states: &[UnitState],
    facts: &[systemd::Facts],
) -> anyhow::Result<HashMap<usize, Ended>> {
    let ending = |index: usize| {
        let ending = facts[index].ending.as_ref()?;
        let down = matches!(states[index].active.as_str(), "inactive" | "failed");
        (down && !apps[index].autorestart && ending.code != 0).then_some(ending)
    };
    let over: Vec<usize> = (0..states.len())
        .filter(|index| ending(*index).is_some())
        .collect();
    let names: Vec<String> = over
        .iter()
        .map(|index| states[*index].name.clone())
        .collect();
    let times = manager.ended(&names).await?;
    let of = |(index, at): (usize, Option<SystemTime>)| {
        let ending = ending(index)?;
        let ended = Ended {
            ok: states[index].active != "failed",
            words: ending::in_words(&ending.result, ending.code, ending.status, None),
            at,
        };
        Some((index, ended))
    };
    Ok(over.into_iter().zip(times).filter_map(of).collect())
}
