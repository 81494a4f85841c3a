//! `rpmctl list`: one row an instance, under PM2's words.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::status::layout::{self, Column};
use super::status::room;
use super::table::{self, Cell, Tone};
use super::{control, machine, out, patience, shape};
use crate::apply::target::Selected;
use crate::apply::view::figures::Since;
use crate::apply::view::{self, Row, State, words};
use crate::apply::{Machine, observe, watch};
use crate::model::{Bytes, Reason};
use crate::terminal::text;

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
        out::text(&text(&rows, room(), table::colour()))?;
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

/// `room`: columns of the terminal; None for as many as are wanted. Where the notes have no room beside the figures, they stand below the table.
pub fn text(rows: &[Row<'_>], room: Option<usize>, colour: bool) -> String {
    let notes: Vec<String> = rows.iter().map(note).collect();
    let fitting = layout::fit(columns(rows, &notes), room);
    let beside = fitting.iter().any(|(column, _)| column.heading == NOTE);
    let mut text = layout::rendered(fitting, room, colour);
    for (row, note) in rows.iter().zip(&notes) {
        if !beside && !note.is_empty() {
            let name = name(row);
            let line = format!("{name}: {}", text::harmless(note));
            let lines = match room {
                Some(room) => layout::wrap(&line, room, 2),
                None => vec![line],
            };
            layout::painted(&mut text, &lines, &name, tone(row), room, colour);
        }
    }
    text
}

const NOTE: &str = "note";

fn name(row: &Row<'_>) -> String {
    format!("{}@{}", row.facts.app, row.instance)
}

fn columns(rows: &[Row<'_>], notes: &[String]) -> Vec<Column> {
    // What nothing is known of stands as `-`, and its column stays.
    let each = |heading, rank, right, what: &dyn Fn(&Row<'_>) -> Cell| Column {
        heading,
        right,
        rank,
        shrinks: None,
        cells: rows.iter().map(|row| Some(what(row))).collect(),
    };
    let mut columns = vec![
        each("id", 4, true, &|row| Cell::from(row.id)),
        Column {
            shrinks: Some(18),
            ..each("name", 0, false, &|row| Cell::from(name(row)))
        },
        each("mode", 8, false, &|row| Cell::from(row.facts.mode.as_str())),
        each("pid", 7, true, &|row| optional(row.pid)),
        each("uptime", 5, true, &|row| {
            optional(row.uptime.map(words::age))
        }),
        each("restarts", 3, true, &|row| optional(row.restarts)),
        each("status", 0, false, &|row| {
            Cell::new(row.status(), tone(row))
        }),
        each("cpu", 2, true, &|row| optional(row.cpu.map(words::percent))),
        each("memory", 1, true, &|row| optional(row.memory.map(Bytes))),
    ];
    // Where no app goes by the clock, nothing tells of it.
    if rows.iter().any(|row| row.facts.schedule.is_some()) {
        let next = |row: &Row<'_>| {
            let next = row
                .next_run
                .map(|at| format!("in {}", words::age(until(at))));
            optional(next)
        };
        columns.push(each("next run", 6, false, &next));
    }
    if notes.iter().any(|note| !note.is_empty()) {
        columns.push(Column {
            heading: NOTE,
            right: false,
            rank: 9,
            shrinks: None,
            cells: notes
                .iter()
                .map(|note| Some(Cell::from(text::harmless(note))))
                .collect(),
        });
    }
    columns
}

/// Why it is down or unhealthy, that it uses too much, or what it was restarted for.
fn note(row: &Row<'_>) -> String {
    let over = || {
        // The watcher gives it the time that rpmctl-watch(8) tells of.
        let limit = row.facts.memory_restart?;
        let bytes = row.memory.filter(|bytes| *bytes >= limit)?;
        Some(Reason::Memory { bytes, limit }.to_string())
    };
    let unhealthy = || row.health.as_ref().filter(|_| row.is_unhealthy())?.why();
    let known = row.why.clone().or_else(unhealthy).or_else(over);
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

pub fn tone(row: &Row<'_>) -> Tone {
    match row.state {
        _ if row.is_unhealthy() => Tone::Bad,
        State::Online => Tone::Good,
        State::Errored => Tone::Bad,
        State::Stopped => Tone::Faint,
        State::Launching | State::Stopping | State::WaitingRestart => Tone::Busy,
    }
}
