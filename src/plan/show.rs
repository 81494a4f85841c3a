//! A plan for people and for programs. Values of environment variables never appear: names alone do.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};
use similar::TextDiff;

use super::action::{AppPlan, Change, FileChange, Plan};
use super::show_watch;

impl Change {
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Create => "create",
            Change::Update => "change",
            Change::Remove => "remove",
            Change::Keep => "keep",
        }
    }
}

/// The plan as text; with `diff`, how each unit's text changes.
pub fn text(plan: &Plan, diff: bool) -> String {
    let mut out = String::new();
    for app in &plan.apps {
        app_text(&mut out, app, diff);
    }
    show_watch::text(&mut out, &plan.watch, diff);
    out.push_str(&summary(plan));
    out.push('\n');
    out
}

/// `2 to create, 1 to change, 3 unchanged`.
pub fn summary(plan: &Plan) -> String {
    let watch = Some(plan.watch.change).filter(|change| *change != Change::Keep);
    let changes = || plan.apps.iter().map(|app| app.change).chain(watch);
    let count = |change| changes().filter(|one| *one == change).count();
    let counts = [
        (Change::Create, "to create"),
        (Change::Update, "to change"),
        (Change::Remove, "to remove"),
        (Change::Keep, "unchanged"),
    ];
    let words: Vec<String> = counts
        .into_iter()
        .filter(|(change, _)| count(*change) > 0)
        .map(|(change, words)| format!("{} {words}", count(change)))
        .collect();
    if words.is_empty() {
        "nothing to do".to_owned()
    } else {
        words.join(", ")
    }
}

fn app_text(out: &mut String, app: &AppPlan, diff: bool) {
    let mut line = |text: std::fmt::Arguments<'_>| writeln!(out, "{text}").expect("to a string");
    let sign = match app.change {
        Change::Create => '+',
        Change::Update => '~',
        Change::Remove => '-',
        Change::Keep => '=',
    };
    line(format_args!(
        "{sign} {} ({})",
        app.facts.app,
        app.change.as_str()
    ));
    for change in &app.units {
        line(format_args!("    {} {}", sign_of(change), change.name));
        if diff {
            for text in unified(change).lines() {
                line(format_args!("        {text}"));
            }
        }
    }
    for (name, how) in variables(&app.env) {
        line(format_args!("    {how} env {name}"));
    }
    for (folder, _) in &app.link {
        line(format_args!("    + starts at boot ({folder})"));
    }
    for (folder, _) in &app.unlink {
        line(format_args!("    - starts at boot ({folder})"));
    }
    for (verb, units) in [
        ("stop", &app.stops()),
        ("start", &app.starts()),
        ("restart", &app.restart),
        ("then stop", &app.sockets.retire),
    ] {
        if !units.is_empty() {
            let how = if verb == "restart" && units.len() > 1 {
                ", one after another"
            } else {
                ""
            };
            line(format_args!("    {verb} {}{how}", listed(units)));
        }
    }
    for note in &app.notes {
        line(format_args!("    note: {note}"));
    }
}

/// Many instances as a span: `api@0 … api@3`.
fn listed(units: &[String]) -> String {
    let short: Vec<&str> = units
        .iter()
        .map(|unit| unit.strip_suffix(".service").unwrap_or(unit))
        .collect();
    if short.len() > 4 {
        format!(
            "{} … {} ({})",
            short[0],
            short[short.len() - 1],
            short.len()
        )
    } else {
        short.join(" ")
    }
}

pub(super) fn sign_of(change: &FileChange) -> char {
    match (&change.before, &change.after) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '~',
    }
}

/// What `--diff` adds to a unit's object.
pub(super) fn add_texts(unit: &mut Value, change: &FileChange) {
    unit["diff"] = unified(change).into();
    unit["before"] = json!(change.before);
    unit["after"] = json!(change.after);
}

pub(super) fn unified(change: &FileChange) -> String {
    let before = change.before.as_deref().unwrap_or_default();
    let after = change.after.as_deref().unwrap_or_default();
    let diff = TextDiff::from_lines(before, after);
    let mut text = String::new();
    for hunk in diff.unified_diff().context_radius(2).iter_hunks() {
        text.push_str(&hunk.to_string());
    }
    text
}

/// Names of the variables that come, go or change, with `+`, `-` or `~`. What speaks to our own listen shim is not the user's.
pub fn variables(changes: &[FileChange]) -> BTreeMap<String, char> {
    let mut found = BTreeMap::new();
    for change in changes {
        let before = assignments(change.before.as_deref().unwrap_or_default());
        let after = assignments(change.after.as_deref().unwrap_or_default());
        for (name, value) in &after {
            match before.get(name) {
                None => found.insert(name.clone(), '+'),
                Some(old) if old != value => found.insert(name.clone(), '~'),
                Some(_) => None,
            };
        }
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            found.insert(name.clone(), '-');
        }
    }
    found.retain(|name, _| !name.starts_with("RPMCTL_"));
    found
}

/// An environment file as we write it (`units::quote::env_line`): name and still quoted value.
fn assignments(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((name, quoted)) = rest.split_once("=\"") {
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(end) = end else { break };
        found.insert(name.trim().to_owned(), quoted[..end].to_owned());
        rest = &quoted[end + 1..];
    }
    found
}

/// The stable shape of `plan --json` and of `apply --json` before it acts.
///
/// `changed` (bool), `apps`: list of `name`, `change` (create, change, remove, keep), `units` (list of `name`, `change`, and with `diff` the unified
/// diff, and `before` and `after`, the whole text or null), `env` (lists `added`, `changed`, `removed` of names), `boot` (bool or null: starts at boot from now on), `stop`, `start`, `restart` (unit
/// names), `notes` (sentences). `watcher`: null, or what happens to the watcher's unit: `unit`, `change`, `boot`, `diff`, `before` and `after` as of an
/// app, and `stop`, `start`, `restart` (bool).
pub fn json(plan: &Plan, diff: bool) -> Value {
    let apps: Vec<Value> = plan.apps.iter().map(|app| app_json(app, diff)).collect();
    json!({ "changed": !plan.is_empty(), "apps": apps, "watcher": show_watch::json(&plan.watch, diff) })
}

fn app_json(app: &AppPlan, diff: bool) -> Value {
    let units: Vec<Value> = app
        .units
        .iter()
        .map(|change| {
            let how = match sign_of(change) {
                '+' => "create",
                '-' => "remove",
                _ => "change",
            };
            let mut unit = json!({ "name": change.name, "change": how });
            if diff {
                add_texts(&mut unit, change);
            }
            unit
        })
        .collect();
    let variables = variables(&app.env);
    let named = |sign: char| -> Vec<&String> {
        variables
            .iter()
            .filter(|(_, how)| **how == sign)
            .map(|(name, _)| name)
            .collect()
    };
    let stop: Vec<String> = app
        .stops()
        .into_iter()
        .chain(app.sockets.retire.clone())
        .collect();
    let boot = match (app.link.is_empty(), app.unlink.is_empty()) {
        (false, _) => Some(true),
        (true, false) => Some(false),
        (true, true) => None,
    };
    json!({
        "name": app.facts.app.as_str(),
        "change": app.change.as_str(),
        "units": units,
        "env": { "added": named('+'), "changed": named('~'), "removed": named('-') },
        "boot": boot,
        "stop": stop,
        "start": app.starts(),
        "restart": app.restart,
        "notes": app.notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::quote::env_line;

    #[test]
    fn variables_by_name_alone() {
        let before = env_line("A", "1") + &env_line("B", "x=\"y\"\nC=\"no\"") + &env_line("D", "");
        let after = env_line("A", "2") + &env_line("B", "x=\"y\"\nC=\"no\"") + &env_line("E", "$");
        let change = FileChange {
            name: "api.env".into(),
            before: Some(before),
            after: Some(after),
        };
        let found: Vec<_> = variables(&[change]).into_iter().collect();
        assert_eq!(
            found,
            [("A".into(), '~'), ("D".into(), '-'), ("E".into(), '+')]
        );
    }
}
