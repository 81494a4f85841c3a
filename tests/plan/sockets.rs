//! What a change of the listeners does, said beforehand and left behind when it is cut short.

use super::*;

fn changed(change: impl FnOnce(&mut Shape)) -> (UnitSet, Observed, Plan) {
    let (wanted, observed) = two_apps(change);
    let plan = plan_of(&wanted, &observed);
    (wanted, observed, plan)
}

fn note(plan: &Plan, words: &str) {
    let notes = &plan.apps[0].notes;
    assert!(
        notes.iter().any(|note| note.contains(words)),
        "{words}: {notes:?}"
    );
}

/// The plan after a run of this one that did its first steps: `ended` has the units that were stopped or started by then.
fn again(wanted: &UnitSet, observed: &Observed, plan: &Plan, ended: &[(&str, Running)]) -> Plan {
    let mut then = observed.clone();
    let app = &plan.apps[0];
    for change in app.units.iter().filter(|change| !app.goes_late(change)) {
        let text = change.after.clone().unwrap_or_default();
        then.units.insert(change.name.clone(), text);
    }
    for (unit, state) in ended {
        then.running.insert((*unit).to_owned(), *state);
    }
    then.pending = Some(Pending {
        restart: plan.unfinished().collect(),
        reload: false,
    });
    plan_of(wanted, &then)
}

#[test]
fn another_port_is_open_before_the_first_instance_restarts() {
    let (wanted, observed, plan) = changed(|api| api.port = Some(3001));
    let app = &plan.apps[0];
    assert_eq!(app.stops(), Vec::<String>::new());
    assert_eq!(app.sockets.free, [Listen::Port(3001)]);
    assert_eq!(app.sockets.open, ["api@tcp-3001.socket"]);
    assert_eq!(app.restart, ["api@0.service", "api@1.service"]);
    assert_eq!(app.sockets.retire, ["api@tcp-3000.socket"]);
    let late: Vec<&str> = app
        .units
        .iter()
        .filter(|change| app.goes_late(change))
        .map(|change| change.name.as_str())
        .collect();
    assert_eq!(late, ["api@tcp-3000.socket"]);
    note(
        &plan,
        "3001 is opened before the first instance restarts, and 3000 is served until the last one has",
    );

    // Cut short when the files were written, and when the new socket was open as well.
    let next = again(&wanted, &observed, &plan, &[]);
    assert_eq!(next.apps[0].sockets.open, ["api@tcp-3001.socket"]);
    assert_eq!(next.apps[0].restart.len(), 2);
    assert_eq!(next.apps[0].sockets.retire, ["api@tcp-3000.socket"]);
    let next = again(
        &wanted,
        &observed,
        &plan,
        &[("api@tcp-3001.socket", Running::Up)],
    );
    assert_eq!(next.apps[0].sockets.open, Vec::<String>::new());
    assert_eq!(next.apps[0].restart.len(), 2);
    assert_eq!(next.apps[0].sockets.retire, ["api@tcp-3000.socket"]);
    // When only the old socket's file was left.
    let over = [
        ("api@tcp-3001.socket", Running::Up),
        ("api@tcp-3000.socket", Running::Down),
    ];
    let next = again(&wanted, &observed, &plan, &over);
    assert_eq!(next.apps[0].sockets.retire, Vec::<String>::new());
    assert!(
        next.apps[0]
            .units
            .iter()
            .any(|change| change.after.is_none())
    );
}

#[test]
fn a_second_listener_leaves_the_first_alone() {
    let (_, _, plan) = changed(|api| api.listeners.second = Some("4000"));
    let app = &plan.apps[0];
    assert_eq!(app.sockets.open, ["api@tcp-4000.socket"]);
    assert_eq!((app.stops(), &app.sockets.retire), (vec![], &vec![]));
    assert_eq!(app.restart.len(), 2);
    note(
        &plan,
        "4000 is opened before the first instance restarts; nothing is refused",
    );
}

#[test]
fn an_address_that_the_old_one_takes_in_stops_all() {
    let (mut before, _) = two_apps(|api| api.listeners.second = Some("127.0.0.1:3001"));
    let observed = running(&before);
    (before, _) = two_apps(|api| api.port = Some(3001));
    let plan = plan_of(&before, &observed);
    let app = &plan.apps[0];
    assert_eq!(app.sockets.halt, ["api@0.service", "api@1.service"]);
    for socket in [
        "api-socket.service",
        "api@tcp-3000.socket",
        "api@tcp-127.0.0.1-3001.socket",
    ] {
        assert!(app.sockets.close.contains(&socket.to_owned()), "{socket}");
    }
    assert_eq!((&app.sockets.open, &app.restart), (&vec![], &vec![]));
    assert_eq!(app.start, ["api.target"]);
    note(&plan, "3001 cannot be opened while 127.0.0.1:3001 is open");
}

#[test]
fn a_longer_queue_restarts_nothing() {
    let (wanted, observed, plan) = changed(|api| api.listeners.options = vec![("Backlog", "7")]);
    let app = &plan.apps[0];
    assert_eq!(app.sockets.queues.len(), 1);
    assert_eq!(app.sockets.queues[0].length, 7);
    assert_eq!(app.sockets.queues[0].addresses, [Listen::Port(3000)]);
    let sockets = SocketPlan {
        queues: app.sockets.queues.clone(),
        ..SocketPlan::default()
    };
    assert_eq!(app.sockets, sockets);
    assert!(app.stop.is_empty() && app.start.is_empty() && app.restart.is_empty());
    note(&plan, "the queue of 3000 gets another length");
    let next = again(&wanted, &observed, &plan, &[]);
    assert_eq!(next.apps[0].sockets, sockets);
}

#[test]
fn other_options_open_the_socket_anew() {
    let (wanted, observed, plan) =
        changed(|api| api.listeners.options = vec![("KeepAlive", "yes")]);
    let app = &plan.apps[0];
    assert_eq!(app.sockets.halt.len(), 2);
    assert_eq!(
        app.sockets.close,
        ["api-socket.service", "api@tcp-3000.socket"]
    );
    note(
        &plan,
        "the socket of 3000 gets other options: all instances stop and start again; connections wait",
    );
    // Cut short at any moment, all of it is done again: nobody knows with which options the socket is open.
    for ended in [
        &[][..],
        &[("api@0.service", Running::Down)],
        &[
            ("api@tcp-3000.socket", Running::Down),
            ("api@0.service", Running::Down),
        ],
    ] {
        let next = again(&wanted, &observed, &plan, ended);
        let app = &next.apps[0];
        assert!(
            app.sockets.halt.contains(&"api@1.service".to_owned()),
            "{ended:?}"
        );
        assert!(
            app.sockets.close.contains(&"api-socket.service".to_owned()),
            "{ended:?}"
        );
        assert_eq!(app.start, ["api.target"]);
    }
}

#[test]
fn from_fork_to_cluster_and_back() {
    let (cluster, _) = two_apps(|_| {});
    let (fork, _) = two_apps(|api| api.port = None);
    let there = plan_of(&cluster, &running(&fork));
    let app = &there.apps[0];
    assert_eq!(app.sockets.halt, ["api@0.service", "api@1.service"]);
    assert_eq!((&app.sockets.close, &app.sockets.free), (&vec![], &vec![]));
    note(&there, "systemd takes the port over");
    let next = again(&cluster, &running(&fork), &there, &[]);
    assert_eq!(next.apps[0].sockets.halt.len(), 2);
    let back = plan_of(&fork, &running(&cluster));
    let app = &back.apps[0];
    assert_eq!(app.sockets.halt.len(), 2);
    assert_eq!(
        app.sockets.close,
        ["api-socket.service", "api@tcp-3000.socket"]
    );
    note(&back, "the instances take the port over");
}

#[test]
fn a_socket_an_instance() {
    let own = |api: &mut Shape| api.listeners.reuseport = true;
    let (reuseport, _) = two_apps(own);
    let mut observed = running(&reuseport);
    for socket in ["api@0.socket", "api@1.socket"] {
        observed.running.insert(socket.into(), Running::Up);
    }
    assert!(plan_of(&reuseport, &observed).is_empty());

    // One instance less: its socket first.
    let (fewer, _) = two_apps(|api| {
        own(api);
        api.instances = 1;
    });
    let app = &plan_of(&fewer, &observed).apps[0];
    assert_eq!(app.stops(), ["api@1.socket", "api@1.service"]);

    // Another address: one after another.
    let (moved, _) = two_apps(|api| {
        own(api);
        api.port = Some(3001);
    });
    let plan = plan_of(&moved, &observed);
    let app = &plan.apps[0];
    assert!(app.sockets.renew);
    assert_eq!(app.restart, ["api@0.service", "api@1.service"]);
    assert_eq!(app.sockets.free, [Listen::Port(3001)]);
    note(&plan, "each instance gets a new socket as it restarts");
    let next = again(&moved, &observed, &plan, &[]);
    assert!(next.apps[0].sockets.renew);

    // To the shared socket and back: the one address cannot be open in both ways.
    let (shared, _) = two_apps(|_| {});
    let plan = plan_of(&shared, &observed);
    let app = &plan.apps[0];
    assert_eq!(app.sockets.halt.len(), 2);
    assert_eq!(app.sockets.close, ["api@0.socket", "api@1.socket"]);
    note(&plan, "another balance");
    let plan = plan_of(&reuseport, &running(&shared));
    let app = &plan.apps[0];
    assert_eq!(
        app.sockets.close,
        ["api-socket.service", "api@tcp-3000.socket"]
    );
    note(&plan, "another balance");
}

#[test]
fn a_socket_that_is_down_under_its_instances_is_opened_anew() {
    let (wanted, mut observed, _) = changed(|_| {});
    observed
        .running
        .insert("api@tcp-3000.socket".into(), Running::Failed);
    let plan = plan_of(&wanted, &observed);
    assert_eq!(plan.apps[0].sockets.halt.len(), 2);
    note(&plan, "api@tcp-3000.socket is down");
}

#[test]
fn the_way_back_leaves_the_old_listener_and_those_that_hold_it_alone() {
    let (_, observed, plan) = changed(|api| api.port = Some(3001));
    let app = &plan.apps[0];
    let before = UnitSet {
        apps: vec![app.back.clone().unwrap()],
        watcher: None,
    };
    let mut failed = observed.clone();
    for change in app.units.iter().filter(|change| !app.goes_late(change)) {
        let text = change.after.clone().unwrap();
        failed.units.insert(change.name.clone(), text);
    }
    let retired = ["api@tcp-3001.socket".to_owned()];

    // The first instance did not come up on the new port.
    let mut then = failed.clone();
    then.running.insert(retired[0].clone(), Running::Up);
    then.running.insert("api@0.service".into(), Running::Failed);
    then.pending = Some(Pending {
        restart: ["api@1.service".to_owned()].into(),
        reload: false,
    });
    let back = put_back(&before, &then, &Default::default()).unwrap();
    let app = &back.apps[0];
    assert_eq!(check::check(&back, &then), Vec::<String>::new());
    assert_eq!(app.stops(), Vec::<String>::new());
    assert_eq!(
        (&app.restart, &app.wait),
        (&vec![], &vec!["api@0.service".to_owned()])
    );
    assert_eq!(app.sockets.retire, retired);

    // The new port could not be opened.
    let mut then = failed;
    then.running.insert(retired[0].clone(), Running::Failed);
    then.pending = Some(Pending {
        restart: plan.apps[0].unfinished().into_iter().collect(),
        reload: false,
    });
    let back = put_back(&before, &then, &Default::default()).unwrap();
    let app = &back.apps[0];
    assert_eq!(app.stops(), Vec::<String>::new());
    assert_eq!((&app.restart, app.starts()), (&vec![], vec![]));
    assert_eq!(app.sockets.retire, retired);
}

#[test]
fn scaling_leaves_what_a_change_of_the_sockets_owes() {
    let (reuseport, _) = two_apps(|api| {
        api.instances = 3;
        api.listeners.reuseport = true;
    });
    let mut observed = Observed {
        pending: Some(Pending {
            restart: [
                "api-socket.service",
                "api@.socket",
                "api@1.service",
                "api@2.service",
            ]
            .map(str::to_owned)
            .into(),
            reload: false,
        }),
        ..running(&reuseport)
    };
    observed.running.insert("api@2.socket".into(), Running::Up);
    let app = observed.apps().remove("api").unwrap();
    let plan = scale(&rpmctl::units::scale(&app, 2).unwrap(), &observed).unwrap();
    let sockets = SocketPlan {
        leave: vec!["api@2.socket".into()],
        ..SocketPlan::default()
    };
    assert_eq!(plan.apps[0].sockets, sockets);
    assert_eq!(plan.apps[0].stops(), ["api@2.socket", "api@2.service"]);
    assert_eq!(
        (&plan.apps[0].restart, &plan.apps[0].start),
        (&vec![], &vec![])
    );
    assert_eq!(plan.apps[0].notes, ["instances 3 → 2"]);
    let owed = ["api-socket.service", "api@.socket", "api@1.service"];
    assert!(plan.owed.iter().eq(owed), "{:?}", plan.owed);
}
