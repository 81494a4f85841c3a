//! Below the table: a line for each app that somebody should look at, with what to do next.

use std::time::{Duration, SystemTime};

use crate::apply::view::{App, Mark, Row, State, words};
use crate::cli::table::Tone;
use crate::model::Reason;
use crate::units::Facts;

/// A line about an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub app: String,
    pub tone: Tone,
    pub text: String,
}

/// A restart for memory or files is told for so long.
const RECENT: Duration = Duration::from_secs(3600);

/// `user`: the user's own manager, which every command given here must name. `now`: None where restarts of late are told elsewhere.
pub fn of(apps: &[App<'_>], user: bool, now: Option<SystemTime>) -> Vec<Problem> {
    apps.iter()
        .filter_map(|app| problem(app, user, now))
        .collect()
}

fn problem(app: &App<'_>, user: bool, now: Option<SystemTime>) -> Option<Problem> {
    let user = if user { "--user " } else { "" };
    let mut tone = Tone::Bad;
    let mut said: Vec<String> = down(app, user).into_iter().collect();
    said.extend(unhealthy(app, user));
    said.extend(queue(app, user));
    if said.is_empty() {
        tone = Tone::Busy;
    }
    said.extend(marks(app, user));
    if said.is_empty() {
        tone = Tone::Faint;
        said.extend(now.and_then(|now| restarted(app, now)));
    }
    (!said.is_empty()).then(|| Problem {
        app: app.facts.app.to_string(),
        tone,
        text: said.join("; "),
    })
}

/// Why instances are down: the state that most matters, how many are in it, what the first of them ended with.
fn down(app: &App<'_>, user: &str) -> Option<String> {
    let name = word(app.facts.app.as_str());
    let of = |state: State| -> Vec<&Row<'_>> {
        app.rows.iter().filter(|row| row.state == state).collect()
    };
    for state in [State::Errored, State::WaitingRestart] {
        let rows = of(state);
        let Some(first) = rows.first() else {
            continue;
        };
        let which = which(&rows, app);
        let why = rows.iter().find_map(|row| row.why.as_deref());
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        let whose = whose(first, app);
        let what = state.as_str();
        return Some(format!(
            "{which}{what}{why}; `rpmctl {user}logs {whose}` shows its last lines"
        ));
    }
    let stopped = of(State::Stopped);
    if app.boots && app.facts.autorestart && !stopped.is_empty() {
        let target = match stopped.len() == app.rows.len() {
            true => name,
            false => stopped
                .iter()
                .map(|row| word(&format!("{}@{}", app.facts.app, row.instance)))
                .collect::<Vec<_>>()
                .join(" "),
        };
        let which = which(&stopped, app);
        return Some(format!(
            "{which}stopped, though it starts at boot; `rpmctl {user}start {target}`"
        ));
    }
    None
}

/// The app where it is one instance, else this one.
fn whose(row: &Row<'_>, app: &App<'_>) -> String {
    match app.rows.len() {
        1 => word(app.facts.app.as_str()),
        _ => word(&format!("{}@{}", app.facts.app, row.instance)),
    }
}

/// `2 of 4 `, or nothing for an app of one.
fn which(rows: &[&Row<'_>], app: &App<'_>) -> String {
    match app.rows.len() {
        1 => String::new(),
        all => format!("{} of {all} ", rows.len()),
    }
}

/// How many, and what is wrong with the first.
fn unhealthy(app: &App<'_>, user: &str) -> Option<String> {
    let rows: Vec<&Row<'_>> = app.rows.iter().filter(|row| row.is_unhealthy()).collect();
    let first = rows.first()?;
    let why = first.health.as_ref()?.why()?;
    let (which, whose) = (which(&rows, app), whose(first, app));
    Some(format!(
        "{which}{why}; `rpmctl {user}logs {whose}` shows its last lines"
    ))
}

fn queue(app: &App<'_>, user: &str) -> Option<String> {
    let queue = app.queue.filter(|queue| queue.is_crowded())?;
    let name = word(app.facts.app.as_str());
    let more = match app.facts.instances as usize == app.online() {
        true => format!("too few instances? `rpmctl {user}scale {name} +1`"),
        false => "those that are down would take them".to_owned(),
    };
    Some(format!(
        "{} connections wait in a queue of {}: {more}",
        queue.waiting,
        queue.limit.unwrap_or_default()
    ))
}

/// Each mark with what to do about it. `user`: `--user ` or nothing.
pub fn marks(app: &App<'_>, user: &str) -> Vec<String> {
    let facts = app.facts;
    let mut said = Vec::new();
    let paths = |kind: fn(&Mark) -> Option<&std::path::PathBuf>| -> Option<String> {
        let mut paths = app.marks.iter().filter_map(kind);
        let first = paths.next()?.display().to_string();
        Some(match paths.count() {
            0 => first,
            more => format!("{first} and {more} more"),
        })
    };
    let edited = |mark: &Mark| matches!(mark, Mark::Edited(_));
    if let Some(paths) = paths(|mark| match mark {
        Mark::Edited(path) => Some(path),
        _ => None,
    }) {
        said.push(format!(
            "{paths} edited by hand; {} writes it anew",
            apply(facts, user)
        ));
    }
    if let Some(paths) = paths(|mark| match mark {
        Mark::DropIn(path) => Some(path),
        _ => None,
    }) {
        let hint = drop_in_of(app).map(|unit| {
            let (unit, file) = (word(unit), word(&facts.file.display().to_string()));
            format!(
                "; [apps.systemd] in {file} keeps what it says, `systemctl {user}revert {unit}` takes it away"
            )
        });
        said.push(format!(
            "{paths} changes its unit{}",
            hint.unwrap_or_default()
        ));
    }
    if app.marks.contains(&Mark::NeedsReload) {
        said.push(format!(
            "systemd has not read its unit files since they changed; `systemctl {user}daemon-reload`"
        ));
    }
    for mark in &app.marks {
        if let Mark::Old(instances) = mark
            && !app.marks.iter().any(edited)
        {
            let which = match instances.len() == app.rows.len() {
                true => "all instances run".to_owned(),
                false => format!("{} of {} run", instances.len(), app.rows.len()),
            };
            said.push(format!(
                "{which} on an earlier unit; `rpmctl {user}reload {}`",
                word(facts.app.as_str())
            ));
        }
    }
    said
}

/// The app's own unit that the first drop-in is of; one of many units is nobody's to revert.
fn drop_in_of<'a>(app: &'a App<'_>) -> Option<&'a str> {
    let path = app.marks.iter().find_map(|mark| match mark {
        Mark::DropIn(path) => Some(path),
        _ => None,
    })?;
    let unit = path.parent()?.file_name()?.to_str()?.strip_suffix(".d")?;
    let rest = unit.strip_prefix(app.facts.app.stem())?;
    (rest.starts_with(['@', '.']) && !path.starts_with("/usr")).then_some(unit)
}

fn apply(facts: &Facts, user: &str) -> String {
    let profile = facts.profile.as_ref();
    let profile = profile.map(|name| format!(" --env {}", word(name)));
    let file = word(&facts.file.display().to_string());
    format!("`rpmctl {user}apply{} {file}`", profile.unwrap_or_default())
}

/// What rpmctl restarted it for of late, of itself.
fn restarted(app: &App<'_>, now: SystemTime) -> Option<String> {
    let ordered = [Reason::Deploy, Reason::Reload, Reason::Schedule].map(|reason| reason.as_str());
    let of_late = |row: &&Row<'_>| {
        row.restarted.as_ref().is_some_and(|known| {
            let since = now.duration_since(known.at).unwrap_or_default();
            since < RECENT && !ordered.contains(&known.reason.as_str())
        })
    };
    let row = app
        .rows
        .iter()
        .filter(of_late)
        .max_by_key(|row| row.restarted.as_ref().map(|known| known.at))?;
    let known = row.restarted.as_ref()?;
    let since = now.duration_since(known.at).unwrap_or_default();
    Some(format!(
        "{}@{} was restarted {} ago: {}",
        app.facts.app,
        row.instance,
        words::age(since),
        known.detail
    ))
}

/// As a shell takes it.
fn word(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), |quoted| quoted.into_owned())
}
