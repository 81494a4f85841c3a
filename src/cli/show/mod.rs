//! `rpmctl show`: everything about apps and instances.

mod settings;

use std::process::ExitCode;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::args::ShowArgs;
use super::list::{restarted, tone, until, watcher_down};
use super::status::{problems, sheet};
use super::table::{self, Cell};
use super::{control, machine, out, own_metrics, patience, shape};
use crate::apply::observe;
use crate::apply::view::figures::{Figures, Since};
use crate::apply::view::{self, App, Row, State, words};
use crate::model::Bytes;
use crate::plan::FileChange;
use crate::plan::show::variables;
use crate::systemd::Details;
use crate::terminal::text;
use crate::unit_files::Places;
use crate::unit_files::health::Health;
use crate::units::watcher::UNIT as WATCHER;
use crate::units::{AppUnits, marker};
use settings::log_files;

pub async fn run(args: ShowArgs, user: bool) -> anyhow::Result<ExitCode> {
    let machine = patience::answered(machine::connect(user)).await?;
    let observed = observe::apps(&machine.places)?;
    let apps = observed.apps();
    let selected = control::select(&apps, &args.targets)?;
    let (found, details) = patience::answered(async {
        let found = view::apps(&machine, &observed, &apps, &selected).await?;
        let units: Vec<String> = found
            .iter()
            .flat_map(|app| &app.rows)
            .map(|row| row.unit.clone())
            .collect();
        let details = machine.manager.details(&units).await?;
        Ok((found, details))
    })
    .await?;
    let mut details = details.as_slice();
    let mut shown = Vec::new();
    for app in &found {
        let (mine, others) = details.split_at(app.rows.len());
        details = others;
        let one = Shown {
            units: &apps[app.facts.app.as_str()],
            app,
            details: mine,
            places: &machine.places,
            user,
        };
        if args.json {
            shown.push(one.json());
        } else {
            out::text(&one.text(table::colour()))?;
        }
    }
    if args.json {
        out::line(&Value::from(shown).to_string())?;
    }
    watcher_down(&machine, &selected).await?;
    Ok(ExitCode::SUCCESS)
}

/// All that is known of an app.
struct Shown<'a> {
    units: &'a AppUnits,
    app: &'a App<'a>,
    /// Of each of its rows.
    details: &'a [Details],
    places: &'a Places,
    user: bool,
}

/// Names of the variables; their values are not for a screen.
fn env_names(app: &AppUnits) -> Vec<String> {
    let files: Vec<FileChange> = app
        .env
        .iter()
        .map(|file| FileChange {
            name: file.name.clone(),
            before: None,
            after: Some(file.text.clone()),
        })
        .collect();
    variables(&files).into_keys().collect()
}

fn edited(app: &AppUnits) -> Vec<&str> {
    app.units
        .iter()
        .filter(|unit| marker::edited(&unit.text))
        .map(|unit| unit.name.as_str())
        .collect()
}

impl Shown<'_> {
    fn text(&self, colour: bool) -> String {
        let app = self.app;
        let facts = app.facts;
        let mut pairs = settings::pairs(facts, self.places);
        let mut optional = |name, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                pairs.push((name, value));
            }
        };
        optional("variables", Some(env_names(self.units).join(" ")));
        optional("next run", app.next_run().map(next_run));
        let figures = Figures::of(&app.rows, &Since::default());
        optional("requests", sheet::requests(&figures));
        let queue = app.queue.map(sheet::queue);
        optional("queue", queue.or_else(|| sheet::no_queue(app)));
        optional("edited by hand", Some(edited(self.units).join(" ")));
        let boots = if app.boots { "yes" } else { "no" };
        optional("starts at boot", Some(boots.to_owned()));
        optional(
            "generation",
            app.generation.map(|number| number.to_string()),
        );
        let user = if self.user { "--user " } else { "" };
        for mark in problems::marks(app, user) {
            optional("mark", Some(mark));
        }
        let units: Vec<&str> = self.units.units.iter().map(|u| u.name.as_str()).collect();
        optional("units", Some(units.join(" ")));
        let mut text = pairs_text(&pairs, "");
        for (row, details) in app.rows.iter().zip(self.details) {
            text.push_str(&format!("\n{}@{}\n", facts.app, row.instance));
            text.push_str(&pairs_text(&of_instance(row, details, user, colour), "  "));
            let metrics = own_metrics::pairs(&row.custom);
            if !metrics.is_empty() {
                let metrics: Vec<(&str, String)> = metrics
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.clone()))
                    .collect();
                text.push_str("  metrics\n");
                text.push_str(&pairs_text(&metrics, "    "));
            }
        }
        text
    }
}

fn of_instance(
    row: &Row<'_>,
    details: &Details,
    user: &str,
    colour: bool,
) -> Vec<(&'static str, String)> {
    let mut pairs = vec![("status", table::paint(row.status(), tone(row), colour))];
    let mut optional = |name, value: Option<String>| {
        if let Some(value) = value {
            pairs.push((name, text::harmless(&value)));
        }
    };
    optional("why", row.why.clone());
    let now = SystemTime::now();
    let ended = row.ended.as_ref();
    optional("last run", ended.map(|ended| sheet::last_run(ended, now)));
    optional("id", Some(row.id.to_string()));
    optional("unit", Some(row.unit.clone()));
    optional("pid", details.main_pid.map(|pid| pid.to_string()));
    optional("uptime", row.uptime.map(words::age));
    optional("restarts", row.restarts.map(|count| count.to_string()));
    let crashes = row.crashes.filter(|count| *count > 0);
    optional("crashes", crashes.map(|count| count.to_string()));
    if let Some(restarts) = &row.restarted {
        optional(
            "restarted for",
            restarted(row).map(|text| text.replace("restarted for ", "")),
        );
        optional("the last", Some(restarts.detail.clone()));
    }
    optional("cpu", row.cpu.map(words::percent));
    optional("memory", row.memory.map(|bytes| Bytes(bytes).to_string()));
    optional("tasks", details.tasks.map(|tasks| tasks.to_string()));
    let figures = Figures::of(std::slice::from_ref(row), &Since::default());
    optional("requests", sheet::requests(&figures));
    let health = row.health.as_ref().map(|health| health_text(health, now));
    optional("health", health.or_else(|| unasked(row, user)));
    optional("says", details.status_text.clone());
    optional("invocation", details.invocation_id.clone());
    let changed = details
        .need_daemon_reload
        .then(|| "changed on disk; systemd runs the old one".to_owned());
    optional("unit file", changed);
    pairs
}

/// Of an instance that runs and is of no known health though it has a probe. It comes up, and is asked first within an interval; or the watcher is away.
fn unasked(row: &Row<'_>, user: &str) -> Option<String> {
    let probe = row.facts.health.as_ref()?;
    let comes_up = row.uptime.is_some_and(|age| age <= probe.interval);
    (row.state == State::Online).then(|| match comes_up {
        true => "not asked yet".to_owned(),
        false => {
            format!("not known: nobody has asked lately; systemctl {user}status {WATCHER}")
        }
    })
}

/// `answered in 1.2ms, heard 3s ago`, `unhealthy, failed 3x: connection refused, heard 1s ago`.
fn health_text(health: &Health, now: SystemTime) -> String {
    let mut text = match (health.ok, health.latency) {
        (true, Some(latency)) => format!("answered in {}", words::response(latency)),
        (true, None) => "has not answered well yet".to_owned(),
        (false, _) => "unhealthy".to_owned(),
    };
    match (health.failures, health.is_well()) {
        (0, _) => {}
        (times, true) => text += &format!(", then failed {times}x: {}", health.detail),
        (times, false) => text += &format!(", failed {times}x: {}", health.detail),
    }
    let ago = now.duration_since(health.at).unwrap_or_default();
    text += &format!(", heard {} ago", words::age(ago));
    text
}

/// `2026-11-24 03:00:00 (in 5h)`, local time.
fn next_run(at: SystemTime) -> String {
    let local = jiff::Timestamp::try_from(at)
        .map(|at| at.to_zoned(jiff::tz::TimeZone::system()))
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
    format!(
        "{} (in {})",
        local.unwrap_or_default(),
        words::age(until(at))
    )
}

fn pairs_text(pairs: &[(&str, String)], indent: &str) -> String {
    let rows: Vec<Vec<Cell>> = pairs
        .iter()
        .map(|(name, value)| vec![Cell::from(format!("{indent}{name}")), Cell::from(value)])
        .collect();
    let table = table::table(&["", ""], &rows, &[], false);
    // The heading is empty here.
    table.trim_start_matches('\n').to_owned()
}

impl Shown<'_> {
    /// rpmctl(1) says what each is.
    fn json(&self) -> Value {
        let app = self.app;
        let facts = app.facts;
        let mut value = shape::app(app, &Since::default());
        if let Some(rows) = value["rows"].as_array_mut() {
            for (row, details) in rows.iter_mut().zip(self.details) {
                row["pid"] = json!(details.main_pid);
                row["invocation_id"] = json!(details.invocation_id);
                row["tasks"] = json!(details.tasks);
                row["says"] = json!(details.status_text);
                row["need_daemon_reload"] = json!(details.need_daemon_reload);
            }
        }
        let more = json!({
            "script": facts.script,
            "interpreter": facts.interpreter,
            "cwd": facts.cwd,
            "instances": facts.instances,
            "profile": facts.profile,
            "user": facts.user,
            "autorestart": facts.autorestart,
            "min_uptime_ms": facts.min_uptime.as_millis() as u64,
            "max_restarts": facts.max_restarts,
            "backoff_ms": facts.backoff.map(|first| first.as_millis() as u64),
            "health_probe": facts.health.as_ref().map(settings::health_json),
            "watch": facts.watch.as_ref().map(|watch| &watch.paths),
            "ignore_watch": facts.watch.as_ref().map(|watch| &watch.ignore),
            "log_files": log_files(facts, self.places)
                .iter()
                .map(|(label, path, trouble)| json!({
                    "takes": label.trim_end_matches(" file"),
                    "path": path,
                    "trouble": trouble,
                }))
                .collect::<Vec<_>>(),
            "log_rotate": facts.logs.rotate.as_ref().map(|rule| json!({
                "size_bytes": rule.size,
                "every_s": rule.every.map(|every| every.as_secs()),
                "keep": rule.keep,
                "compress": rule.compress,
                "max_age_s": rule.max_age.map(|age| age.as_secs()),
            })),
            "variables": env_names(self.units),
            "units": self.units.units.iter().map(|unit| &unit.name).collect::<Vec<_>>(),
            "edited": edited(self.units),
        });
        shape::add(&mut value, more);
        value
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn health_in_words() {
        let now = SystemTime::now();
        let said = |ok, latency: Option<u64>, failures, ago| {
            let health = Health {
                ok,
                latency: latency.map(Duration::from_micros),
                failures,
                detail: "GET / answered 503".to_owned(),
                at: now - Duration::from_secs(ago),
            };
            health_text(&health, now)
        };
        assert_eq!(
            said(true, Some(1_240), 0, 3),
            "answered in 1.2ms, heard 3s ago"
        );
        assert_eq!(
            said(true, Some(1_240), 2, 35),
            "answered in 1.2ms, then failed 2x: GET / answered 503, heard 35s ago"
        );
        assert_eq!(
            said(true, None, 1, 0),
            "has not answered well yet, failed 1x: GET / answered 503, heard 0s ago"
        );
        assert_eq!(
            said(false, Some(1_240), 4, 36),
            "unhealthy, failed 4x: GET / answered 503, heard 36s ago"
        );
    }
}
