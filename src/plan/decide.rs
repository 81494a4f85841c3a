//! The decisions: wanted units and what is there, into a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::action::{AppPlan, Change, FileChange, Plan};
use super::files::{acts, changes, links, pairs};
use super::observed::{Observed, Running};
use super::put_back::way_back;
use super::sockets::{self, Situation};
use super::watch;
use crate::units::{AppUnits, UnitFile, UnitSet, marker, watcher};

/// Which apps that are there and not wanted are removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// None.
    Wanted,
    /// Those compiled from this file.
    File(&'a Path),
    /// All of ours.
    Everything,
}

/// A reason to do nothing at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub unit: String,
    pub file: PathBuf,
}

/// Errors: units that carry a wanted name and are not ours; then nothing may be written.
pub fn decide(
    wanted: &UnitSet,
    observed: &Observed,
    scope: &Scope<'_>,
) -> Result<Plan, Vec<Refusal>> {
    let names: BTreeSet<String> = wanted
        .apps
        .iter()
        .flat_map(|app| {
            // A file of an instance's own name would stand in for the template.
            app.names()
        })
        .collect();
    let mut refusals: Vec<Refusal> = names
        .into_iter()
        .filter_map(|unit| {
            let file = observed.foreign.get(&unit)?.clone();
            Some(Refusal { unit, file })
        })
        .collect();
    let there = observed.apps();
    let mut apps: Vec<AppPlan> = wanted
        .apps
        .iter()
        .map(|app| settle(app, there.get(app.facts.app.as_str()), observed))
        .collect();
    let gone = there.values().filter(|app| {
        let kept = wanted
            .apps
            .iter()
            .any(|wanted| wanted.facts.app == app.facts.app);
        !kept
            && match scope {
                Scope::Wanted => false,
                Scope::File(file) => app.facts.file == **file,
                Scope::Everything => true,
            }
    });
    apps.extend(gone.map(|app| remove(app, observed)));
    let plan = whole_plan(apps, observed, wanted.watcher.as_ref());
    if !plan.watch.is_empty()
        && let Some(file) = &observed.watcher.foreign
    {
        refusals.push(Refusal {
            unit: watcher::UNIT.to_owned(),
            file: file.clone(),
        });
    }
    match refusals.is_empty() {
        true => Ok(plan),
        false => Err(refusals),
    }
}

fn whole_plan(apps: Vec<AppPlan>, observed: &Observed, watcher: Option<&UnitFile>) -> Plan {
    let pending = observed.pending.clone().unwrap_or_default();
    let there = observed.apps();
    let of_others = |unit: &String| {
        !apps.iter().any(|app| app.facts.app.owns(unit))
            && there.values().any(|app| app.facts.app.owns(unit))
    };
    let watch = watch::plan(&apps, observed, watcher);
    Plan {
        reload: pending.reload
            || watch.unit.is_some()
            || apps.iter().any(|app| !app.units.is_empty()),
        watch,
        owed: pending.restart.into_iter().filter(of_others).collect(),
        apps,
    }
}

/// The plan that removes these apps and touches no other.
pub fn removal(apps: &[String], observed: &Observed) -> Plan {
    let apps: Vec<AppPlan> = observed
        .apps()
        .values()
        .filter(|app| apps.iter().any(|name| name == app.facts.app.as_str()))
        .map(|app| remove(app, observed))
        .collect();
    whole_plan(apps, observed, None)
}

/// One wanted app.
fn settle(app: &AppUnits, there: Option<&AppUnits>, observed: &Observed) -> AppPlan {
    let facts = &app.facts;
    let name = &facts.app;
    let mut plan = AppPlan::new(facts.clone(), Change::Keep);
    plan.notes = app.notes.clone();
    let before = |files: &[(String, String)]| files.iter().cloned().collect::<BTreeMap<_, _>>();
    let old_units = before(&pairs(there, |app| {
        app.units
            .iter()
            .map(|f| (f.name.clone(), f.text.clone()))
            .collect()
    }));
    let old_env = before(&pairs(there, |app| {
        app.env
            .iter()
            .map(|f| (f.name.clone(), f.text.clone()))
            .collect()
    }));
    plan.units = changes(
        &old_units,
        app.units.iter().map(|file| (&file.name, &file.text)),
    );
    plan.env = changes(
        &old_env,
        app.env.iter().map(|file| (&file.name, &file.text)),
    );
    links(&mut plan, app, observed);

    // What the changes mean for what runs.
    let template = name.template();
    let changed = |unit: &str| {
        plan.units
            .iter()
            .any(|change| change.name == unit && acts(change))
    };
    let mut all_instances = changed(&template)
        || plan
            .env
            .iter()
            .any(|change| change.name == name.env_file() && change.before.is_some());
    let running = observed.instances(name.stem());
    let alive =
        |state: Running| matches!(state, Running::Up | Running::Starting | Running::Stopping);
    let any_up = running.values().any(|state| alive(*state));
    let cut_short = observed
        .pending
        .as_ref()
        .is_some_and(|pending| pending.restart.iter().any(|unit| name.owns(unit)));
    let want_running = facts.boots() || any_up || cut_short;

    let staying: Vec<String> = running
        .iter()
        .filter(|(number, state)| **number < facts.instances && alive(**state))
        .map(|(number, _)| name.instance(*number))
        .collect();
    let mut said = Vec::new();
    if let Some(there) = there {
        (plan.sockets, said) = sockets::plan(&Situation {
            app,
            there,
            observed,
            alive: &staying,
            want_running,
        });
        all_instances |= plan.sockets.renew;
    }

    for (number, state) in &running {
        let unit = name.instance(*number);
        if *number >= facts.instances {
            if alive(*state) || *state == Running::Failed {
                plan.stop.push(unit);
            }
            continue;
        }
        if !alive(*state) {
            continue;
        }
        let own_env = format!("{}@{number}.env", name.stem());
        let left_undone = observed
            .pending
            .as_ref()
            .is_some_and(|pending| pending.restart.contains(&unit));
        // A run that the clock began ends as it is; the next has the new settings.
        if facts.by_clock_alone() {
            continue;
        }
        if all_instances || left_undone || plan.env.iter().any(|change| change.name == own_env) {
            plan.restart.push(unit);
        }
    }
    if !plan.sockets.halt.is_empty() {
        plan.restart.clear();
    }
    let clock = clock_stops(&plan, observed);
    plan.stop.extend(clock);
    if let Some(there) = there {
        plan.sockets.leave = sockets::leaving(there, observed, &plan.stop);
    }
    // A job that has ended well stays ended until something about it changes.
    let job_done = |unit: &String| {
        !facts.autorestart
            && !all_instances
            && observed.state(&name.target()) == Running::Up
            && observed.state(unit) == Running::Down
            && unit.contains('@')
    };
    if want_running {
        let anew = [&plan.stop, &plan.sockets.halt, &plan.sockets.close];
        let stopped = |unit: &String| anew.iter().any(|units| units.contains(unit));
        // What its target does not want, and lets go of a socket that closes, goes on all the same.
        let mut wanted = app.wanted();
        let apart: Vec<String> = match facts.by_clock_alone() {
            true => plan.sockets.halt.clone(),
            false => vec![],
        };
        wanted.extend(apart.iter().cloned());
        let start: Vec<String> = wanted
            .iter()
            .filter(|unit| !plan.sockets.open.contains(unit))
            .filter(|unit| {
                stopped(unit)
                    || !matches!(observed.state(unit), Running::Up | Running::Starting)
                        && !job_done(unit)
            })
            .cloned()
            .collect();
        plan.reset = start
            .iter()
            .filter(|unit| observed.state(unit) == Running::Failed)
            .cloned()
            .collect();
        plan.wait = wanted
            .into_iter()
            .filter(|unit| {
                start.contains(unit)
                    || plan.restart.contains(unit)
                    || matches!(observed.state(unit), Running::Starting | Running::Stopping)
            })
            .collect();
        // The target is asked for as well: it is what systemctl shows and what boots.
        if !start.is_empty() || observed.state(&name.target()) != Running::Up {
            plan.start = vec![name.target()];
            plan.start.extend(apart);
        }
    }
    // Those that do not serve now go first.
    plan.restart
        .sort_by_key(|unit| observed.state(unit) == Running::Up);
    if there.is_none() {
        plan.change = Change::Create;
    } else if !plan.is_empty() {
        plan.change = Change::Update;
    }
    plan.back = way_back(there, &plan, observed);
    plan.notes.extend(said);
    explain(&mut plan, there);
    plan
}

/// One app that is to go: everything stops before its file is removed, else it could not be started again (seen on systemd 247 to 262).
fn remove(app: &AppUnits, observed: &Observed) -> AppPlan {
    let name = &app.facts.app;
    let mut plan = AppPlan::new(app.facts.clone(), Change::Remove);
    // Whatever its state: a target that is about to start looks down, and would come up when its units are gone.
    plan.stop.push(name.target());
    let mut units: Vec<String> = observed
        .instances(name.stem())
        .keys()
        .map(|n| name.instance(*n))
        .collect();
    units.extend(observed.strays(name.stem()));
    let sockets = observed.running.keys();
    units.extend(
        sockets
            .filter(|unit| unit.ends_with(".socket") && name.owns(unit))
            .cloned(),
    );
    units.extend([name.timer(), name.clock(), name.holder()]);
    for unit in units {
        match observed.state(&unit) {
            Running::Down => {}
            Running::Failed => {
                plan.stop.push(unit.clone());
                plan.reset.push(unit);
            }
            _ => plan.stop.push(unit),
        }
    }
    plan.stop_too = (0..app.facts.instances)
        .map(|n| name.instance(n))
        .filter(|unit| observed.state(unit) == Running::Down)
        .filter(|unit| !observed.foreign.contains_key(unit))
        .collect();
    let gone = |name: &String, text: &String| FileChange {
        name: name.clone(),
        before: Some(text.clone()),
        after: None,
    };
    plan.units = app
        .units
        .iter()
        .map(|file| gone(&file.name, &file.text))
        .collect();
    plan.env = app
        .env
        .iter()
        .map(|file| gone(&file.name, &file.text))
        .collect();
    let target = name.target();
    plan.unlink = observed
        .links
        .iter()
        .filter(|(_, unit)| *unit == target)
        .cloned()
        .collect();
    plan
}

/// The clock's units that must stop: a timer that changes goes by its old times else, and what goes is stopped before its file is removed.
fn clock_stops(plan: &AppPlan, observed: &Observed) -> Vec<String> {
    let name = &plan.facts.app;
    let gone = plan.facts.schedule.is_none();
    let timer = name.timer();
    let changed = |change: &FileChange| change.name == timer && acts(change);
    let mut stops = Vec::new();
    if plan.units.iter().any(changed) && observed.state(&timer) != Running::Down {
        stops.push(timer);
    }
    if gone && observed.state(&name.clock()) != Running::Down {
        stops.push(name.clock());
    }
    stops
}

/// What people are told of it beside its sockets.
pub(super) fn explain(plan: &mut AppPlan, there: Option<&AppUnits>) {
    if let Some(there) = there
        && there.facts.file != plan.facts.file
    {
        plan.notes.push(format!(
            "was applied from {} until now",
            there.facts.file.display()
        ));
    }
    if let Some(there) = there
        && there.facts.instances != plan.facts.instances
    {
        plan.notes.push(format!(
            "instances {} → {}",
            there.facts.instances, plan.facts.instances
        ));
    }
    for change in &plan.units {
        if change.before.as_deref().is_some_and(marker::edited) {
            plan.notes
                .push(format!("{} was edited by hand: the edit goes", change.name));
        }
    }
}
