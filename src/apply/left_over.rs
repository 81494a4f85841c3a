//! What an apply owes that believes itself done.

use std::collections::BTreeSet;
use std::time::Duration;

use super::run::described;
use super::{Machine, observe, watch};
use crate::plan::{AppPlan, Observed, Plan};
use crate::systemd::{Seen, Verdict};
use crate::units::UnitSet;

/// Longest wait for jobs that systemd has taken and not begun: a target's, when its last instance has come up this moment.
const TAKEN: Duration = Duration::from_secs(10);

/// What deciding again would still do, apps with failures left out: empty after a run that worked. Each app with what is not as it should be.
pub async fn left_over(
    machine: &Machine,
    wanted: &UnitSet,
    decide: impl Fn(&Observed) -> anyhow::Result<Plan>,
    failed: impl Fn(&str) -> bool,
) -> anyhow::Result<Vec<String>> {
    let look = async || observe::observe(&machine.places, Some(&machine.manager), wanted).await;
    let mut observed = look().await?;
    let mut plan = decide(&observed)?;
    let owes = |app: &&AppPlan| !app.is_empty() && !failed(app.facts.app.as_str());
    let mut late: Vec<String> = vec![];
    for app in plan.apps.iter().filter(owes) {
        late.extend(app.start.iter().cloned());
    }
    if !late.is_empty() {
        let judge = |seen: &Seen, _| match seen.state.job {
            Some(_) => Verdict::Undecided,
            None => Verdict::Up,
        };
        let wait = machine.manager.wait_settled(&late, judge, TAKEN, |_| {});
        wait.await?;
        observed = look().await?;
        plan = decide(&observed)?;
    }
    let left = plan.apps.iter().filter(owes);
    Ok(left
        .map(|app| {
            let units: BTreeSet<&String> = [&app.stop, &app.start, &app.restart, &app.wait]
                .into_iter()
                .flatten()
                .collect();
            let mut said: Vec<String> = units
                .into_iter()
                .map(|unit| format!("{unit} is {}", observed.state(unit).as_str()))
                .collect();
            if app.touches_files() {
                said.push(described(app));
            }
            format!("{} ({})", app.facts.app, said.join(", "))
        })
        .chain(watch::left_over(&plan, &observed, &failed))
        .collect())
}
