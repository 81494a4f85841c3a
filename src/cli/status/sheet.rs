//! What `status` shows, before it is known how wide the terminal is.

use std::time::SystemTime;

use super::columns::{self, Moment};
use super::layout::{self, Column};
use super::problems::{self, Problem};
use crate::apply::view::figures::Figures;
use crate::apply::view::{App, Ended, words};
use crate::cli::table::{self, Cell};
use crate::model::{Bytes, Mode};
use crate::process::Queue;
use crate::terminal::text;

/// Needs nothing of what it was made from, so that it can be drawn again when the terminal changes.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// Of one app: what is told of it as a whole, a name and a value a line.
    head: Option<(String, Vec<(&'static str, Cell)>)>,
    table: Vec<Column>,
    problems: Vec<Problem>,
}

impl Sheet {
    /// A row an app.
    pub fn of_apps(apps: &[App<'_>], user: bool, at: Moment<'_>) -> Sheet {
        Sheet {
            head: None,
            table: columns::of_apps(apps, at),
            problems: problems::of(apps, user, Some(at.now)),
        }
    }

    /// One app, opened to its instances.
    pub fn of_instances(app: &App<'_>, user: bool, at: Moment<'_>) -> Sheet {
        Sheet {
            head: Some((app.facts.app.to_string(), head(app, at))),
            table: columns::of_instances(app, at),
            // Its last restart stands in the head.
            problems: problems::of(std::slice::from_ref(app), user, None),
        }
    }

    /// `room`: columns of the terminal; None for as many as are wanted.
    pub fn text(&self, room: Option<usize>, colour: bool) -> String {
        let mut text = String::new();
        if let Some((name, pairs)) = &self.head {
            let names = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            push(&mut text, name, room);
            let indent = names + 4;
            for (name, value) in pairs {
                let begin = format!("  {name:names$}  ");
                let lines = match room {
                    // A column of its own would hold a word a line.
                    Some(room) if room < 2 * indent => {
                        let line = format!("{name}: {}", value.text);
                        for line in layout::wrap(&line, room, 2) {
                            push(&mut text, &line, Some(room));
                        }
                        continue;
                    }
                    Some(room) => layout::wrap(&value.text, room - indent, 0),
                    None => vec![value.text.clone()],
                };
                for (number, line) in lines.iter().enumerate() {
                    let begin = match number {
                        0 => begin.clone(),
                        _ => " ".repeat(indent),
                    };
                    let value = table::paint(line, value.tone, colour);
                    push(&mut text, &(begin + &value), room);
                }
            }
            text.push('\n');
        }
        text.push_str(&layout::render(self.table.clone(), room, colour));
        for problem in &self.problems {
            let line = format!("{}: {}", problem.app, text::harmless(&problem.text));
            let lines = match room {
                Some(room) => layout::wrap(&line, room, 2),
                None => vec![line],
            };
            let (name, tone) = (&problem.app, problem.tone);
            layout::painted(&mut text, &lines, name, tone, room, colour);
        }
        text
    }
}

fn push(text: &mut String, line: &str, room: Option<usize>) {
    match room {
        Some(room) => text.push_str(&layout::clip(line, room)),
        None => text.push_str(line),
    }
    text.push('\n');
}

/// Only where there is something to tell.
fn head(app: &App<'_>, at: Moment<'_>) -> Vec<(&'static str, Cell)> {
    let facts = app.facts;
    let figures = Figures::of(&app.rows, at.since);
    let mut pairs: Vec<(&'static str, Cell)> = Vec::new();
    let mut say = |name, text: Option<String>| {
        if let Some(text) = text {
            pairs.push((name, Cell::from(text::harmless(&text))));
        }
    };
    say("file", Some(facts.file.display().to_string()));
    let mode = facts.mode.as_str();
    say(
        "listen",
        (!facts.listen.is_empty()).then(|| format!("{} ({mode} mode)", facts.listen.join(" "))),
    );
    say("cpu", figures.cpu.map(words::percent));
    say("memory", memory(app, &figures));
    say("restarts", restarts(app, &figures, at.now));
    say("requests", requests(&figures));
    say("queue", app.queue.map(queue).or_else(|| no_queue(app)));
    say("next run", app.next_run().map(|next| next_run(next, at)));
    let last = app.ended();
    say("last run", last.map(|ended| last_run(ended, at.now)));
    let generation = app.generation.map(|number| format!("{number}"));
    say("generation", generation);
    let boots = if app.boots {
        ""
    } else {
        "; does not start at boot"
    };
    let state = format!(
        "{}, {} of {} up{boots}",
        app.state(),
        app.ready(),
        app.rows.len()
    );
    pairs.insert(0, ("status", Cell::new(state, columns::tone(app))));
    if let Some(marks) = columns::marks(&app.marks) {
        pairs.push(("marks", marks));
    }
    pairs
}

fn memory(app: &App<'_>, figures: &Figures) -> Option<String> {
    let mut text = Bytes(figures.memory?).to_string();
    let limit = app.facts.memory_restart;
    if let Some((worst, row)) = app
        .rows
        .iter()
        .filter_map(|row| Some((row.memory?, row)))
        .max_by_key(|(memory, _)| *memory)
    {
        if app.rows.len() > 1 {
            text += &format!(
                "; {}@{} has most, {}",
                app.facts.app,
                row.instance,
                Bytes(worst)
            );
        }
        if let Some((limit, percent)) = limit.zip(figures.of_limit) {
            text += &format!(", {percent:.0}% of max_memory_restart {}", Bytes(limit));
        }
    }
    Some(text)
}

fn restarts(app: &App<'_>, figures: &Figures, now: SystemTime) -> Option<String> {
    let count = figures.restarts?;
    let mut text = count.to_string();
    if let Some(causes) = words::causes(&figures.causes) {
        text += &format!(" ({causes})");
    }
    let last = app
        .rows
        .iter()
        .filter_map(|row| Some((row, row.restarted.as_ref()?)))
        .max_by_key(|(_, known)| known.at);
    if let Some((row, known)) = last {
        let ago = words::age(now.duration_since(known.at).unwrap_or_default());
        text += &format!(
            "; {}@{} {ago} ago: {}",
            app.facts.app, row.instance, known.detail
        );
    }
    Some(text)
}

/// `3 waiting, 511 may wait`
pub fn queue(queue: Queue) -> String {
    let limit = queue.limit.map(|limit| format!(", {limit} may wait"));
    format!("{} waiting{}", queue.waiting, limit.unwrap_or_default())
}

/// Why nobody knows how many wait, of an app that should have a queue: it takes requests, or instances share a port.
pub fn no_queue(app: &App<'_>) -> Option<String> {
    let facts = app.facts;
    let serves = app.rows.iter().any(|row| row.requests.is_some());
    let lacks = facts.listen.is_empty() && facts.autorestart;
    (lacks && (serves || facts.mode == Mode::Cluster)).then(|| {
        "not known: systemd holds no port of it; `port`, `listen` or PORT in `env` names one, in cluster mode"
            .to_owned()
    })
}

/// `67/s, p50 1.5ms, …`
pub fn requests(figures: &Figures) -> Option<String> {
    let [all, failed, aborted] = figures.requests?;
    let mut said = Vec::new();
    said.extend(
        figures
            .per_second
            .map(|rate| format!("{}/s", words::rate(rate))),
    );
    if let Some(times) = figures.response {
        for (share, time) in [50, 95, 99].into_iter().zip(times) {
            said.push(format!("p{share} {}", words::response(time)));
        }
    }
    said.push(format!("{all} since the start"));
    if failed > 0 {
        said.push(format!("{failed} answered with 5xx"));
    }
    if aborted > 0 {
        said.push(format!("{aborted} given up by the client"));
    }
    Some(said.join(", "))
}

/// `exited with code 0, 3h ago`
pub fn last_run(ended: &Ended, now: SystemTime) -> String {
    let ago = ended.at.map(|at| {
        let since = now.duration_since(at).unwrap_or_default();
        format!(", {} ago", words::age(since))
    });
    format!("{}{}", ended.words, ago.unwrap_or_default())
}

/// `2026-11-24 03:00:00 (in 5h)`, local time.
fn next_run(next: SystemTime, at: Moment<'_>) -> String {
    let left = next.duration_since(at.now).unwrap_or_default();
    let local = jiff::Timestamp::try_from(next)
        .map(|next| next.to_zoned(at.zone.clone()))
        .map(|next| next.strftime("%Y-%m-%d %H:%M:%S").to_string());
    format!("{} (in {})", local.unwrap_or_default(), words::age(left))
}
