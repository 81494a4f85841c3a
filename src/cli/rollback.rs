//! `rpmctl rollback`: apply of an earlier generation.

use std::process::ExitCode;

use serde_json::json;

use super::apply::{How, Wish, settle};
use super::args::RollbackArgs;
use super::report::Stop;
use super::table::{self, Cell};
use super::{machine, out};
use crate::plan::{Observed, Scope};
use crate::unit_files::generations::{self, Generation};
use crate::units::UnitSet;

pub async fn run(args: RollbackArgs, user: bool) -> anyhow::Result<ExitCode> {
    let places = machine::places(user)?;
    let known = generations::list(&places)
        .map_err(|error| anyhow::Error::new(error).context("the generations cannot be read"))?;
    if args.list {
        list(&known, args.how.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = choose(&known, args.generation)?;
    let machine = machine::connect_to_change(user).await?;
    let snapshot = generations::read(&places, chosen.number).map_err(|error| {
        anyhow::Error::new(error).context(format!("generation {}", chosen.number))
    })?;
    let then = Observed {
        units: snapshot.units,
        env: snapshot.env,
        ..Observed::default()
    };
    let mut set = UnitSet {
        apps: then.apps().into_values().collect(),
        watcher: None,
    };
    if set.apps.iter().any(|app| app.facts.needs_watcher()) {
        let target = super::compile::For {
            places: &machine.places,
            user_manager: user,
            systemd: machine::version(&machine.manager).await?,
            can_switch_user: !user,
            bind_to: None,
            foreground: false,
        };
        set.watcher = Some(super::compile::watcher(&target)?);
    }
    let about = format!("rollback to {} ({})", chosen.number, chosen.about);
    let how = How {
        check: args.how.check,
        diff: args.how.diff,
        json: args.how.json,
        about: &about,
    };
    settle(&machine, &Wish::Set(&set, Scope::Everything), &how).await
}

fn choose(known: &[Generation], wanted: Option<u64>) -> anyhow::Result<&Generation> {
    let found = match wanted {
        Some(number) => known.iter().find(|generation| generation.number == number),
        None => known.len().checked_sub(2).map(|index| &known[index]),
    };
    found.ok_or_else(|| {
        let stop = match wanted {
            Some(number) => Stop::new(format!("there is no generation {number}")),
            None => Stop::new("there is no earlier generation"),
        };
        let hint = match known.len() {
            0 => "there are none yet; each apply that changes something makes one",
            _ => "see them with: rpmctl rollback --list",
        };
        stop.hint(hint).into()
    })
}

/// `--json`: list of `number`, `made` (RFC 3339), `about`, `present` (bool).
fn list(known: &[Generation], json: bool) -> anyhow::Result<()> {
    let made = |generation: &Generation| {
        jiff::Timestamp::try_from(generation.made)
            .map(|at| at.to_zoned(jiff::tz::TimeZone::system()))
    };
    let present = known.last().map(|generation| generation.number);
    if json {
        let mut rows = Vec::new();
        for generation in known {
            rows.push(json!({
                "number": generation.number,
                "made": made(generation)?.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
                "about": generation.about,
                "present": Some(generation.number) == present,
            }));
        }
        return Ok(out::line(&serde_json::Value::from(rows).to_string())?);
    }
    if known.is_empty() {
        return Ok(out::line(
            "no generations yet; each apply that changes something makes one",
        )?);
    }
    let mut rows = Vec::new();
    for generation in known {
        let mark = if Some(generation.number) == present {
            "*"
        } else {
            ""
        };
        rows.push(vec![
            Cell::from(generation.number),
            Cell::from(mark),
            Cell::from(made(generation)?.strftime("%Y-%m-%d %H:%M:%S")),
            Cell::from(&generation.about),
        ]);
    }
    Ok(out::text(&table::table(
        &["generation", "now", "made", "by"],
        &rows,
        &["generation"],
        table::colour(),
    ))?)
}
