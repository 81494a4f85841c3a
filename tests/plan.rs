//! Plans of random machines: the rules hold, carrying a plan out leaves nothing to do, and only what changed is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;
use rpmctl::model::*;
use rpmctl::plan::{
    Change, Observed, Pending, Plan, Running, Scope, SocketPlan, check, decide, put_back, removal,
    scale,
};
use rpmctl::units::template::Templates;
use rpmctl::units::{Site, UnitSet, compile};

use machine::*;
use shapes::*;

#[path = "plan/machine.rs"]
mod machine;
#[path = "plan/shapes.rs"]
mod shapes;
#[path = "plan/sockets.rs"]
mod sockets;
#[path = "plan/watcher.rs"]
mod watcher;
#[path = "plan/way_back.rs"]
mod way_back;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_keeps_the_rules_and_leads_to_rest((wanted, observed) in two_versions()) {
        for scope in [Scope::Wanted, Scope::Everything] {
            let plan = decide(&wanted, &observed, &scope).unwrap();
            prop_assert_eq!(check::check(&plan, &observed), Vec::<String>::new());
            let after = carried_out(&plan, &observed, &wanted);
            let again = decide(&wanted, &after, &scope).unwrap();
            prop_assert!(again.is_empty(), "{:#?}\nthen {:#?}", plan, again);
            let needed = after.apps().values().any(|app| app.facts.needs_watcher());
            prop_assert_eq!(after.watcher.text.is_some(), needed);
            if scope == Scope::Everything {
                let left: BTreeSet<String> = after.apps().into_keys().collect();
                let names: BTreeSet<String> =
                    wanted.apps.iter().map(|app| app.facts.app.to_string()).collect();
                prop_assert_eq!(left, names);
            }
        }
    }

    #[test]
    fn removing_touches_no_other_app((_, observed) in two_versions()) {
        let plan = removal(&["api".to_owned()], &observed);
        prop_assert_eq!(check::check(&plan, &observed), Vec::<String>::new());
        let after = carried_out(&plan, &observed, &UnitSet::default());
        prop_assert!(!after.apps().contains_key("api"));
        let others = |observed: &Observed| {
            let mut apps = observed.apps();
            apps.remove("api");
            apps.into_keys().collect::<Vec<_>>()
        };
        prop_assert_eq!(others(&after), others(&observed));
    }
}

#[test]
fn the_same_again_does_nothing() {
    let (wanted, observed) = two_apps(|_| {});
    assert!(plan_of(&wanted, &observed).is_empty());
}

#[test]
fn an_env_value_restarts_that_app_alone() {
    let (wanted, observed) = two_apps(|api| api.env = "b".into());
    let plan = plan_of(&wanted, &observed);
    assert_eq!(plan.apps[0].restart, ["api@0.service", "api@1.service"]);
    assert!(plan.apps[0].units.is_empty() && !plan.reload);
    assert_eq!(plan.apps[1].change, Change::Keep);
}

#[test]
fn fewer_instances_stop_the_last_and_leave_the_rest() {
    let (wanted, observed) = two_apps(|api| api.instances = 1);
    let plan = plan_of(&wanted, &observed);
    assert_eq!(plan.apps[0].stop, ["api@1.service"]);
    assert!(plan.apps[0].restart.is_empty());
}

#[test]
fn a_job_that_has_ended_well_is_left_alone_until_it_changes() {
    let job = |env: &str| {
        let mut app = app(&Shape {
            name: "job",
            instances: 1,
            port: None,
            listeners: Listeners::default(),
            env: env.into(),
            kill_ms: 1600,
            autostart: true,
            increment: false,
            limited: false,
            cron: None,
            job: false,
        });
        app.restart.auto = false;
        compiled_apps(vec![app])
    };
    let mut observed = running(&job("a"));
    observed
        .running
        .insert("job@0.service".into(), Running::Down);
    assert!(plan_of(&job("a"), &observed).is_empty());
    let again = plan_of(&job("b"), &observed);
    assert_eq!(again.apps[0].start, ["job.target"]);
    observed.running.insert("job.target".into(), Running::Down);
    let stopped = plan_of(&job("a"), &observed);
    assert_eq!(stopped.apps[0].start, ["job.target"]);
    observed
        .running
        .insert("job@0.service".into(), Running::Failed);
    assert!(!plan_of(&job("a"), &observed).is_empty());
}

#[test]
fn the_clock_changes_and_nobody_restarts() {
    let cron = |text: Option<&'static str>| two_apps(|api| api.cron = text);
    let (wanted, plain) = cron(Some("0 3 * * 1"));
    let observed = running(&cron(Some("@daily")).0);
    let plan = plan_of(&wanted, &observed);
    let api = &plan.apps[0];
    assert_eq!(api.stop, ["api-cron.timer"]);
    assert_eq!(api.start, ["api.target"]);
    assert_eq!(api.wait, ["api-cron.timer"]);
    assert!(api.restart.is_empty() && plan.apps[1].is_empty());

    let (off, _) = cron(None);
    let mut busy = observed.clone();
    busy.running
        .insert("api-cron.service".into(), Running::Starting);
    let plan = plan_of(&off, &busy);
    assert_eq!(plan.apps[0].stop, ["api-cron.timer", "api-cron.service"]);
    assert!(plan.apps[0].start.is_empty() && plan.apps[0].restart.is_empty());
    let plan = plan_of(&wanted, &plain);
    assert_eq!(plan.apps[0].stop, Vec::<String>::new());
    assert_eq!(plan.apps[0].wait, ["api-cron.timer"]);

    let removed = removal(&["api".to_owned()], &busy);
    for unit in ["api-cron.timer", "api-cron.service"] {
        assert!(removed.apps[0].stop.iter().any(|stop| stop == unit));
    }
}

/// A start that was queued when it was looked at may have begun when the files go.
#[test]
fn instances_that_looked_down_stop_as_well_when_their_app_goes() {
    let (_, mut observed) = two_apps(|_| {});
    let states = [
        ("api@0.service", Running::Down),
        ("api@1.service", Running::Starting),
    ];
    for (unit, state) in states {
        observed.running.insert(unit.into(), state);
    }
    let gone = |observed: &Observed| removal(&["api".to_owned()], observed).apps.remove(0);
    let app = gone(&observed);
    assert_eq!(app.stop_too, ["api@0.service"]);
    assert!(app.stop.contains(&"api@1.service".to_owned()));
    let file = PathBuf::from("/etc/systemd/system/api@0.service");
    observed.foreign.insert("api@0.service".into(), file);
    assert_eq!(gone(&observed).stop_too, Vec::<String>::new());
}

#[test]
fn a_job_by_the_clock_alone_is_not_started_and_its_run_not_cut_short() {
    let job = |env: &str| {
        two_apps(|api| {
            (api.cron, api.job, api.autostart) = (Some("@daily"), true, false);
            (api.port, api.env) = (None, env.to_owned());
        })
    };
    let (wanted, _) = job("a");
    let mut observed = running(&wanted);
    let fresh = plan_of(&wanted, &Observed::default());
    assert_eq!(fresh.apps[0].start, ["api.target"]);
    assert_eq!(fresh.apps[0].wait, ["api-cron.timer"]);
    assert!(!fresh.apps[0].link.is_empty());
    observed.running.insert("api@0.service".into(), Running::Up);
    observed
        .running
        .insert("api@1.service".into(), Running::Failed);
    assert!(plan_of(&wanted, &observed).is_empty());
    let changed = plan_of(&job("b").0, &observed);
    assert!(changed.apps[0].restart.is_empty() && changed.apps[0].start.is_empty());
    assert!(!changed.is_empty());
}

#[test]
fn an_interrupted_restart_is_carried_on() {
    let (wanted, mut observed) = two_apps(|_| {});
    observed.pending = Some(Pending {
        restart: BTreeSet::from(["api@1.service".to_owned()]),
        reload: true,
    });
    let plan = plan_of(&wanted, &observed);
    assert_eq!(plan.apps[0].restart, ["api@1.service"]);
    assert!(plan.reload && plan.owed.is_empty());
}

#[test]
fn what_one_app_is_owed_outlives_a_plan_for_another() {
    let (mut wanted, mut observed) = two_apps(|_| {});
    let owed = BTreeSet::from(["api@1.service".to_owned()]);
    observed.pending = Some(Pending {
        restart: owed.clone(),
        reload: false,
    });
    let both = wanted.clone();
    wanted.apps.retain(|app| app.facts.app.as_str() == "worker");
    let plan = plan_of(&wanted, &observed);
    assert!(plan.is_empty() && plan.owed == owed);
    let removal = removal(&["worker".to_owned()], &observed);
    assert_eq!(removal.owed, owed);
    assert!(removal.unfinished().eq(owed.iter().cloned()));
    let after = carried_out(&removal, &observed, &UnitSet::default());
    assert_eq!(plan_of(&both, &after).apps[0].restart, ["api@1.service"]);
}

#[test]
fn an_app_that_was_stopped_to_change_starts_again_after_an_interruption() {
    let (_, observed) = two_apps(|api| api.autostart = false);
    let (wanted, _) = two_apps(|api| {
        api.autostart = false;
        api.listeners.options = vec![("KeepAlive", "yes")];
    });
    let plan = plan_of(&wanted, &observed);
    let unfinished: BTreeSet<String> = plan.unfinished().collect();
    assert!(unfinished.contains("api@0.service"), "{unfinished:?}");
    let mut stopped = observed.clone();
    for unit in &plan.apps[0].stops() {
        stopped.running.insert(unit.clone(), Running::Down);
    }
    stopped.pending = Some(Pending {
        restart: unfinished,
        reload: true,
    });
    assert_eq!(plan_of(&wanted, &stopped).apps[0].start, ["api.target"]);
}

#[test]
fn a_unit_of_another_origin_refuses_everything() {
    let (wanted, mut observed) = two_apps(|_| {});
    let file = PathBuf::from("/etc/systemd/system/api@0.service");
    observed
        .foreign
        .insert("api@0.service".into(), file.clone());
    let refusals = decide(&wanted, &observed, &Scope::Wanted).unwrap_err();
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].file, file);
}

#[test]
fn what_else_runs_of_a_template_is_no_instance_and_stops_when_it_goes() {
    let (wanted, mut observed) = two_apps(|_| {});
    for unit in [
        "api@x.service",
        "api@007.service",
        "api@+1.service",
        "api@mine.service",
        "api@9.service",
    ] {
        observed.running.insert(unit.into(), Running::Up);
    }
    let file = PathBuf::from("/etc/systemd/system/api@mine.service");
    observed.foreign.insert("api@mine.service".into(), file);
    let numbers: Vec<u32> = observed.instances("api").into_keys().collect();
    assert_eq!(numbers, [0, 1, 9]);
    let kept = &plan_of(&wanted, &observed).apps[0];
    assert_eq!(kept.stop, ["api@9.service"]);
    let removed = removal(&["api".to_owned()], &observed);
    assert_eq!(check::check(&removed, &observed), Vec::<String>::new());
    let gone = &removed.apps[0].stop;
    let instances: Vec<&str> = gone
        .iter()
        .filter(|unit| unit.contains('@') && unit.ends_with(".service"))
        .map(String::as_str)
        .collect();
    assert_eq!(
        instances,
        [
            "api@0.service",
            "api@1.service",
            "api@9.service",
            "api@+1.service",
            "api@007.service",
            "api@x.service"
        ]
    );
}
