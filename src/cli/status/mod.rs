//! `rpmctl status`: one row an app; exit 3 when something wanted is not running (as LSB init scripts say it).
//!
//! A look at the machine becomes a [`sheet`], which knows nothing of the terminal; [`layout`] fits it to one.

pub mod columns;
mod events;
mod follow;
pub mod layout;
pub mod problems;
mod screen;
pub mod sheet;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use jiff::tz::TimeZone;
use serde_json::Value;

use super::args::StatusArgs;
use super::report::NOT_RUNNING;
use super::{control, machine, out, patience, shape, table};
use crate::apply::view::figures::{Sample, Since};
use crate::apply::view::{self, App};
use crate::apply::{Machine, observe, watch};
use columns::Moment;
use sheet::Sheet;

/// What to look at.
struct Wish {
    targets: Vec<String>,
    json: bool,
    user: bool,
}

/// What a look found.
struct Found {
    /// The JSON document, where that is wished for.
    json: Option<Value>,
    sheet: Sheet,
    apps: usize,
    lacks: bool,
    /// The watcher is missing.
    note: Option<String>,
    /// Every instance that was looked at.
    units: Vec<String>,
    /// Taken away by who looks again.
    sample: Option<Sample>,
}

const NONE: &str = "no apps; start with: rpmctl apply ecosystem.toml";

pub async fn run(args: StatusArgs, user: bool) -> anyhow::Result<ExitCode> {
    let json = args.json;
    let (every, targets) = args.every_and_targets();
    let wish = Wish {
        targets,
        json,
        user,
    };
    if let Some(every) = every {
        return follow::run(wish, every).await;
    }
    let found = patience::answered(async {
        let machine = machine::connect(user).await?;
        look(&machine, &wish, None).await
    })
    .await?;
    match &found.json {
        Some(json) => out::line(&json.to_string())?,
        None if found.apps == 0 => out::line(NONE)?,
        None => out::text(&found.sheet.text(room(), table::colour()))?,
    }
    if let Some(note) = &found.note {
        out::say(note);
    }
    Ok(if found.lacks {
        ExitCode::from(NOT_RUNNING)
    } else {
        ExitCode::SUCCESS
    })
}

/// How wide a line may be: as wide as the terminal; elsewhere as $COLUMNS says, else as long as it likes.
pub fn room() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok();
    let said = said.and_then(|columns| columns.parse().ok());
    let said = said.filter(|columns| *columns > 0);
    if !std::io::stdout().is_terminal() {
        return said;
    }
    screen::size()
        .map(|(columns, _)| columns)
        .or(said)
        .or(Some(80))
}

/// One look. `before`: the last one, since when cpu and requests are told.
async fn look(machine: &Machine, wish: &Wish, before: Option<&Sample>) -> anyhow::Result<Found> {
    let observed = observe::apps(&machine.places)?;
    let apps = observed.apps();
    let all = ["all".to_owned()];
    let targets = if wish.targets.is_empty() {
        &all[..]
    } else {
        wish.targets.as_slice()
    };
    let selected = if apps.is_empty() && targets == all {
        vec![]
    } else {
        control::select(&apps, targets)?
    };
    let found = view::apps(machine, &observed, &apps, &selected).await?;
    let note = watch::down(machine, &selected).await?;
    let sample = Sample::of(&found, Instant::now());
    let since = before.map_or_else(Since::default, |before| before.until(&sample));
    let at = Moment {
        now: SystemTime::now(),
        zone: &TimeZone::system(),
        since: &since,
    };
    Ok(Found {
        json: wish
            .json
            .then(|| found.iter().map(|app| shape::app(app, &since)).collect()),
        sheet: match found.as_slice() {
            [one] if !wish.targets.is_empty() => Sheet::of_instances(one, wish.user, at),
            _ => Sheet::of_apps(&found, wish.user, at),
        },
        apps: found.len(),
        lacks: found.iter().any(App::lacks),
        note,
        units: found
            .iter()
            .flat_map(|app| app.rows.iter().map(|row| row.unit.clone()))
            .collect(),
        sample: Some(sample),
    })
}
