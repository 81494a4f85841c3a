//! Restarts in turns: each app's instances a few at a time, each up before the next; apps go side by side.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Machine;
use super::interrupt::Interrupt;
use super::last_lines::last_lines;
use super::progress::{Arrival, Progress, on_its_way, ticking};
use super::sockets;
use super::together::together;
use super::verify::{self, Failure};
use crate::journal::read;
use crate::systemd::{AT_ONCE, Job, UnitState, Verb};
use crate::unit_files::starts;
use crate::units::Facts;

/// Longest wait for what is left of an instance to stop, whatever time it allows itself.
const PATIENCE: Duration = Duration::from_secs(600);

/// An app's instances to restart.
pub struct Restart<'a> {
    pub facts: &'a Facts,
    /// Who goes together. Each group is up before the next; a failure ends the app's round and keeps the rest as they are.
    pub turns: Vec<Vec<String>>,
    /// What an instance is called that was up before and is again.
    pub word: Arrival,
    /// Each gets a new socket of its own.
    pub renew: bool,
    /// Nothing about the app changed since it ran: that it lives on after it came up is not waited for.
    pub tried: bool,
}

/// What became of the restarts.
#[derive(Default)]
pub struct Restarted {
    pub arrived: Vec<Arrived>,
    pub failures: Vec<Failure>,
    /// Instances left as they were, because one before them failed or the user asked to stop.
    pub left: Vec<String>,
}

/// An instance whose turn came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    pub unit: String,
    pub how: Arrival,
    /// From the order to systemd until it was up, or had failed.
    pub took: Duration,
}

/// Takes all apps through their turns. `interrupt` is heeded between turns.
pub async fn restart(
    machine: &Machine,
    apps: &[Restart<'_>],
    interrupt: &Interrupt,
    show: &RefCell<impl FnMut(Progress<'_>)>,
) -> anyhow::Result<Restarted> {
    let _turns = interrupt.in_turns();
    let mut all = Restarted::default();
    for few in side_by_side(apps) {
        let each = few
            .iter()
            .map(|app| one_app(machine, app, interrupt, show))
            .collect();
        for result in ticking(show, together(each)).await {
            let one = result?;
            all.arrived.extend(one.arrived);
            all.failures.extend(one.failures);
            all.left.extend(one.left);
        }
    }
    Ok(all)
}

/// As many apps at a time as have no more than [`AT_ONCE`] jobs together, in their order.
fn side_by_side<'a, 'b>(apps: &'a [Restart<'b>]) -> Vec<&'a [Restart<'b>]> {
    let most = |app: &Restart<'_>| app.turns.iter().map(Vec::len).max().unwrap_or(0);
    let mut groups = Vec::new();
    let (mut first, mut jobs) = (0, 0);
    for (number, app) in apps.iter().enumerate() {
        jobs += most(app);
        if jobs > AT_ONCE && number > first {
            groups.push(&apps[first..number]);
            (first, jobs) = (number, most(app));
        }
    }
    if first < apps.len() {
        groups.push(&apps[first..]);
    }
    groups
}

async fn one_app(
    machine: &Machine,
    app: &Restart<'_>,
    interrupt: &Interrupt,
    show: &RefCell<impl FnMut(Progress<'_>)>,
) -> anyhow::Result<Restarted> {
    let mut done = Restarted::default();
    // Automatic restarts of each that is through, when it had come up.
    let mut through: Vec<(String, u32)> = Vec::new();
    for (number, units) in app.turns.iter().enumerate() {
        if interrupt.is_asked() || !done.failures.is_empty() {
            done.left = app.turns[number..].concat();
            break;
        }
        turn(machine, app, units, &mut done, show).await?;
        for details in machine.manager.details(units).await? {
            through.push((details.name, details.restarts));
        }
        // A release that says it is ready and then ends is found out before it has taken the others' place. Those that do not say so have been waited
        // for as long, each.
        if number == 0 && !app.tried && app.facts.notifies && done.failures.is_empty() {
            tokio::time::sleep(app.facts.settle).await;
        }
        if done.failures.is_empty() {
            done.failures = fallen(machine, app.facts, &through).await?;
        }
    }
    Ok(done)
}

/// Those that came up in an earlier turn and have ended since: a release that lives for a few seconds must not take the next instance with it.
async fn fallen(
    machine: &Machine,
    facts: &Facts,
    through: &[(String, u32)],
) -> anyhow::Result<Vec<Failure>> {
    let units: Vec<String> = through.iter().map(|(unit, _)| unit.clone()).collect();
    let states = machine.manager.states(&units).await?;
    let details = machine.manager.details(&units).await?;
    let mut again = Vec::new();
    let mut down = Vec::new();
    if details
        .iter()
        .zip(through)
        .any(|(now, (_, before))| now.restarts > *before)
    {
        read::sync_all(facts.logs.namespace.as_deref()).await;
    }
    for ((state, now), (unit, before)) in states.iter().zip(&details).zip(through) {
        if now.restarts > *before && state.is_up_or_moving() {
            again.push(Failure {
                app: facts.app.to_string(),
                unit: unit.clone(),
                why: "came up, then ended; systemd has started it again".to_owned(),
                lines: last_lines(machine, facts, unit).await,
            });
        } else if state.active != "active" {
            down.push((unit.clone(), facts));
        }
    }
    again.extend(verify::wait(machine, &down, |_, _| {}).await?);
    Ok(again)
}

async fn turn(
    machine: &Machine,
    app: &Restart<'_>,
    units: &[String],
    done: &mut Restarted,
    show: &RefCell<impl FnMut(Progress<'_>)>,
) -> anyhow::Result<()> {
    let since = Instant::now();
    if app.renew {
        sockets::renew(machine, units).await?;
    }
    let (up, down): (Vec<UnitState>, Vec<UnitState>) = machine
        .manager
        .states(units)
        .await?
        .into_iter()
        .partition(|state| state.active == "active");
    clear_away(machine, &down).await?;
    let job = |verb: Verb| move |state: &UnitState| Job::new(verb, state.name.as_str());
    let jobs: Vec<Job> = up
        .iter()
        .map(job(Verb::Restart))
        .chain(down.iter().map(job(Verb::Start)))
        .collect();
    let word = |unit: &str| match app.renew || up.iter().any(|state| state.name == unit) {
        true => app.word,
        false => Arrival::Started,
    };
    let arrived = RefCell::new(BTreeMap::new());
    let settled = |unit: &str, is_up: bool| {
        let how = if is_up { word(unit) } else { Arrival::Failed };
        let took = since.elapsed();
        (show.borrow_mut())(Progress::Arrived {
            unit,
            how,
            took: Some(took),
        });
        let unit = unit.to_owned();
        arrived
            .borrow_mut()
            .insert(unit.clone(), Arrived { unit, how, took });
    };
    let refused = verify::refused(&machine.manager.queue_jobs(&jobs).await?, &[app.facts]);
    for failure in &refused {
        settled(&failure.unit, false);
    }
    let waits: Vec<(String, &Facts)> = units
        .iter()
        .filter(|unit| !refused.iter().any(|failure| failure.unit == **unit))
        .map(|unit| (unit.clone(), app.facts))
        .collect();
    let looked = |state: &UnitState| on_its_way(state, since, show);
    let failed = verify::follow(machine, &waits, looked, settled).await?;
    done.failures.extend(refused);
    done.failures.extend(failed);
    let mut arrived = arrived.into_inner();
    done.arrived
        .extend(units.iter().filter_map(|unit| arrived.remove(unit)));
    Ok(())
}

/// Instances that are down, failed or between two automatic restarts: what is left of them ends, and with it their count of failed starts.
async fn clear_away(machine: &Machine, down: &[UnitState]) -> anyhow::Result<()> {
    let stops: Vec<Job> = down
        .iter()
        .filter(|state| state.is_up_or_moving())
        .map(|state| Job::new(Verb::Stop, state.name.as_str()))
        .collect();
    machine.manager.run_jobs(&stops, PATIENCE, |_| {}).await?;
    starts::forget(&machine.places, stops.iter().map(|job| &job.unit))?;
    let names: Vec<String> = down.iter().map(|state| state.name.clone()).collect();
    machine.manager.reset_failed(&names).await
}
