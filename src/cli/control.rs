//! `rpmctl start`, `stop`, `restart`, `delete`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::apply::{How, Wish, failure_json, settle, show_failures, take_lock};
use super::args::{DeleteArgs, TargetArgs};
use super::logs::{self, LogsArgs};
use super::report::{self, Stop};
use super::{machine, out, progress};
use crate::apply::control::{self, Order, Would};
use crate::apply::target::{self, Selected, Unknown};
use crate::apply::{Machine, Progress, observe};
use crate::journal::LogApp;
use crate::model::Flushed;
use crate::unit_files::flushed;
use crate::units::{AppUnits, Facts};

pub async fn run(args: TargetArgs, order: Order, user: bool) -> anyhow::Result<ExitCode> {
    let machine = machine::connect_to_change(user).await?;
    if args.check {
        return would(&machine, &args, order).await;
    }
    let _lock = take_lock(&machine.places)?;
    let apps = apps(&machine)?;
    let selected = select(&apps, &args.targets)?;
    let show = progress::show(args.json);
    let changed = Cell::new(false);
    let noted = RefCell::new(|news: Progress<'_>| {
        changed.set(changed.get() || matches!(news, Progress::Line(_) | Progress::Arrived { .. }));
        (show.borrow_mut())(news);
    });
    let failures = control::control(&machine, &selected, order, &noted).await?;
    let changed = changed.get();
    if args.json {
        let failed: Vec<_> = failures.iter().map(failure_json).collect();
        out::line(&json!({ "changed": changed, "failed": failed }).to_string())?;
    } else {
        show_failures(&failures, Some(&machine));
        if !changed && failures.is_empty() {
            out::line(nothing_to_do(order))?;
        }
    }
    Ok(if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(report::FAILED)
    })
}

fn nothing_to_do(order: Order) -> &'static str {
    match order {
        Order::Start => "nothing to do: already running",
        Order::Stop => "nothing to do: already stopped",
        Order::Restart => "nothing to do",
    }
}

/// `--check` of start, stop, restart and reload: the units it concerns. `--json`: `changed`, `units`, `boot` (targets that would be enabled, or by stop
/// disabled) and an empty `failed`.
pub async fn would(machine: &Machine, args: &TargetArgs, order: Order) -> anyhow::Result<ExitCode> {
    let apps = apps(machine)?;
    let selected = select(&apps, &args.targets)?;
    let Would { units, boot } = control::would(machine, &selected, order).await?;
    let changed = !units.is_empty() || !boot.is_empty();
    if args.json {
        let value = json!({ "changed": changed, "units": units, "boot": boot, "failed": [] });
        out::line(&value.to_string())?;
    } else if !changed {
        out::line(nothing_to_do(order))?;
    }
    let (verb, at_boot) = match order {
        Order::Start => ("start", "enable"),
        Order::Stop => ("stop", "disable"),
        Order::Restart => ("restart", "enable"),
    };
    let boot = boot.iter().map(|target| (at_boot, target));
    let units = units.iter().map(|unit| (verb, unit));
    for (verb, unit) in boot.chain(units).filter(|_| !args.json) {
        out::line(&format!("would {verb} {unit}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whole apps only: an instance goes by a smaller `instances`.
pub async fn delete(args: DeleteArgs, user: bool) -> anyhow::Result<ExitCode> {
    let machine = machine::connect_to_change(user).await?;
    let apps = apps(&machine)?;
    let selected = select(&apps, &args.targets)?;
    if let Some(one) = selected.iter().find(|one| one.instances.is_some()) {
        return Err(Stop::new("delete takes whole apps, not instances")
            .hint(format!(
                "to run fewer: change instances in {} and apply it",
                one.facts.file.display()
            ))
            .into());
    }
    let names: Vec<String> = selected
        .iter()
        .map(|one| one.facts.app.to_string())
        .collect();
    let about = format!("delete {}", names.join(" "));
    let how = How {
        check: args.how.check,
        diff: args.how.diff,
        json: args.how.json,
        about: &about,
    };
    settle(&machine, &Wish::Without(names), &how).await
}

/// Every app of ours by name.
pub fn apps(machine: &Machine) -> anyhow::Result<BTreeMap<String, AppUnits>> {
    Ok(observe::apps(&machine.places)?.apps())
}

pub fn select<'a>(
    apps: &'a BTreeMap<String, AppUnits>,
    targets: &[String],
) -> anyhow::Result<Vec<Selected<'a>>> {
    Ok(target::select(apps, targets).map_err(|unknown| not_found(apps, &unknown))?)
}

fn not_found(apps: &BTreeMap<String, AppUnits>, unknown: &[Unknown]) -> Stop {
    if apps.is_empty() {
        return Stop::new("there are no apps")
            .hint("apply an ecosystem file first: rpmctl apply ecosystem.toml");
    }
    let lines: Vec<String> = unknown
        .iter()
        .map(|one| match &one.why {
            Some(why) => format!("{}: {why}", one.target),
            None => format!("no app is called {}", one.target),
        })
        .collect();
    let stop = Stop::new(lines.join("\nerror: "));
    let close: Vec<&str> = unknown
        .iter()
        .filter_map(|one| one.close.as_deref())
        .collect();
    let file = unknown.iter().find(|one| one.target.contains('.'));
    if !close.is_empty() {
        stop.hint(format!("did you mean {}?", close.join(", ")))
    } else if let Some(file) = file.filter(|file| file.target.ends_with(".toml")) {
        stop.hint(format!(
            "what a file says is started by: rpmctl apply {}",
            file.target
        ))
    } else if file.is_some_and(|file| Path::new(&file.target).is_file()) {
        stop.hint("a program needs an ecosystem file: rpmctl init writes one, rpmctl apply starts what it says")
    } else {
        let names: Vec<&str> = apps.keys().take(8).map(String::as_str).collect();
        let more = match apps.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more: rpmctl list"),
        };
        stop.hint(format!("there are: {}{more}", names.join(", ")))
    }
}

/// `rpmctl logs`: its targets here, its lines in `super::logs`.
pub async fn logs(args: LogsArgs, user: bool) -> anyhow::Result<ExitCode> {
    let places = machine::places(user)?;
    let apps = observe::apps(&places)?.apps();
    let all = ["all".to_owned()];
    let targets = if args.targets.is_empty() {
        &all
    } else {
        args.targets.as_slice()
    };
    // Who names a time or a boot means what the journal has.
    let asked = args.since.is_some() || args.boot.is_some();
    let flushed = |facts: &Facts| match asked {
        true => Flushed::default(),
        false => flushed::read(&places, &facts.app),
    };
    let apps: Vec<LogApp> = select(&apps, targets)?
        .into_iter()
        .map(|one| LogApp {
            name: one.facts.app.to_string(),
            stem: one.facts.app.stem().to_owned(),
            sockets: one.facts.sockets(),
            instances: one.instances,
            date_format: one.facts.date_format.clone(),
            namespace: one.facts.logs.namespace.clone(),
            flushed: flushed(one.facts),
        })
        .collect();
    logs::run(&args, &apps, machine::journal(user)).await
}
