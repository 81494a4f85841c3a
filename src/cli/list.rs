//! `rpmctl list`: one row an instance, under PM2's words.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::table::{self, Cell, Tone};
use super::{control, machine, out, patience, shape};
use crate::apply::target::Selected;
use crate::apply::view::figures::Since;
use crate::apply::view::{self, Row, State, words};
use crate::apply::{Machine, observe, watch};
use crate::model::{Bytes, Reason};

pub async fn run(targets: &[String], as_json: bool, user: bool) -> anyhow::Result<ExitCode> {
    let places = machine::places(user)?;
    // The apps' files are read while the bus answers.
    let reading = tokio::task::spawn_blocking(move || observe::listed(&places));
    let machine = patience::answered(machine::connect(user)).await?;
    let apps = reading.await??;
    let all = ["all".to_owned()];
    let targets = if targets.is_empty() { &all } else { targets };
    let selected = if apps.is_empty() && targets == all {
        vec![]
    } else {
        control::select(&apps, targets)?
    };
    let (places, manager) = (&machine.places, &machine.manager);
    let rows = match as_json {
        true => patience::answered(view::rows(places, manager, &apps, &selected)).await?,
        false => patience::answered(view::plain_rows(places, manager, &apps, &selected)).await?,
    };
    if as_json {
        out::line(
            &Value::from_iter(rows.iter().map(|one| shape::row(one, &Since::default())))
                .to_string(),
        )?;
    } else if rows.is_empty() {
        out::line("no apps; start with: rpmctl apply ecosystem.toml")?;
    } else {
        out::text(&text(&rows, table::colour()))?;
    }
    watcher_down(&machine, &selected).await?;
    Ok(ExitCode::SUCCESS)
}

/// On stderr, so that what is read by programs stays as it is.
pub async fn watcher_down(machine: &Machine, selected: &[Selected<'_>]) -> anyhow::Result<()> {
    if let Some(note) = patience::answered(watch::down(machine, selected)).await? {
        out::say(&note);
    }
    Ok(())
}

fn text(rows: &[Row<'_>], colour: bool) -> String {
    // Where no app goes by the clock, nothing tells of it.
    let clock = rows.iter().any(|row| row.facts.schedule.is_some());
    let notes: Vec<String> = rows.iter().map(note).collect();
    let noted = notes.iter().any(|note| !note.is_empty());
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .zip(notes)
        .map(|(row, note)| {
            let mut cells = vec![
                Cell::from(row.id),
                Cell::from(format!("{}@{}", row.facts.app, row.instance)),
                Cell::from(row.facts.mode.as_str()),
                optional(row.pid),
                optional(row.uptime.map(words::age)),
                optional(row.restarts),
                Cell::new(row.state.as_str(), tone(row.state)),
                optional(row.cpu.map(words::percent)),
                optional(row.memory.map(Bytes)),
            ];
            if clock {
                let next = row
                    .next_run
                    .map(|at| format!("in {}", words::age(until(at))));
                cells.push(optional(next));
            }
            if noted {
                cells.push(Cell::from(note));
            }
            cells
        })
        .collect();
    let mut heading = vec![
        "id", "name", "mode", "pid", "uptime", "restarts", "status", "cpu", "memory",
    ];
    if clock {
        heading.push("next run");
    }
    if noted {
        heading.push("note");
    }
    table::table(
        &heading,
        &cells,
        &["id", "pid", "uptime", "restarts", "cpu", "memory"],
        colour,
    )
}

/// Why it is down, that it uses too much, or what it was restarted for.
fn note(row: &Row<'_>) -> String {
    let over = || {
        // The watcher gives it the time that rpmctl-watch(8) tells of.
        let limit = row.facts.memory_restart?;
        let bytes = row.memory.filter(|bytes| *bytes >= limit)?;
        Some(Reason::Memory { bytes, limit }.to_string())
    };
    let known = row.why.clone().or_else(over);
    known.or_else(|| restarted(row)).unwrap_or_default()
}

/// `memory 3x, the last 2m ago`: what rpmctl restarted it for.
pub fn restarted(row: &Row<'_>) -> Option<String> {
    let restarts = row.restarted.as_ref()?;
    let since = restarts.at.elapsed().unwrap_or_default();
    let counts: Vec<String> = restarts
        .counts
        .iter()
        .map(|(word, count)| format!("{word} {count}x"))
        .collect();
    Some(format!(
        "restarted for {}, last {} ago",
        counts.join(", "),
        words::age(since)
    ))
}

pub fn until(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::now()).unwrap_or_default()
}

pub fn optional<T: ToString>(value: Option<T>) -> Cell {
    value.map_or_else(|| Cell::new("-", Tone::Faint), Cell::from)
}

pub fn tone(state: State) -> Tone {
    match state {
        State::Online => Tone::Good,
        State::Errored => Tone::Bad,
        State::Stopped => Tone::Faint,
        State::Launching | State::Stopping | State::WaitingRestart => Tone::Busy,
    }
}
