//! What apply and plan make of a changed file: nothing before it is asked for, never another's unit, and back again.

use crate::apps::{
    self, Run, all_answer, apply, cluster, fails, files, ok, rpmctl, runs, shell, state, statuses,
    write,
};
use crate::bed::Bed;

fn sleeper(name: &str, more: &str) -> String {
    shell(name, "exec sleep 1000", more)
}

/// Everything that a command which only looks must leave as it is.
fn world(bed: &Bed, apps: &[&str]) -> (String, Vec<Run>, String) {
    let runs = apps.iter().flat_map(|app| runs(bed, app, 1)).collect();
    let rest = bed.sh_ok("find /etc/systemd/system /etc/rpmctl -type d -printf '%p %T@\\n' | sort
         find /run/rpmctl /var/lib/rpmctl -type f ! -name lock -printf '%p %m %T@ %i\\n' 2>/dev/null | sort");
    (files(bed), runs, rest)
}

#[test]
fn looking_changes_nothing() {
    let bed = &apps::bed();
    let one = sleeper("keep", "env = { TOKEN = \"old-value\" }") + &sleeper("gone", "");
    apply(bed, &one);
    assert_eq!(
        fails(bed, &["plan", "--detailed-exitcode"], 0).stdout,
        "= keep (keep)\n= gone (keep)\n2 unchanged\n"
    );
    let before = world(bed, &["keep", "gone"]);
    write(
        bed,
        &(sleeper(
            "keep",
            "restart_delay = 200\nenv = { TOKEN = \"new-value\" }",
        ) + &sleeper("new", "")),
    );
    let plan = "~ keep (change)\n    ~ keep@.service\n    ~ env TOKEN\n    restart keep@0\n\
                + new (create)\n    + new@.service\n    + new.target\n    + env NODE_OPTIONS\n    + starts at boot (multi-user.target.wants)\n    start new.target\n";
    let pruned = "- gone (remove)\n    - gone.target\n    - gone@.service\n    - env NODE_OPTIONS\n    - starts at boot (multi-user.target.wants)\n    \
                  stop gone.target gone@0\n";
    let pruning = format!("{plan}{pruned}1 to create, 1 to change, 1 to remove\n");
    let plain = format!("{plan}1 to create, 1 to change\n");
    assert_eq!(ok(bed, &["plan"]), plain);
    assert_eq!(ok(bed, &["apply", "--check"]), plain);
    assert_eq!(ok(bed, &["plan", "--prune"]), pruning);
    assert_eq!(ok(bed, &["apply", "--check", "--prune"]), pruning);
    assert_eq!(
        fails(bed, &["plan", "--detailed-exitcode"], 2).stdout,
        plain
    );
    let diff = ok(bed, &["apply", "--check", "--diff"]);
    assert!(
        diff.contains("        -RestartSec=100ms\n        +RestartSec=200ms\n"),
        "{diff}"
    );
    assert_eq!(ok(bed, &["plan", "--diff"]), diff);
    let json: serde_json::Value =
        serde_json::from_str(&ok(bed, &["apply", "--check", "--json"])).expect("JSON");
    assert_eq!(
        (&json["changed"], &json["applied"]),
        (&true.into(), &false.into())
    );
    assert_eq!(
        json["apps"][0]["env"],
        serde_json::json!({ "added": [], "changed": ["TOKEN"], "removed": [] })
    );
    assert_eq!(
        json["apps"][0]["restart"],
        serde_json::json!(["keep@0.service"])
    );
    for text in [&diff, &json.to_string()] {
        assert!(!text.contains("-value"), "{text}");
    }
    for args in [
        &["status"][..],
        &["list"],
        &["show", "all"],
        &["rollback", "--list"],
        &["rollback", "--check"],
        &["check"],
        &["logs", "-n", "1"],
    ] {
        rpmctl(bed, args);
    }
    assert_eq!(world(bed, &["keep", "gone"]), before);
    assert_eq!(state(bed, "new.target"), "inactive");
}

#[test]
fn what_is_gone_from_the_file_goes_when_asked() {
    let bed = &apps::bed();
    apply(
        bed,
        &(sleeper("a", "") + &sleeper("b", "") + &sleeper("c", "")),
    );
    bed.write("/srv/else/ecosystem.toml", 0o644, sleeper("elsewhere", ""));
    ok(bed, &["apply", "else/ecosystem.toml"]);
    let of = |app: &str| runs(bed, app, 1);
    let before = [of("a"), of("c"), of("elsewhere")];
    write(bed, &(sleeper("a", "") + &sleeper("c", "")));
    assert_eq!(
        ok(bed, &["apply"]),
        "nothing to do: 2 apps, 2 instances, all as the file says\n"
    );
    assert_eq!(state(bed, "b.target"), "active");
    assert_eq!(
        ok(bed, &["apply", "--prune"]),
        "= a (keep)\n= c (keep)\n- b (remove)\n    - b.target\n    - b@.service\n    - env NODE_OPTIONS\n    - starts at boot (multi-user.target.wants)\n    \
         stop b.target b@0\n1 to remove, 2 unchanged\ndone: 2 apps, 2 instances\n"
    );
    assert_eq!(state(bed, "b@0.service"), "inactive");
    assert_eq!(bed.sh_ok("find /etc -name 'b.*' -path '*systemd*' -o -name 'b@*' -path '*systemd*' -o -name 'b.env'"), "");
    assert_eq!([of("a"), of("c"), of("elsewhere")], before);
    assert_eq!(
        fails(bed, &["apply", "--prune", "--only", "a"], 1).stderr,
        "error: --prune and --only exclude each other\n  apps left out by --only are not gone from the file\n"
    );
}

#[test]
fn only_and_profile() {
    let bed = &apps::bed();
    let text = |greeting: &str| {
        cluster("web", "node", 4101, 2, greeting)
            + "[apps.env_production]\nGREETING = \"production\"\n\n"
            + &cluster("py", "python", 4102, 2, greeting)
    };
    apply(bed, &text("one"));
    let py = runs(bed, "py", 2);
    write(bed, &text("two"));
    assert_eq!(
        ok(bed, &["apply", "--only", "web"]),
        "~ web (change)\n    ~ env GREETING\n    restart web@0 web@1, one after another\n1 to change\ndone: 1 app, 2 instances\n"
    );
    all_answer(bed, "web", 4101, 2, "two");
    all_answer(bed, "py", 4102, 2, "one");
    assert_eq!(runs(bed, "py", 2), py);
    ok(bed, &["apply", "--env", "production", "--only", "web"]);
    all_answer(bed, "web", 4101, 2, "production");
    assert_eq!(
        ok(bed, &["apply", "--env", "production", "--only", "web"]),
        "nothing to do: 1 app, 2 instances, all as the file says\n"
    );
    assert_eq!(runs(bed, "py", 2), py);
    ok(bed, &["apply"]);
    all_answer(bed, "web", 4101, 2, "two");
    all_answer(bed, "py", 4102, 2, "two");
}

#[test]
fn a_unit_that_is_not_ours_is_refused_before_anything_is_written() {
    let bed = &apps::bed();
    apply(bed, &sleeper("mine", ""));
    let theirs = "[Service]\nExecStart=/bin/sleep 1000\n";
    for file in [
        "/etc/systemd/system/theirs@.service",
        "/etc/systemd/system/theirs@tcp-4101.socket",
        "/etc/systemd/system/theirs@1.service",
        "/run/systemd/system/theirs.target",
        "/usr/local/lib/systemd/system/theirs-socket.service",
    ] {
        bed.write(file, 0o644, theirs);
        let before = world(bed, &["mine"]);
        write(
            bed,
            &(sleeper("mine", "env = { A = \"1\" }")
                + &cluster("theirs", "node", 4101, 2, "hello")),
        );
        for verb in ["plan", "apply"] {
            let refused = fails(bed, &[verb], 1);
            let unit = file.rsplit('/').next().expect("a name");
            assert_eq!(
                refused.stderr,
                format!(
                    "error: {unit} is there already and is not ours: {file}\n  \
                     nothing was changed; give the app another name, or remove that unit first\n"
                )
            );
            assert_eq!(refused.stdout, "");
        }
        assert_eq!(world(bed, &["mine"]), before);
        bed.ok(&["rm", file]);
    }
    // The name of a unit of the distribution.
    write(bed, &sleeper("multi-user", ""));
    let refused = fails(bed, &["apply"], 1).stderr;
    assert!(
        refused.contains("multi-user.target is there already and is not ours: "),
        "{refused}"
    );
}

#[test]
fn an_edit_by_hand_is_told_and_goes() {
    let bed = &apps::bed();
    apply(bed, &sleeper("app", ""));
    let before = runs(bed, "app", 1);
    bed.sh_ok("sed -i 's/^KillSignal=.*/KillSignal=SIGUSR1/' /etc/systemd/system/app@.service");
    let plan = "~ app (change)\n    ~ app@.service\n    restart app@0\n    note: app@.service was edited by hand: the edit goes\n1 to change\n";
    assert_eq!(ok(bed, &["plan"]), plan);
    let shown = ok(bed, &["show", "app"]);
    assert!(
        shown
            .lines()
            .any(|line| line.starts_with("edited by hand") && line.ends_with("app@.service")),
        "{shown}"
    );
    assert_eq!(
        ok(bed, &["apply"]),
        format!("{plan}done: 1 app, 1 instance\n")
    );
    assert_ne!(runs(bed, "app", 1), before);
    assert!(
        bed.read("/etc/systemd/system/app@.service")
            .contains("KillSignal=SIGINT\n")
    );
    assert_eq!(
        ok(bed, &["apply"]),
        "nothing to do: 1 app, 1 instance, all as the file says\n"
    );
}

#[test]
fn back_to_an_earlier_generation() {
    let bed = &apps::bed();
    let web = |greeting: &str, instances| cluster("web", "node", 4101, instances, greeting);
    apply(bed, &(web("one", 2) + &sleeper("first", "")));
    apply(bed, &(web("two", 2) + &sleeper("first", "")));
    write(bed, &(web("three", 3) + &sleeper("second", "")));
    ok(bed, &["apply", "--prune"]);
    let listed = ok(bed, &["rollback", "--list"]);
    let columns: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(columns[0], ["generation", "now", "made", "by"]);
    let by: Vec<(&str, bool)> = columns[1..]
        .iter()
        .map(|row| (row[0], row[1] == "*"))
        .collect();
    assert_eq!(by, [("1", false), ("2", false), ("3", true)], "{listed}");
    assert!(
        listed
            .lines()
            .skip(1)
            .all(|line| line.ends_with("apply /srv/ecosystem.toml")),
        "{listed}"
    );

    ok(bed, &["rollback"]);
    all_answer(bed, "web", 4101, 2, "two");
    assert_eq!(statuses(bed, &[]), ["online"; 3]);
    assert_eq!(
        [state(bed, "first.target"), state(bed, "second.target")],
        ["active", "inactive"]
    );
    let first = runs(bed, "first", 1);
    ok(bed, &["rollback", "1"]);
    all_answer(bed, "web", 4101, 2, "one");
    assert_eq!(runs(bed, "first", 1), first);
    let again = ok(bed, &["rollback", "1"]);
    assert!(
        again.starts_with("nothing to do: 2 apps, 3 instances"),
        "{again}"
    );
    ok(bed, &["rollback", "3"]);
    all_answer(bed, "web", 4101, 3, "three");
    assert_eq!(
        [state(bed, "first.target"), state(bed, "second.target")],
        ["inactive", "active"]
    );
    // The file of generation 3 finds nothing to do.
    assert_eq!(
        ok(bed, &["apply"]),
        "nothing to do: 2 apps, 4 instances, all as the file says\n"
    );
    assert_eq!(
        fails(bed, &["rollback", "99"], 1).stderr,
        "error: there is no generation 99\n  see them with: rpmctl rollback --list\n"
    );
}

#[test]
fn what_was_started_of_a_template_by_hand_ends_with_the_app() {
    let bed = &apps::bed();
    let both = sleeper("one", "instances = 2") + &sleeper("two", "");
    apply(bed, &both);
    bed.write(
        "/etc/systemd/system/one@theirs.service",
        0o644,
        "[Service]\nExecStart=/bin/sleep 1000\n",
    );
    bed.ok(&["systemctl", "daemon-reload"]);
    let strays = ["one@x.service", "one@007.service"];
    for unit in [&strays[..], &["one@theirs.service"]].concat() {
        bed.ok(&["systemctl", "start", unit]);
    }
    let before = runs(bed, "one", 2);
    assert_eq!(
        ok(bed, &["apply"]),
        "nothing to do: 2 apps, 3 instances, all as the file says\n"
    );
    assert_eq!(runs(bed, "one", 2), before);
    assert_eq!(strays.map(|unit| state(bed, unit)), ["active"; 2]);
    write(bed, &sleeper("two", ""));
    let gone = rpmctl(bed, &["apply", "--prune"]);
    assert_eq!(gone.status, 0, "{gone}");
    for unit in strays {
        assert!(
            gone.stderr.contains(&format!("stopped   {unit}\n")),
            "{gone}"
        );
        assert_eq!(state(bed, unit), "inactive");
    }
    assert_eq!(state(bed, "one@theirs.service"), "active");
    apply(bed, &both);
    bed.ok(&["systemctl", "start", "one@x.service"]);
    ok(bed, &["delete", "one"]);
    assert_eq!(state(bed, "one@x.service"), "inactive");
    assert_eq!(
        bed.ok(&[
            "systemctl",
            "list-units",
            "--all",
            "--plain",
            "--no-legend",
            "one@x.service"
        ]),
        ""
    );
}
