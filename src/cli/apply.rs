//! `rpmctl apply`: compile, show, do, wait.

use std::io;
use std::process::ExitCode;

use serde_json::json;

use super::args::ApplyArgs;
use super::interrupt::until_done;
use super::report::{Interrupted, Stop};
use super::status::layout::shorten;
use super::{machine, out, plan, progress, report, table};
use crate::apply::put_back::{self, Done, PutBack};
use crate::apply::{Failure, Interrupt, Machine, left_over, observe, run};
use crate::journal;
use crate::plan::{Observed, Plan, Scope, removal, scale, show};
use crate::terminal::text::harmless;
use crate::unit_files::Places;
use crate::unit_files::lock::{self, Lock};
use crate::unit_files::pending;
use crate::units::{AppUnits, UnitSet};

pub async fn run(args: ApplyArgs, user: bool) -> anyhow::Result<ExitCode> {
    let machine = machine::connect_to_change(user).await?;
    let compiled = plan::compile(&args.file, &machine, user, args.how.json).await?;
    let scope = plan::scope(&compiled, args.prune, !args.file.only.is_empty())?;
    let about = format!("apply {}", compiled.file.display());
    let how = How {
        check: args.how.check,
        diff: args.how.diff,
        json: args.how.json,
        about: &about,
    };
    settle(&machine, &Wish::Set(&compiled.set, scope), &how).await
}

/// What is to be.
pub enum Wish<'a> {
    /// These apps, and what else goes.
    Set(&'a UnitSet, Scope<'a>),
    /// These apps gone, the others untouched.
    Without(Vec<String>),
    /// The number of instances that this app has here, and nothing else.
    Count(&'a AppUnits),
}

impl Wish<'_> {
    fn set(&self) -> UnitSet {
        match self {
            Wish::Set(set, _) => (*set).clone(),
            Wish::Without(_) => UnitSet::default(),
            Wish::Count(app) => UnitSet {
                apps: vec![(*app).clone()],
                watcher: None,
            },
        }
    }

    fn plan(&self, observed: &Observed) -> anyhow::Result<Plan> {
        match self {
            Wish::Set(set, scope) => plan::make(set, observed, scope),
            Wish::Without(apps) => plan::sound(removal(apps, observed), observed),
            Wish::Count(app) => {
                let scaled = scale(app, observed).map_err(|refusals| plan::refused(&refusals))?;
                plan::sound(scaled, observed)
            }
        }
    }

    fn counted(&self) -> String {
        let plural = |count: usize, word: &str| match count {
            1 => format!("1 {word}"),
            _ => format!("{count} {word}s"),
        };
        match self {
            Wish::Set(set, _) => {
                let instances: u32 = set.apps.iter().map(|app| app.facts.instances).sum();
                format!(
                    "{}, {}",
                    plural(set.apps.len(), "app"),
                    plural(instances as usize, "instance")
                )
            }
            Wish::Without(apps) => format!("{} removed", plural(apps.len(), "app")),
            Wish::Count(app) => {
                let count = app.facts.instances as usize;
                format!("{} has {}", app.facts.app, plural(count, "instance"))
            }
        }
    }
}

/// How a set is applied; the same for `apply` and `rollback`.
pub struct How<'a> {
    pub check: bool,
    pub diff: bool,
    pub json: bool,
    pub about: &'a str,
}

/// Under the lock: observe, decide, do, observe again.
pub async fn settle(machine: &Machine, wish: &Wish<'_>, how: &How<'_>) -> anyhow::Result<ExitCode> {
    let lock = match how.check {
        true => None,
        false => Some(take_lock(&machine.places)?),
    };
    settle_locked(machine, wish, how, lock).await
}

/// The same with the lock taken already; it is let go when the last step is done.
pub async fn settle_locked(
    machine: &Machine,
    wish: &Wish<'_>,
    how: &How<'_>,
    lock: Option<Lock>,
) -> anyhow::Result<ExitCode> {
    if machine.places.is_guest() && !how.check {
        let units = machine.places.units.display();
        let stop = Stop::new(format!(
            "{}: only root may change what is in {units}",
            how.about
        ));
        let hints = report::no_rights(false);
        return Err(hints.into_iter().fold(stop, Stop::hint).into());
    }
    let set = wish.set();
    let observed = observe::observe(&machine.places, Some(&machine.manager), &set).await?;
    let plan = wish.plan(&observed)?;
    if !how.json && (how.check || how.diff || !plan.is_empty()) {
        out::text(&show::text(&plan, how.diff))?;
    }
    if how.check || plan.is_empty() {
        if how.json {
            out::line(&result(&plan, how, &Done::default(), &Unfinished::default()).to_string())?;
        } else if plan.is_empty() && !how.check {
            let file = match wish {
                Wish::Count(_) => "",
                _ => ", all as the file says",
            };
            out::line(&format!("nothing to do: {}{file}", wish.counted()))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    machine::install_loaded(&machine.places, &set)?;
    let interrupt = Interrupt::default();
    let show = progress::show(how.json);
    let work =
        put_back::run_or_put_back(machine, &plan, how.about, &interrupt, &show, |failures| {
            if !how.json {
                show_failures(failures, Some(machine));
            }
        });
    let (done, interrupted) = until_done(&interrupt, &show, work).await?;
    let interrupted = match interrupted {
        Some(code) => still_old(&machine.places, &plan)?.map(|units| (code, units)),
        None => None,
    };
    let failed = |app: &str| done.failures.iter().any(|failure| failure.app == app);
    let left = match interrupted {
        Some(_) => vec![],
        None => left_over(machine, &set, |now| wish.plan(now), failed).await?,
    };
    drop(lock);
    if how.json {
        let unfinished = Unfinished {
            unsettled: &left,
            still_old: interrupted.as_ref().map(|(_, units)| units.as_slice()),
        };
        out::line(&result(&plan, how, &done, &unfinished).to_string())?;
    } else {
        for one in &done.put_back {
            show_put_back(one);
        }
        if let Some((_, units)) = &interrupted {
            out::say(&format!(
                "  {} still run with their earlier settings; the same command again carries on",
                units.join(" ")
            ));
        }
        for app in &left {
            out::say(&format!(
                "error: {app} is not as the file says, though every step was done; run it again"
            ));
        }
        if done.failures.is_empty() && left.is_empty() && interrupted.is_none() {
            out::line(&format!("done: {}", wish.counted()))?;
        }
    }
    Ok(match interrupted {
        Some((Interrupted(code), _)) => ExitCode::from(code),
        None if done.failures.is_empty() && left.is_empty() => ExitCode::SUCCESS,
        None => ExitCode::from(report::FAILED),
    })
}

/// Instances of the plan whose turn did not come, without their ending; none where all had theirs.
fn still_old(places: &Places, plan: &Plan) -> anyhow::Result<Option<Vec<String>>> {
    let left = pending::read(places)?.unwrap_or_default();
    let units: Vec<String> = plan
        .apps
        .iter()
        .flat_map(|app| &app.restart)
        .filter(|unit| left.restart.contains(*unit))
        .map(|unit| unit.trim_end_matches(".service").to_owned())
        .collect();
    Ok((!units.is_empty()).then_some(units))
}

fn show_put_back(one: &PutBack) {
    show_failures(&one.failures, None);
    let app = &one.app;
    out::say(&match one.failures.is_empty() {
        true => format!(
            "  {app} was put back: its files and instances are as before; mend what failed and run it again"
        ),
        false => format!(
            "  {app} was put back, and does not come up with its earlier settings either: is its program as it was?"
        ),
    });
}

/// Carries a plan out that nobody interrupts by a signal to us, and keeps no generation.
pub async fn run_plan(machine: &Machine, plan: &Plan) -> anyhow::Result<Vec<Failure>> {
    run::run(
        machine,
        plan,
        None,
        &Interrupt::default(),
        &progress::show(false),
    )
    .await
}

/// Waits for another rpmctl, and says so.
pub fn take_lock(places: &Places) -> anyhow::Result<Lock> {
    let waiting = || out::say("waiting for another rpmctl to finish");
    lock::lock(places, waiting).map_err(no_lock)
}

/// Why the machine's lock cannot be had: who is not let in may change nothing.
pub fn no_lock(error: io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied => anyhow::Error::new(error).context(report::NoOrders),
        _ => error.into(),
    }
}

/// What systemd said of each instance that is not up, and its last lines; with a machine, where there is more.
pub fn show_failures(failures: &[Failure], machine: Option<&Machine>) {
    for failure in failures {
        out::say(&format!("error: {}: {}", failure.unit, failure.why));
        for line in &failure.lines {
            // What it wrote may hold anything, and is not to steer this terminal.
            let line = harmless(line);
            out::say(&match table::columns_err() {
                Some(columns) => shorten(&format!("    {line}"), columns),
                None => format!("    {line}"),
            });
        }
        let of_app = !failure.app.is_empty();
        if failure.lines.is_empty() && failure.unit.ends_with(".service") && of_app {
            out::say("    (it wrote nothing)");
        }
    }
    if let (Some(first), Some(machine)) = (failures.first(), machine) {
        let user = match machine.journal {
            journal::Scope::User { .. } => "--user ",
            _ => "",
        };
        let app = shlex::try_quote(&first.app).unwrap_or_default();
        out::say(&match first.app.as_str() {
            // The watcher's.
            "" => format!("  see more with: journalctl {user}-u {}", first.unit),
            _ => format!("  see more with: rpmctl {user}logs {app}"),
        });
    }
}

/// `apply --json`: the plan's shape (`plan::show::json`) and `applied` (bool: false under --check), `failed`: list of `app`, `unit`, `why`, `lines`,
/// `put_back`: list of `app` (its files and instances are as before) and `failed` (what did not come up even so), `unsettled`: list of apps that are not as
/// the file says though every step was done, `interrupted` (bool) and `left`: list of instances whose turn did not come for that.
fn result(
    plan: &Plan,
    how: &How<'_>,
    done: &Done,
    unfinished: &Unfinished<'_>,
) -> serde_json::Value {
    let mut value = show::json(plan, how.diff);
    value["applied"] = json!(!how.check && !plan.is_empty());
    value["failed"] = done.failures.iter().map(failure_json).collect();
    value["put_back"] = done
        .put_back
        .iter()
        .map(|one| {
            let failed: Vec<_> = one.failures.iter().map(failure_json).collect();
            json!({ "app": one.app, "failed": failed })
        })
        .collect();
    value["unsettled"] = json!(unfinished.unsettled);
    value["interrupted"] = json!(unfinished.still_old.is_some());
    value["left"] = json!(unfinished.still_old.unwrap_or_default());
    value
}

/// What is still to be done, without a failure.
#[derive(Default)]
struct Unfinished<'a> {
    unsettled: &'a [String],
    /// None: nobody interrupted it.
    still_old: Option<&'a [String]>,
}

/// An instance that is not up: `app`, `unit`, `why`, `lines`.
pub fn failure_json(failure: &Failure) -> serde_json::Value {
    json!({
        "app": failure.app,
        "unit": failure.unit,
        "why": failure.why,
        "lines": failure.lines,
    })
}
