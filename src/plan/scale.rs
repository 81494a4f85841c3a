//! Another number of instances, and nothing else.

use super::action::{Change, Plan};
use super::decide::{Refusal, Scope, decide, explain};
use super::observed::{Observed, Running};
use super::sockets::SocketPlan;
use crate::units::{AppUnits, UnitSet};

/// The plan that gives the app the number of instances that `wanted` has (`units::scale`). The instances that stay are left alone, whatever they are owed
/// and whatever state they are in; of a stopped app only the files change.
/// Errors: units that carry a wanted name and are not ours.
pub fn scale(wanted: &AppUnits, observed: &Observed) -> Result<Plan, Vec<Refusal>> {
    let set = UnitSet {
        apps: vec![wanted.clone()],
        watcher: None,
    };
    let mut plan = decide(&set, observed, &Scope::Wanted)?;
    let name = &wanted.facts.app;
    let there = observed.apps();
    let there = there.get(name.as_str());
    let before = there.map_or(0, |app| app.facts.instances);
    let is_new = |unit: &String| {
        let mut new = before..wanted.facts.instances;
        new.any(|number| name.instance(number) == *unit)
    };
    let pending = observed.pending.clone().unwrap_or_default();
    let runs = observed.state(&name.target()) == Running::Up && !wanted.facts.by_clock_alone();
    for app in &mut plan.apps {
        let goes = |unit: &String| app.stop.contains(unit);
        let owed = pending.restart.iter();
        plan.owed
            .extend(owed.filter(|unit| name.owns(unit) && !goes(unit)).cloned());
        app.restart.clear();
        app.sockets = SocketPlan {
            leave: std::mem::take(&mut app.sockets.leave),
            ..SocketPlan::default()
        };
        app.notes.clear();
        explain(app, there);
        app.link.clear();
        app.unlink.clear();
        app.reset.retain(is_new);
        app.wait.retain(|unit| runs && is_new(unit));
        app.start.clear();
        if runs {
            let new = (before..wanted.facts.instances).map(|number| name.instance(number));
            app.start
                .extend(new.filter(|unit| observed.state(unit) != Running::Up));
        } else if wanted.facts.instances > before {
            let when = match wanted.facts.by_clock_alone() {
                true => "they start when its clock says so",
                false => "it is stopped: they start when it does",
            };
            app.notes.push(when.to_owned());
        }
        if app.is_empty() {
            app.change = Change::Keep;
        }
    }
    Ok(plan)
}
