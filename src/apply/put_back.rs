//! An apply that fails takes its app back to what it was: files first, then the instances that had moved on, the failed one among them.

use std::cell::RefCell;

use anyhow::Context;

use super::Machine;
use super::interrupt::Interrupt;
use super::observe;
use super::progress::Progress;
use super::run;
use super::verify::Failure;
use crate::plan::{AppPlan, Plan, put_back};
use crate::unit_files::{generations, pending};
use crate::units::UnitSet;

/// What became of a plan.
#[derive(Default)]
pub struct Done {
    /// Instances that did not come up with what the plan gave them.
    pub failures: Vec<Failure>,
    pub put_back: Vec<PutBack>,
}

/// An app whose files are as they were before.
pub struct PutBack {
    pub app: String,
    /// Instances that did not come up with their earlier settings either.
    pub failures: Vec<Failure>,
}

/// [`run::run`], and where an app fails that served before, back. `told` hears of the failures before anything is put back.
/// `about` names the generation; that of files which went back again is not kept.
pub async fn run_or_put_back(
    machine: &Machine,
    plan: &Plan,
    about: &str,
    interrupt: &Interrupt,
    show: &RefCell<impl FnMut(Progress<'_>)>,
    told: impl FnOnce(&[Failure]),
) -> anyhow::Result<Done> {
    let places = &machine.places;
    let earlier = generations::newest(places)?;
    let owed = pending::read(places)?.unwrap_or_default().restart;
    let failures = run::run(machine, plan, Some(about), interrupt, show).await?;
    told(&failures);
    let failed = |app: &str| failures.iter().any(|failure| failure.app == app);
    let before = UnitSet {
        apps: plan
            .apps
            .iter()
            .filter(|app| failed(app.facts.app.as_str()))
            .filter_map(|app| app.back.clone())
            .collect(),
        watcher: plan.watch.wanted.clone(),
    };
    if before.apps.is_empty() {
        return Ok(Done {
            failures,
            put_back: vec![],
        });
    }
    for app in &before.apps {
        let line = format!("put back  {}: to what it was before", app.facts.app);
        (show.borrow_mut())(Progress::Line(line));
    }
    let observed = observe::observe(places, Some(&machine.manager), &before).await?;
    let back = put_back(&before, &observed, &owed).map_err(|refusals| {
        let units: Vec<String> = refusals.into_iter().map(|refusal| refusal.unit).collect();
        anyhow::anyhow!(
            "{} was replaced by somebody else meanwhile: nothing was put back; remove that file, then apply again",
            units.join(" ")
        )
    })?;
    interrupt.forget();
    let again = run::run(machine, &back, None, interrupt, show).await?;
    if generations::newest(places)? != earlier {
        generations::drop_newest(places)
            .context("the generation of what was put back cannot be removed")?;
        let stays = |app: &&AppPlan| app.back.is_none() || !failed(app.facts.app.as_str());
        let late = plan.apps.iter().filter(stays).flat_map(run::going_late);
        run::keep_generation(places, about, &late.collect())?;
    }
    let mut put_back: Vec<PutBack> = before
        .apps
        .iter()
        .map(|app| PutBack {
            app: app.facts.app.to_string(),
            failures: vec![],
        })
        .collect();
    for failure in again {
        if let Some(one) = put_back.iter_mut().find(|one| one.app == failure.app) {
            one.failures.push(failure);
        }
    }
    Ok(Done { failures, put_back })
}
