//! `rpmctl status`: one row an app; exit 3 when something wanted is not running (as LSB init scripts say it).

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::StatusArgs;
use super::list::{json_of, optional, restarted, watcher_down};
use super::report::NOT_RUNNING;
use super::table::{self, Cell, Tone};
use super::{control, machine, out};
use crate::apply::observe;
use crate::apply::view::{self, Row, State};
use crate::model::Bytes;
use crate::units::Facts;

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
    let rows = view::rows(&machine.places, &machine.manager, &apps, &selected).await?;
    let mut by_app: BTreeMap<&str, Vec<&Row<'_>>> = BTreeMap::new();
    for row in &rows {
        by_app.entry(row.facts.app.as_str()).or_default().push(row);
    }
    let boots = |facts: &Facts| {
        let target = facts.app.target();
        observed.links.iter().any(|(_, unit)| *unit == target)
    };
    let wanted: Vec<App<'_>> = by_app
        .into_values()
        .map(|rows| App::of(rows, boots))
        .collect();
    if args.json {
        out::line(&Value::from_iter(wanted.iter().map(App::json)).to_string())?;
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

struct App<'a> {
    rows: Vec<&'a Row<'a>>,
    online: usize,
    /// Starts at boot: what is down then is missed.
    boots: bool,
}

impl<'a> App<'a> {
    fn of(rows: Vec<&'a Row<'a>>, boots: impl Fn(&Facts) -> bool) -> App<'a> {
        App {
            online: rows.iter().filter(|row| row.state == State::Online).count(),
            boots: boots(rows[0].facts),
            rows,
        }
    }

    fn lacks(&self) -> bool {
        // A job that has ended well is not missed.
        let missed = |row: &&Row<'_>| match row.state {
            State::Online => false,
            State::Stopped => row.facts.autorestart,
            _ => true,
        };
        self.boots && self.rows.iter().any(missed)
            || self
                .rows
                .iter()
                .any(|row| matches!(row.state, State::Errored | State::WaitingRestart))
    }

    /// The state that a person should hear of first.
    fn state(&self) -> (&'static str, Tone) {
        let any = |state| self.rows.iter().any(|row| row.state == state);
        if any(State::Errored) {
            ("errored", Tone::Bad)
        } else if any(State::WaitingRestart) {
            ("restarting", Tone::Bad)
        } else if self.online == self.rows.len() {
            ("online", Tone::Good)
        } else if any(State::Launching) {
            ("launching", Tone::Busy)
        } else if any(State::Stopping) {
            ("stopping", Tone::Busy)
        } else if self.online > 0 {
            ("partly", Tone::Busy)
        } else {
            ("stopped", Tone::Faint)
        }
    }

    fn memory(&self) -> Option<u64> {
        self.rows
            .iter()
            .filter_map(|row| row.memory)
            .reduce(|a, b| a + b)
    }

    fn cpu(&self) -> Option<f64> {
        self.rows
            .iter()
            .filter_map(|row| row.cpu)
            .reduce(|a, b| a + b)
    }

    fn restarts(&self) -> Option<u32> {
        self.rows
            .iter()
            .filter_map(|row| row.restarts)
            .reduce(|a, b| a + b)
    }

    /// `status --json`: `name`, `status`, `online`, `instances` (numbers), `boots` (bool), `restarts`, `cpu_percent`, `memory_bytes`, `listen` (list),
    /// `file`, `rows` (list of the shape of `list --json`).
    fn json(&self) -> Value {
        let facts = self.rows[0].facts;
        json!({
            "name": facts.app.as_str(),
            "status": self.state().0,
            "online": self.online,
            "instances": self.rows.len(),
            "boots": self.boots,
            "restarts": self.restarts(),
            "cpu_percent": self.cpu().map(|cpu| (cpu * 10.0).round() / 10.0),
            "memory_bytes": self.memory(),
            "listen": facts.listen,
            "file": facts.file,
            "rows": self.rows.iter().map(|row| json_of(row)).collect::<Vec<_>>(),
        })
    }
}

fn text(apps: &[App<'_>], colour: bool) -> String {
    let cells: Vec<Vec<Cell>> = apps
        .iter()
        .map(|app| {
            let facts = app.rows[0].facts;
            let (state, tone) = app.state();
            vec![
                Cell::from(&facts.app),
                Cell::new(format!("{}/{}", app.online, app.rows.len()), tone),
                Cell::new(state, tone),
                optional(app.cpu().map(|cpu| format!("{cpu:.1}%"))),
                optional(app.memory().map(Bytes)),
                optional(app.restarts()),
                optional(
                    app.rows
                        .iter()
                        .filter_map(|row| row.uptime)
                        .min()
                        .map(table::age),
                ),
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
