//! `rpmctl apply`: compile, show, do, wait.

use std::process::ExitCode;

use serde_json::json;

use super::args::ApplyArgs;
use super::{machine, out, plan, report};
use crate::apply::{Failure, Machine, observe, run};
use crate::journal;
use crate::plan::{Observed, Plan, Scope, removal, show};
use crate::unit_files::Places;
use crate::unit_files::lock::{self, Lock};
use crate::units::UnitSet;

pub async fn run(args: ApplyArgs, user: bool) -> anyhow::Result<ExitCode> {
    let machine = machine::connect(user).await?;
    let compiled = plan::compile(&args.file, &machine, user, args.json).await?;
    let scope = plan::scope(&compiled, args.prune, !args.file.only.is_empty())?;
    let about = format!("apply {}", compiled.file.display());
    let how = How {
        check: args.check,
        diff: args.diff,
        json: args.json,
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
}

impl Wish<'_> {
    fn set(&self) -> UnitSet {
        match self {
            Wish::Set(set, _) => (*set).clone(),
            Wish::Without(_) => UnitSet::default(),
        }
    }

    fn plan(&self, observed: &Observed) -> anyhow::Result<Plan> {
        match self {
            Wish::Set(set, scope) => plan::make(set, observed, scope),
            Wish::Without(apps) => plan::sound(removal(apps, observed), observed),
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
    let set = wish.set();
    let lock = if how.check {
        None
    } else {
        Some(take_lock(&machine.places)?)
    };
    let observed = observe::observe(&machine.places, Some(&machine.manager), &set).await?;
    let plan = wish.plan(&observed)?;
    if !how.json && (how.check || how.diff || !plan.is_empty()) {
        out::text(&show::text(&plan, how.diff))?;
    }
    if how.check || plan.is_empty() {
        if how.json {
            out::line(&result(&plan, how, &[]).to_string())?;
        } else if plan.is_empty() && !how.check {
            out::line(&format!(
                "nothing to do: {}, all as the file says",
                wish.counted()
            ))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    machine::install_loaded(&machine.places, &set)?;
    let failures = act(machine, &plan, how).await?;
    let left = run::left_over(machine, &set, |now| wish.plan(now), &failures).await?;
    drop(lock);
    if how.json {
        out::line(&result(&plan, how, &failures).to_string())?;
    } else {
        show_failures(&failures, Some(machine));
        for app in &left {
            out::say(&format!(
                "error: {app} is not as the file says, though every step was done; run it again"
            ));
        }
        if failures.is_empty() && left.is_empty() {
            out::line(&format!("done: {}", wish.counted()))?;
        }
    }
    Ok(if failures.is_empty() && left.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(report::FAILED)
    })
}

async fn act(machine: &Machine, plan: &Plan, how: &How<'_>) -> anyhow::Result<Vec<Failure>> {
    run::run(machine, plan, Some(how.about), |step| {
        if !how.json {
            out::say(&format!("  {step}"));
        }
    })
    .await
}

/// Waits for another rpmctl, and says so.
pub fn take_lock(places: &Places) -> anyhow::Result<Lock> {
    Ok(lock::lock(places, || {
        out::say("waiting for another rpmctl to finish");
    })?)
}

/// What systemd said of each instance that is not up, and its last lines; with a machine, where there is more.
pub fn show_failures(failures: &[Failure], machine: Option<&Machine>) {
    for failure in failures {
        out::say(&format!("error: {}: {}", failure.unit, failure.why));
        for line in &failure.lines {
            out::say(&format!("    {line}"));
        }
        if failure.lines.is_empty() && failure.unit.ends_with(".service") {
            out::say("    (it wrote nothing)");
        }
    }
    if let (Some(first), Some(machine)) = (failures.first(), machine) {
        let user = match machine.journal {
            journal::Scope::User { .. } => "--user ",
            _ => "",
        };
        let app = shlex::try_quote(&first.app).unwrap_or_default();
        out::say(&format!("  see more with: rpmctl {user}logs {app}"));
    }
}

/// `apply --json`: the plan's shape (`plan::show::json`) and `applied` (bool: false under --check), `failed`: list of `app`, `unit`, `why`, `lines`.
fn result(plan: &Plan, how: &How<'_>, failures: &[Failure]) -> serde_json::Value {
    let mut value = show::json(plan, how.diff);
    value["applied"] = json!(!how.check && !plan.is_empty());
    value["failed"] = failures
        .iter()
        .map(|failure| {
            json!({
                "app": failure.app,
                "unit": failure.unit,
                "why": failure.why,
                "lines": failure.lines,
            })
        })
        .collect();
    value
}
