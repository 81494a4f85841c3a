//! `rpmctl logs` of what is in the journal: whose lines, and which of them.

use std::collections::BTreeSet;

use crate::bed;
use crate::talker::{PATIENCE, Talkers};

#[test]
fn streams_instances_and_apps_are_told_apart() {
    let bed = bed::shared();
    let talk = Talkers::of_root(bed, "tell-apart");
    talk.apply(&[("ta", 2, ""), ("ta-b", 1, "")]);
    talk.tell("ta@0", "o one");
    talk.tell("ta@0", "e two");
    talk.tell("ta@1", "e three");
    talk.tell("ta-b@0", "o four");
    talk.logs_to(&["ta"], "two");
    talk.logs_to(&["ta"], "three");
    talk.logs_to(&["ta-b"], "four");

    let sorted = |args: &[&str]| {
        let output = talk.rpmctl(&[&["logs"], args].concat());
        assert_eq!((output.status, output.stderr.as_str()), (0, ""));
        let mut lines: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(
        sorted(&["ta", "--out"]),
        ["ta@0 | one", "ta@0 | up 0", "ta@1 | up 1"]
    );
    assert_eq!(sorted(&["ta", "--err"]), ["ta@0 | two", "ta@1 | three"]);
    assert_eq!(sorted(&["ta@1", "--err"]), ["ta@1 | three"]);
    assert_eq!(sorted(&["ta@0", "--out"]), ["ta@0 | one", "ta@0 | up 0"]);
    assert_eq!(
        sorted(&["ta-b", "--out"]),
        ["ta-b@0 | four", "ta-b@0 | up 0"]
    );
    assert_eq!(
        sorted(&["ta@1", "ta-b", "--out"]),
        ["ta-b@0 | four", "ta-b@0 | up 0", "ta@1 | up 1"]
    );
    assert_eq!(sorted(&["/^ta(-b)?$/", "--out"]).len(), 5);
    // Every app of the bed is in this one.
    assert!(sorted(&["--out", "-n", "all"]).contains(&"ta-b@0 | four".to_owned()));

    let priorities = |unit: &str| {
        bed.ok(&[
            "journalctl",
            "-o",
            "json",
            "--output-fields=PRIORITY,MESSAGE",
            "-u",
            unit,
            "RPMCTL_APP=ta",
            // systemd's own lines have the unit's fields from 254 on.
            "_TRANSPORT=stdout",
        ])
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            format!(
                "{} {}",
                line["PRIORITY"].as_str().unwrap(),
                line["MESSAGE"].as_str().unwrap()
            )
        })
        .collect::<BTreeSet<_>>()
    };
    let expected = ["6 up 0", "6 one", "3 two"].map(str::to_owned);
    assert_eq!(priorities("ta@0.service"), BTreeSet::from(expected));
}

#[test]
fn how_much_and_from_when() {
    let bed = bed::shared();
    let talk = Talkers::of_root(bed, "how-much");
    talk.apply(&[("hm", 1, "")]);
    for word in ["alpha", "beta", "Gamma", "delta"] {
        talk.tell("hm@0", &format!("o {word}"));
    }
    talk.logs_to(&["hm"], "delta");
    // The journal has microseconds, --since and --until take them.
    let json = talk.rpmctl(&["logs", "hm", "--json", "--out"]).stdout;
    let times: Vec<u64> = json
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["time_us"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(times.len(), 5, "{json}");
    let at = |us: u64| format!("@{}.{:06}", us / 1_000_000, us % 1_000_000);
    let shown = |args: &[&str]| {
        let output = talk.rpmctl(&[&["logs", "hm", "--out", "--raw"], args].concat());
        assert_eq!((output.status, output.stderr.as_str()), (0, ""));
        output.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(shown(&["-n", "2"]), ["Gamma", "delta"]);
    assert_eq!(shown(&["--lines", "0"]), [""; 0]);
    assert_eq!(
        shown(&["--since", &at(times[2])]),
        ["beta", "Gamma", "delta"]
    );
    assert_eq!(
        shown(&["--until", &at(times[2])]),
        ["up 0", "alpha", "beta"]
    );
    assert_eq!(
        shown(&["--since", &at(times[1]), "--until", &at(times[3])]),
        ["alpha", "beta", "Gamma"]
    );
    assert_eq!(shown(&["--since", &at(times[1]), "-n", "1"]), ["delta"]);
    assert_eq!(shown(&["--since", "1 hour ago"]).len(), 5);
    assert_eq!(shown(&["--until", "1 hour ago"]), [""; 0]);
    assert_eq!(shown(&["--since", "-1h"]).len(), 5);
    assert_eq!(shown(&["--grep", "^.e"]), ["beta", "delta"]);
    assert_eq!(shown(&["--grep", "gamma"]), ["Gamma"]);
    assert_eq!(shown(&["--grep", "GAMMA"]), [""; 0]);
    assert_eq!(shown(&["--grep", "a$", "-n", "2"]), ["Gamma", "delta"]);
    assert_eq!(shown(&["--grep", "alpha", "-n", "1"]), ["alpha"]);
    assert_eq!(shown(&["--boot"]).len(), 5);
    for (wrong, words) in [
        (["--since", "bogus"], "error: \"bogus\" is not a time: "),
        (["--grep", "("], "error: --grep: bad pattern \"(\""),
    ] {
        let output = talk.rpmctl(&[&["logs", "hm"], &wrong[..]].concat());
        assert_eq!((output.status, output.stdout.as_str()), (1, ""));
        assert!(output.stderr.starts_with(words), "{}", output.stderr);
    }
}

/// 300 starts of a program that ends within a millisecond of its line on each stream.
fn loses_no_line_of_300_starts(talk: &Talkers, name: &str) {
    let script = "n=0; [ -r $RUNTIME_DIRECTORY/n ] && read -r n <$RUNTIME_DIRECTORY/n\nn=$((n+1)); echo $n >$RUNTIME_DIRECTORY/n\n\
                  echo \"out $n\"; echo \"err $n\" >&2\n";
    talk.write("short.sh", script);
    talk.write(
        "ecosystem.toml",
        &format!("[[apps]]\nname = \"{name}\"\nscript = \"short.sh\"\ninterpreter = \"/bin/sh\"\nmax_restarts = 300\nrestart_delay = 0\nmin_uptime = 10000\n"),
    );
    let file = talk.path("ecosystem.toml");
    let output = talk.rpmctl(&["apply", &file]);
    assert_eq!(output.status, 1, "{output}");
    assert!(output.stderr.contains("wrote "), "{output}");
    let unit = format!("{name}@0.service");
    talk.bed
        .wait_until("300 starts", PATIENCE * 6, || talk.restarts(&unit) >= 300);
    let missing = |kind: &str, option: &str| {
        let lines = talk.logs_to(&[name, option, "-n", "all"], &format!("{kind} 300"));
        let lines: BTreeSet<&str> = lines.iter().map(String::as_str).collect();
        (1..=300)
            .map(|n| format!("{name}@0 | {kind} {n}"))
            .filter(|line| !lines.contains(line.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(missing("out", "--out"), [""; 0]);
    assert_eq!(missing("err", "--err"), [""; 0]);
}

#[test]
fn an_app_that_ends_at_once_loses_no_line() {
    loses_no_line_of_300_starts(&Talkers::of_root(bed::shared(), "short"), "short");
}

#[test]
fn an_app_of_a_user_that_ends_at_once_loses_no_line() {
    loses_no_line_of_300_starts(&Talkers::of_user(bed::shared(), "short"), "short-user");
}

#[test]
fn twenty_instances_are_found_by_the_field_of_one() {
    let bed = bed::shared();
    let talk = Talkers::of_root(bed, "terms");
    bed.write(
        "/srv/terms/bin/journalctl",
        0o755,
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >>/run/terms\nexec $(PATH=/usr/bin:/bin command -v journalctl) \"$@\"\n",
    );
    let terms = || {
        bed.sh_ok("rm -f /run/terms");
        let output = bed
            .cmd(&["rpmctl", "logs", "terms", "--out", "-n", "all"])
            .env("PATH", "/srv/terms/bin:/usr/local/bin:/usr/bin:/bin")
            .ok();
        (output.lines().count(), bed.read("/run/terms"))
    };
    talk.apply(&[("terms", 1, "")]);
    talk.logs_to(&["terms", "--out"], "up 0");
    let (lines, one) = terms();
    assert_eq!(lines, 1);
    let fields = |args: &str| -> Vec<String> {
        let of_app = args.lines().filter(|arg| arg.starts_with("RPMCTL_APP="));
        of_app.map(str::to_owned).collect()
    };
    assert_eq!(fields(&one), ["RPMCTL_APP=terms"]);
    talk.apply(&[("terms", 20, "")]);
    talk.logs(&["terms", "--out"], "all 20 are up", |lines| {
        lines.len() == 20
    });
    // The tags beside it, for what children wrote that were gone when journald looked, are one an instance.
    let (lines, twenty) = terms();
    assert_eq!((lines, fields(&twenty)), (20, fields(&one)));
    let tags = |args: &str| args.matches("SYSLOG_IDENTIFIER=terms@").count();
    assert_eq!((tags(&one), tags(&twenty)), (1, 20));
}

#[test]
fn odd_names_find_their_lines() {
    let bed = bed::shared();
    let talk = Talkers::of_root(bed, "odd");
    let names = [
        "odd one",
        "odd-ünï",
        "odd.x_y-z",
        "odd\\x20one",
        "odd:a",
        "odd%i",
        "odd$HOME",
        "odd\"q'",
    ];
    let apps: Vec<_> = names.iter().map(|name| (*name, 2, "")).collect();
    talk.apply(&apps);
    for name in names {
        let mut lines = talk.logs(&[name, "--out"], &format!("{name} is up"), |lines| {
            lines.len() >= 2
        });
        lines.sort();
        assert_eq!(
            lines,
            [format!("{name}@0 | up 0"), format!("{name}@1 | up 1")]
        );
        let output = talk.rpmctl(&["logs", &format!("{name}@1"), "--json"]);
        for line in output.stdout.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                (&line["app_name"], &line["process_id"]),
                (&name.into(), &1.into()),
                "{line}"
            );
        }
        assert!(output.stdout.contains("process_event"), "{name}: {output}");
    }
}

#[test]
fn a_user_sees_the_lines_of_the_own_apps() {
    let bed = bed::shared();
    let talk = Talkers::of_user(bed, "mine");
    talk.apply(&[("mine-a", 2, ""), ("mine-b", 1, "")]);
    talk.tell("mine-a@1", "e oops");
    talk.tell("mine-b@0", "o hello");
    talk.logs_to(&["mine-b"], "hello");
    talk.logs_to(&["mine-a"], "oops");
    let err = talk.rpmctl(&["logs", "mine-a", "--err"]).stdout;
    assert_eq!(err, "mine-a@1 | oops\n");
    let out = talk.rpmctl(&["logs", "mine-b", "--out"]).stdout;
    assert_eq!(out, "mine-b@0 | up 0\nmine-b@0 | hello\n");
    let out = talk.rpmctl(&["logs", "mine-a@0", "--out"]).stdout;
    assert_eq!(out, "mine-a@0 | up 0\n");
    let events = talk.rpmctl(&["logs", "mine-b"]).stdout;
    assert!(events.contains("mine-b@0 | Started "), "{events}");
}

#[test]
fn an_unknown_target_is_told_with_what_is_meant() {
    let bed = bed::shared();
    let talk = Talkers::of_root(bed, "unknown");
    talk.apply(&[("unknown-api", 1, ""), ("unknown-gone", 1, "")]);
    let told = |target: &str| {
        let output = talk.rpmctl(&["logs", target]);
        assert_eq!((output.status, output.stdout.as_str()), (1, ""), "{target}");
        output.stderr
    };
    assert_eq!(
        told("unknown-appi"),
        "error: no app is called unknown-appi\n  did you mean unknown-api?\n"
    );
    assert!(told("unknown-api@7").starts_with("error: unknown-api@7: "));
    assert!(told("/^nothing$/").starts_with("error: /^nothing$/: no app matches"));
    // A deleted app is unknown as well; its lines stay in the journal.
    let output = talk.rpmctl(&["delete", "unknown-gone"]);
    assert_eq!(output.status, 0, "{output}");
    assert!(told("unknown-gone").starts_with("error: no app is called unknown-gone\n"));
    assert!(
        bed.ok(&["journalctl", "-o", "cat", "RPMCTL_APP=unknown-gone"])
            .contains("up 0")
    );
}
