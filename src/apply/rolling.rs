//! Restarts: instance after instance where an app is a cluster, all at once where it is not.

use std::time::Duration;

use super::Machine;
use super::verify::{self, Failure};
use crate::systemd::{Job, Verb};
use crate::units::Facts;

/// An app's instances to restart, in order.
pub struct Restart<'a> {
    pub facts: &'a Facts,
    pub units: &'a [String],
    /// Each is up before the next; a failure ends the app's round and keeps the rest as they are.
    pub rolling: bool,
}

/// Time a job may take beyond the app's own: systemd's default for stopping.
const MARGIN: Duration = Duration::from_secs(120);

/// What became of the restarts.
pub struct Restarted {
    pub failures: Vec<Failure>,
    /// Instances left as they were, because one before them failed.
    pub left: Vec<String>,
}

/// All apps go forward together, a step at a time.
pub async fn restart(
    machine: &Machine,
    apps: &[Restart<'_>],
    mut progress: impl FnMut(String),
) -> anyhow::Result<Restarted> {
    let mut failures: Vec<Failure> = Vec::new();
    let mut next = vec![0; apps.len()];
    loop {
        let mut step: Vec<(String, &Facts)> = Vec::new();
        for (app, next) in apps.iter().zip(&mut next) {
            let failed = failures
                .iter()
                .any(|failure| failure.app == app.facts.app.as_str());
            let left = &app.units[*next..];
            let take = match app.rolling {
                _ if failed => 0,
                true => left.len().min(1),
                false => left.len(),
            };
            step.extend(left[..take].iter().map(|unit| (unit.clone(), app.facts)));
            *next += take;
        }
        if step.is_empty() {
            let rest = apps.iter().zip(&next);
            let left = rest.flat_map(|(app, next)| app.units[*next..].to_vec());
            return Ok(Restarted {
                left: left.collect(),
                failures,
            });
        }
        failures.extend(one_step(machine, &step, &mut progress).await?);
    }
}

async fn one_step(
    machine: &Machine,
    step: &[(String, &Facts)],
    progress: &mut impl FnMut(String),
) -> anyhow::Result<Vec<Failure>> {
    let jobs: Vec<Job> = step
        .iter()
        .map(|(unit, _)| Job::new(Verb::Restart, unit.as_str()))
        .collect();
    let patience = step
        .iter()
        .map(|(_, facts)| facts.ready_timeout)
        .max()
        .unwrap_or_default()
        + MARGIN;
    machine.manager.run_jobs(&jobs, patience, |_| {}).await?;
    // Whatever became of the jobs, the units tell: an instance may come up at its second try.
    verify::wait(machine, step, |unit, up| {
        progress(format!(
            "{} {unit}",
            if up { "restarted" } else { "failed   " }
        ));
    })
    .await
}
