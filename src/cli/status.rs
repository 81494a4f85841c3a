//! `rpmctl status`: one row an app; exit 3 when something wanted is not running (as LSB init scripts say it).

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::StatusArgs;
use super::list::{json_of, optional, restarted, watcher_down};
use super::report::NOT_RUNNING;
use super::table::{self, Cell, Tone};
use super::{control, machine, out};
use crate::apply::observe;
use crate::apply::view::{self, App};
use crate::model::Bytes;

pub async fn run(args: StatusArgs, user: bool) -> anyhow::Result<ExitCode> {
    let machine = machine::connect(user).await?;
    let observed = observe::apps(&machine.places)?;
    let apps = observed.apps();
    let all = ["all".to_owned()];
    let targets = if args.targets.is_empty() {
        &all
    } else {
        args.targets.as_slice()
    };
    let selected = if apps.is_empty() && targets == all {
        vec![]
    } else {
        control::select(&apps, targets)?
    };
    let wanted = view::apps(&machine, &observed, &apps, &selected).await?;
    if args.json {
        out::line(&Value::from_iter(wanted.iter().map(json)).to_string())?;
    } else if wanted.is_empty() {
        out::line("no apps; start with: rpmctl apply ecosystem.toml")?;
    } else {
        out::text(&text(&wanted, table::colour()))?;
    }
    watcher_down(&machine, &selected).await?;
    Ok(if wanted.iter().any(App::lacks) {
        ExitCode::from(NOT_RUNNING)
    } else {
        ExitCode::SUCCESS
    })
}

/// The state in the colour it has for a person.
fn state(app: &App<'_>) -> (&'static str, Tone) {
    let state = app.state();
    let tone = match state {
        "errored" | "restarting" => Tone::Bad,
        "online" => Tone::Good,
        "stopped" => Tone::Faint,
        _ => Tone::Busy,
    };
    (state, tone)
}

/// `status --json`: `name`, `status`, `online`, `instances` (numbers), `boots` (bool), `restarts`, `cpu_percent`, `memory_bytes`, `listen` (list),
/// `file`, `rows` (list of the shape of `list --json`).
fn json(app: &App<'_>) -> Value {
    let facts = app.facts;
    json!({
        "name": facts.app.as_str(),
        "status": app.state(),
        "online": app.online(),
        "instances": app.rows.len(),
        "boots": app.boots,
        "restarts": app.restarts(),
        "cpu_percent": app.cpu().map(|cpu| (cpu * 10.0).round() / 10.0),
        "memory_bytes": app.memory(),
        "listen": facts.listen,
        "file": facts.file,
        "rows": app.rows.iter().map(json_of).collect::<Vec<_>>(),
    })
}

fn text(apps: &[App<'_>], colour: bool) -> String {
    let cells: Vec<Vec<Cell>> = apps
        .iter()
        .map(|app| {
            let facts = app.facts;
            let (state, tone) = state(app);
            vec![
                Cell::from(&facts.app),
                Cell::new(format!("{}/{}", app.online(), app.rows.len()), tone),
                Cell::new(state, tone),
                optional(app.cpu().map(|cpu| format!("{cpu:.1}%"))),
                optional(app.memory().map(Bytes)),
                optional(app.restarts()),
                optional(app.youngest().map(table::age)),
                optional((!facts.listen.is_empty()).then(|| facts.listen.join(" "))),
                Cell::from(if app.boots { "yes" } else { "no" }),
            ]
        })
        .collect();
    let heading = [
        "app", "up", "status", "cpu", "memory", "restarts", "uptime", "listen", "boot",
    ];
    let mut text = table::table(
        &heading,
        &cells,
        &["up", "cpu", "memory", "restarts", "uptime"],
        colour,
    );
    for row in apps.iter().flat_map(|app| &app.rows) {
        if let Some(why) = row.why.clone().or_else(|| restarted(row)) {
            text.push_str(&format!("{}@{}: {why}\n", row.facts.app, row.instance));
        }
    }
    text
}
