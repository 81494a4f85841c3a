//! `cron_restart`: the clock restarts apps in turns and starts jobs, and goes with its app.

use std::time::Duration;

use serde_json::Value;

use crate::apps::{PATIENCE, Run, property, runs, stays};
use crate::bed::{self, Bed};

/// Instances of `name` that say nothing and run until they are told to end.
fn sleeper(name: &str, more: &str) -> String {
    format!(
        "[[apps]]\nname = \"{name}\"\nscript = \"/bin/sleep\"\nargs = \"1234\"\ninstances = 2\nexec_mode = \"fork\"\nmin_uptime = 200\n{more}\n"
    )
}

/// Writes when each run begins and ends.
fn job(name: &str, takes: &str, more: &str) -> String {
    format!(
        "[[apps]]\nname = \"{name}\"\nscript = \"/bin/sh\"\nautorestart = false\n\
         args = [\"-c\", \"echo begin >>/srv/{name}/runs; sleep {takes}; echo end >>/srv/{name}/runs\"]\n{more}\n"
    )
}

struct Site<'a> {
    bed: &'a Bed,
    folder: String,
}

impl<'a> Site<'a> {
    fn new(bed: &'a Bed, name: &str) -> Site<'a> {
        Site {
            bed,
            folder: format!("/srv/{name}"),
        }
    }

    fn apply(&self, text: &str) -> String {
        let file = format!("{}/ecosystem.toml", self.folder);
        self.bed.write(&file, 0o644, text);
        self.bed.ok(&["rpmctl", "apply", &file])
    }

    fn lines(&self) -> Vec<String> {
        let file = format!("{}/runs", self.folder);
        let text = match self.bed.exists(&file) {
            true => self.bed.read(&file),
            false => String::new(),
        };
        text.lines().map(str::to_owned).collect()
    }
}

fn row(bed: &Bed, app: &str) -> Value {
    let rows: Value =
        serde_json::from_str(&bed.ok(&["rpmctl", "list", app, "--json"])).expect("JSON");
    rows[0].clone()
}

fn active(bed: &Bed, unit: &str) -> String {
    property(bed, "ActiveState", &[unit.to_owned()]).remove(0)
}

#[test]
fn an_app_is_restarted_in_turns_and_its_clock_goes_with_it() {
    let bed = bed::shared();
    let site = Site::new(bed, "tick");
    site.apply(&sleeper("tick", "cron_restart = \"*/2 * * * * *\""));
    let before = runs(bed, "tick", 2);
    let all_new = |before: &[Run]| {
        let now = runs(bed, "tick", 2);
        now.iter()
            .zip(before)
            .all(|(now, before)| now.invocation != before.invocation && now.pid > 0)
    };
    bed.wait_until("the clock has restarted both", PATIENCE, || {
        all_new(&before)
    });
    // By rpmctl, not by a crash: systemd counts nothing.
    assert_eq!(
        property(bed, "NRestarts", &["tick@0.service".to_owned()]),
        ["0"]
    );
    let logged = bed.ok(&["rpmctl", "logs", "tick"]);
    assert!(
        logged.contains("restarting 2 instances of tick, one after another: cron_restart"),
        "{logged}"
    );
    bed.wait_until("it is counted", PATIENCE, || {
        bed.exists("/run/rpmctl/restarts/tick@0")
    });
    assert_eq!(row(bed, "tick")["schedule"], "*/2 * * * * *");
    // None while it restarts them.
    bed.wait_until("the next round is known", PATIENCE, || {
        row(bed, "tick")["next_run"].is_string()
    });

    // Another schedule is another timer, and no other instance.
    let plan = site.apply(&sleeper("tick", "cron_restart = \"0 0 1 1 *\""));
    assert!(plan.contains("tick-cron.timer"), "{plan}");
    bed.wait_until("the last round is over", PATIENCE, || {
        active(bed, "tick-cron.service") == "inactive"
    });
    let settled = runs(bed, "tick", 2);
    let next = row(bed, "tick")["next_run"]
        .as_str()
        .expect("a time")
        .to_owned();
    assert!(next.contains("-01-01T00:00:00"), "{next}");
    let shown = bed.ok(&["rpmctl", "show", "tick"]);
    let line = shown.lines().find(|line| line.starts_with("cron restart "));
    assert!(
        line.is_some_and(|line| line.ends_with("  0 0 1 1 *")),
        "{shown}"
    );
    assert!(bed.ok(&["rpmctl", "list", "tick"]).contains("next run"));
    assert_eq!(
        site.apply(&sleeper("tick", "cron_restart = \"0 0 1 2 *\"")),
        site.apply(&sleeper("tick", "cron_restart = \"0 0 1 3 *\"")),
    );
    assert!(
        row(bed, "tick")["next_run"]
            .as_str()
            .is_some_and(|next| next.contains("-03-01"))
    );
    assert_eq!(runs(bed, "tick", 2), settled);

    // Off again: nothing of the clock is left, and nobody was restarted for it.
    site.apply(&sleeper("tick", "cron_restart = false"));
    assert!(!bed.exists("/etc/systemd/system/tick-cron.timer"));
    assert!(!bed.exists("/etc/systemd/system/tick-cron.service"));
    assert_eq!(active(bed, "tick-cron.timer"), "inactive");
    assert_eq!(runs(bed, "tick", 2), settled);
    bed.ok(&["rpmctl", "delete", "tick"]);
}

#[test]
fn a_stopped_app_is_not_started_by_the_clock() {
    let bed = bed::shared();
    let site = Site::new(bed, "still");
    site.apply(&sleeper("still", "cron_restart = \"* * * * * *\""));
    bed.ok(&["rpmctl", "stop", "still"]);
    assert_eq!(active(bed, "still-cron.timer"), "inactive");
    assert_eq!(row(bed, "still")["next_run"], Value::Null);
    let down = || runs(bed, "still", 2).iter().all(|run| run.pid == 0);
    assert!(stays(Duration::from_secs(3), down));
    // Nor by hand, as when it strikes while the app stops.
    bed.ok(&["systemctl", "start", "still-cron.service"]);
    assert!(down());
    assert_eq!(active(bed, "still.target"), "inactive");
    // A lock that cannot be had is no reload that goes on already.
    bed.sh_ok("mv /run/rpmctl/reload/still /root/still-lock; mkdir /run/rpmctl/reload/still");
    let failed = bed.run(&["systemctl", "start", "still-cron.service"]);
    assert_ne!(failed.status, 0, "{failed}");
    assert_eq!(active(bed, "still-cron.service"), "failed");
    bed.sh_ok("rmdir /run/rpmctl/reload/still; mv /root/still-lock /run/rpmctl/reload/still");

    bed.ok(&["rpmctl", "start", "still"]);
    assert_eq!(active(bed, "still-cron.timer"), "active");
    let before = runs(bed, "still", 2);
    bed.wait_until("the clock goes again", PATIENCE, || {
        runs(bed, "still", 2)
            .iter()
            .zip(&before)
            .all(|(now, before)| now.invocation != before.invocation)
    });
    bed.ok(&["rpmctl", "delete", "still"]);
    assert_eq!(
        bed.ok(&[
            "systemctl",
            "list-units",
            "--all",
            "-q",
            "--no-legend",
            "still*"
        ]),
        ""
    );
}

#[test]
fn a_job_runs_by_the_clock_and_never_twice_at_once() {
    let bed = bed::shared();
    let site = Site::new(bed, "nightly");
    site.apply(&job("nightly", "2.5", "cron_restart = \"* * * * * *\""));
    // It ran at apply, and comes again when it has ended.
    bed.wait_until("three runs", PATIENCE, || site.lines().len() >= 6);
    bed.ok(&["rpmctl", "stop", "nightly"]);
    let lines = site.lines();
    for (number, line) in lines.iter().enumerate() {
        let expected = ["begin", "end"][number % 2];
        assert_eq!(line, expected, "{lines:?}");
    }
    bed.ok(&["rpmctl", "delete", "nightly"]);
}

#[test]
fn a_job_that_apply_does_not_start_runs_by_the_clock_alone() {
    let bed = bed::shared();
    let site = Site::new(bed, "later");
    let text = |cron: &str| {
        job(
            "later",
            "0",
            &format!("autostart = false\ninstances = 2\ncron_restart = \"{cron}\""),
        )
    };
    site.apply(&text("0 0 1 1 *"));
    assert_eq!(active(bed, "later.target"), "active");
    assert_eq!(active(bed, "later-cron.timer"), "active");
    assert_eq!(site.lines(), Vec::<String>::new());
    assert_eq!(row(bed, "later")["status"], "stopped");
    // As at boot.
    bed.ok(&["systemctl", "is-enabled", "later.target"]);
    assert_eq!(bed.run(&["rpmctl", "status", "later"]).status, 0);
    let again = site.apply(&text("0 0 1 1 *"));
    assert!(again.starts_with("nothing to do"), "{again}");

    site.apply(&text("* * * * * *"));
    bed.wait_until("both have run", PATIENCE, || site.lines().len() >= 8);
    assert_eq!(active(bed, "later.target"), "active");

    // More of them, from the next run on.
    site.apply(&text("0 0 1 1 *"));
    bed.ok(&["rpmctl", "scale", "later", "3"]);
    assert_eq!(row(bed, "later")["status"], "stopped");
    let before = site.lines().len();
    bed.ok(&["systemctl", "start", "later-cron.service"]);
    bed.wait_until("three have run", PATIENCE, || {
        site.lines().len() == before + 6
    });
    // And by hand.
    bed.ok(&["rpmctl", "start", "later"]);
    bed.wait_until("again", PATIENCE, || site.lines().len() == before + 12);
    bed.ok(&["rpmctl", "delete", "later"]);
    assert!(!bed.exists("/etc/systemd/system/later-cron.timer"));
}

#[test]
fn a_users_own_clock() {
    let bed = bed::shared();
    let text = sleeper("mine", "cron_restart = \"*/2 * * * * *\"").replace("/srv/", "/home/app/");
    bed.write_as("app", "/home/app/clock/ecosystem.toml", 0o644, text);
    let rpmctl = |args: &[&str]| {
        let all: Vec<&str> = ["rpmctl", "--user"].iter().chain(args).copied().collect();
        bed.ok_as("app", &all)
    };
    rpmctl(&["apply", "/home/app/clock/ecosystem.toml"]);
    let invocations = || {
        bed.ok_as(
            "app",
            &[
                "systemctl",
                "--user",
                "show",
                "--value",
                "-p",
                "InvocationID",
                "mine@0",
                "mine@1",
            ],
        )
        .split_whitespace()
        .map(str::to_owned)
        .collect::<Vec<_>>()
    };
    let before = invocations();
    bed.wait_until("both are new", PATIENCE, || {
        let now = invocations();
        now.len() == 2 && now.iter().all(|id| !before.contains(id))
    });
    rpmctl(&["delete", "mine"]);
}

#[test]
fn in_the_foreground_the_clock_goes_too_and_ends_with_it() {
    let bed = bed::shared();
    let file = "/srv/front/ecosystem.toml";
    let text = sleeper("front", "cron_restart = \"*/2 * * * * *\"").replace("1234", "4321")
        + &job(
            "front-job",
            "0",
            "autostart = false\ncron_restart = \"* * * * * *\"",
        );
    bed.write(file, 0o644, text);
    bed.sh_ok("mkdir -p /srv/front-job");
    let job = Site::new(bed, "front-job");
    for more in [&[][..], &["--private"]] {
        bed.sh_ok("rm -f /srv/front-job/runs");
        let mut run = bed.spawn(&[&["rpmctl", "run"], more, &[file]].concat());
        let pids = || bed.sh("pgrep -f '^/bin/sleep 4321$'").stdout;
        bed.wait_until("both run", PATIENCE, || pids().lines().count() == 2);
        let before = pids();
        bed.wait_until("both are others", PATIENCE, || {
            let now = pids();
            let old: Vec<&str> = before.lines().collect();
            now.lines().count() == 2 && now.lines().all(|pid| !old.contains(&pid))
        });
        bed.wait_until("the job runs again and again", PATIENCE, || {
            job.lines().len() >= 6
        });
        assert!(run.is_running(), "{:?}", run.printed());
        run.signal(rustix::process::Signal::INT);
        let output = run.wait(PATIENCE);
        assert_eq!(output.status, 0, "{output}");
        let left = bed.ok(&[
            "systemctl",
            "list-units",
            "--all",
            "-q",
            "--no-legend",
            "front*",
        ]);
        assert_eq!(left, "");
        assert!(!bed.exists("/run/systemd/system/front-cron.timer"));
    }
}

/// systemd 252 reckons from the activation before, and would fire as soon as the timer is started again.
#[test]
fn a_time_that_passed_while_the_clock_stood_still_is_not_made_up_for() {
    let bed = bed::shared();
    let site = Site::new(bed, "missed");
    bed.sh_ok("mkdir -p /srv/missed-job");
    let work = Site::new(bed, "missed-job");
    let text = |times: &[u64]| {
        let seconds: Vec<String> = times.iter().map(|time| (time % 60).to_string()).collect();
        let cron = format!("cron_restart = \"{} * * * * *\"", seconds.join(","));
        sleeper("missed", &cron) + &job("missed-job", "0", &format!("autostart = false\n{cron}"))
    };
    let now = || -> u64 {
        let now = bed.ok(&["date", "+%s"]);
        now.trim().parse().expect("seconds")
    };
    let reloaded = || bed.exists("/run/rpmctl/restarts/missed@0");
    let begun = || work.lines().len();
    let (first, second) = (now() + 3, now() + 9);
    let both = text(&[first, second]);
    site.apply(&both);
    bed.ok(&["rpmctl", "stop", "missed", "missed-job"]);
    // Nothing, if all that was quick enough.
    let (lines, was) = (begun(), reloaded());
    bed.wait_until("a time passes", PATIENCE, || now() > first);
    site.apply(&both);
    assert_eq!(active(bed, "missed-cron.timer"), "active");
    assert!(stays(Duration::from_millis(1500), || {
        (begun() == lines && reloaded() == was) || now() >= second
    }));
    bed.wait_until("the next time", PATIENCE, || begun() > lines && reloaded());
    bed.wait_until("that is over", PATIENCE, || {
        let states = property(
            bed,
            "ActiveState",
            &["missed-cron.service", "missed-job-cron.service"].map(str::to_owned),
        );
        states == ["inactive"; 2] && begun() == lines + 2
    });

    // Another pattern, a time of which came after that activation too.
    let (lines, before) = (begun(), runs(bed, "missed", 2));
    site.apply(&text(&[second - 1]));
    assert!(stays(Duration::from_millis(1500), || {
        begun() == lines && runs(bed, "missed", 2) == before
    }));
    bed.ok(&["rpmctl", "delete", "missed", "missed-job"]);
}
