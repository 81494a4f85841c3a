//! 'Accepted' is not 'up': instances are followed until each is up or has failed, and a failure is told in words.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::last_lines::last_lines;
use super::{Machine, health};
use crate::journal::{LogApp, Query, Stream, read};
use crate::model::{Listen, ending};
use crate::systemd::{Details, Ending, Job, JobResult, Seen, UnitState, Verdict};
use crate::unit_files::starts;
use crate::units::Facts;

/// Longest wait for units of others that an app depends on.
const PATIENCE: Duration = Duration::from_secs(600);

/// Lines read of a socket: systemd itself writes up to seven for each restart.
const READ: u64 = 100;

/// An instance that is not up.
#[derive(Clone, Debug)]
pub struct Failure {
    pub app: String,
    /// A unit, or the app's name where no unit is to blame.
    pub unit: String,
    /// What systemd said, in words.
    pub why: String,
    /// Its last log lines, oldest first.
    pub lines: Vec<String>,
}

/// Waits until each unit is up or down, by the readiness that its app has; returns those that are not up.
pub async fn wait(
    machine: &Machine,
    units: &[(String, &Facts)],
    settled: impl FnMut(&str, bool),
) -> anyhow::Result<Vec<Failure>> {
    follow(machine, units, |_| {}, settled).await
}

/// The same; `looked` hears of each look at a unit.
pub async fn follow(
    machine: &Machine,
    units: &[(String, &Facts)],
    looked: impl Fn(&UnitState),
    mut settled: impl FnMut(&str, bool),
) -> anyhow::Result<Vec<Failure>> {
    if units.is_empty() {
        return Ok(vec![]);
    }
    let facts: BTreeMap<&str, &Facts> = units
        .iter()
        .map(|(unit, facts)| (unit.as_str(), *facts))
        .collect();
    let names: Vec<String> = units.iter().map(|(unit, _)| unit.clone()).collect();
    // An app's time begins when its own start does: not while it stops, nor while it waits for what it depends on.
    let begun: RefCell<BTreeMap<String, Instant>> = RefCell::default();
    let results = machine
        .manager
        .wait_settled(
            &names,
            |seen, now| {
                looked(&seen.state);
                let facts = facts[seen.state.name.as_str()];
                let mut begun = begun.borrow_mut();
                if !begun.contains_key(&seen.state.name) && waits_for_its_start(&seen.state) {
                    return Verdict::Undecided;
                }
                let begun = *begun.entry(seen.state.name.clone()).or_insert(now);
                judge(seen, now, facts, begun + allowed(facts))
            },
            PATIENCE,
            |one| {
                if !health::is_asked(one, &facts) {
                    settled(&one.unit, one.verdict == Verdict::Up);
                }
            },
        )
        .await?;
    let asked: Vec<(&str, &Facts, Instant)> = results
        .iter()
        .filter(|one| health::is_asked(one, &facts))
        .map(|one| {
            let facts = facts[one.unit.as_str()];
            let begun = begun.borrow().get(&one.unit).copied();
            let begun = begun.unwrap_or_else(Instant::now);
            (one.unit.as_str(), facts, begun + allowed(facts))
        })
        .collect();
    let unwell = health::ask_all(machine, &asked, settled).await?;
    let down: Vec<(String, &Facts)> = results
        .into_iter()
        .filter(|one| one.verdict != Verdict::Up)
        .map(|one| {
            let facts = facts[one.unit.as_str()];
            (one.unit, facts)
        })
        .collect();
    let mut failures = explain(machine, &down).await?;
    failures.extend(unwell);
    Ok(failures)
}

/// Whether a job is to bring it up that has not begun to: its old run still goes on, or it waits for other units.
fn waits_for_its_start(state: &UnitState) -> bool {
    match state.active.as_str() {
        "deactivating" => true,
        "active" | "inactive" | "failed" => state.job.is_some(),
        _ => false,
    }
}

/// From its start until an instance must be up.
fn allowed(facts: &Facts) -> Duration {
    facts.ready_timeout + facts.settle + Duration::from_secs(1)
}

/// Up, down, or ask again: an automatic restart under way is neither until the app's time is over.
fn judge(seen: &Seen, now: Instant, facts: &Facts, deadline: Instant) -> Verdict {
    let state = &seen.state;
    let late = if now >= deadline {
        Verdict::Down
    } else {
        Verdict::At(deadline)
    };
    match state.active.as_str() {
        "active" if state.name.ends_with(".service") && state.sub == "running" => {
            let up = if facts.notifies {
                seen.since
            } else {
                seen.since + facts.settle
            };
            if now >= up {
                Verdict::Up
            } else {
                Verdict::At(up)
            }
        }
        "active" => Verdict::Up,
        "failed" => steadily_down(seen, now),
        "inactive" if state.job.is_none() => match steadily_down(seen, now) {
            // A job that has ended well; one that ended badly is `failed`.
            Verdict::Down if !facts.autorestart => Verdict::Up,
            verdict => verdict,
        },
        _ => late,
    }
}

/// A start that fails passes through `failed` on its way to its automatic restart, and the end of its job sends that out.
fn steadily_down(seen: &Seen, now: Instant) -> Verdict {
    let at = seen.since + Duration::from_millis(200);
    if now >= at {
        Verdict::Down
    } else {
        Verdict::At(at)
    }
}

/// Asks systemd to start and waits as [`follow`] does; what systemd refuses has failed too.
pub async fn start(
    machine: &Machine,
    jobs: &[Job],
    units: &[(String, &Facts)],
    looked: impl Fn(&UnitState),
    settled: impl FnMut(&str, bool),
) -> anyhow::Result<Vec<Failure>> {
    let apps: Vec<&Facts> = units.iter().map(|(_, facts)| *facts).collect();
    let mut failures = refused(&machine.manager.queue_jobs(jobs).await?, &apps);
    let known = |unit: &String| failures.iter().any(|failure| failure.unit == *unit);
    let left: Vec<(String, &Facts)> = units
        .iter()
        .filter(|(unit, _)| !known(unit))
        .cloned()
        .collect();
    failures.extend(follow(machine, &left, looked, settled).await?);
    Ok(failures)
}

/// What systemd did not take; `apps` are those that the jobs are for.
pub fn refused(results: &[JobResult], apps: &[&Facts]) -> Vec<Failure> {
    results
        .iter()
        .filter_map(|result| {
            let unit = result.unit.clone();
            let why = result.problem()?;
            // The unit stands in front of the reason already.
            let why = why.strip_prefix(&format!("{unit}: ")).unwrap_or(&why);
            let app = apps.iter().find(|facts| facts.app.owns(&unit));
            Some(Failure {
                app: app.map_or_else(|| unit.clone(), |facts| facts.app.to_string()),
                why: why.to_owned(),
                unit,
                lines: vec![],
            })
        })
        .collect()
}

/// What systemd says of units that are down, and their last lines.
pub async fn explain(
    machine: &Machine,
    units: &[(String, &Facts)],
) -> anyhow::Result<Vec<Failure>> {
    let (units, mut failures) = without_socket(machine, units).await?;
    if units.is_empty() {
        return Ok(failures);
    }
    let names: Vec<String> = units.iter().map(|(unit, _)| unit.clone()).collect();
    let details = machine.manager.details(&names).await?;
    let states = machine.manager.states(&names).await?;
    let namespaces: BTreeSet<&str> = units
        .iter()
        .filter_map(|(_, facts)| facts.logs.namespace.as_deref())
        .collect();
    read::sync_all(namespaces).await;
    for (((unit, facts), details), state) in units.iter().zip(details).zip(states) {
        // It starts again and again with growing waits; how it ended, systemd forgets when it starts the next wait.
        let grows = facts.backoff.is_some()
            && details.restarts > 0
            && matches!(state.active.as_str(), "activating" | "active");
        let last =
            starts::last_end(&machine.places, unit).filter(|_| grows && details.ending.code == 0);
        let details = match last {
            Some([result, code, status]) => {
                let (code, status) = ending::numbers(&code, &status);
                let ending = Ending {
                    result,
                    code,
                    status,
                };
                Details { ending, ..details }
            }
            None => details,
        };
        let ending = ending::in_words(
            &details.ending.result,
            details.ending.code,
            details.ending.status,
            facts.max_restarts,
        );
        let so_far = match details.restarts {
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        let again = format!("systemd goes on restarting it ({so_far} so far)");
        let late = format!(
            "not ready within {} (listen_timeout)",
            seconds(facts.ready_timeout)
        );
        let (active, sub) = match grows {
            true => ("activating", "auto-restart"),
            false => (state.active.as_str(), state.sub.as_str()),
        };
        let why = match (active, sub) {
            ("activating", "auto-restart" | "auto-restart-queued")
                if facts.notifies && details.ending.result == "timeout" =>
            {
                format!("{late}; {again}")
            }
            ("activating", "auto-restart" | "auto-restart-queued") => format!("{ending}; {again}"),
            ("activating", _) if details.restarts > 0 => format!("{late}; {again}"),
            ("activating", _) => late,
            ("inactive", _) if state.load != "loaded" => {
                format!(
                    "systemd cannot load the unit ({}); it says why in: systemctl status {unit}",
                    state.load
                )
            }
            ("inactive", _) if state.job.is_some() => {
                "still waits for what it depends on".to_owned()
            }
            // Seen on its way to the next try.
            ("failed" | "deactivating", _)
                if facts.notifies && details.ending.result == "timeout" =>
            {
                late
            }
            _ => ending,
        };
        failures.push(Failure {
            app: facts.app.to_string(),
            lines: last_lines(machine, facts, unit).await,
            unit: unit.clone(),
            why,
        });
    }
    Ok(failures)
}

/// Where the shared socket failed, that is the failure of the app, and nothing else ran: one failure an app, and the units that are left to explain.
async fn without_socket<'a>(
    machine: &Machine,
    units: &[(String, &'a Facts)],
) -> anyhow::Result<(Vec<(String, &'a Facts)>, Vec<Failure>)> {
    let sockets: BTreeMap<String, &Facts> = units
        .iter()
        .flat_map(|(_, facts)| facts.sockets().into_iter().map(|socket| (socket, *facts)))
        .collect();
    let names: Vec<String> = sockets.keys().cloned().collect();
    let mut failures: Vec<Failure> = Vec::new();
    for state in machine.manager.states(&names).await? {
        let facts = sockets[&state.name];
        let known = |failure: &Failure| failure.app == facts.app.as_str();
        if state.active == "failed" && !failures.iter().any(known) {
            failures.push(cannot_listen(machine, facts, &state.name).await);
        }
    }
    let explained = |facts: &Facts| {
        let app = facts.app.as_str();
        failures.iter().any(|failure| failure.app == app)
    };
    let left = units
        .iter()
        .filter(|(_, facts)| !explained(facts))
        .cloned()
        .collect();
    Ok((left, failures))
}

/// A socket that systemd could not open.
pub async fn cannot_listen(machine: &Machine, facts: &Facts, socket: &str) -> Failure {
    let of = |listen: &&String| {
        Listen::parse(listen).is_ok_and(|address| facts.app.socket(&address) == socket)
    };
    let addresses = match facts.listen.iter().find(of) {
        Some(address) => address.clone(),
        None => facts.listen.join(" "),
    };
    Failure {
        app: facts.app.to_string(),
        unit: socket.to_owned(),
        why: format!("cannot listen on {addresses}; `ss -ltnp` shows who does"),
        lines: lines_about_socket(machine, facts, socket).await,
    }
}

/// Why systemd could not open the socket: `api@tcp-3000.socket: Failed to create listening socket ([::]:3000): Address already in use`.
async fn lines_about_socket(machine: &Machine, facts: &Facts, socket: &str) -> Vec<String> {
    let of = LogApp {
        name: facts.app.to_string(),
        stem: facts.app.stem().to_owned(),
        sockets: facts.sockets(),
        ..LogApp::default()
    };
    let query = Query {
        lines: Some(READ),
        stream: Some(Stream::Manager),
        ..Query::new(machine.journal.clone(), vec![of])
    };
    read::sync().await;
    let entries = read::past(&query).await.unwrap_or_default();
    let begin = format!("{socket}: Failed to ");
    let about = |text: String| {
        text.strip_prefix(&begin)
            .map(|rest| format!("failed to {rest}"))
    };
    let newest = entries.iter().rev().find_map(|entry| {
        let text = about(entry.text().into_owned())?;
        // `Failed to listen on sockets` follows, and says less.
        text.contains("listening socket").then_some(text)
    });
    newest.into_iter().collect()
}

pub(super) fn seconds(span: Duration) -> String {
    format!("{} s", span.as_millis() as f64 / 1000.0)
}
