//! The way back of an app whose new settings do not come up.

use std::collections::BTreeSet;

use super::action::{AppPlan, Plan};
use super::decide::{Refusal, Scope, decide};
use super::observed::{Observed, Running};
use crate::units::{AppUnits, UnitSet};

/// What an app goes back to when an instance fails with its new settings: the files that are there now, if the plan changes any, and an instance runs with
/// them. None: nothing serves that could be brought back.
pub fn way_back(there: Option<&AppUnits>, plan: &AppPlan, observed: &Observed) -> Option<AppUnits> {
    let there = there?;
    let serves = observed
        .instances(there.facts.app.stem())
        .iter()
        .any(|(number, state)| *number < there.facts.instances && *state == Running::Up);
    let changed = !plan.units.is_empty() || !plan.env.is_empty();
    (changed && serves).then(|| there.clone())
}

/// The plan that takes apps back to what they were, those instances included that came up with the new settings; those whose turn had not come (they stand
/// in `observed.pending`) run with the old settings still, and are left alone. Those of `owed` run with yet older ones, which an apply before this owes
/// them: they get what their app goes back to. `observed` is the machine after the failure.
/// Errors: units that carry a wanted name and are not ours.
pub fn put_back(
    before: &UnitSet,
    observed: &Observed,
    owed: &BTreeSet<String>,
) -> Result<Plan, Vec<Refusal>> {
    let mut plan = decide(before, observed, &Scope::Wanted)?;
    let nobody = BTreeSet::new();
    let untouched = match &observed.pending {
        Some(pending) => &pending.restart,
        None => &nobody,
    };
    for app in &mut plan.apps {
        let is_left = |unit: &String| {
            untouched.contains(unit)
                && !owed.contains(unit)
                && app.restart.contains(unit)
                && observed.state(unit) == Running::Up
        };
        let left: BTreeSet<String> = app
            .restart
            .iter()
            .filter(|unit| is_left(unit))
            .cloned()
            .collect();
        app.restart.retain(|unit| !left.contains(unit));
        app.wait.retain(|unit| !left.contains(unit));
        app.back = None;
    }
    Ok(plan)
}
