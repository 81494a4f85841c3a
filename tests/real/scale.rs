//! scale, and instances changed in the file: the others are not touched, nothing is lost.

use crate::apps::{
    apply, fails, list, ok, property, rpmctl, runs, shell, state, statuses, units, write,
};
use crate::steered::{self, forked, steered, under_load};

#[test]
fn up_and_down_under_load_and_the_others_go_on() {
    let bed = &steered::bed();
    apply(bed, &steered("web", 4201, 2, "one", ""));
    let others = runs(bed, "web", 2);
    let counts = [
        ("4", 4),
        ("2", 2),
        ("+4", 6),
        ("-2", 4),
        ("max", 0),
        ("3", 3),
    ];
    let max = bed.sh_ok("nproc").trim().parse::<u32>().expect("a number");
    let ((), seen) = under_load(bed, 4201, || {
        for (word, count) in counts {
            let count = if word == "max" { max } else { count };
            let before = list(bed, &["web"]).len() as u32;
            let kept = runs(bed, "web", before.min(count));
            let said = ok(bed, &["scale", "web", word]);
            if before == count {
                assert_eq!(said, format!("nothing to do: web has {count} instances\n"));
            } else {
                assert!(
                    said.ends_with(&format!("done: web has {count} instances\n")),
                    "{said}"
                );
                assert!(
                    said.contains(&format!("    note: instances {before} → {count}\n")),
                    "{said}"
                );
            }
            assert_eq!(
                statuses(bed, &["web"]),
                vec!["online"; count as usize],
                "{word}"
            );
            assert_eq!(runs(bed, "web", before.min(count)), kept, "{word}");
            for gone in count..before {
                assert_eq!(state(bed, &format!("web@{gone}.service")), "inactive");
            }
        }
    });
    assert_eq!(seen.failures, Vec::<String>::new());
    assert!(seen.answers > 100, "{}", seen.answers);
    assert_eq!(runs(bed, "web", 2), others);
    let same = rpmctl(bed, &["scale", "web", "3"]);
    assert_eq!(
        (same.status, same.stdout.as_str(), same.stderr.as_str()),
        (0, "nothing to do: web has 3 instances\n", "")
    );
    // The file knows nothing of it: what it would do is shown, and undoes it.
    assert_eq!(
        ok(bed, &["plan"]),
        "~ web (change)\n    ~ web.target\n    stop web@2\n    note: instances 3 → 2\n1 to change\n"
    );
    ok(bed, &["apply"]);
    assert_eq!(runs(bed, "web", 2), others);
    assert_eq!(statuses(bed, &["web"]), ["online"; 2]);
    // What scale writes is what apply would have written.
    ok(bed, &["scale", "web", "20"]);
    write(bed, &steered("web", 4201, 20, "one", ""));
    assert_eq!(
        ok(bed, &["apply"]),
        "nothing to do: 1 app, 20 instances, all as the file says\n"
    );
    ok(bed, &["rollback"]);
    assert_eq!(statuses(bed, &["web"]), ["online"; 2]);
    assert_eq!(runs(bed, "web", 2), others);
}

#[test]
fn instances_changed_in_the_file_leave_the_others_alone() {
    let bed = &steered::bed();
    let text =
        |count: u32| steered("web", 4201, count, "one", "") + &forked("fork", 4211, count, "one");
    apply(bed, &text(2));
    let before = [runs(bed, "web", 2), runs(bed, "fork", 2)];
    let (_, seen) = under_load(bed, 4201, || {
        for count in [4, 3, 6, 2] {
            apply(bed, &text(count));
            assert_eq!(statuses(bed, &[]), vec!["online"; 2 * count as usize]);
            assert_eq!([runs(bed, "web", 2), runs(bed, "fork", 2)], before);
        }
    });
    assert_eq!(seen.failures, Vec::<String>::new());
}

#[test]
fn each_new_instance_has_its_own_port_and_it_outlives_a_boot() {
    let bed = &steered::bed();
    apply(bed, &forked("fork", 4211, 2, "one"));
    ok(bed, &["scale", "fork", "+2"]);
    for number in 0..4 {
        let address = format!("127.0.0.1:{}", 4211 + number);
        let answer = bed.http_get(&address, "/").expect("an answer").body;
        assert!(answer.starts_with(&format!("{number} ")), "{answer}");
    }
    // As a boot does it: everything down, then what the unit files say.
    bed.sh_ok("systemctl stop fork.target; systemctl daemon-reload; systemctl start fork.target");
    assert_eq!(statuses(bed, &["fork"]), ["online"; 4]);
    write(bed, &forked("fork", 4211, 4, "one"));
    assert_eq!(
        ok(bed, &["apply"]),
        "nothing to do: 1 app, 4 instances, all as the file says\n"
    );
    ok(bed, &["scale", "fork", "-3"]);
    assert_eq!(bed.sh_ok("ls /etc/rpmctl/env"), "fork.env\nfork@0.env\n");
    assert!(bed.http_get("127.0.0.1:4212", "/").is_err());
}

#[test]
fn the_others_are_left_alone_in_whatever_state_they_are() {
    let bed = &steered::bed();
    apply(bed, &steered("web", 4201, 3, "one", ""));
    ok(bed, &["stop", "web@1"]);
    let before = runs(bed, "web", 3);
    let json: serde_json::Value =
        serde_json::from_str(&ok(bed, &["scale", "web", "+1", "--json"])).expect("JSON");
    assert_eq!(
        (&json["changed"], &json["applied"], &json["failed"]),
        (&true.into(), &true.into(), &serde_json::json!([]))
    );
    assert_eq!(
        json["apps"][0]["start"],
        serde_json::json!(["web@3.service"])
    );
    assert_eq!(
        statuses(bed, &["web"]),
        ["online", "stopped", "online", "online"]
    );
    assert_eq!(runs(bed, "web", 3), before);
    // A stopped app stays stopped, and off the boot.
    ok(bed, &["stop", "web"]);
    let said = ok(bed, &["scale", "web", "5"]);
    assert!(
        said.contains("    note: it is stopped: they start when it does\n"),
        "{said}"
    );
    assert_eq!(statuses(bed, &["web"]), ["stopped"; 5]);
    assert!(!bed.exists("/etc/systemd/system/multi-user.target.wants/web.target"));
    ok(bed, &["start", "web"]);
    assert_eq!(statuses(bed, &["web"]), ["online"; 5]);
    assert_eq!(
        property(bed, "NeedDaemonReload", &units("web", 5)),
        ["no"; 5]
    );
}

#[test]
fn new_ones_that_do_not_come_up_go_again() {
    let bed = &steered::bed();
    apply(bed, &steered("web", 4201, 2, "one", ""));
    let before = runs(bed, "web", 2);
    bed.write("/srv/crash-web-2", 0o644, "");
    let output = fails(bed, &["scale", "web", "4"], 1);
    assert!(
        output.stderr.contains("error: web@2.service: gave up after 3 starts")
            && output.stderr.ends_with("  web was put back: its files and instances are as before; mend what failed and run it again\n"),
        "{output}"
    );
    assert_eq!(statuses(bed, &["web"]), ["online"; 2]);
    assert_eq!(runs(bed, "web", 2), before);
    bed.ok(&["rm", "/srv/crash-web-2"]);
    ok(bed, &["scale", "web", "4"]);
    assert_eq!(statuses(bed, &["web"]), ["online"; 4]);
}

#[test]
fn what_cannot_be_scaled_is_said() {
    let bed = &steered::bed();
    apply(
        bed,
        &(shell("one", "exec sleep 1000", "instances = 2") + &shell("two", "exec sleep 1000", "")),
    );
    let before = [runs(bed, "one", 2), runs(bed, "two", 1)];
    for (args, said) in [
        (
            ["scale", "one", "0"],
            "error: one has 2 instances, and none would be left\n  to stop it: rpmctl stop one\n",
        ),
        (
            ["scale", "one", "-2"],
            "error: one has 2 instances, and none would be left\n  to stop it: rpmctl stop one\n",
        ),
        (
            ["scale", "two", "-7"],
            "error: two has 1 instance, and none would be left\n  to stop it: rpmctl stop two\n",
        ),
        (
            ["scale", "one", "10001"],
            "error: too many instances: 10000 at most\n",
        ),
        (
            ["scale", "all", "2"],
            "error: one, two are several apps\n  scale takes one at a time\n",
        ),
        (
            ["scale", "one@1", "2"],
            "error: scale takes a whole app, not an instance\n",
        ),
        (
            ["scale", "oen", "2"],
            "error: no app is called oen\n  did you mean one?\n",
        ),
    ] {
        assert_eq!(fails(bed, &args, 1).stderr, said);
    }
    assert_eq!([runs(bed, "one", 2), runs(bed, "two", 1)], before);
}
