//! The watcher's part of a plan, carried out.

use std::collections::BTreeSet;

use super::Machine;
use super::target::Selected;
use super::verify::Failure;
use crate::plan::{Change, Observed, Plan};
use crate::systemd::{Job, UnitState, Verb};
use crate::unit_files::write::Changes;
use crate::unit_files::{Places, health};
use crate::units::watcher::UNIT;

/// Its job must end by then, or its own WatchdogSec= or TimeoutStartSec= ends it.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

pub fn file_changes(places: &Places, plan: &Plan, changes: &mut Changes) {
    let watch = &plan.watch;
    let units = places.on_disk(&places.units);
    if let Some(change) = &watch.unit {
        match &change.after {
            Some(text) => changes.write(units.join(UNIT), text, 0o644),
            None => changes.remove(units.join(UNIT)),
        }
    }
    let file = || places.units.join(UNIT);
    for folder in &watch.link {
        let to = watch.file.clone().unwrap_or_else(file);
        changes.link(units.join(folder).join(UNIT), to);
    }
    for folder in &watch.unlink {
        changes.unlink(units.join(folder).join(UNIT));
    }
}

/// That the watcher is down although one of these apps needs it, for whoever looks at them; what systemd starts again is not down.
pub async fn down(machine: &Machine, apps: &[Selected<'_>]) -> anyhow::Result<Option<String>> {
    let needing: Vec<&str> = apps
        .iter()
        .filter(|one| one.facts.needs_watcher())
        .map(|one| one.facts.app.as_str())
        .collect();
    if needing.is_empty() {
        return Ok(None);
    }
    let states = machine.manager.states(&[UNIT.to_owned()]).await?;
    let is_down = |state: &UnitState| matches!(state.active.as_str(), "inactive" | "failed");
    Ok(states.iter().any(is_down).then(|| {
        format!(
            "note: {UNIT} is not running: max_memory_restart, watch, health and log files of {} do nothing until it does; `rpmctl apply` starts it",
            needing.join(", ")
        )
    }))
}

/// That its files have changed.
pub fn told(plan: &Plan, progress: impl Fn(String)) {
    if plan.watch.touches_files() {
        progress(match plan.watch.change {
            Change::Remove => format!("removed   {UNIT}: no app needs it any more"),
            _ => format!("wrote     {UNIT}"),
        });
    }
}

/// With the last app that needs it goes what it knows of log files: one that gets log files later gets no lines of the time between.
pub fn forget(places: &Places, plan: &Plan) {
    if plan.watch.change == Change::Remove {
        health::keep(places, &BTreeSet::new());
        for path in places.log_checkpoints() {
            // Without log files it is not there.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Starts or restarts it, and waits until it says that it is ready. Returns why it does not run.
pub async fn start(
    machine: &Machine,
    plan: &Plan,
    progress: impl Fn(String),
) -> anyhow::Result<Option<Failure>> {
    let watch = &plan.watch;
    if watch.reset {
        machine.manager.reset_failed(&[UNIT.to_owned()]).await?;
    }
    let (verb, word) = match (watch.restart, watch.start) {
        (true, _) => (Verb::Restart, "restarted"),
        (_, true) => (Verb::Start, "started"),
        _ => return Ok(None),
    };
    let jobs = [Job::new(verb, UNIT)];
    let results = machine.manager.run_jobs(&jobs, PATIENCE, |_| {}).await?;
    let problem = results.iter().find_map(|result| result.problem());
    if problem.is_none() {
        progress(format!("{word:<9} {UNIT}"));
    }
    Ok(problem.map(|why| Failure {
        app: String::new(),
        unit: UNIT.to_owned(),
        why,
        lines: vec![],
    }))
}

/// Still to be restarted, because it failed.
pub fn left(plan: &Plan, failures: &[Failure]) -> Option<String> {
    let failed = failures.iter().any(|failure| failure.unit == UNIT);
    plan.watch.unfinished().filter(|_| failed)
}

/// What deciding again would still do to it, unless it has failed.
pub fn left_over(
    plan: &Plan,
    observed: &Observed,
    failed: impl Fn(&str) -> bool,
) -> Option<String> {
    let state = observed.state(UNIT).as_str();
    (!plan.watch.is_empty() && !failed("")).then(|| format!("{UNIT} (it is {state})"))
}
