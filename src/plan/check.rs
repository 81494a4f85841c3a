//! What must hold of any plan, whatever was wanted and whatever was there; apply refuses to run one that breaks a rule.

use super::action::{AppPlan, Change, Plan};
use super::observed::{Observed, Running};

/// The rules that the plan breaks, a sentence each; empty for a sound plan.
pub fn check(plan: &Plan, observed: &Observed) -> Vec<String> {
    let mut broken = Vec::new();
    for app in &plan.apps {
        rules(app, observed, &mut broken);
    }
    let mut apps = plan.apps.iter();
    let needed = apps.any(|app| app.change != Change::Remove && app.facts.needs_watcher());
    if plan.watch.change == Change::Remove && needed {
        broken.push("the watcher is removed while an app needs it".to_owned());
    }
    if !plan.watch.is_empty()
        && observed.watcher.foreign.is_some()
        && plan.watch.change == Change::Create
    {
        broken.push("a watcher that is not ours is touched".to_owned());
    }
    broken
}

fn rules(app: &AppPlan, observed: &Observed, broken: &mut Vec<String>) {
    let name = &app.facts.app;
    let mut rule = |holds: bool, words: &str| {
        if !holds {
            broken.push(format!("{name}: {words}"));
        }
    };
    let own = |unit: &String| name.owns(unit);
    let strays = match app.change {
        Change::Remove => observed.strays(name.stem()),
        _ => vec![],
    };
    let goes = |unit: &String| own(unit) || strays.contains(unit);
    let (stops, starts) = (app.stops(), app.starts());
    let units = [
        &stops,
        &app.stop_too,
        &app.reset,
        &starts,
        &app.restart,
        &app.wait,
        &app.sockets.retire,
    ];
    rule(
        units.into_iter().flatten().all(goes),
        "a unit of another app is touched",
    );
    rule(
        app.units.iter().all(|change| own(&change.name)),
        "a file of another app is touched",
    );
    rule(
        app.units
            .iter()
            .all(|change| !observed.foreign.contains_key(&change.name)),
        "a unit that is not ours is touched",
    );
    rule(
        app.change != Change::Keep || app.is_empty(),
        "kept, and yet something is to be done",
    );
    rule(
        app.change != Change::Remove
            || observed
                .running
                .iter()
                .filter(|(unit, state)| {
                    goes(unit)
                        && !observed.foreign.contains_key(*unit)
                        && !matches!(state, Running::Down | Running::Failed)
                })
                .all(|(unit, _)| app.stop.contains(unit)),
        "removed while a unit of it still runs",
    );
    rule(
        app.restart.iter().all(|unit| !stops.contains(unit)),
        "an instance is both stopped and restarted",
    );
    rule(
        app.restart.iter().all(|unit| app.wait.contains(unit)),
        "an instance is restarted and nobody waits for it",
    );
    rule(
        app.sockets.halt.iter().all(|unit| app.wait.contains(unit)),
        "an instance lets go of its socket and nobody waits for it",
    );
    let open = |unit: &String| !matches!(observed.state(unit), Running::Down | Running::Failed);
    rule(
        app.units
            .iter()
            .filter(|change| app.goes_late(change) && open(&change.name))
            .all(|change| {
                stops.contains(&change.name) || app.sockets.retire.contains(&change.name)
            }),
        "a socket's file goes while it is open",
    );
    rule(
        app.change != Change::Remove || (app.start.is_empty() && app.restart.is_empty()),
        "removed and started",
    );
}
