//! `rpmctl plan`: what apply would do.

use std::process::ExitCode;

use super::args::PlanArgs;
use super::compile::{self, Compiled, For};
use super::report::Stop;
use super::{machine, out};
use crate::apply::{Machine, observe};
use crate::plan::{Observed, Plan, Refusal, Scope, check, decide, show};
use crate::units::UnitSet;

pub async fn run(args: PlanArgs, user: bool) -> anyhow::Result<ExitCode> {
    let machine = machine::connect(user).await?;
    let compiled = compile(&args.file, &machine, user, args.json).await?;
    let observed = observe::observe(&machine.places, Some(&machine.manager), &compiled.set).await?;
    let scope = scope(&compiled, args.prune, !args.file.only.is_empty())?;
    let plan = make(&compiled.set, &observed, &scope)?;
    if args.json {
        out::line(&show::json(&plan, args.diff).to_string())?;
    } else {
        out::text(&show::text(&plan, args.diff))?;
    }
    Ok(if args.detailed_exitcode && !plan.is_empty() {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

pub async fn compile(
    file: &super::args::FileArgs,
    machine: &Machine,
    user: bool,
    json: bool,
) -> anyhow::Result<Compiled> {
    let target = For {
        places: &machine.places,
        user_manager: user,
        systemd: machine::version(&machine.manager).await?,
        can_switch_user: !user,
        bind_to: None,
        foreground: false,
    };
    compile::compile(file, &target, json)
}

/// Errors: `--prune` with `--only`, which would remove what was merely left out.
pub fn scope(compiled: &Compiled, prune: bool, only: bool) -> anyhow::Result<Scope<'_>> {
    if prune && only {
        return Err(Stop::new("--prune and --only exclude each other")
            .hint("apps left out by --only are not gone from the file")
            .into());
    }
    Ok(if prune {
        Scope::File(&compiled.file)
    } else {
        Scope::Wanted
    })
}

/// The decided plan, its rules checked. Errors: units of another origin in the way.
pub fn make(set: &UnitSet, observed: &Observed, scope: &Scope<'_>) -> anyhow::Result<Plan> {
    let plan = decide(set, observed, scope).map_err(|refusals| refused(&refusals))?;
    sound(plan, observed)
}

/// The plan, unless it breaks a rule that every plan keeps.
pub fn sound(plan: Plan, observed: &Observed) -> anyhow::Result<Plan> {
    let broken = check::check(&plan, observed);
    if !broken.is_empty() {
        return Err(
            Stop::new(format!("the plan is unsound: {}", broken.join("; ")))
                .hint(
                    "nothing was changed; please report this with the output of rpmctl plan --json",
                )
                .into(),
        );
    }
    Ok(plan)
}

/// Units of another origin in the way.
pub fn refused(refusals: &[Refusal]) -> Stop {
    let lines: Vec<String> = refusals
        .iter()
        .map(|refusal| {
            format!(
                "{} is there already and is not ours: {}",
                refusal.unit,
                refusal.file.display()
            )
        })
        .collect();
    Stop::new(lines.join("\nerror: "))
        .hint("nothing was changed; give the app another name, or remove that unit first")
}
