//! What becomes of an instance that ended, by `autorestart`, `stop_exit_codes`, `restart_delay`, `min_uptime` and `max_restarts`.

use crate::apps::{self, PATIENCE, apply, list, ok, property, shell, state, statuses};
use crate::bed::{self, Bed};

/// Lines of a file; none when it is not there.
fn lines(bed: &Bed, path: &str) -> usize {
    bed.sh(&format!("cat {path}")).stdout.lines().count()
}

/// Writes when it starts, and ends with the code; on the slowest machine sooner than its min_uptime.
fn ends(name: &str, code: u32, more: &str) -> String {
    let line = format!("date +%s%3N >>/srv/policy/{name}; exit {code}");
    shell(name, &line, more).replace("min_uptime = 200", "min_uptime = 20000")
}

#[test]
fn who_ends_is_started_again_as_the_file_says() {
    let bed = bed::shared();
    let text = [
        ends("ends-well", 0, ""),
        ends("ends-badly", 3, "max_restarts = 5"),
        ends("ends-job-badly", 3, "autorestart = false"),
        ends("ends-code", 3, "stop_exit_codes = [0, 3]"),
        ends("ends-code-well", 0, "stop_exit_codes = 0"),
        ends(
            "ends-other-code",
            4,
            "stop_exit_codes = [0, 3]\nmax_restarts = 5",
        ),
        ends("ends-late", 3, "restart_delay = 700\nmax_restarts = 3"),
        ends("ends-never", 3, "max_restarts = 0"),
    ];
    bed.write("/srv/policy/ecosystem.toml", 0o644, text.concat());
    let told = bed.run(&["rpmctl", "apply", "/srv/policy/ecosystem.toml"]);
    assert_eq!(told.status, 1, "{told}");
    // As often as PM2 starts them. `ends-late` it would start for ever, for its window is min_uptime times max_restarts alone.
    for (name, status, starts) in [
        // 16 is the default.
        ("ends-well", "errored", 16),
        ("ends-badly", "errored", 5),
        ("ends-job-badly", "errored", 1),
        ("ends-code", "stopped", 1),
        ("ends-code-well", "stopped", 1),
        ("ends-other-code", "errored", 5),
        ("ends-late", "errored", 3),
        ("ends-never", "errored", 1),
    ] {
        bed.wait_until(&format!("{name} is {status}"), PATIENCE, || {
            statuses(bed, &[name]) == [status]
        });
        assert_eq!(lines(bed, &format!("/srv/policy/{name}")), starts, "{name}");
    }
    let at: Vec<u64> = bed
        .read("/srv/policy/ends-late")
        .lines()
        .map(|line| line.parse().expect("ms"))
        .collect();
    println!("restart_delay = 700: started at {at:?}");
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= 700), "{at:?}");
    let names = ["ends-code", "ends-code-well"].map(|name| format!("{name}@0.service"));
    assert_eq!(property(bed, "Result", &names), ["success"; 2]);
    for name in ["ends-well", "ends-badly", "ends-late", "ends-never"] {
        let why = list(bed, &[name])[0]["why"].to_string();
        assert!(why.starts_with("\"gave up after "), "{why}");
    }
    bed.ok(&["rpmctl", "delete", "/^ends-/"]);
}

/// systemd sorts an app's folders, so its own may be the first of `$RUNTIME_DIRECTORY`.
#[test]
fn runtime_folders_of_the_apps_own_do_not_hold_our_files() {
    let bed = bed::shared();
    let more = "listen_timeout = 400\nexp_backoff_restart_delay = 1000\nmax_restarts = 100\n[apps.systemd.Service]\nRuntimeDirectory = \"aaa-rooms\"\n";
    let text = shell("two rooms", "exit 3", more);
    bed.write("/srv/rooms/ecosystem.toml", 0o644, text);
    let told = bed.run(&["rpmctl", "apply", "/srv/rooms/ecosystem.toml"]);
    // Known from the file alone.
    let error =
        r"error: two\x20rooms@0.service: exited with code 3; systemd goes on restarting it (";
    assert!(told.stderr.contains(error), "{told}");
    let count = || bed.sh(r"cat '/run/rpmctl/two+x20rooms@0/starts'").stdout;
    bed.wait_until("its starts are counted", PATIENCE, || {
        count().split(' ').next().and_then(|n| n.parse().ok()) > Some(2)
    });
    assert_eq!(bed.sh_ok("ls -A /run/aaa-rooms"), "");
    ok(bed, &["stop", "two rooms"]);
    assert_eq!(count(), "");
    ok(bed, &["delete", "two rooms"]);
}

#[test]
fn slow_failures_are_not_counted() {
    let bed = &apps::bed();
    // Each run is longer than min_uptime: never given up, however often.
    apply(
        bed,
        &shell(
            "slow",
            "echo run >>/srv/starts; sleep 0.6",
            "max_restarts = 2",
        )
        .replace("min_uptime = 200", "min_uptime = 100"),
    );
    bed.wait_until("the sixth start", PATIENCE, || {
        lines(bed, "/srv/starts") >= 6
    });
    assert_ne!(state(bed, "slow@0.service"), "failed");
    ok(bed, &["delete", "slow"]);
}

#[test]
fn a_job_that_ends_well_is_done_and_not_run_again() {
    let bed = &apps::bed();
    let job = |word: &str| {
        let line = format!("echo {word} >>/srv/jobs");
        shell("job", &line, "autorestart = false")
    };
    apply(bed, &job("first"));
    bed.wait_until("the job is done", PATIENCE, || lines(bed, "/srv/jobs") == 1);
    let again = ok(bed, &["apply"]);
    assert!(again.starts_with("nothing to do: "), "{again}");
    assert_eq!(statuses(bed, &["job"]), ["stopped"]);
    ok(bed, &["status"]);
    apply(bed, &job("second"));
    bed.wait_until("it ran again", PATIENCE, || lines(bed, "/srv/jobs") == 2);
}
