//! Machines: random ones, and those that a plan leaves when every step of it works.

use super::*;

/// What a run of the plan makes of the machine when every step works.
pub fn carried_out(plan: &Plan, observed: &Observed, wanted: &UnitSet) -> Observed {
    let mut after = observed.clone();
    let put = |files: &mut BTreeMap<String, String>, change: &rpmctl::plan::FileChange| {
        match &change.after {
            Some(text) => files.insert(change.name.clone(), text.clone()),
            None => files.remove(&change.name),
        };
    };
    for app in &plan.apps {
        for unit in app.stops().iter().chain(&app.reset) {
            after.running.insert(unit.clone(), Running::Down);
        }
        for change in &app.units {
            put(&mut after.units, change);
        }
        for change in &app.env {
            put(&mut after.env, change);
        }
        after.links.extend(app.link.iter().cloned());
        for link in &app.unlink {
            after.links.remove(link);
        }
        for unit in app.starts().iter().chain(&app.restart).chain(&app.wait) {
            after.running.insert(unit.clone(), Running::Up);
        }
        // A target starts what it wants.
        if !app.start.is_empty() {
            let units = wanted
                .apps
                .iter()
                .find(|units| units.facts.app == app.facts.app);
            for unit in units.map(|units| units.wanted()).unwrap_or_default() {
                after.running.insert(unit, Running::Up);
            }
        }
        for unit in &app.sockets.retire {
            after.running.insert(unit.clone(), Running::Down);
        }
    }
    let watch = &plan.watch;
    let unit = rpmctl::units::watcher::UNIT.to_owned();
    if let Some(change) = &watch.unit {
        after.watcher.text = change.after.clone();
    }
    after.watcher.links.extend(watch.link.iter().cloned());
    for folder in &watch.unlink {
        after.watcher.links.remove(folder);
    }
    if watch.stop {
        after.running.insert(unit, Running::Down);
    } else if watch.start || watch.restart {
        after.running.insert(unit, Running::Up);
    }
    after.pending = (!plan.owed.is_empty()).then(|| Pending {
        restart: plan.owed.clone(),
        reload: false,
    });
    after
}

/// Any state for any unit that could be there, and a restart left undone.
pub fn disturbed(base: Observed) -> impl Strategy<Value = Observed> {
    let units: Vec<String> = ["api", "api-socket", "worker"]
        .iter()
        .flat_map(|stem| {
            (0..4).map(move |n| format!("{stem}@{n}.service")).chain([
                format!("{stem}.target"),
                format!("{stem}@tcp-3000.socket"),
                format!("{stem}@tcp-3001.socket"),
                format!("{stem}@0.socket"),
                format!("{stem}@1.socket"),
                format!("{stem}-socket.service"),
                format!("{stem}-cron.timer"),
                format!("{stem}-cron.service"),
            ])
        })
        .chain([rpmctl::units::watcher::UNIT.to_owned()])
        .collect();
    let state = prop_oneof![
        Just(Running::Up),
        Just(Running::Starting),
        Just(Running::Stopping),
        Just(Running::Failed),
        Just(Running::Down),
    ];
    (
        proptest::collection::vec(state, units.len()),
        proptest::option::of(proptest::sample::subsequence(units.clone(), 0..4)),
    )
        .prop_map(move |(states, pending)| Observed {
            running: units.iter().cloned().zip(states).collect(),
            pending: pending.map(|units| Pending {
                reload: units.len() % 2 == 0,
                restart: units.into_iter().collect::<BTreeSet<_>>(),
            }),
            ..base.clone()
        })
}

pub fn on_disk(set: &UnitSet) -> Observed {
    let nothing = Observed::default();
    let plan = decide(set, &nothing, &Scope::Wanted).unwrap();
    Observed {
        running: BTreeMap::new(),
        ..carried_out(&plan, &nothing, set)
    }
}

pub fn two_versions() -> impl Strategy<Value = (UnitSet, Observed)> {
    (shapes(), shapes()).prop_flat_map(|(before, after)| {
        let observed = on_disk(&compiled(&before));
        (Just(compiled(&after)), disturbed(observed))
    })
}

pub fn running(set: &UnitSet) -> Observed {
    let nothing = Observed::default();
    let plan = decide(set, &nothing, &Scope::Wanted).unwrap();
    carried_out(&plan, &nothing, set)
}

pub fn two_apps(change: impl FnOnce(&mut Shape)) -> (UnitSet, Observed) {
    let api = Shape {
        name: "api",
        instances: 2,
        port: Some(3000),
        listeners: Listeners::default(),
        env: "a".into(),
        kill_ms: 1600,
        autostart: true,
        increment: false,
        limited: false,
        cron: None,
        job: false,
    };
    let worker = Shape {
        name: "worker",
        port: None,
        ..api.clone()
    };
    let observed = running(&compiled(&[api.clone(), worker.clone()]));
    let mut changed = api;
    change(&mut changed);
    (compiled(&[changed, worker]), observed)
}

pub fn plan_of(wanted: &UnitSet, observed: &Observed) -> Plan {
    decide(wanted, observed, &Scope::Wanted).unwrap()
}
