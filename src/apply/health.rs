//! Whether an instance is well: its `health` probe, by a connection or by the unit that runs its command.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Machine;
use super::last_lines::last_lines;
use super::together::together;
use super::verify::{self, Failure};
use crate::journal::read;
use crate::model::{Health, Probe, ending, runtime_folder};
use crate::probe::{self, Said, Whom};
use crate::systemd::{Manager, Outcome, Settled, Verb, Verdict};
use crate::unit_files::{Places, starts};
use crate::units::Facts;

/// Instances that are asked at once.
const ASKED: usize = 64;

/// What systemd may take around a command.
const AROUND: Duration = Duration::from_secs(10);

/// Pauses between two questions to an instance that has just come up.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Asks an instance once. `patience`: how long it may take to be reachable.
/// Errors: it could not be asked. That says nothing of the instance.
pub async fn ask(
    places: &Places,
    manager: Option<&Manager>,
    facts: &Facts,
    health: &Health,
    number: u32,
    patience: Duration,
) -> Result<Said, Unasked> {
    if let (Probe::Exec { command }, Some(manager)) = (&health.probe, manager) {
        let unit = facts.app.health_instance(number);
        let ended = run(manager, &unit, health.timeout).await;
        let result = ended.map_err(|unasked| match unasked {
            Unasked::Failed(why) => Unasked::Failed(format!("{command}: {why}")),
            Unasked::Canceled => Unasked::Canceled,
        })?;
        return Ok(Said {
            result: result.map_err(|why| format!("{command}: {why}")),
            by_any: false,
        });
    }
    let instance = facts.app.instance(number);
    let whom = Whom {
        number,
        instances: facts.instances,
        folder: &places.on_disk(&places.run).join(runtime_folder(&instance)),
        program: starts::program,
        patience,
    };
    Ok(probe::ask(health, whom).await)
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Unasked {
    /// The app is being stopped, and its command with it.
    Canceled,
    /// systemd did not run the command, in words.
    Failed(String),
}

/// How a command failed, in words, or how long it took.
type Ended = Result<Duration, String>;

/// Runs the command in its unit. Errors: systemd did not run it, or not to its end.
async fn run(manager: &Manager, unit: &str, timeout: Duration) -> Result<Ended, Unasked> {
    let begun = Instant::now();
    let job = manager.run_job(Verb::Start, unit, timeout + AROUND).await;
    let result = job.map_err(|error| Unasked::Failed(format!("{error:#}")))?;
    match &result.outcome {
        Outcome::Done => return Ok(Ok(begun.elapsed())),
        Outcome::Failed | Outcome::Timeout => {}
        Outcome::Canceled => return Err(Unasked::Canceled),
        _ => return Err(Unasked::Failed(result.problem().unwrap_or_default())),
    }
    let units = [unit.to_owned()];
    let details = manager.details(&units).await;
    // What failed stays on systemd's list of failed units else.
    let _ = manager.reset_failed(&units).await;
    let ending = details
        .ok()
        .and_then(|mut all| all.pop())
        .map(|one| one.ending);
    Ok(Err(match ending {
        Some(ending) if ending.result == "timeout" => {
            format!("no end within {}", probe::seconds(timeout))
        }
        Some(ending) => ending::in_words(&ending.result, ending.code, ending.status, None),
        None => "failed".to_owned(),
    }))
}

/// Whether an instance that is up for systemd has still to say that it is well.
pub(super) fn is_asked(one: &Settled, facts: &BTreeMap<&str, &Facts>) -> bool {
    let runs = one.seen.state.active == "active" && one.seen.state.sub == "running";
    one.verdict == Verdict::Up && runs && facts[one.unit.as_str()].health.is_some()
}

/// Each until its deadline, a few at a time; returns those that did not answer well.
pub(super) async fn ask_all(
    machine: &Machine,
    units: &[(&str, &Facts, Instant)],
    mut settled: impl FnMut(&str, bool),
) -> anyhow::Result<Vec<Failure>> {
    let mut failures = Vec::new();
    for few in units.chunks(ASKED) {
        let gates = few
            .iter()
            .map(|(unit, facts, deadline)| gate(machine, facts, unit, *deadline))
            .collect();
        for ((unit, facts, _), said) in few.iter().zip(together(gates).await) {
            settled(unit, said.is_ok());
            let Err(said) = said else {
                continue;
            };
            let state = machine.manager.states(&[(*unit).to_owned()]).await?;
            if state.first().is_none_or(|state| state.active != "active") {
                failures.extend(verify::explain(machine, &[((*unit).to_owned(), facts)]).await?);
                continue;
            }
            read::sync_all(facts.logs.namespace.as_deref()).await;
            failures.push(Failure {
                app: facts.app.to_string(),
                unit: (*unit).to_owned(),
                why: format!(
                    "not healthy within {} (listen_timeout): {said}",
                    verify::seconds(facts.ready_timeout)
                ),
                lines: last_lines(machine, facts, unit).await,
            });
        }
    }
    Ok(failures)
}

/// Asks an instance that has just come up until it answers well, or until `deadline` has passed; once at least.
/// Errors: what it said last.
async fn gate(
    machine: &Machine,
    facts: &Facts,
    unit: &str,
    deadline: Instant,
) -> Result<(), String> {
    let number = (0..facts.instances).find(|number| facts.app.instance(*number) == unit);
    let (Some(health), Some(number)) = (&facts.health, number) else {
        return Ok(());
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let manager = Some(&machine.manager);
        let why = match ask(&machine.places, manager, facts, health, number, probe::NEW).await {
            Ok(said) => match said.result {
                Ok(_) => return Ok(()),
                Err(why) => why,
            },
            Err(Unasked::Failed(why)) => why,
            Err(Unasked::Canceled) => "stopped while it was asked".to_owned(),
        };
        let runs = async {
            let states = machine.manager.states(&[unit.to_owned()]).await.ok()?;
            Some(states.first()?.is_up_or_moving())
        };
        if Instant::now() + pause > deadline || runs.await == Some(false) {
            return Err(why);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
