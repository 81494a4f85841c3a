//! What is there: files and one call to the manager for all units.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use anyhow::Context;

use crate::plan::{Observed, Pending, Running, Watcher};
use crate::systemd::Manager;
use crate::unit_files::{Places, pending, scan};
use crate::units::{AppUnits, Facts, UnitSet, marker, watcher};

/// Above this many patterns the manager is asked for all its units: matching costs it patterns times units.
const PATTERNS: usize = 32;

/// Without a manager, as in `render`, nothing runs.
/// Errors name the file or the call.
pub async fn observe(
    places: &Places,
    manager: Option<&Manager>,
    wanted: &UnitSet,
) -> anyhow::Result<Observed> {
    let mut observed = files(places, wanted)?;
    if let Some(manager) = manager {
        observed.running = running(manager, stems(&observed, wanted)).await?;
        if observed.watcher != Watcher::default() {
            let states = manager.states(&[watcher::UNIT.to_owned()]).await?;
            let known = states.into_iter().filter(|state| state.load != "not-found");
            let running =
                known.map(|state| (state.name, Running::from_active_state(&state.active)));
            observed.running.extend(running);
        }
    }
    Ok(observed)
}

/// What anybody may know of the apps that are there: their units and what starts them at boot, and their environment where it may be read. Not what of
/// others is in the way of an apply.
pub fn apps(places: &Places) -> anyhow::Result<Observed> {
    let env = match scan::env(places) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => BTreeMap::new(),
        read => read.context("the environment files cannot be read")?,
    };
    let units = scan::units(places, marker::is_ours).context("the unit folder cannot be read")?;
    Ok(Observed {
        links: scan::links(places, &units)?,
        units,
        env,
        ..Observed::default()
    })
}

/// The apps that are there, without their units: what is listed of them needs no more, and 150 files need not be read for 1,000 instances.
pub fn listed(places: &Places) -> anyhow::Result<BTreeMap<String, AppUnits>> {
    let mut apps = BTreeMap::new();
    let add = |name: &str, text: &str| {
        let facts = marker::is_ours(name, text).then(|| Facts::read(text));
        if let Some(facts) = facts.flatten().filter(|facts| facts.app.target() == name) {
            let bare = AppUnits {
                facts,
                units: vec![],
                env: vec![],
                enabled_by: vec![],
                notes: vec![],
            };
            apps.insert(bare.facts.app.to_string(), bare);
        }
    };
    scan::targets(places, add).context("the unit folder cannot be read")?;
    Ok(apps)
}

/// The part that is on disk.
pub fn files(places: &Places, wanted: &UnitSet) -> anyhow::Result<Observed> {
    let units = scan::units(places, marker::is_ours).context("the unit folder cannot be read")?;
    let names: BTreeSet<String> = wanted.apps.iter().flat_map(AppUnits::names).collect();
    let foreign =
        scan::foreign(places, &names, &units).context("the unit folders cannot be read")?;
    Ok(Observed {
        links: scan::links(places, &units)?,
        env: scan::env(places).context("the environment files cannot be read")?,
        pending: pending::read(places)?.map(|left| Pending {
            restart: left.restart,
            reload: left.reload,
        }),
        watcher: watcher(places)?,
        foreign,
        units,
        running: BTreeMap::new(),
    })
}

fn watcher(places: &Places) -> anyhow::Result<Watcher> {
    let found = scan::named(places, watcher::UNIT, marker::is_watcher);
    let name = BTreeMap::from([(watcher::UNIT.to_owned(), String::new())]);
    Ok(Watcher {
        text: found.own,
        shipped: found.elsewhere,
        foreign: found.foreign,
        links: scan::links(places, &name)?
            .into_iter()
            .map(|(folder, _)| folder)
            .collect(),
    })
}

fn stems(observed: &Observed, wanted: &UnitSet) -> BTreeSet<String> {
    let there = observed.apps();
    let wanted = wanted.apps.iter();
    wanted
        .chain(there.values())
        .map(|app| app.facts.app.stem().to_owned())
        .collect()
}

/// The state of every loaded unit of these apps.
pub async fn running(
    manager: &Manager,
    stems: BTreeSet<String>,
) -> anyhow::Result<BTreeMap<String, Running>> {
    if stems.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut patterns: Vec<String> = stems
        .iter()
        .flat_map(|stem| {
            [
                "@*.service",
                ".target",
                "@*.socket",
                "-socket.service",
                "-cron.timer",
                "-cron.service",
            ]
            .map(|ending| format!("{stem}{ending}"))
        })
        .collect();
    if patterns.len() > PATTERNS {
        patterns.clear();
    }
    let states = manager.states_matching(&patterns).await?;
    Ok(states
        .into_iter()
        .filter(|state| state.load != "not-found")
        .map(|state| (state.name, Running::from_active_state(&state.active)))
        .collect())
}
