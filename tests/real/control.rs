//! start, stop, restart and delete, by every kind of target.

use crate::apps::{
    self, Run, all_answer, apply, cluster, fails, list, ok, rpmctl, runs, shell, state, statuses,
    write,
};
use crate::bed::Bed;
use crate::steered::{self, steered};

fn sleeper(name: &str, instances: u32) -> String {
    shell(name, "exec sleep 1000", &format!("instances = {instances}"))
}

/// alpha with 3 instances, beta with 2, gamma with 1: ids 0 to 5.
fn three_sleepers() -> Bed {
    let bed = apps::bed();
    apply(
        &bed,
        &(sleeper("alpha", 3) + &sleeper("beta", 2) + &sleeper("gamma", 1)),
    );
    bed
}

fn all_runs(bed: &Bed) -> Vec<Run> {
    [
        runs(bed, "alpha", 3),
        runs(bed, "beta", 2),
        runs(bed, "gamma", 1),
    ]
    .concat()
}

/// The ids of the instances that `args` gave a new run; the others must go on.
fn renewed(bed: &Bed, args: &[&str]) -> Vec<usize> {
    let before = all_runs(bed);
    ok(bed, args);
    assert_eq!(statuses(bed, &[]), ["online"; 6]);
    let after = all_runs(bed);
    (0..6).filter(|id| before[*id] != after[*id]).collect()
}

/// The ids of the instances that are down.
fn down(bed: &Bed) -> Vec<usize> {
    let statuses = statuses(bed, &[]);
    (0..statuses.len())
        .filter(|id| statuses[*id] == "stopped")
        .collect()
}

#[test]
fn every_kind_of_target() {
    let bed = &three_sleepers();
    let kinds: [(&[&str], &[usize]); 9] = [
        (&["beta"], &[3, 4]),
        (&["alpha@1"], &[1]),
        (&["4"], &[4]),
        (&["/^(al|ga)/"], &[0, 1, 2, 5]),
        (&["gamma", "alpha@0", "alpha@2"], &[0, 2, 5]),
        (&["alpha", "alpha@0"], &[0, 1, 2]),
        (&["beta@1.service"], &[4]),
        (&["default"], &[0, 1, 2, 3, 4, 5]),
        (&["all"], &[0, 1, 2, 3, 4, 5]),
    ];
    for (targets, ids) in kinds {
        assert_eq!(
            renewed(bed, &[&["restart"], targets].concat()),
            ids,
            "restart {targets:?}"
        );
        ok(bed, &[&["stop"], targets].concat());
        assert_eq!(down(bed), ids, "stop {targets:?}");
        let again = rpmctl(bed, &[&["stop"], targets].concat());
        assert_eq!(
            (again.status, again.stdout.as_str(), again.stderr.as_str()),
            (0, "nothing to do: already stopped\n", "")
        );
        ok(bed, &[&["start"], targets].concat());
        assert_eq!(statuses(bed, &[]), ["online"; 6], "start {targets:?}");
        let again = rpmctl(bed, &[&["start"], targets].concat());
        assert_eq!(
            (again.status, again.stdout.as_str(), again.stderr.as_str()),
            (0, "nothing to do: already running\n", "")
        );
    }
    assert_eq!(
        ok(bed, &["apply"]),
        "nothing to do: 3 apps, 6 instances, all as the file says\n"
    );
}

#[test]
fn what_would_be_done() {
    let bed = &three_sleepers();
    let before = all_runs(bed);
    let would = |args: &[&str]| ok(bed, &[args, &["--check"]].concat());
    assert_eq!(would(&["start", "all"]), "nothing to do: already running\n");
    assert_eq!(
        would(&["stop", "beta"]),
        "would disable beta.target\nwould stop beta.target\nwould stop beta@0.service\nwould stop beta@1.service\n"
    );
    assert_eq!(
        would(&["reload", "gamma", "alpha@1"]),
        "would restart alpha@1.service\nwould restart gamma@0.service\n"
    );
    assert_eq!(
        would(&["restart", "gamma", "--json"]),
        "{\"boot\":[],\"changed\":true,\"failed\":[],\"units\":[\"gamma@0.service\"]}\n"
    );
    let removal = would(&["delete", "gamma"]);
    assert!(removal.starts_with("- gamma (remove)\n"), "{removal}");
    assert_eq!(all_runs(bed), before);
    ok(bed, &["stop", "beta@1", "gamma"]);
    assert_eq!(
        would(&["start", "all"]),
        "would enable gamma.target\nwould start gamma.target\nwould start beta@1.service\nwould start gamma@0.service\n"
    );
    assert_eq!(
        would(&["stop", "gamma"]),
        "nothing to do: already stopped\n"
    );
    assert_eq!(down(bed), [4, 5]);
    // Both texts of each unit, whole.
    let told = ok(bed, &["delete", "gamma", "--check", "--diff", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    for unit in told["apps"][0]["units"].as_array().expect("its units") {
        let path = format!(
            "/etc/systemd/system/{}",
            unit["name"].as_str().expect("name")
        );
        assert_eq!(unit["before"], bed.read(&path), "{path}");
        assert_eq!(unit["after"], serde_json::Value::Null);
    }
    assert_eq!(
        (&told["changed"], &told["applied"]),
        (&true.into(), &false.into())
    );
}

/// What systemctl or a name of each instance left between the two: the app's target, and whether it starts at boot.
#[test]
fn what_is_left_of_an_app_counts_as_a_change() {
    let bed = &three_sleepers();
    let changed = |args: &[&str]| -> bool {
        let told: serde_json::Value =
            serde_json::from_str(&ok(bed, &[args, &["--json"]].concat())).expect("JSON");
        told["changed"].as_bool().expect("changed")
    };
    bed.ok(&["systemctl", "stop", "gamma.target"]);
    bed.wait_until("gamma is down", apps::PATIENCE, || down(bed) == [5]);
    assert_eq!(
        ok(bed, &["stop", "gamma", "--check"]),
        "would disable gamma.target\n"
    );
    assert_eq!(
        ok(bed, &["stop", "gamma", "--check", "--json"]),
        "{\"boot\":[\"gamma.target\"],\"changed\":true,\"failed\":[],\"units\":[]}\n"
    );
    assert!(changed(&["stop", "gamma"]));
    assert!(!changed(&["stop", "gamma"]));
    // All its instances are up, and neither the target nor its start at boot is.
    ok(bed, &["start", "gamma@0"]);
    let both = "would enable gamma.target\nwould start gamma.target\n";
    assert_eq!(ok(bed, &["start", "gamma", "--check"]), both);
    let told = rpmctl(bed, &["start", "gamma"]);
    assert_eq!(
        told.stderr,
        "  enabled   gamma.target\n  started   gamma.target\n"
    );
    assert!(!changed(&["start", "gamma"]));
    bed.ok(&["systemctl", "disable", "gamma.target"]);
    assert_eq!(
        ok(bed, &["start", "gamma", "--check"]),
        "would enable gamma.target\n"
    );
    assert!(changed(&["start", "gamma"]));
    assert!(!changed(&["start", "gamma"]));
}

#[test]
fn what_nothing_answers_to() {
    let bed = &three_sleepers();
    let before = all_runs(bed);
    let said = |args: &[&str]| fails(bed, args, 1).stderr;
    for verb in ["start", "stop", "restart", "delete"] {
        assert_eq!(
            said(&[verb, "alhpa"]),
            "error: no app is called alhpa\n  did you mean alpha?\n"
        );
        // One that is known beside one that is not: nothing is done.
        assert_eq!(
            said(&[verb, "gamma", "zzzzzzz"]),
            "error: no app is called zzzzzzz\n  there are: alpha, beta, gamma\n"
        );
    }
    assert_eq!(
        said(&["stop", "alpha@3"]),
        "error: alpha@3: alpha has instances 0 to 2\n  there are: alpha, beta, gamma\n"
    );
    assert_eq!(
        said(&["stop", "gamma@1"]),
        "error: gamma@1: gamma has one instance, gamma@0\n  there are: alpha, beta, gamma\n"
    );
    assert_eq!(
        said(&["stop", "/^x/"]),
        "error: /^x/: no app matches\n  there are: alpha, beta, gamma\n"
    );
    assert_eq!(
        said(&["stop", "6"]),
        "error: no app is called 6\n  there are: alpha, beta, gamma\n"
    );
    assert_eq!(
        said(&["delete", "alpha@0"]),
        "error: delete takes whole apps, not instances\n  to run fewer: change instances in /srv/ecosystem.toml and apply it\n"
    );
    assert_eq!(fails(bed, &["stop"], 2).stdout, "");
    assert_eq!(all_runs(bed), before);
}

#[test]
fn a_stopped_app_stays_stopped_until_the_next_apply() {
    let bed = &apps::bed();
    apply(
        bed,
        &(cluster("web", "node", 4101, 3, "hello") + &cluster("py", "python", 4102, 2, "hello")),
    );
    let (web, py) = (runs(bed, "web", 3), runs(bed, "py", 2));
    let story = || {
        ["is-active", "is-enabled"].map(|verb| {
            bed.run(&["systemctl", verb, "web.target"])
                .stdout
                .trim_end()
                .to_owned()
        })
    };
    assert_eq!(story(), ["active", "enabled"]);

    // One instance: its siblings and the app's boot stay.
    assert_eq!(
        rpmctl(bed, &["stop", "web@1"]).stderr,
        "  stopped   web@1.service\n"
    );
    assert_eq!(story(), ["active", "enabled"]);
    assert_eq!(statuses(bed, &["web"]), ["online", "stopped", "online"]);
    let now = runs(bed, "web", 3);
    assert_eq!([&now[0], &now[2]], [&web[0], &web[2]]);
    assert_eq!(
        bed.http_get("127.0.0.1:4101", "/")
            .expect("an answer")
            .status,
        200
    );

    ok(bed, &["stop", "web"]);
    assert_eq!(story(), ["inactive", "disabled"]);
    assert_eq!(statuses(bed, &["web"]), ["stopped"; 3]);
    assert!(!bed.exists("/etc/systemd/system/multi-user.target.wants/web.target"));
    assert_eq!(list(bed, &["web"])[0]["pid"], serde_json::Value::Null);
    assert!(bed.http_get("127.0.0.1:4101", "/").is_err());
    // What boots is what systemd reads: a boot of the user's programs starts the other app alone.
    bed.ok(&["systemctl", "daemon-reload"]);
    bed.ok(&["systemctl", "start", "multi-user.target"]);
    assert_eq!(story(), ["inactive", "disabled"]);
    assert_eq!(runs(bed, "py", 2), py);

    assert_eq!(
        ok(bed, &["apply"]),
        "~ web (change)\n    + starts at boot (multi-user.target.wants)\n    start web.target\n= py (keep)\n1 to change, 1 unchanged\n\
         done: 2 apps, 5 instances\n"
    );
    assert_eq!(story(), ["active", "enabled"]);
    all_answer(bed, "web", 4101, 3, "hello");
    ok(bed, &["stop", "web"]);
    ok(bed, &["start", "web"]);
    assert_eq!(story(), ["active", "enabled"]);
    all_answer(bed, "web", 4101, 3, "hello");
    // systemd's own words do the same.
    bed.ok(&["systemctl", "stop", "web.target"]);
    let down = || statuses(bed, &["web"]) == ["stopped"; 3];
    bed.wait_until("web is down", apps::PATIENCE, down);
    // What boots the machine starts it, as it is enabled; a boot reads all units anew.
    bed.ok(&["systemctl", "daemon-reload"]);
    bed.ok(&["systemctl", "start", "multi-user.target"]);
    bed.wait_until("web is up", apps::PATIENCE, || {
        statuses(bed, &["web"]) == ["online"; 3]
    });
    assert_eq!(runs(bed, "py", 2), py);
}

#[test]
fn delete_leaves_nothing_of_the_app_and_all_of_the_others() {
    let bed = &apps::bed();
    apply(
        bed,
        &(cluster("web", "node", 4101, 2, "hello")
            + &cluster("web-2", "python", 4102, 2, "hello")
            + &sleeper("other", 1)),
    );
    let others = [runs(bed, "web-2", 2), runs(bed, "other", 1)];
    let traces = |app: &str| -> Vec<String> {
        let found = bed.sh_ok(
            "find /etc/systemd /etc/rpmctl /run/systemd/units /run/rpmctl -name '*web*' | sort",
        );
        let of = |line: &&str| {
            let name = line
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .trim_start_matches("invocation:");
            [".", "@", "-socket"]
                .iter()
                .any(|after| name.starts_with(&format!("{app}{after}")))
        };
        found.lines().filter(of).map(str::to_owned).collect()
    };
    assert!(traces("web").len() >= 6, "{:?}", traces("web"));
    let kept = traces("web-2");
    assert_eq!(
        ok(bed, &["delete", "web"]),
        "- web (remove)\n    - web-socket.service\n    - web.target\n    - web@.service\n    - web@tcp-4101.socket\n    - env GREETING\n    \
         - env LD_PRELOAD\n    - env NODE_OPTIONS\n    - env PORT\n    - starts at boot (multi-user.target.wants)\n    \
         stop web.target … web-socket (5)\n1 to remove\ndone: 1 app removed\n"
    );
    assert_eq!(traces("web"), Vec::<String>::new());
    assert_eq!(
        bed.ok(&[
            "systemctl",
            "list-units",
            "--all",
            "--plain",
            "--no-legend",
            "web.*",
            "web@*",
            "web-socket.service"
        ]),
        ""
    );
    assert_eq!(traces("web-2"), kept);
    assert_eq!([runs(bed, "web-2", 2), runs(bed, "other", 1)], others);
    assert_eq!(statuses(bed, &[]), ["online"; 3]);
    assert!(bed.http_get("127.0.0.1:4101", "/").is_err());
    all_answer(bed, "web-2", 4102, 2, "hello");
    assert_eq!(fails(bed, &["delete", "web"], 1).stdout, "");

    ok(bed, &["delete", "/./"]);
    assert_eq!(
        ok(bed, &["list"]),
        "no apps; start with: rpmctl apply ecosystem.toml\n"
    );
    assert_eq!(
        bed.sh_ok("ls -A /etc/systemd/system/multi-user.target.wants 2>/dev/null || true"),
        ""
    );
    // And back.
    ok(bed, &["apply"]);
    all_answer(bed, "web", 4101, 2, "hello");
}

#[test]
fn a_restart_of_a_stopped_app_brings_all_of_it_back() {
    let bed = &apps::bed();
    apply(
        bed,
        &(cluster("web", "node", 4101, 3, "hello") + &sleeper("plain", 2)),
    );
    for app in ["web", "plain"] {
        let target = format!("{app}.target");
        let story = || {
            ["is-active", "is-enabled"].map(|verb| {
                let said = bed.run(&["systemctl", verb, &target]).stdout;
                said.trim_end().to_owned()
            })
        };
        ok(bed, &["stop", app]);
        assert_eq!(story(), ["inactive", "disabled"]);
        ok(bed, &["restart", app]);
        assert_eq!(story(), ["active", "enabled"]);
        assert!(bed.exists(&format!(
            "/etc/systemd/system/multi-user.target.wants/{target}"
        )));
    }
    assert_eq!(statuses(bed, &[]), ["online"; 5]);
    all_answer(bed, "web", 4101, 3, "hello");
    assert_eq!(
        ok(bed, &["apply"]),
        "nothing to do: 2 apps, 5 instances, all as the file says\n"
    );
}

/// systemd keeps the runtime folder of one that is stopped between two automatic restarts, and with it the count of its failed starts.
#[test]
fn whoever_stops_an_instance_between_two_starts_ends_its_count() {
    let bed = &steered::bed();
    let text = |release: &str| {
        steered(
            "web",
            4201,
            1,
            release,
            "listen_timeout = 500\nrestart_delay = 60000",
        )
        .replace("max_restarts = 3", "max_restarts = 1")
    };
    for verbs in [
        &["restart"][..],
        &["stop", "start"],
        &["reload"],
        &["apply"],
    ] {
        bed.write("/srv/crash-web", 0o644, "");
        write(bed, &text("one"));
        fails(bed, &["apply"], 1);
        assert_eq!(state(bed, "web@0.service"), "activating");
        bed.ok(&["rm", "/srv/crash-web"]);
        write(bed, &text("two"));
        for verb in verbs {
            match *verb {
                "apply" => ok(bed, &["apply"]),
                verb => ok(bed, &[verb, "web"]),
            };
        }
        assert_eq!(state(bed, "web@0.service"), "active", "{verbs:?}");
        ok(bed, &["delete", "web"]);
    }
}
