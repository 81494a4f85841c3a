//! `rpmctl flush`: what `rpmctl logs` shows begins at it.

use serde_json::Value;

use crate::bed;
use crate::talker::{PATIENCE, Talkers, shows};

#[test]
fn logs_begin_after_it() {
    let bed = bed::shared();
    let talk = Talkers::of_root(bed, "flush");
    talk.apply(&[("fl-a", 2, ""), ("fl-b", 1, "")]);
    let say = |word: &str| {
        for instance in ["fl-a@0", "fl-a@1", "fl-b@0"] {
            talk.tell(instance, &format!("o {word}"));
            talk.logs_to(&["/^fl-/"], &format!("{instance} | {word}"));
        }
    };
    let flush = |args: &[&str]| {
        let output = talk.rpmctl(&[&["flush"], args].concat());
        assert_eq!(
            (output.status, output.stderr.as_str()),
            (0, ""),
            "flush {args:?}\n{output}"
        );
        output.stdout
    };
    let shown = |args: &[&str]| -> Vec<String> {
        let output = talk.rpmctl(&[&["logs", "/^fl-/"], args].concat());
        assert_eq!((output.status, output.stderr.as_str()), (0, ""));
        output.stdout.lines().map(str::to_owned).collect()
    };
    say("one");
    let follower = talk.follow(&["/^fl-/", "-n", "0"]);
    assert_eq!(flush(&["/^fl-/"]), "flushed   fl-a\nflushed   fl-b\n");
    assert_eq!(shown(&[]), [""; 0]);
    say("two");
    let two = ["fl-a@0 | two", "fl-a@1 | two", "fl-b@0 | two"];
    assert_eq!(shown(&[]), two);
    assert_eq!(shown(&["-n", "all"]), two);
    assert_eq!(shown(&["-n", "2"]), two[1..]);
    assert_eq!(shown(&["--until", "now", "-n", "9"]), two);
    assert_eq!(shown(&["--grep", "one|two"]), two);
    // Who names a time or a boot gets what the journal has.
    assert_eq!(shown(&["--since", "-1h", "--grep", "^(one|two)$"]).len(), 6);
    assert_eq!(shown(&["--boot=0", "--grep", "^(one|two)$"]).len(), 6);
    let json = talk.rpmctl(&["logs", "fl-b", "--json"]).stdout;
    assert_eq!(json.lines().count(), 1, "{json}");
    // A follower goes on, and one that starts now begins after the flush.
    shows(bed, &follower, "fl-b@0 | two");
    let late = talk.follow(&["/^fl-/"]);
    shows(bed, &late, "fl-b@0 | two");
    assert_eq!(late.printed().0.lines().collect::<Vec<_>>(), two);

    // One instance, one app; the others keep theirs.
    assert_eq!(flush(&["fl-a@1"]), "flushed   fl-a@1\n");
    assert_eq!(shown(&[]), [two[0], two[2]]);
    let flushed: Value = serde_json::from_str(&flush(&["fl-b", "--json"])).unwrap();
    assert_eq!(flushed["changed"], true);
    assert_eq!(flushed["apps"][0]["name"], "fl-b");
    assert!(flushed["apps"][0]["since_us"].as_u64().is_some());
    assert_eq!(shown(&[]), [two[0]]);
    assert_eq!(shown(&["-n", "1"]), [two[0]]);
    say("three");
    assert_eq!(shown(&[]).len(), 4);

    // It goes with the app.
    assert_eq!(
        bed.ok(&["ls", "/var/lib/rpmctl/flushed"])
            .matches("fl-")
            .count(),
        2
    );
    let output = talk.rpmctl(&["delete", "fl-b"]);
    assert_eq!(output.status, 0, "{output}");
    assert_eq!(
        bed.ok(&["ls", "/var/lib/rpmctl/flushed"])
            .matches("fl-")
            .count(),
        1
    );
    let output = talk.rpmctl(&["flush", "fl-z"]);
    assert_eq!((output.status, output.stdout.as_str()), (1, ""), "{output}");
    assert!(
        output
            .stderr
            .starts_with("error: no app is called fl-z\n  did you mean fl-a?\n"),
        "{output}"
    );
}

#[test]
fn vacuum_empties_the_journals_that_are_the_apps_own() {
    let bed = bed::shared();
    let talk = Talkers::of_root(bed, "vacuum");
    let shared = "log_namespace = \"va-shop\"\n";
    talk.apply(&[
        ("va-a", 1, "log_namespace = true\n"),
        ("va-b", 1, shared),
        ("va-c", 1, shared),
        ("va-d", 1, ""),
    ]);
    let told = |word: &str| {
        for app in ["va-a", "va-b", "va-c", "va-d"] {
            talk.tell(&format!("{app}@0"), &format!("o {word}"));
            talk.logs_to(&[app], word);
        }
    };
    let kept = |namespace: &str| {
        let namespace = format!("--namespace={namespace}");
        let script =
            "journalctl \"$1\" -o cat -t va-a@0 -t va-b@0 -t va-c@0 | grep -v ^-- | tr '\\n' ' '";
        bed.ok(&["sh", "-c", script, "kept", &namespace])
    };
    told("one");
    assert_eq!(kept("va-shop"), "up 0 up 0 one one ");
    let output = talk.rpmctl(&["flush", "va-a", "va-b", "va-d", "--vacuum"]);
    assert_eq!(
        (
            output.status,
            output.stdout.as_str(),
            output.stderr.as_str()
        ),
        (
            0,
            "flushed   va-a: journal va-a emptied\nflushed   va-b\nflushed   va-d\n",
            "note: va-b: --vacuum: its journal va-shop stays, for it is that of va-c as well: flush all of them\n\
             note: va-d: --vacuum: its lines are in the machine's journal, which stays: log_namespace = true gives an app its own; \
             SystemMaxUse= in journald.conf(5) limits the machine's\n"
        )
    );
    assert_eq!(
        (kept("va-a").as_str(), kept("va-shop").as_str()),
        ("", "up 0 up 0 one one ")
    );
    told("two");
    // The journald of an app that is stopped ends as well.
    let output = talk.rpmctl(&["stop", "/^va-/"]);
    assert_eq!(output.status, 0, "{output}");
    bed.ok(&["systemctl", "stop", "systemd-journald@va-shop.service"]);
    let output = talk.rpmctl(&["flush", "/^va-[abc]/", "--vacuum", "--json"]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{output}");
    let json: Value = serde_json::from_str(&output.stdout).unwrap();
    let vacuumed: Vec<&str> = json["apps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|app| app["vacuumed"].as_str().unwrap())
        .collect();
    assert_eq!(vacuumed, ["va-a", "va-shop", "va-shop"]);
    assert_eq!((kept("va-a"), kept("va-shop")), Default::default());
    let output = talk.rpmctl(&["start", "/^va-[abc]/"]);
    assert_eq!(output.status, 0, "{output}");
    told_again(&talk);
}

fn told_again(talk: &Talkers) {
    for app in ["va-a", "va-b", "va-c"] {
        talk.tell(&format!("{app}@0"), "o three");
        let lines = talk.logs_to(&[app, "--out"], "three");
        let expected = [format!("{app}@0 | up 0"), format!("{app}@0 | three")];
        assert_eq!(lines, expected, "{PATIENCE:?}");
    }
}
