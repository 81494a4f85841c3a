//! Instances that end: they come back, or give up at their limit and leave the others working.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::apps::{
    self, PATIENCE, all_answer, apply, cluster, fails, list, ok, property, rpmctl, runs, shell,
    state, statuses, stays,
};
use crate::bed::Bed;

/// Lines of a file; none when it is not there.
fn lines(bed: &Bed, path: &str) -> usize {
    bed.sh(&format!("cat {path}")).stdout.lines().count()
}

/// What systemd itself would call a start limit that was hit.
fn hit_a_start_limit(bed: &Bed) -> bool {
    bed.ok(&["journalctl", "--sync"]);
    bed.ok(&["journalctl", "--no-pager", "-o", "cat", "_PID=1"])
        .contains("repeated too quickly")
}

#[test]
fn a_killed_instance_is_back_by_itself() {
    let bed = &apps::bed();
    apply(bed, &cluster("web", "node", 4101, 4, "hello"));
    let before = runs(bed, "web", 4);
    bed.ok(&["kill", "-9", &before[2].pid.to_string()]);
    // Its new process first: for a moment after its death it is still called online.
    bed.wait_until("web@2 is back", PATIENCE, || {
        let now = runs(bed, "web", 4)[2].pid;
        now != 0 && now != before[2].pid && statuses(bed, &["web@2"]) == ["online"]
    });
    let after = runs(bed, "web", 4);
    assert_eq!(
        [&after[0], &after[1], &after[3]],
        [&before[0], &before[1], &before[3]]
    );
    let restarts: Vec<u64> = list(bed, &["web"])
        .iter()
        .map(|row| row["restarts"].as_u64().expect("a number"))
        .collect();
    assert_eq!(restarts, [0, 0, 1, 0]);
    all_answer(bed, "web", 4101, 4, "hello");
}

#[test]
fn an_app_that_exits_at_once_gives_up_and_is_told_in_words() {
    let bed = &apps::bed();
    bed.write(
        "/srv/bad.sh",
        0o755,
        "#!/bin/sh\necho run >>/srv/starts\necho 'the configuration is missing' >&2\nexit 7\n",
    );
    let text = "[[apps]]\nname = \"bad\"\nscript = \"./bad.sh\"\nmax_restarts = 5\n\n".to_owned()
        + &cluster("web", "node", 4101, 2, "hello");
    apps::write(bed, &text);
    let first = fails(bed, &["apply"], 1);
    assert_eq!(
        first.stdout,
        "+ bad (create)\n    + bad@.service\n    + bad.target\n    + env NODE_OPTIONS\n    + starts at boot (multi-user.target.wants)\n    start bad.target\n\
         + web (create)\n    + web@.service\n    + web@tcp-4101.socket\n    + web-socket.service\n    + web.target\n    + env GREETING\n    \
         + env LD_PRELOAD\n    + env NODE_OPTIONS\n    + env PORT\n    + starts at boot (multi-user.target.wants)\n    start web.target\n2 to create\n"
    );
    let error = &first.stderr[first.stderr.find("error: ").expect("an error")..];
    assert_eq!(
        error,
        "error: bad@0.service: gave up after 5 starts in a row shorter than min_uptime (max_restarts)\n".to_owned()
            + "    the configuration is missing\n  see more with: rpmctl logs bad\n"
    );
    assert_eq!(lines(bed, "/srv/starts"), 5);
    all_answer(bed, "web", 4101, 2, "hello");
    let row = &list(bed, &["bad"])[0];
    assert_eq!(
        [&row["status"], &row["why"], &row["active"]],
        [
            "errored",
            "gave up after 5 starts in a row shorter than min_uptime (max_restarts)",
            "failed"
        ]
    );
    let table = ok(bed, &["list", "bad"]);
    assert!(
        table.contains("errored") && table.contains("gave up after 5 starts in a row"),
        "{table}"
    );
    assert_eq!(fails(bed, &["status"], 3).stderr, "");
    assert_eq!(
        property(bed, "Result", &["bad@0.service".into()]),
        ["exit-code"]
    );

    // Again, by hand: the limit starts anew.
    let again = fails(bed, &["start", "bad"], 1);
    assert!(
        again
            .stderr
            .contains("error: bad@0.service: gave up after 5 starts in a row"),
        "{again}"
    );
    assert_eq!(lines(bed, "/srv/starts"), 10);
    let web = runs(bed, "web", 2);
    fails(bed, &["apply"], 1);
    assert_eq!(lines(bed, "/srv/starts"), 15);
    assert_eq!(runs(bed, "web", 2), web);

    // Mended.
    bed.write("/srv/bad.sh", 0o755, "#!/bin/sh\nexec sleep 1000\n");
    assert_eq!(
        rpmctl(bed, &["start", "bad"]).stderr,
        "  started   bad@0.service\n"
    );
    assert_eq!(statuses(bed, &["bad"]), ["online"]);
    assert_eq!(
        ok(bed, &["apply"]),
        "nothing to do: 2 apps, 3 instances, all as the file says\n"
    );
    assert!(!hit_a_start_limit(bed));
}

#[test]
fn an_instance_that_gave_up_leaves_its_siblings_working() {
    let bed = &apps::bed();
    // A busy machine takes a second for a start and its crash.
    let text = cluster("web", "node", 4101, 4, "hello");
    apply(bed, &text.replace("min_uptime = 200", "min_uptime = 5000"));
    let before = runs(bed, "web", 4);
    bed.write("/srv/crash-4101-2", 0o644, "");
    // A run of more than min_uptime: killed sooner it would count itself.
    bed.wait_until("web@2 has run for six seconds", PATIENCE, || {
        list(bed, &["web@2"])[0]["uptime_ms"].as_u64() > Some(6000)
    });
    bed.ok(&["kill", "-9", &before[2].pid.to_string()]);
    bed.wait_until("web@2 gives up", PATIENCE, || {
        state(bed, "web@2.service") == "failed"
    });
    // The killed run was long enough; the sixteen after it were not, and the seventeenth start is the verdict.
    assert_eq!(
        bed.journal("web@2.service")
            .matches("instance 2 crashes")
            .count(),
        16
    );
    let siblings = |n: usize| runs(bed, "web", 4)[n].clone();
    assert_eq!(
        [siblings(0), siblings(1), siblings(3)],
        [0, 1, 3].map(|n| before[n].clone())
    );
    assert_eq!(
        [
            state(bed, "web@tcp-4101.socket"),
            state(bed, "web-socket.service")
        ],
        ["active"; 2]
    );
    assert_eq!(
        statuses(bed, &["web"]),
        ["online", "online", "errored", "online"]
    );
    for _ in 0..50 {
        assert_eq!(
            bed.http_get("127.0.0.1:4101", "/")
                .expect("an answer")
                .status,
            200
        );
    }
    assert_eq!(state(bed, "web@2.service"), "failed");

    for number in [0, 1, 3] {
        let old = siblings(number);
        ok(bed, &["restart", &format!("web@{number}")]);
        assert_ne!(siblings(number), old);
    }
    assert_eq!(
        statuses(bed, &["web"]),
        ["online", "online", "errored", "online"]
    );
    assert_eq!(
        fails(bed, &["restart", "web@2"], 1).stderr.lines().next(),
        Some("  failed    web@2.service")
    );
    bed.sh_ok("rm /srv/crash-4101-2");
    ok(bed, &["restart", "web@2"]);
    all_answer(bed, "web", 4101, 4, "hello");
    assert!(!hit_a_start_limit(bed));
}

#[test]
fn twenty_quick_restarts_are_no_crash_loop() {
    let bed = &apps::bed();
    apply(bed, &cluster("web", "node", 4101, 4, "hello"));
    let before = runs(bed, "web", 4);
    let rpmctl: &[&str] = &["rpmctl", "restart", "web@1"];
    for command in [rpmctl, &["systemctl", "restart", "web@1.service"]] {
        let mut took = Duration::ZERO;
        let mut seen = vec![runs(bed, "web", 4)[1].clone()];
        for _ in 0..20 {
            let begun = Instant::now();
            bed.ok(command);
            took += begun.elapsed();
            seen.push(runs(bed, "web", 4)[1].clone());
        }
        println!("20 × {}: {took:?}", command.join(" "));
        assert!(took < Duration::from_secs(60), "{took:?}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 21);
    }
    let after = runs(bed, "web", 4);
    assert_eq!(
        [&after[0], &after[2], &after[3]],
        [&before[0], &before[2], &before[3]]
    );
    assert_eq!(state(bed, "web@tcp-4101.socket"), "active");
    all_answer(bed, "web", 4101, 4, "hello");
    assert!(!hit_a_start_limit(bed));
}

#[test]
fn traffic_starts_nothing_that_gave_up_or_was_stopped() {
    let bed = &apps::bed();
    let text = cluster("web", "node", 4101, 2, "hello")
        .replace("min_uptime", "max_restarts = 3\nmin_uptime");
    apply(bed, &text);
    let units = apps::units("web", 2);
    bed.sh_ok("touch /srv/crash-4101-0 /srv/crash-4101-1");
    for run in runs(bed, "web", 2) {
        bed.ok(&["kill", "-9", &run.pid.to_string()]);
    }
    bed.wait_until("both give up", PATIENCE, || {
        statuses(bed, &["web"]) == ["errored", "errored"]
    });
    bed.sh_ok("rm /srv/crash-4101-0 /srv/crash-4101-1");
    let connect = || {
        bed.in_network(|| {
            TcpStream::connect_timeout(&"127.0.0.1:4101".parse().expect("an address"), PATIENCE)
        })
    };
    let still = |active: &str, invocations: &[String]| {
        stays(Duration::from_secs(1), || {
            property(bed, "ActiveState", &units) == [active; 2]
                && property(bed, "InvocationID", &units) == invocations
        })
    };
    let invocations = property(bed, "InvocationID", &units);
    let waiting: Vec<TcpStream> = (0..5)
        .map(|_| connect().expect("the socket listens"))
        .collect();
    assert!(still("failed", &invocations));
    drop(waiting);

    // Started by hand they serve again; stopped one by one they stay down, and the socket listens.
    ok(bed, &["start", "web"]);
    all_answer(bed, "web", 4101, 2, "hello");
    ok(bed, &["stop", "web@0", "web@1"]);
    let invocations = property(bed, "InvocationID", &units);
    let waiting: Vec<TcpStream> = (0..5)
        .map(|_| connect().expect("the socket listens"))
        .collect();
    assert!(still("inactive", &invocations));
    drop(waiting);
    ok(bed, &["start", "web@0"]);
    assert_eq!(
        bed.http_get("127.0.0.1:4101", "/")
            .expect("an answer")
            .status,
        200
    );
    assert_eq!(state(bed, "web@1.service"), "inactive");

    // The whole app stopped: nobody listens.
    ok(bed, &["stop", "web"]);
    assert_eq!(
        connect().expect_err("stopped").kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    assert_eq!(
        ["web@tcp-4101.socket", "web-socket.service", "web.target"].map(|unit| state(bed, unit)),
        ["inactive"; 3]
    );
}

/// What fails before the start script runs is counted nowhere: systemd goes on trying, at a pace that hurts nobody, and apply does not wait for ever.
#[test]
fn a_start_that_fails_before_the_program_neither_spins_nor_holds_apply_up() {
    let bed = &apps::bed();
    let more = "listen_timeout = \"2s\"\n[apps.systemd.Service]\nExecStartPre = \"/bin/false\"\n";
    apps::write(bed, &shell("early", "exec sleep 1000", more));
    let begun = Instant::now();
    let told = fails(bed, &["apply"], 1);
    let span = begun.elapsed();
    assert!(span < Duration::from_secs(60), "{span:?}\n{told}");
    assert!(told.stderr.contains("error: early@0.service: "), "{told}");
    let restarts: u64 = property(bed, "NRestarts", &apps::units("early", 1))[0]
        .parse()
        .expect("a number");
    let pace = restarts as f64 / span.as_secs_f64();
    assert!(restarts > 0 && pace < 10.0, "{restarts} in {span:?}");
}

#[test]
fn an_app_that_is_never_ready_is_told_and_does_not_hold_up_the_others() {
    let bed = &apps::bed();
    let text = shell(
        "never",
        "echo waiting; exec sleep 1000",
        "wait_ready = true\nlisten_timeout = 700",
    ) + &shell(
        "after",
        "exec sleep 1000",
        "listen_timeout = 1000\ndepends_on = [\"never\"]",
    ) + &cluster("web", "node", 4101, 2, "hello");
    apps::write(bed, &text);
    let begun = Instant::now();
    let first = fails(bed, &["apply"], 1);
    // Its own time and that of the app that waits for it, not the 600 s of a start that hangs.
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    let error = &first.stderr[first.stderr.find("error: ").expect("an error")..];
    let never = "error: never@0.service: not ready within 0.7 s (listen_timeout)";
    assert!(
        error.starts_with(never) && error.contains("\n    waiting\n"),
        "{error}"
    );
    all_answer(bed, "web", 4101, 2, "hello");
    ok(bed, &["delete", "never"]);
    assert_eq!(state(bed, "never@0.service"), "inactive");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let bed = &apps::bed();
    let taken = bed.spawn(&["python3", "-m", "http.server", "4101"]);
    bed.wait_until("the port is taken", PATIENCE, || {
        bed.http_get("127.0.0.1:4101", "/").is_ok()
    });
    apps::write(
        bed,
        &(cluster("web", "node", 4101, 2, "hello") + &cluster("py", "python", 4102, 2, "hello")),
    );
    let error = "error: web@tcp-4101.socket: cannot listen on 4101; `ss -ltnp` shows who does\n    \
                 failed to create listening socket ([::]:4101): Address already in use\n  see more with: rpmctl logs web\n";
    for args in [&["apply"][..], &["start", "web"], &["restart", "web@0"]] {
        let failed = fails(bed, args, 1);
        assert!(failed.stderr.ends_with(&format!("\n{error}")), "{failed}");
        all_answer(bed, "py", 4102, 2, "hello");
    }
    drop(taken);
    bed.wait_until("the port is free", PATIENCE, || {
        bed.http_get("127.0.0.1:4101", "/").is_err()
    });
    ok(bed, &["apply"]);
    all_answer(bed, "web", 4101, 2, "hello");
}

#[test]
fn an_instance_that_never_becomes_ready_gives_up_too() {
    let bed = &apps::bed();
    bed.write(
        "/srv/mute.sh",
        0o755,
        "#!/bin/sh\necho run >>/srv/starts\nexec sleep 1000\n",
    );
    let text = "[[apps]]\nname = \"mute\"\nscript = \"./mute.sh\"\nwait_ready = true\nlisten_timeout = 600\nmin_uptime = 200\nmax_restarts = 3\n";
    apps::write(bed, text);
    fails(bed, &["apply"], 1);
    bed.wait_until("it gives up", PATIENCE, || {
        state(bed, "mute@0.service") == "failed"
    });
    assert_eq!(lines(bed, "/srv/starts"), 3);
    let row = &list(bed, &["mute"])[0];
    assert_eq!(
        row["why"],
        "gave up after 3 starts in a row shorter than min_uptime (max_restarts)"
    );
    // One that was ready and is stopped late has not failed to start.
    bed.write(
        "/srv/mute.sh",
        0o755,
        "#!/bin/sh\ntrap '' INT\nsystemd-notify --ready\nwhile :; do sleep 1; done\n",
    );
    apply(bed, &format!("{text}kill_timeout = 500\n"));
    for _ in 0..4 {
        ok(bed, &["restart", "mute"]);
        assert_eq!(statuses(bed, &["mute"]), ["online"]);
    }
}
