//! `rpmctl reload`: restarts in turns, and who else may do so meanwhile.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::apply::{failure_json, no_lock, show_failures};
use super::args::ReloadArgs;
use super::control::{apps, select, would};
use super::interrupt::until_done;
use super::report::{self, Interrupted, Stop};
use super::{machine, out, progress};
use crate::apply::control::Order;
use crate::apply::rolling::Restarted;
use crate::apply::target::Selected;
use crate::apply::view::words;
use crate::apply::{Interrupt, Machine, reload};
use crate::journal;
use crate::model::{Name, Reason};
use crate::unit_files::lock::{self, By, Lock};
use crate::unit_files::{Places, reasons};
use crate::watch::restart;

pub async fn run(args: ReloadArgs, user: bool) -> anyhow::Result<ExitCode> {
    let json = args.of.json;
    let machine = machine::connect_to_change(user).await?;
    if args.of.check {
        return would(&machine, &args.of, Order::Restart).await;
    }
    let known = apps(&machine)?;
    let selected = select(&known, &args.of.targets)?;
    // A guest holds the machine's lock alone, which is as good as all of the apps'.
    let guest = machine.places.is_guest();
    let locks = match guest {
        true => Ok(vec![]),
        false => take_apps(&machine.places, &selected).await?,
    };
    let _apps = match locks {
        Ok(locks) => locks,
        // It is being restarted, and that is what the clock wants.
        Err(busy) if args.by_clock => {
            out::say(&format!("not reloaded by the clock: {busy}"));
            return Ok(ExitCode::SUCCESS);
        }
        Err(busy) => {
            return Err(Stop::new(busy.to_string())
                .hint("nothing was changed; wait for it to end, or end it with Ctrl-C there")
                .into());
        }
    };
    let locked: BTreeSet<String> = selected
        .iter()
        .map(|one| one.facts.app.to_string())
        .collect();
    let waiting = || out::say("waiting for another rpmctl to finish");
    let _machine = match guest {
        true => lock::lock(&machine.places, waiting).map_err(no_lock)?,
        false => lock::lock_shared(&machine.places, waiting)?,
    };
    // What was waited for may have changed or removed them. One that is new in it is left to the next reload: its lock is not held.
    let known = apps(&machine)?;
    let mut selected = select(&known, &args.of.targets)?;
    selected.retain(|one| locked.contains(one.facts.app.as_str()));
    if args.by_clock {
        leave_stopped(&machine, &mut selected).await?;
        if selected.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        for one in &selected {
            let units: Vec<String> = one.facts.instance_units().collect();
            restart::announce(one.facts, &units, &Reason::Schedule);
        }
    }
    let at_once = usize::try_from(args.parallel).unwrap_or(usize::MAX);
    let interrupt = Interrupt::default();
    let show = progress::show(json);
    let work = reload::reload(&machine, &selected, at_once, &interrupt, &show);
    let (done, interrupted) = until_done(&interrupt, &show, work).await?;
    if args.by_clock {
        for one in &done.arrived {
            reasons::note(&machine.places, &one.unit, &Reason::Schedule)?;
        }
    }
    let interrupted = interrupted.filter(|_| !done.left.is_empty());
    if json {
        out::line(&result(&selected, &done, interrupted).to_string())?;
    } else {
        show_failures(&done.failures, Some(&machine));
        for one in &selected {
            what_is_left(&machine, one, &done);
        }
        if done.failures.is_empty() && done.left.is_empty() {
            out::line(&format!("done: {}", counted(done.arrived.len())))?;
        }
    }
    Ok(match interrupted {
        Some(Interrupted(code)) => ExitCode::from(code),
        None if done.failures.is_empty() => ExitCode::SUCCESS,
        None => ExitCode::from(report::FAILED),
    })
}

/// The clock may strike while its app is being stopped.
async fn leave_stopped(machine: &Machine, selected: &mut Vec<Selected<'_>>) -> anyhow::Result<()> {
    let targets: Vec<String> = selected.iter().map(|one| one.facts.app.target()).collect();
    let mut states = machine.manager.states(&targets).await?.into_iter();
    selected.retain(|one| {
        let up = states.next().is_some_and(|state| state.active == "active");
        if !up {
            out::say(&format!("{} is stopped, and stays so", one.facts.app));
        }
        up
    });
    Ok(())
}

/// Another reload has an app's lock: who, and since when.
struct Busy {
    app: Name,
    holder: lock::Holder,
}

impl std::fmt::Display for Busy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let who = match self.holder.pid {
            Some(pid) => format!("process {pid}"),
            None => "another rpmctl".to_owned(),
        };
        let since = SystemTime::now()
            .duration_since(self.holder.since)
            .unwrap_or(Duration::ZERO);
        let ago = words::age(since);
        write!(
            f,
            "{} is being reloaded by {who}, begun {ago} ago",
            self.app
        )
    }
}

/// The lock of each app; the watcher is waited for. Errors: of the lock's file.
async fn take_apps(
    places: &Places,
    selected: &[Selected<'_>],
) -> std::io::Result<Result<Vec<Lock>, Busy>> {
    let mut locks = Vec::new();
    for one in selected {
        let app = &one.facts.app;
        let mut told = false;
        let taken = loop {
            match lock::lock_app(places, app.stem(), By::Command)? {
                Err(holder) if holder.is_watcher => {
                    if !told {
                        out::say(&format!("waiting for the watcher to finish with {app}"));
                        told = true;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                taken => break taken,
            }
        };
        match taken {
            Ok(lock) => locks.push(lock),
            Err(holder) => {
                let app = app.clone();
                return Ok(Err(Busy { app, holder }));
            }
        }
    }
    Ok(Ok(locks))
}

fn counted(instances: usize) -> String {
    match instances {
        1 => "1 instance reloaded".to_owned(),
        count => format!("{count} instances reloaded"),
    }
}

/// Which instances of an app still run what they ran before, and how it goes on.
fn what_is_left(machine: &Machine, one: &Selected<'_>, done: &Restarted) {
    let app = &one.facts.app;
    let left: Vec<&str> = done
        .left
        .iter()
        .filter(|unit| app.owns(unit))
        .map(|unit| unit.trim_end_matches(".service"))
        .collect();
    let failed = done
        .failures
        .iter()
        .any(|failure| failure.app == app.as_str());
    if left.is_empty() && !failed {
        return;
    }
    if !left.is_empty() {
        let how = match left.len() {
            1 => "was not reloaded and goes on as before",
            _ => "were not reloaded and go on as before",
        };
        out::say(&format!("  {} {how}", left.join(" ")));
    }
    let user = match machine.journal {
        journal::Scope::User { .. } => "--user ",
        _ => "",
    };
    let name = shlex::try_quote(app.as_str()).unwrap_or_default();
    let mend = if failed {
        "mend it, then: "
    } else {
        "carry on with: "
    };
    out::say(&format!("  {mend}rpmctl {user}reload {name}"));
}

/// `reload --json`: `changed` (bool), `interrupted` (bool), `apps`: list of `name`, `instances`: list of `unit`, `result` (reloaded; started: it was down;
/// failed; left: its turn did not come), `ms` (from the order until it was up or had failed; null when left), and `failed`: list of `app`, `unit`, `why`,
/// `lines`.
fn result(selected: &[Selected<'_>], done: &Restarted, interrupted: Option<Interrupted>) -> Value {
    let apps: Vec<Value> = selected
        .iter()
        .map(|one| {
            let app = &one.facts.app;
            let arrived = done.arrived.iter().filter(|one| app.owns(&one.unit)).map(
                |one| json!({ "unit": one.unit, "result": one.how.as_str(), "ms": one.took.as_millis() as u64 }),
            );
            let left = done
                .left
                .iter()
                .filter(|unit| app.owns(unit))
                .map(|unit| json!({ "unit": unit, "result": "left", "ms": null }));
            let instances: Vec<Value> = arrived.chain(left).collect();
            json!({ "name": app.as_str(), "instances": instances })
        })
        .collect();
    let failed: Vec<Value> = done.failures.iter().map(failure_json).collect();
    json!({
        "changed": !done.arrived.is_empty(),
        "interrupted": interrupted.is_some(),
        "apps": apps,
        "failed": failed,
    })
}
