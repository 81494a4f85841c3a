//! The columns of `status`: a row an app, or a row an instance.

use std::time::{Duration, SystemTime};

use super::layout::Column;
use crate::apply::view::figures::{Figures, Since};
use crate::apply::view::{App, Ended, Mark, Row, words};
use crate::cli::list;
use crate::cli::table::{Cell, Tone};
use crate::model::Bytes;
use crate::process::Queue;
use crate::unit_files::health::Health;

/// What a look found, and when.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    pub now: SystemTime,
    /// In which times are told.
    pub zone: &'a jiff::tz::TimeZone,
    pub since: &'a Since,
}

/// A name is cut down to this before any column goes.
const NAME: usize = 18;
/// Texts that tell what is told elsewhere too.
const TEXT: usize = 16;

fn column(
    heading: &'static str,
    rank: u8,
    right: bool,
    cells: impl Iterator<Item = Option<Cell>>,
) -> Column {
    Column {
        heading,
        right,
        rank,
        shrinks: None,
        cells: cells.collect(),
    }
}

fn shrinking(column: Column, to: usize) -> Column {
    Column {
        shrinks: Some(to),
        ..column
    }
}

/// A row an app.
pub fn of_apps(apps: &[App<'_>], at: Moment<'_>) -> Vec<Column> {
    let figures: Vec<Figures> = apps
        .iter()
        .map(|app| Figures::of(&app.rows, at.since))
        .collect();
    let own = |what: &dyn Fn(&App<'_>) -> Option<Cell>| -> Vec<Option<Cell>> {
        apps.iter().map(what).collect()
    };
    let names = own(&|app| Some(Cell::from(&app.facts.app)));
    let up = own(&|app| {
        let text = format!("{}/{}", app.ready(), app.rows.len());
        Some(Cell::new(text, tone(app)))
    });
    let states = own(&|app| Some(Cell::new(app.state(), tone(app))));
    let queues = own(&|app| app.queue.map(queue));
    let next = own(&|app| app.next_run().map(|next| next_run(next, at.now)));
    let last = own(&|app| app.ended().map(|ended| last_run(ended, at.now)));
    let healths = own(&|app| health(&app.rows));
    let marks = own(&|app| marks(&app.marks));
    let boots = own(&|app| Some(Cell::from(if app.boots { "yes" } else { "no" })));
    let listen = own(&|app| {
        let addresses = &app.facts.listen;
        (!addresses.is_empty()).then(|| Cell::from(addresses.join(" ")))
    });
    let generations = own(&|app| app.generation.map(Cell::from));
    let mut columns = vec![
        shrinking(column("app", 0, false, names.into_iter()), NAME),
        column("up", 0, true, up.into_iter()),
        column("status", 0, false, states.into_iter()),
    ];
    columns.extend(of_figures(&figures));
    columns.extend([
        column("queue", 4, true, queues.into_iter()),
        column("health", 8, false, healths.into_iter()),
        column("next run", 9, false, next.into_iter()),
        shrinking(column("last run", 9, false, last.into_iter()), TEXT),
        shrinking(column("marks", 10, false, marks.into_iter()), TEXT),
        column("boot", 15, false, boots.into_iter()),
        shrinking(column("listen", 16, false, listen.into_iter()), TEXT),
        column("generation", 17, true, generations.into_iter()),
    ]);
    columns
}

/// A row an instance of one app.
pub fn of_instances(app: &App<'_>, at: Moment<'_>) -> Vec<Column> {
    let rows = &app.rows;
    let figures: Vec<Figures> = rows
        .iter()
        .map(|row| Figures::of(std::slice::from_ref(row), at.since))
        .collect();
    let names = rows
        .iter()
        .map(|row| Some(Cell::from(format!("{}@{}", row.facts.app, row.instance))));
    let states = rows
        .iter()
        .map(|row| Some(Cell::new(row.status(), list::tone(row))));
    let pids = rows.iter().map(|row| row.pid.map(Cell::from));
    let old = rows.iter().map(|row| {
        let old = app.marks.iter().any(|mark| match mark {
            Mark::Old(numbers) => numbers.contains(&row.instance),
            _ => false,
        });
        old.then(|| Cell::new("old", Tone::Busy))
    });
    let mut columns = vec![
        shrinking(column("instance", 0, false, names), NAME),
        column("status", 0, false, states),
        column("pid", 10, true, pids),
    ];
    // Of one instance the worst is itself.
    let figures = of_figures(&figures).into_iter();
    columns.extend(figures.filter(|column| column.heading != "worst"));
    let healths = rows.iter().map(|row| health(std::slice::from_ref(row)));
    columns.push(column("health", 8, false, healths));
    let last = rows
        .iter()
        .map(|row| row.ended.as_ref().map(|ended| last_run(ended, at.now)));
    columns.push(shrinking(column("last run", 7, false, last), TEXT));
    columns.push(column("marks", 9, false, old));
    columns
}

fn of_figures(figures: &[Figures]) -> Vec<Column> {
    let each = |heading, rank, what: &dyn Fn(&Figures) -> Option<Cell>| {
        column(heading, rank, true, figures.iter().map(what))
    };
    let response = |heading, rank, index: usize| {
        each(heading, rank, &|figures| {
            Some(Cell::from(words::response(figures.response?[index])))
        })
    };
    let causes = figures
        .iter()
        .map(|figures| words::causes(&figures.causes).map(Cell::from));
    vec![
        each("cpu", 2, &|figures| {
            Some(Cell::from(words::percent(figures.cpu?)))
        }),
        each("memory", 1, &|figures| {
            Some(Cell::from(Bytes(figures.memory?)))
        }),
        each("worst", 14, &|figures| {
            let worst = figures.worst.filter(|worst| figures.memory != Some(*worst));
            Some(Cell::from(Bytes(worst?)))
        }),
        each("limit", 8, &|figures| Some(of_limit(figures.of_limit?))),
        each("restarts", 3, &|figures| figures.restarts.map(Cell::from)),
        shrinking(column("for", 13, false, causes), TEXT),
        each("uptime", 6, &|figures| {
            Some(Cell::from(words::age(figures.uptime?)))
        }),
        each("req/s", 5, &|figures| {
            Some(Cell::from(words::rate(figures.per_second?)))
        }),
        response("p50", 12, 0),
        response("p95", 7, 1),
        response("p99", 11, 2),
    ]
}

/// The state in the colour it has for a person.
pub fn tone(app: &App<'_>) -> Tone {
    match app.state() {
        "errored" | "restarting" => Tone::Bad,
        "unhealthy" if app.ready() == 0 => Tone::Bad,
        "online" => Tone::Good,
        "stopped" | "waiting" | "ended" => Tone::Faint,
        _ => Tone::Busy,
    }
}

/// How near the worst instance is to its restart.
fn of_limit(percent: f64) -> Cell {
    let tone = match percent {
        _ if percent >= 95.0 => Tone::Bad,
        _ if percent >= 80.0 => Tone::Busy,
        _ => Tone::Plain,
    };
    Cell::new(format!("{percent:.0}%"), tone)
}

/// `3/511`: connections that wait, and how many may.
pub fn queue(queue: Queue) -> Cell {
    let tone = if queue.is_crowded() {
        Tone::Bad
    } else if queue.waiting > 0 {
        Tone::Busy
    } else {
        Tone::Plain
    };
    let limit = queue.limit.map(|limit| format!("/{limit}"));
    Cell::new(
        format!("{}{}", queue.waiting, limit.unwrap_or_default()),
        tone,
    )
}

fn next_run(next: SystemTime, now: SystemTime) -> Cell {
    let left = next.duration_since(now).unwrap_or(Duration::ZERO);
    Cell::from(format!("in {}", words::age(left)))
}

/// `ok 1.2ms`, the slowest of them; `2/4 ok` where not all have answered well, `bad` of one.
fn health(rows: &[Row<'_>]) -> Option<Cell> {
    let known: Vec<&Health> = rows.iter().filter_map(|row| row.health.as_ref()).collect();
    let bad = known.iter().filter(|health| !health.ok).count();
    let well = known.iter().filter(|health| health.is_well()).count();
    let slowest = known.iter().filter_map(|health| health.latency).max();
    match (known.len(), bad) {
        (0, _) => None,
        // None has answered well yet.
        (_, 0) if well == 0 => Some(Cell::new("-", Tone::Faint)),
        (all, 0) if well < all => Some(Cell::new(format!("{well}/{all} ok"), Tone::Busy)),
        (_, 0) => {
            let slowest = slowest.map(|time| format!(" {}", words::response(time)));
            Some(Cell::new(
                format!("ok{}", slowest.unwrap_or_default()),
                Tone::Good,
            ))
        }
        (1, _) => Some(Cell::new("bad", Tone::Bad)),
        (all, _) => Some(Cell::new(format!("{well}/{all} ok"), Tone::Bad)),
    }
}

/// `ok 3h ago`, or how it ended.
pub fn last_run(ended: &Ended, now: SystemTime) -> Cell {
    let words = if ended.ok { "ok" } else { &ended.words };
    let ago = ended.at.map(|at| {
        let since = now.duration_since(at).unwrap_or(Duration::ZERO);
        format!(" {} ago", words::age(since))
    });
    let tone = if ended.ok { Tone::Plain } else { Tone::Bad };
    Cell::new(format!("{words}{}", ago.unwrap_or_default()), tone)
}

/// `edited, old 2`: the kinds, each once.
pub fn marks(marks: &[Mark]) -> Option<Cell> {
    let mut words: Vec<String> = Vec::new();
    for mark in marks {
        let word = match mark {
            Mark::Edited(_) => "edited".to_owned(),
            Mark::DropIn(_) => "drop-in".to_owned(),
            Mark::NeedsReload => "daemon-reload".to_owned(),
            Mark::Old(instances) => format!("old {}", instances.len()),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    (!words.is_empty()).then(|| Cell::new(words.join(", "), Tone::Busy))
}
