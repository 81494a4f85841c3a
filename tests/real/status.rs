//! `rpmctl status`: what it says of apps as they are.

use std::time::Duration;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::apps::{PATIENCE, state};
use crate::bed::{self, Bed, Options, Output};

const SLEEP: &str = "script = \"/bin/sleep\"\nargs = [\"1000\"]\nmin_uptime = 200\n";

fn app(name: &str, more: &str) -> String {
    format!("[[apps]]\nname = \"{name}\"\n{more}\n")
}

/// Applies the text as a file of its own; an app that does not come up is no failure here.
fn apply(bed: &Bed, folder: &str, text: &str) -> Output {
    bed.write(&format!("/srv/{folder}/ecosystem.toml"), 0o644, text);
    bed.run(&["rpmctl", "apply", &format!("/srv/{folder}/ecosystem.toml")])
}

fn json(bed: &Bed, target: &str) -> Value {
    let output = bed.run(&["rpmctl", "status", "--json", target]);
    let apps: Value = serde_json::from_str(&output.stdout).expect("JSON");
    apps[0].clone()
}

#[test]
fn a_table_as_wide_as_columns_says_and_what_to_do_below_it() {
    let bed = bed::shared();
    let long = "status-an-app-with-a-name-of-forty-chars";
    let text = app(
        long,
        &format!("{SLEEP}instances = 2\nmax_memory_restart = \"200M\"\n"),
    ) + &app(
        "status-bad",
        "script = \"/bin/sh\"\nargs = [\"-c\", \"exit 3\"]\nmin_uptime = 200\nmax_restarts = 1\n",
    );
    apply(bed, "status-table", &text);
    let table = |columns: Option<&str>| {
        let line = ["rpmctl", "status", long, "status-bad"];
        let command = bed.cmd(&line);
        match columns {
            Some(columns) => command.env("COLUMNS", columns).run(),
            None => command.run(),
        }
    };
    let narrow = table(Some("80"));
    // Something that is wanted does not run.
    assert_eq!((narrow.status, narrow.stderr.as_str()), (3, ""), "{narrow}");
    assert!(
        narrow.stdout.lines().all(|line| line.width() <= 80),
        "{narrow}"
    );
    let words = |line: Option<&str>| -> Vec<String> {
        let words = line.unwrap_or_default().split_whitespace();
        words.map(str::to_owned).collect()
    };
    let row = words(narrow.stdout.lines().nth(1));
    assert!(
        row[0].starts_with("status-an-app-") && row[0].ends_with('…'),
        "{narrow}"
    );
    assert_eq!(row[1..3], ["2/2", "online"]);
    assert_eq!(
        words(narrow.stdout.lines().nth(2))[..3],
        ["status-bad", "0/1", "errored"]
    );
    assert!(
        narrow
            .stdout
            .contains("status-bad: errored: gave up after 1 starts in a row")
            && narrow
                .stdout
                .replace("\n  ", " ")
                .contains("`rpmctl logs status-bad`"),
        "{narrow}"
    );

    let whole = table(None);
    let heading = words(whole.stdout.lines().next());
    assert!(
        heading.ends_with(&["boot".into(), "generation".into()])
            || heading.ends_with(&["boot".into()]),
        "{whole}"
    );
    assert!(whole.stdout.contains(long));
    // No app has these.
    for absent in ["req/s", "p95", "queue", "next", "marks", "listen"] {
        assert!(!heading.contains(&absent.to_owned()), "{whole}");
    }

    let opened = bed.run(&["rpmctl", "status", long]);
    assert_eq!(opened.status, 0, "{opened}");
    let lines: Vec<Vec<String>> = opened
        .stdout
        .lines()
        .map(|line| words(Some(line)))
        .collect();
    let says = |begin: &[&str]| {
        lines
            .iter()
            .any(|line| line.len() >= begin.len() && line[..begin.len()] == *begin)
    };
    assert!(
        says(&["status", "online,", "2", "of", "2", "up"]),
        "{opened}"
    );
    assert!(
        says(&["file", "/srv/status-table/ecosystem.toml"]),
        "{opened}"
    );
    for number in 0..2 {
        assert!(says(&[&format!("{long}@{number}"), "online"]), "{opened}");
    }
    let one = bed.ok(&["rpmctl", "status", &format!("{long}@1")]);
    assert!(
        one.contains("online, 1 of 1 up") && !one.contains("@0"),
        "{one}"
    );
    bed.ok(&["rpmctl", "delete", long, "status-bad"]);
}

#[test]
fn its_json_says_what_the_table_says() {
    let bed = bed::shared();
    apply(
        bed,
        "status-json",
        &app(
            "status-json",
            &format!("{SLEEP}instances = 2\nmax_memory_restart = \"200M\"\n"),
        ),
    );
    bed.ok(&["systemctl", "kill", "-s", "KILL", "status-json@1.service"]);
    bed.wait_until("it was started again", PATIENCE, || {
        json(bed, "status-json")["causes"]["crash"] == 1
            && state(bed, "status-json@1.service") == "active"
    });
    let found = json(bed, "status-json");
    assert_eq!(found["status"], "online");
    assert_eq!(
        (&found["online"], &found["instances"]),
        (&2.into(), &2.into())
    );
    assert_eq!(
        (&found["boots"], &found["lacks"]),
        (&true.into(), &false.into())
    );
    assert_eq!(found["restarts"], 1);
    assert_eq!(found["max_memory_restart"], 200 << 20);
    assert!(found["worst_memory_bytes"].as_u64() <= found["memory_bytes"].as_u64());
    assert!(found["uptime_ms"].as_u64().is_some());
    for unknown in ["queue", "next_run", "schedule", "requests", "response_ms"] {
        assert_eq!(found[unknown], Value::Null, "{unknown}");
    }
    assert_eq!(found["marks"], Value::Array(vec![]));
    let rows = found["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1]["crashes"], 1);
    let listed: Value =
        serde_json::from_str(&bed.ok(&["rpmctl", "list", "--json", "status-json"])).expect("JSON");
    let keys =
        |row: &Value| -> Vec<String> { row.as_object().expect("a row").keys().cloned().collect() };
    assert_eq!(keys(&rows[0]), keys(&listed[0]));
    bed.ok(&["rpmctl", "delete", "status-json"]);
}

#[test]
fn a_job_waits_or_has_ended() {
    let bed = bed::shared();
    let job = |more: &str| {
        format!(
            "script = \"/bin/sh\"\nargs = [\"-c\", \"exit 0\"]\nautorestart = false\nmin_uptime = 200\n{more}"
        )
    };
    apply(
        bed,
        "status-job",
        &(app("status-job", &job(""))
            + &app("status-clock", &job("cron_restart = \"0 0 1 1 *\"\n"))),
    );
    bed.wait_until("both have ended", PATIENCE, || {
        ["status-job", "status-clock"]
            .iter()
            .all(|name| json(bed, name)["rows"][0]["ended"]["ok"] == true)
    });
    let (ended, waits) = (json(bed, "status-job"), json(bed, "status-clock"));
    assert_eq!(
        (&ended["status"], &waits["status"]),
        (&"ended".into(), &"waiting".into())
    );
    // An instance keeps PM2's words.
    assert_eq!(ended["rows"][0]["status"], "stopped");
    assert_eq!(ended["rows"][0]["ended"]["words"], "exited with code 0");
    assert!(ended["rows"][0]["ended"]["at"].is_string(), "{ended}");
    assert!(waits["next_run"].is_string(), "{waits}");
    let table = bed.run(&["rpmctl", "status", "status-job", "status-clock"]);
    assert_eq!(table.status, 0, "{table}");
    assert!(
        table.stdout.contains("ok ") && table.stdout.contains("in "),
        "{table}"
    );
    bed.ok(&["rpmctl", "delete", "status-job", "status-clock"]);
}

#[test]
fn a_manager_that_does_not_answer_is_told_of_and_waited_for() {
    let bed = Bed::boot(Options::default());
    apply(&bed, "slow", &app("slow", SLEEP));
    let systemd = rustix::process::Pid::from_raw(bed.leader()).expect("a process");
    let freeze = |signal| rustix::process::kill_process(systemd, signal).expect("signal");
    for command in [
        &["status"][..],
        &["status", "slow", "--json"],
        &["list"],
        &["show", "slow"],
    ] {
        freeze(rustix::process::Signal::STOP);
        let line: Vec<&str> = ["rpmctl"].iter().chain(command).copied().collect();
        let asked = bed.spawn(&line);
        bed.wait_until("it says so", PATIENCE, || {
            asked.printed().1 == "systemd has not answered yet; waiting up to 30 s\n"
        });
        assert_eq!(asked.printed().0, "");
        freeze(rustix::process::Signal::CONT);
        let output = asked.wait(Duration::from_secs(60));
        assert_eq!(output.status, 0, "{output}");
        assert!(output.stdout.contains("slow"), "{output}");
    }
}
