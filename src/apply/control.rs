//! start, stop and restart of apps and instances that are already there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::Machine;
use super::boot;
use super::interrupt::Interrupt;
use super::observe;
use super::progress::{Arrival, Progress, arrived, on_its_way, ticking};
use super::rolling::{self, Restart};
use super::sockets;
use super::target::Selected;
use super::verify::{self, Failure};
use crate::model::{Balance, Name};
use crate::plan::Running;
use crate::systemd::{Job, Verb};
use crate::unit_files::{pending, reasons, starts};
use crate::units::Facts;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Start,
    Stop,
    Restart,
}

const PATIENCE: Duration = Duration::from_secs(600);

/// Instances of the selection, with the facts of their app.
pub(super) fn instances<'a>(selected: &[Selected<'a>]) -> Vec<(String, &'a Facts)> {
    selected
        .iter()
        .flat_map(|one| {
            let all = || (0..one.facts.instances).collect();
            let numbers: Vec<u32> = one.instances.clone().unwrap_or_else(all);
            numbers
                .into_iter()
                .map(|number| (one.facts.app.instance(number), one.facts))
        })
        .collect()
}

/// The targets of the apps that are chosen as a whole.
fn targets(selected: &[Selected<'_>]) -> impl Iterator<Item = String> {
    selected
        .iter()
        .filter(|one| one.instances.is_none())
        .map(|one| one.facts.app.target())
}

/// Does it and waits; returns what is not as ordered. Call it with the lock held.
pub async fn control(
    machine: &Machine,
    selected: &[Selected<'_>],
    order: Order,
    show: &RefCell<impl FnMut(Progress<'_>)>,
) -> anyhow::Result<Vec<Failure>> {
    let stems: BTreeSet<String> = selected
        .iter()
        .map(|one| one.facts.app.stem().to_owned())
        .collect();
    let states = observe::running(&machine.manager, stems).await?;
    let state = |unit: &str| states.get(unit).copied().unwrap_or(Running::Down);
    match order {
        Order::Stop => stop(machine, selected, &states, show).await,
        Order::Start => {
            boot::set(machine, selected, true, show)?;
            start(machine, selected, state, show).await
        }
        Order::Restart => {
            // What a stop took away comes back: the start at boot, and the target.
            boot::set(machine, selected, true, show)?;
            let targets: Vec<String> = targets(selected)
                .filter(|target| state(target) != Running::Up)
                .collect();
            let (up, down): (Vec<_>, Vec<_>) = instances(selected)
                .into_iter()
                .partition(|(unit, _)| matches!(state(unit), Running::Up));
            let mut failures = Vec::new();
            if !down.is_empty() || !targets.is_empty() {
                failures.extend(restart_down(machine, &down, targets, state, show).await?);
            }
            let restarts: Vec<Restart<'_>> = selected
                .iter()
                .map(|one| {
                    let units = up
                        .iter()
                        .filter(|(_, facts)| facts.app == one.facts.app)
                        .map(|(unit, _)| unit.clone());
                    Restart {
                        facts: one.facts,
                        turns: vec![units.collect()],
                        word: Arrival::Restarted,
                        renew: false,
                        tried: false,
                    }
                })
                .collect();
            // All at once: there is no turn to stop before.
            let never = Interrupt::default();
            let restarted = rolling::restart(machine, &restarts, &never, show).await?;
            failures.extend(restarted.failures);
            pending::paid(&machine.places, |unit| {
                up.iter().any(|(done, _)| done == unit)
                    && failures.iter().all(|failure| failure.unit != unit)
            })?;
            Ok(failures)
        }
    }
}

/// What [`control`] would do now.
#[derive(Debug, Default)]
pub struct Would {
    /// Units that it would start, stop or restart.
    pub units: Vec<String>,
    /// Targets that it would enable, or with [`Order::Stop`] disable.
    pub boot: Vec<String>,
}

pub async fn would(
    machine: &Machine,
    selected: &[Selected<'_>],
    order: Order,
) -> anyhow::Result<Would> {
    let stems: BTreeSet<String> = selected
        .iter()
        .map(|one| one.facts.app.stem().to_owned())
        .collect();
    let states = observe::running(&machine.manager, stems).await?;
    let all = || instances(selected).into_iter().map(|(unit, _)| unit);
    let up = |unit: &String| states.get(unit) == Some(&Running::Up);
    let targets = || targets(selected).filter(|target| !up(target));
    let boot = match machine.places.is_guest() {
        true => vec![],
        false => boot::changes(machine, selected, order != Order::Stop)?
            .apps
            .iter()
            .map(Name::target)
            .collect(),
    };
    let units = match order {
        Order::Start => targets().chain(all().filter(|unit| !up(unit))).collect(),
        Order::Restart => targets().chain(all()).collect(),
        Order::Stop => {
            let is_up = |unit: &String| is_up(&states, unit);
            to_stop(selected, &states)
                .into_iter()
                .filter(is_up)
                .collect()
        }
    };
    Ok(Would { units, boot })
}

async fn start(
    machine: &Machine,
    selected: &[Selected<'_>],
    state: impl Fn(&str) -> Running,
    show: &RefCell<impl FnMut(Progress<'_>)>,
) -> anyhow::Result<Vec<Failure>> {
    let mut units = instances(selected);
    units.retain(|(unit, _)| state(unit) != Running::Up);
    let mut jobs: Vec<Job> = targets(selected)
        .map(|target| Job::new(Verb::Start, target))
        .collect();
    let down: Vec<String> = targets(selected)
        .filter(|target| state(target) != Running::Up)
        .collect();
    forget_failures(machine, selected, &state).await?;
    jobs.extend(
        units
            .iter()
            .map(|(unit, _)| Job::new(Verb::Start, unit.as_str())),
    );
    let failures = start_and_follow(machine, &jobs, &units, Arrival::Started, show).await?;
    tell_started(down, &failures, show);
    Ok(failures)
}

/// A target says nothing by itself when it comes up.
fn tell_started(
    targets: Vec<String>,
    failures: &[Failure],
    show: &RefCell<impl FnMut(Progress<'_>)>,
) {
    for target in targets {
        if failures.iter().all(|failure| failure.unit != target) {
            (show.borrow_mut())(Progress::Line(format!("started   {target}")));
        }
    }
}

/// Instances that are down, failed or between two automatic restarts: stop what is left of them, then start.
async fn restart_down(
    machine: &Machine,
    units: &[(String, &Facts)],
    targets: Vec<String>,
    state: impl Fn(&str) -> Running,
    show: &RefCell<impl FnMut(Progress<'_>)>,
) -> anyhow::Result<Vec<Failure>> {
    let stops: Vec<Job> = units
        .iter()
        .filter(|(unit, _)| matches!(state(unit), Running::Starting | Running::Stopping))
        .map(|(unit, _)| Job::new(Verb::Stop, unit.as_str()))
        .collect();
    machine.manager.run_jobs(&stops, PATIENCE, |_| {}).await?;
    starts::forget(&machine.places, stops.iter().map(|job| &job.unit))?;
    let names: Vec<String> = units.iter().map(|(unit, _)| unit.clone()).collect();
    machine.manager.reset_failed(&names).await?;
    let starts: Vec<Job> = names
        .iter()
        .chain(&targets)
        .map(|unit| Job::new(Verb::Start, unit.as_str()))
        .collect();
    let failures = start_and_follow(machine, &starts, units, Arrival::Restarted, show).await?;
    tell_started(targets, &failures, show);
    Ok(failures)
}

/// Asks systemd to start, and follows these units until they are up; what systemd refuses has failed too.
pub(super) async fn start_and_follow(
    machine: &Machine,
    jobs: &[Job],
    units: &[(String, &Facts)],
    word: Arrival,
    show: &RefCell<impl FnMut(Progress<'_>)>,
) -> anyhow::Result<Vec<Failure>> {
    let begun = Instant::now();
    let work = verify::start(
        machine,
        jobs,
        units,
        |state| on_its_way(state, begun, show),
        |unit, up| arrived(unit, up, word, show),
    );
    ticking(show, work).await
}

async fn forget_failures(
    machine: &Machine,
    selected: &[Selected<'_>],
    state: impl Fn(&str) -> Running,
) -> anyhow::Result<()> {
    let mut units: Vec<String> = instances(selected)
        .into_iter()
        .map(|(unit, _)| unit)
        .collect();
    for one in selected {
        let name = &one.facts.app;
        units.extend(one.facts.shared_units());
        units.extend([name.target()]);
    }
    units.retain(|unit| state(unit) == Running::Failed);
    machine.manager.reset_failed(&units).await
}

async fn stop(
    machine: &Machine,
    selected: &[Selected<'_>],
    states: &BTreeMap<String, Running>,
    show: &RefCell<impl FnMut(Progress<'_>)>,
) -> anyhow::Result<Vec<Failure>> {
    boot::set(machine, selected, false, show)?;
    let mut units = to_stop(selected, states);
    let is_up = |unit: &String| is_up(states, unit);
    // A target that is about to start looks down, and would come up later.
    units.retain(|unit| is_up(unit) || unit.ends_with(".target"));
    let own = |unit: &&String| is_up(&unit.replace(".service", ".socket"));
    let alone: Vec<String> = selected
        .iter()
        .filter(|one| one.instances.is_some() && one.facts.balance == Balance::Reuseport)
        .flat_map(|one| units.iter().filter(|unit| one.facts.app.owns(unit)))
        .filter(own)
        .cloned()
        .collect();
    sockets::close_own(machine, &alone).await?;
    let jobs: Vec<Job> = units
        .iter()
        .map(|unit| Job::new(Verb::Stop, unit.as_str()))
        .collect();
    let mut failures = Vec::new();
    for result in machine.manager.stop_jobs(&jobs, PATIENCE, |_| {}).await? {
        let problem = result.problem();
        if problem.is_none() {
            if is_up(&result.unit) {
                (show.borrow_mut())(Progress::Line(format!("stopped   {}", result.unit)));
            }
        } else if let Some(why) = problem {
            let of = |one: &&Selected<'_>| {
                let name = &one.facts.app;
                whole(name).contains(&result.unit)
                    || result.unit.starts_with(&format!("{}@", name.stem()))
            };
            let app = selected
                .iter()
                .find(of)
                .map(|one| one.facts.app.to_string());
            failures.push(Failure {
                app: app.unwrap_or_default(),
                unit: result.unit,
                why,
                lines: vec![],
            });
        }
    }
    starts::forget(&machine.places, &units)?;
    reasons::forget(&machine.places, &units)?;
    // A process that ended badly when it was told to end is stopped, not failed.
    machine.manager.reset_failed(&units).await?;
    Ok(failures)
}

/// Every unit of the selection that may have to stop, up or not.
fn to_stop(selected: &[Selected<'_>], states: &BTreeMap<String, Running>) -> Vec<String> {
    let mut units: Vec<String> = Vec::new();
    for one in selected {
        let name = &one.facts.app;
        match &one.instances {
            Some(numbers) => units.extend(numbers.iter().map(|n| name.instance(*n))),
            None => {
                let prefix = format!("{}@", name.stem());
                units.extend(whole(name));
                units.extend(
                    states
                        .keys()
                        .filter(|unit| unit.starts_with(&prefix))
                        .cloned(),
                );
            }
        }
    }
    units
}

fn is_up(states: &BTreeMap<String, Running>, unit: &String) -> bool {
    states
        .get(unit)
        .is_some_and(|state| *state != Running::Down)
}

/// The units of an app that are none of an instance.
fn whole(name: &Name) -> [String; 4] {
    [name.target(), name.timer(), name.clock(), name.holder()]
}
