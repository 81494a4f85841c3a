//! 'Accepted' is not 'up': instances are followed until each is up or has failed, and a failure is told in words.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Machine;
use crate::journal::{LogApp, Query, Stream, read};
use crate::model::ending;
use crate::systemd::{Seen, Verdict};
use crate::units::Facts;

/// Lines shown of an instance that failed.
const SHOWN: usize = 10;

/// Lines read for that: systemd itself writes up to seven for each restart.
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
    mut settled: impl FnMut(&str, bool),
) -> anyhow::Result<Vec<Failure>> {
    if units.is_empty() {
        return Ok(vec![]);
    }
    let begun = Instant::now();
    let facts: BTreeMap<&str, &Facts> = units
        .iter()
        .map(|(unit, facts)| (unit.as_str(), *facts))
        .collect();
    let names: Vec<String> = units.iter().map(|(unit, _)| unit.clone()).collect();
    let deadline =
        |facts: &Facts| begun + facts.ready_timeout + facts.settle + Duration::from_secs(1);
    let latest = units
        .iter()
        .map(|(_, facts)| deadline(facts))
        .max()
        .unwrap_or(begun);
    let results = machine
        .manager
        .wait_settled(
            &names,
            |seen, now| {
                let facts = facts[seen.state.name.as_str()];
                judge(seen, now, facts, deadline(facts))
            },
            latest + Duration::from_secs(1) - begun,
            |one| settled(&one.unit, one.verdict == Verdict::Up),
        )
        .await?;
    let down: Vec<(String, &Facts)> = results
        .into_iter()
        .filter(|one| one.verdict != Verdict::Up)
        .map(|one| {
            let facts = facts[one.unit.as_str()];
            (one.unit, facts)
        })
        .collect();
    explain(machine, &down).await
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
        "inactive" if state.job.is_none() => steadily_down(seen, now),
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

/// What systemd says of units that are down, and their last lines.
pub async fn explain(
    machine: &Machine,
    units: &[(String, &Facts)],
) -> anyhow::Result<Vec<Failure>> {
    // Where the listener is missing, nothing else of that app can be up: one reason is enough.
    let deaf: Vec<&str> = units
        .iter()
        .filter(|(unit, _)| unit.ends_with(".socket"))
        .map(|(_, facts)| facts.app.as_str())
        .collect();
    let units: Vec<&(String, &Facts)> = units
        .iter()
        .filter(|(unit, facts)| unit.ends_with(".socket") || !deaf.contains(&facts.app.as_str()))
        .collect();
    let names: Vec<String> = units.iter().map(|(unit, _)| unit.clone()).collect();
    let details = machine.manager.details(&names).await?;
    let states = machine.manager.states(&names).await?;
    let mut failures = Vec::new();
    for (((unit, facts), details), state) in units.iter().zip(details).zip(states) {
        let ending = ending::in_words(
            &details.ending.result,
            details.ending.code,
            details.ending.status,
            facts.max_restarts,
        );
        let why = match (state.active.as_str(), state.sub.as_str()) {
            _ if unit.ends_with(".socket") && state.load == "loaded" => format!(
                "cannot listen on {}: in use by another program? `ss -ltnp` shows who listens, `systemctl status {unit}` what systemd said",
                facts.listen.join(", ")
            ),
            ("activating", "auto-restart" | "auto-restart-queued") => {
                format!(
                    "{ending}; systemd goes on restarting it ({} times so far)",
                    details.restarts
                )
            }
            ("activating", _) => format!(
                "not ready within {} (listen_timeout)",
                seconds(facts.ready_timeout)
            ),
            ("inactive", _) if state.load != "loaded" => {
                format!(
                    "systemd cannot load the unit ({}); it says why in: systemctl status {unit}",
                    state.load
                )
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

/// What the instance wrote last, oldest first; none where the journal cannot be read: the failure itself is what matters.
async fn last_lines(machine: &Machine, facts: &Facts, unit: &str) -> Vec<String> {
    let app = &facts.app;
    let number = (0..facts.instances).find(|number| app.instance(*number) == unit);
    let of = LogApp {
        name: app.to_string(),
        stem: app.stem().to_owned(),
        instances: number.map(|number| vec![number]),
        date_format: None,
    };
    let query = Query {
        lines: Some(READ),
        ..Query::new(machine.journal.clone(), vec![of])
    };
    read::sync().await;
    let entries = read::past(&query).await.unwrap_or_default();
    let mut lines: Vec<String> = entries
        .iter()
        .filter(|entry| entry.stream != Stream::Manager)
        .flat_map(|entry| {
            let text = entry.text();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    lines.drain(..lines.len().saturating_sub(SHOWN));
    lines
}

fn seconds(span: Duration) -> String {
    format!("{} s", span.as_millis() as f64 / 1000.0)
}
