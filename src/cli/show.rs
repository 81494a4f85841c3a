//! `rpmctl show`: everything about apps and instances.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::args::ShowArgs;
use super::list::{json_of, restarted, tone, until, watcher_down};
use super::table::{self, Cell};
use super::{control, machine, out, own_metrics};
use crate::apply::observe;
use crate::apply::view::{self, Row};
use crate::model::Bytes;
use crate::plan::show::variables;
use crate::plan::{FileChange, Observed};
use crate::systemd::Details;
use crate::unit_files::Places;
use crate::units::{AppUnits, Facts, marker};
use crate::watch::logs;

pub async fn run(args: ShowArgs, user: bool) -> anyhow::Result<ExitCode> {
    let machine = machine::connect(user).await?;
    let observed = observe::apps(&machine.places)?;
    let apps = observed.apps();
    let selected = control::select(&apps, &args.targets)?;
    let rows = view::rows(&machine.places, &machine.manager, &apps, &selected).await?;
    let units: Vec<String> = rows.iter().map(|row| row.unit.clone()).collect();
    let details = machine.manager.details(&units).await?;
    let mut shown = Vec::new();
    for one in &selected {
        let app = &apps[one.facts.app.as_str()];
        let mine: Vec<(&Row<'_>, &Details)> = rows
            .iter()
            .zip(&details)
            .filter(|(row, _)| row.facts.app == one.facts.app)
            .collect();
        if args.json {
            shown.push(json_app(app, &mine, &observed, &machine.places));
        } else {
            out::text(&text(app, &mine, &observed, &machine.places))?;
        }
    }
    if args.json {
        out::line(&Value::from(shown).to_string())?;
    }
    watcher_down(&machine, &selected).await?;
    Ok(ExitCode::SUCCESS)
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

fn boots(app: &AppUnits, observed: &Observed) -> bool {
    let target = app.facts.app.target();
    observed.links.iter().any(|(_, unit)| *unit == target)
}

fn text(
    app: &AppUnits,
    rows: &[(&Row<'_>, &Details)],
    observed: &Observed,
    places: &Places,
) -> String {
    let colour = table::colour();
    let facts = &app.facts;
    let mut pairs = vec![
        ("app", facts.app.to_string()),
        ("file", facts.file.display().to_string()),
        ("script", facts.script.clone()),
        ("interpreter", facts.interpreter.clone()),
        ("cwd", facts.cwd.display().to_string()),
        ("mode", facts.mode.as_str().to_owned()),
        ("instances", facts.instances.to_string()),
        ("namespace", facts.namespace.clone()),
    ];
    let mut optional = |name, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            pairs.push((name, value));
        }
    };
    optional(
        "env",
        facts
            .profile
            .as_ref()
            .map(|profile| format!("env_{profile}")),
    );
    optional("listen", Some(facts.listen.join(" ")));
    optional("user", facts.user.clone());
    optional(
        "max restarts",
        facts.max_restarts.map(|max| max.to_string()),
    );
    optional(
        "growing restart delay",
        facts
            .backoff
            .map(|first| format!("from {} ms up to 15 s", first.as_millis())),
    );
    optional("cron restart", facts.schedule.clone());
    let next = rows.iter().find_map(|(row, _)| row.next_run);
    optional("next run", next.map(next_run));
    optional(
        "max memory restart",
        facts.memory_restart.map(|max| Bytes(max).to_string()),
    );
    for (path, trouble) in log_files(facts, places) {
        optional(
            "log file",
            Some(match trouble {
                Some(why) => format!("{} (cannot be written: {why})", path.display()),
                None => path.display().to_string(),
            }),
        );
    }
    optional("variables", Some(env_names(app).join(" ")));
    optional("edited by hand", Some(edited(app).join(" ")));
    pairs.push((
        "starts at boot",
        if boots(app, observed) { "yes" } else { "no" }.to_owned(),
    ));
    let units: Vec<&str> = app.units.iter().map(|unit| unit.name.as_str()).collect();
    pairs.push(("units", units.join(" ")));
    let mut text = pairs_text(&pairs, "");
    for (row, details) in rows {
        text.push_str(&format!("\n{}@{}\n", facts.app, row.instance));
        let mut pairs = vec![(
            "status",
            table::paint(row.state.as_str(), tone(row.state), colour),
        )];
        let mut optional = |name, value: Option<String>| {
            if let Some(value) = value {
                pairs.push((name, value));
            }
        };
        optional("why", row.why.clone());
        optional("id", Some(row.id.to_string()));
        optional("unit", Some(row.unit.clone()));
        optional("pid", details.main_pid.map(|pid| pid.to_string()));
        optional("uptime", row.uptime.map(table::age));
        optional("restarts", row.restarts.map(|count| count.to_string()));
        if let Some(restarts) = &row.restarted {
            optional(
                "restarted for",
                restarted(row).map(|text| text.replace("restarted for ", "")),
            );
            optional("the last", Some(restarts.detail.clone()));
        }
        optional("cpu", row.cpu.map(|cpu| format!("{cpu:.1}%")));
        optional("memory", row.memory.map(|bytes| Bytes(bytes).to_string()));
        optional("tasks", details.tasks.map(|tasks| tasks.to_string()));
        optional("says", details.status_text.clone());
        optional("invocation", details.invocation_id.clone());
        if details.need_daemon_reload {
            optional(
                "unit file",
                Some("changed on disk; systemd runs the old one".to_owned()),
            );
        }
        text.push_str(&pairs_text(&pairs, "  "));
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

/// Every log file of the app's instances, with what stands in its way.
fn log_files(facts: &Facts, places: &Places) -> Vec<(PathBuf, Option<String>)> {
    if !facts.logs.any() {
        return vec![];
    }
    let mut troubles = logs::state::troubles(places, facts.app.as_str());
    let mut files: Vec<(PathBuf, Option<String>)> = Vec::new();
    for instance in 0..facts.instances {
        for (_, path) in logs::place::files(&facts.logs, instance) {
            if !files.iter().any(|(known, _)| *known == path) {
                let trouble = troubles.remove(&path);
                files.push((path, trouble));
            }
        }
    }
    files
}

/// `2026-11-24 03:00:00 (in 5h)`, local time.
fn next_run(at: SystemTime) -> String {
    let local = jiff::Timestamp::try_from(at)
        .map(|at| at.to_zoned(jiff::tz::TimeZone::system()))
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
    format!(
        "{} (in {})",
        local.unwrap_or_default(),
        table::age(until(at))
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

/// `show --json`: an app a list element: `name`, `file`, `script`, `interpreter`, `cwd`, `mode`, `instances`, `namespace`, `profile`, `listen`, `user`,
/// `max_restarts`, `backoff_ms`, `schedule`, `max_memory_restart`, `log_files` (`path`, `trouble`), `variables` (names), `boots`, `units`, `edited` (names of units edited by hand), `rows`: as in `list --json`,
/// with `invocation_id`, `tasks`, `says`, `need_daemon_reload`.
fn json_app(
    app: &AppUnits,
    rows: &[(&Row<'_>, &Details)],
    observed: &Observed,
    places: &Places,
) -> Value {
    let facts = &app.facts;
    let rows: Vec<Value> = rows
        .iter()
        .map(|(row, details)| {
            let mut value = json_of(row);
            value["pid"] = json!(details.main_pid);
            value["invocation_id"] = json!(details.invocation_id);
            value["tasks"] = json!(details.tasks);
            value["says"] = json!(details.status_text);
            value["need_daemon_reload"] = json!(details.need_daemon_reload);
            value
        })
        .collect();
    json!({
        "name": facts.app.as_str(),
        "file": facts.file,
        "script": facts.script,
        "interpreter": facts.interpreter,
        "cwd": facts.cwd,
        "mode": facts.mode.as_str(),
        "instances": facts.instances,
        "namespace": facts.namespace,
        "profile": facts.profile,
        "listen": facts.listen,
        "user": facts.user,
        "max_restarts": facts.max_restarts,
        "backoff_ms": facts.backoff.map(|first| first.as_millis() as u64),
        "schedule": facts.schedule,
        "max_memory_restart": facts.memory_restart,
        "log_files": log_files(facts, places)
            .iter()
            .map(|(path, trouble)| json!({ "path": path, "trouble": trouble }))
            .collect::<Vec<_>>(),
        "variables": env_names(app),
        "boots": boots(app, observed),
        "units": app.units.iter().map(|unit| &unit.name).collect::<Vec<_>>(),
        "edited": edited(app),
        "rows": rows,
    })
}
