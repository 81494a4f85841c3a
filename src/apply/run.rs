//! Carrying out a plan: fixed phases, nothing decided here.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;

use super::Machine;
use super::interrupt::Interrupt;
use super::observe;
use super::progress::{Arrival, Progress, arrived, on_its_way, ticking};
use super::rolling::{self, Restart};
use super::sockets;
use super::verify::{self, Failure};
use super::watch;
use crate::plan::{AppPlan, Change, FileChange, Plan};
use crate::systemd::{Job, JobResult, Verb};
use crate::unit_files::Places;
use crate::unit_files::flushed;
use crate::unit_files::generations::{self, Snapshot};
use crate::unit_files::pending::{self, Unfinished};
use crate::unit_files::write::{self, Changes};
use crate::unit_files::{reasons, starts};
use crate::units::{Facts, UnitSet, watcher};

/// Longest wait for units to stop, whatever time they allow themselves.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// stage files → stop → files → daemon-reload → sockets that must close → reset → sockets that open → start → restart → wait → sockets that are over, and
/// their files. Call it with the lock held, on a plan made under the same lock.
/// `about` is what the generation is called, None keeps none; `show` hears of each step. Returns what is not up in the end.
/// Errors: nothing has changed when a file cannot be written; systemd's refusals name the unit.
pub async fn run(
    machine: &Machine,
    plan: &Plan,
    about: Option<&str>,
    interrupt: &Interrupt,
    show: &RefCell<impl FnMut(Progress<'_>)>,
) -> anyhow::Result<Vec<Failure>> {
    let progress = |line: String| (show.borrow_mut())(Progress::Line(line));
    let places = &machine.places;
    let stops: Vec<Job> = all(plan, |app| &app.stop)
        .chain(all(plan, |app| &app.stop_too))
        .map(String::as_str)
        .chain(plan.watch.stop.then_some(watcher::UNIT))
        .map(|unit| Job::new(Verb::Stop, unit))
        .collect();
    // Whatever cannot be written is found out before the first unit stops.
    sockets::look(plan)?;
    let staged = file_changes(places, plan, When::First).stage()?;
    if plan.touches_files() && about.is_some() {
        generations::prepare(places)?;
    }
    let unfinished = Unfinished {
        restart: plan.unfinished().collect(),
        reload: plan.reload,
    };
    pending::write(places, &unfinished).context("cannot write the list of unfinished work")?;
    for app in &plan.apps {
        sockets::close(machine, &app.sockets.leave).await?;
    }
    let stopped = |result: &JobResult| {
        let quiet = |app: &AppPlan| app.stop_too.contains(&result.unit);
        if result.is_done() && !plan.apps.iter().any(quiet) {
            progress(format!("stopped   {}", result.unit));
        }
    };
    refuse_unless_stopped(&machine.manager.stop_jobs(&stops, PATIENCE, stopped).await?)?;
    if plan.touches_files() {
        staged.commit()?;
        for app in plan.apps.iter().filter(|app| app.touches_files()) {
            let verb = match app.change {
                Change::Remove => {
                    flushed::forget(places, &app.facts.app)?;
                    "removed  "
                }
                _ => "wrote    ",
            };
            progress(format!("{verb} {}", described(app)));
        }
        watch::forget(&machine.places, plan);
        watch::told(plan, progress);
    }
    // Also for an apply that was killed when it had written its files, and that this one carries on.
    if let Some(about) = about {
        // The files are written: what cannot be kept for a rollback must not keep them from being loaded.
        let late = plan.apps.iter().flat_map(going_late).collect();
        if let Err(error) = keep_generation(places, about, &late) {
            progress(format!("note      no generation is kept: {error:#}"));
        }
    }
    if plan.reload {
        machine
            .manager
            .reload()
            .await
            .context("daemon-reload failed")?;
        progress("reloaded  systemd (daemon-reload)".to_owned());
    }
    // An instance that runs already is stopped in its new surroundings: without the sockets of a new log_namespace its ExecStop= fails (226/NAMESPACE).
    let journals: Vec<Job> = plan
        .apps
        .iter()
        .filter(|app| !app.restart.is_empty())
        .filter_map(|app| app.facts.logs.namespace.as_ref())
        .map(|namespace| Job::new(Verb::Start, format!("systemd-journald@{namespace}.socket")))
        .collect();
    machine
        .manager
        .run_jobs(&journals, PATIENCE, |_| {})
        .await?;
    let halts: Vec<Job> = all(plan, |app| &app.sockets.halt)
        .map(|unit| Job::new(Verb::Stop, unit.as_str()))
        .collect();
    // Connections wait in the sockets until they close.
    let halted = |result: &JobResult| {
        if result.is_done() {
            progress(format!("stopped   {}", result.unit));
        }
    };
    refuse_unless_stopped(&machine.manager.stop_jobs(&halts, PATIENCE, halted).await?)?;
    starts::forget(places, all(plan, |app| &app.stop))?;
    reasons::forget(places, all(plan, |app| &app.stop))?;
    starts::forget(places, all(plan, |app| &app.sockets.halt))?;
    // What was stopped for good may have ended badly before: it is not to stay on systemd's list of failed units.
    let resets: Vec<String> = all(plan, |app| &app.reset)
        .chain(all(plan, |app| &app.stop))
        .chain(all(plan, |app| &app.stop_too))
        .cloned()
        .collect();
    machine.manager.reset_failed(&resets).await?;
    let mut failures = Vec::new();
    // Those whose new sockets could be opened; the others go on as they are, and owe all of it.
    let mut going: Vec<&AppPlan> = Vec::new();
    let mut left: Vec<String> = Vec::new();
    for app in &plan.apps {
        if let Some(failure) = sockets::open(machine, app).await? {
            failures.push(failure);
            left.extend(app.unfinished());
            continue;
        }
        for unit in &app.sockets.open {
            progress(format!("opened    {unit}"));
        }
        for note in sockets::set_queues(machine, app).await? {
            progress(format!("note      {note}"));
        }
        going.push(app);
    }
    // From here until the start below connections to these are refused.
    for app in &going {
        sockets::let_go(machine, app).await?;
    }
    let starts: Vec<Job> = going
        .iter()
        .flat_map(|app| &app.start)
        .map(|unit| Job::new(Verb::Start, unit.as_str()))
        .collect();
    failures.extend(verify::refused(
        &machine.manager.queue_jobs(&starts).await?,
        &going.iter().map(|app| &app.facts).collect::<Vec<_>>(),
    ));
    let restarts: Vec<Restart<'_>> = going
        .iter()
        .map(|app| Restart {
            facts: &app.facts,
            turns: app.restart.iter().map(|unit| vec![unit.clone()]).collect(),
            word: Arrival::Restarted,
            renew: app.sockets.renew,
            tried: false,
        })
        .collect();
    let restarted = rolling::restart(machine, &restarts, interrupt, show).await?;
    failures.extend(restarted.failures);
    let begun = Instant::now();
    let waits: Vec<(String, &Facts)> = going
        .iter()
        .flat_map(|app| {
            let left = app.wait.iter().filter(|unit| !app.restart.contains(unit));
            left.map(|unit| (unit.clone(), &app.facts))
        })
        .collect();
    failures.extend(
        ticking(
            show,
            verify::follow(
                machine,
                &waits,
                |state| on_its_way(state, begun, show),
                |unit, up| arrived(unit, up, Arrival::Started, show),
            ),
        )
        .await?,
    );
    left.extend(restarted.left);
    for app in &going {
        let name = &app.facts.app;
        if app.sockets.renew && left.iter().any(|unit| name.owns(unit)) {
            left.push(name.socket_template());
        }
    }
    // An instance that did not restart still listens on what is over.
    going.retain(|app| {
        let owes = left.iter().any(|unit| app.facts.app.owns(unit)) || failed(app, &failures);
        !app.sockets.halt.is_empty() || !app.sockets.close.is_empty() || !owes
    });
    finish(machine, &going, progress).await?;
    failures.extend(watch::start(machine, plan, progress).await?);
    // The next apply finds their files as they should be: that they run with older ones stands here alone.
    let unfinished = Unfinished {
        restart: plan
            .owed
            .iter()
            .cloned()
            .chain(left)
            .chain(watch::left(plan, &failures))
            .collect(),
        reload: false,
    };
    pending::write(places, &unfinished).context("cannot write the list of unfinished work")?;
    Ok(failures)
}

fn failed(app: &AppPlan, failures: &[Failure]) -> bool {
    failures
        .iter()
        .any(|failure| failure.app == app.facts.app.as_str())
}

/// Sockets that no instance listens on any more close, and then their files go: a unit whose file is gone has no descriptor after a daemon-reload.
async fn finish(
    machine: &Machine,
    apps: &[&AppPlan],
    progress: impl Fn(String),
) -> anyhow::Result<()> {
    let places = &machine.places;
    let mut changes = Changes::default();
    for app in apps {
        sockets::close(machine, &app.sockets.retire).await?;
        for unit in &app.sockets.retire {
            progress(format!("closed    {unit}"));
        }
        machine.manager.reset_failed(&app.sockets.retire).await?;
        for change in app.units.iter().filter(|change| app.goes_late(change)) {
            changes.remove(places.on_disk(&places.units).join(&change.name));
        }
    }
    Ok(changes.commit()?)
}

fn all<'a>(
    plan: &'a Plan,
    units: impl Fn(&'a AppPlan) -> &'a Vec<String>,
) -> impl Iterator<Item = &'a String> {
    plan.apps.iter().flat_map(units)
}

/// Which files are meant: those of sockets that close late go late.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum When {
    First,
    AtOnce,
}

/// The files and links of a plan, in their places on disk.
pub fn file_changes(places: &Places, plan: &Plan, when: When) -> Changes {
    let mut changes = Changes::default();
    let units = places.on_disk(&places.units);
    let env = places.on_disk(&places.env);
    write::clean(&units);
    write::clean(&env);
    let mut file = |folder: &Path, change: &FileChange, mode| {
        let path = folder.join(&change.name);
        match &change.after {
            Some(text) => changes.write(path, text, mode),
            None => changes.remove(path),
        }
    };
    for app in &plan.apps {
        for change in &app.env {
            file(&env, change, 0o600);
        }
        // The target last: without it nobody knows that the others are an app's, and a removal cut short could not be carried on.
        let is_target = |change: &&FileChange| change.name.ends_with(".target");
        let now = app
            .units
            .iter()
            .filter(|change| when == When::AtOnce || !app.goes_late(change));
        let (targets, others): (Vec<_>, Vec<_>) = now.partition(is_target);
        for change in others.into_iter().chain(targets) {
            file(&units, change, 0o644);
        }
    }
    for app in &plan.apps {
        for (folder, unit) in &app.link {
            changes.link(units.join(folder).join(unit), places.units.join(unit));
        }
        for (folder, unit) in &app.unlink {
            changes.unlink(units.join(folder).join(unit));
        }
    }
    watch::file_changes(places, plan, &mut changes);
    changes
}

fn refuse_unless_stopped(results: &[JobResult]) -> anyhow::Result<()> {
    let problems: Vec<String> = results
        .iter()
        .filter(|result| {
            // A unit that is already gone, or whose stop ended badly, is down all the same.
            !matches!(&result.outcome, crate::systemd::Outcome::Refused(refusal) if refusal.is_no_such_unit())
                && !matches!(result.outcome, crate::systemd::Outcome::Failed | crate::systemd::Outcome::Timeout)
        })
        .filter_map(JobResult::problem)
        .collect();
    if problems.is_empty() {
        return Ok(());
    }
    anyhow::bail!("{}", problems.join("\nerror: "))
}

pub(super) fn described(app: &AppPlan) -> String {
    let units: Vec<&str> = app
        .units
        .iter()
        .map(|change| change.name.as_str())
        .collect();
    let mut parts = vec![];
    if !units.is_empty() {
        parts.push(units.join(" "));
    }
    if !app.env.is_empty() {
        parts.push("environment".to_owned());
    }
    if !app.link.is_empty() || !app.unlink.is_empty() {
        parts.push("start at boot".to_owned());
    }
    format!("{}: {}", app.facts.app, parts.join(", "))
}

/// Files of an app that are on their way out, and go when the last instance has restarted.
pub(super) fn going_late(app: &AppPlan) -> impl Iterator<Item = &str> {
    let late = app.units.iter().filter(|change| app.goes_late(change));
    late.map(|change| change.name.as_str())
}

/// Every file of ours as it is now becomes a generation, without those that go late.
pub(super) fn keep_generation(
    places: &Places,
    about: &str,
    late: &BTreeSet<&str>,
) -> anyhow::Result<u64> {
    let mut observed = observe::files(places, &UnitSet::default())?;
    observed
        .units
        .retain(|name, _| !late.contains(name.as_str()));
    let snapshot = Snapshot {
        units: observed.units,
        env: observed.env,
    };
    generations::keep(places, &snapshot, about).context("cannot keep the generation")
}
