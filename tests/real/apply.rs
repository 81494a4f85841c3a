//! apply: from a file to instances that answer, and only what changed is touched.

use crate::apps::{
    self, Run, all_answer, apply, cluster, list, ok, property, rpmctl, runs, shell, state,
    statuses, units,
};
use crate::bed::Bed;

/// The three apps, each with its greeting.
fn three(node: &str, python: &str, rust: &str) -> String {
    cluster("web", "node", 4101, 4, node)
        + &cluster("py", "python", 4102, 4, python)
        + &cluster("rs", "rust", 4103, 4, rust)
}

/// Whether none of the runs goes on.
fn all_new(old: &[Run], new: &[Run]) -> bool {
    old.len() == new.len()
        && old
            .iter()
            .zip(new)
            .all(|(old, new)| old.pid != new.pid && old.invocation != new.invocation)
}

/// What systemctl says of the boot of an app.
fn enabled(bed: &Bed, unit: &str) -> String {
    bed.run(&["systemctl", "is-enabled", unit])
        .stdout
        .trim_end()
        .to_owned()
}

#[test]
fn three_apps_come_up_and_only_what_changed_is_touched() {
    let bed = &apps::bed();
    apps::write(bed, &three("hello", "hello", "hello"));
    let first = rpmctl(bed, &["apply"]);
    assert_eq!(first.status, 0, "{first}");
    assert!(
        first
            .stdout
            .ends_with("3 to create\ndone: 3 apps, 12 instances\n"),
        "{first}"
    );
    for (app, port) in [("web", 4101), ("py", 4102), ("rs", 4103)] {
        let lines = apps::sorted(&first);
        for unit in units(app, 4) {
            assert!(
                lines.contains(&format!("  started   {unit}").as_str()),
                "{first}"
            );
        }
        all_answer(bed, app, port, 4, "hello");
        assert_eq!(
            [
                state(bed, &format!("{app}.target")),
                enabled(bed, &format!("{app}.target"))
            ],
            ["active", "enabled"]
        );
    }
    assert_eq!(statuses(bed, &[]), ["online"; 12]);

    let all = || [runs(bed, "web", 4), runs(bed, "py", 4), runs(bed, "rs", 4)];
    let before = all();
    let second = rpmctl(bed, &["apply"]);
    assert_eq!(
        (
            second.status,
            second.stdout.as_str(),
            second.stderr.as_str()
        ),
        (
            0,
            "nothing to do: 3 apps, 12 instances, all as the file says\n",
            ""
        )
    );
    assert_eq!(all(), before);

    assert_eq!(
        apply(bed, &three("hello", "bye", "hello")),
        "= web (keep)\n~ py (change)\n    ~ env GREETING\n    restart py@0 py@1 py@2 py@3, one after another\n= rs (keep)\n\
         1 to change, 2 unchanged\ndone: 3 apps, 12 instances\n"
    );
    let after = all();
    assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
    assert!(all_new(&before[1], &after[1]), "{before:?} {after:?}");
    all_answer(bed, "py", 4102, 4, "bye");

    // Without rpmctl everything goes on.
    bed.sh_ok("rm /usr/local/bin/rpmctl");
    for (app, port, greeting) in [
        ("web", 4101, "hello"),
        ("py", 4102, "bye"),
        ("rs", 4103, "hello"),
    ] {
        all_answer(bed, app, port, 4, greeting);
        let before = runs(bed, app, 4);
        bed.ok(&["systemctl", "restart", &format!("{app}.target")]);
        all_answer(bed, app, port, 4, greeting);
        assert!(all_new(&before, &runs(bed, app, 4)), "{app}");
    }
}

#[test]
fn words_for_people_restart_nothing() {
    let bed = &apps::bed();
    let with = |words: &str| {
        cluster("web", "node", 4101, 2, "hello")
            + "[apps.systemd.Unit]\nDocumentation = \""
            + words
            + "\"\n"
    };
    apply(bed, &with("https://example.org/old"));
    let before = runs(bed, "web", 2);
    assert_eq!(
        apply(bed, &with("https://example.org/new")),
        "~ web (change)\n    ~ web@.service\n1 to change\ndone: 1 app, 2 instances\n"
    );
    assert_eq!(runs(bed, "web", 2), before);
    assert_eq!(
        property(bed, "Documentation", &units("web", 2)),
        ["https://example.org/new"; 2]
    );
    assert_eq!(
        property(bed, "NeedDaemonReload", &units("web", 2)),
        ["no"; 2]
    );
}

#[test]
fn more_and_fewer_instances_leave_the_others() {
    let bed = &apps::bed();
    let of = |instances| {
        cluster("web", "node", 4101, instances, "hello")
            + &cluster("py", "python", 4102, 1, "hello")
    };
    apply(bed, &of(4));
    let four = runs(bed, "web", 4);
    let other = runs(bed, "py", 1);
    assert_eq!(
        apply(bed, &of(2)),
        "~ web (change)\n    ~ web.target\n    stop web@2 web@3\n    note: instances 4 → 2\n= py (keep)\n1 to change, 1 unchanged\ndone: 2 apps, 3 instances\n"
    );
    assert_eq!(runs(bed, "web", 2), four[..2]);
    assert_eq!(
        [state(bed, "web@2.service"), state(bed, "web@3.service")],
        ["inactive"; 2]
    );
    assert_eq!(list(bed, &["web"]).len(), 2);
    all_answer(bed, "web", 4101, 2, "hello");

    assert_eq!(
        apply(bed, &of(3)),
        "~ web (change)\n    ~ web.target\n    start web.target\n    note: instances 2 → 3\n= py (keep)\n1 to change, 1 unchanged\ndone: 2 apps, 4 instances\n"
    );
    assert_eq!(runs(bed, "web", 2), four[..2]);
    all_answer(bed, "web", 4101, 3, "hello");
    // The app as one stops and starts the three.
    bed.ok(&["systemctl", "stop", "web.target"]);
    let down = || [0, 1, 2].map(|n| state(bed, &format!("web@{n}.service"))) == ["inactive"; 3];
    bed.wait_until("the three are down", apps::PATIENCE, down);
    bed.ok(&["systemctl", "start", "web.target"]);
    all_answer(bed, "web", 4101, 3, "hello");
    assert_eq!(runs(bed, "py", 1), other);
}

#[test]
fn an_app_that_is_not_to_start_is_there_and_down() {
    let bed = &apps::bed();
    let text = shell("idle", "exec sleep 1000", "autostart = false")
        + &shell("busy", "exec sleep 1000", "");
    assert_eq!(
        apply(bed, &text),
        "+ idle (create)\n    + idle@.service\n    + idle.target\n    + env NODE_OPTIONS\n+ busy (create)\n    + busy@.service\n    + busy.target\n    + env NODE_OPTIONS\n    \
         + starts at boot (multi-user.target.wants)\n    start busy.target\n2 to create\ndone: 2 apps, 2 instances\n"
    );
    let story = || {
        ["idle", "busy"].map(|app| {
            [
                state(bed, &format!("{app}.target")),
                enabled(bed, &format!("{app}.target")),
            ]
        })
    };
    assert_eq!(story(), [["inactive", "disabled"], ["active", "enabled"]]);
    assert_eq!(statuses(bed, &["idle", "busy"]), ["online", "stopped"]);
    assert_eq!(
        apps::ok(bed, &["apply"]),
        "nothing to do: 2 apps, 2 instances, all as the file says\n"
    );
    assert_eq!(story()[0], ["inactive", "disabled"]);

    ok(bed, &["start", "idle"]);
    assert_eq!(story()[0], ["active", "disabled"]);
    let started = runs(bed, "idle", 1);
    assert_eq!(
        apps::ok(bed, &["apply"]),
        "nothing to do: 2 apps, 2 instances, all as the file says\n"
    );
    assert_eq!(runs(bed, "idle", 1), started);
}

#[test]
fn an_app_starts_after_those_it_depends_on_are_ready() {
    let bed = &apps::bed();
    bed.write(
        "/etc/systemd/system/base.service",
        0o644,
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 0.3\n",
    );
    bed.ok(&["systemctl", "daemon-reload"]);
    let text = shell("last", "exec sleep 1000", "depends_on = [\"middle\"]")
        + &shell(
            "middle",
            "sleep 0.5; systemd-notify --ready; exec sleep 1000",
            "wait_ready = true\ndepends_on = [\"base.service\"]",
        );
    apply(bed, &text);
    let times = |name: &str, unit: &str| -> u64 {
        property(bed, name, &[unit.to_owned()])[0]
            .parse()
            .expect("microseconds")
    };
    let ready = |unit: &str| times("ActiveEnterTimestampMonotonic", unit);
    let begun = |unit: &str| times("ExecMainStartTimestampMonotonic", unit);
    assert!(ready("base.service") <= begun("middle@0.service"));
    assert!(ready("middle@0.service") <= begun("last@0.service"));
    assert!(ready("middle@0.service") - begun("middle@0.service") >= 500_000);
}

#[test]
fn a_reader_that_went_away_stops_nothing() {
    let bed = &apps::bed();
    // The reading end is closed before rpmctl writes its first byte.
    let deaf = |command: &str| {
        bed.sh_ok(&format!(
            "cd /srv; rm -f pipe; mkfifo pipe; : <pipe & exec 3>pipe; wait; {command}"
        ));
    };
    for (greeting, to) in [("one", ">&3"), ("two", ">&3 2>&3"), ("three", "| true")] {
        apps::write(
            bed,
            &(cluster("web", "node", 4101, 3, greeting)
                + &shell(&format!("extra-{greeting}"), "exec sleep 1000", "")),
        );
        deaf(&format!("rpmctl apply ecosystem.toml {to}"));
        all_answer(bed, "web", 4101, 3, greeting);
        assert_eq!(
            ok(bed, &["apply"]),
            "nothing to do: 2 apps, 4 instances, all as the file says\n"
        );
    }
    assert_eq!(statuses(bed, &[]), ["online"; 6]);
    for command in ["list", "show all", "logs -n 5", "plan", "stop web"] {
        deaf(&format!("rpmctl {command} >&3 2>&3"));
    }
    assert_eq!(state(bed, "web.target"), "inactive");
}
