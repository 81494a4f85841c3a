//! A release that does not come up: the app is put back to what it was, and the site answers throughout.

use crate::apps::{
    PATIENCE, Run, apply, fails, files, list, ok, property, rpmctl, runs, state, statuses, units,
    write,
};
use crate::bed::{Bed, Output};
use crate::steered::{self, forked, steered, under_load};

/// RELEASE as each instance's process has it.
fn releases(bed: &Bed, app: &str, instances: u32) -> Vec<String> {
    let environment = |run: &Run| bed.sh_ok(&format!("tr '\\0' '\\n' </proc/{}/environ", run.pid));
    runs(bed, app, instances)
        .iter()
        .map(|run| {
            let text = environment(run);
            let value = text.lines().find_map(|line| line.strip_prefix("RELEASE="));
            value.unwrap_or("none").to_owned()
        })
        .collect()
}

/// What is written: texts, owners and modes, without times and inodes; and the generations.
fn written(bed: &Bed) -> String {
    let without_times = |line: &str| match line.split_once(" 0:0 ") {
        Some((path, rest)) => {
            let mut words: Vec<&str> = rest.split(' ').collect();
            words.truncate(1);
            format!("{path} {}", words.join(" "))
        }
        None => line.to_owned(),
    };
    let files: Vec<String> = files(bed).lines().map(without_times).collect();
    files.join("\n")
        + &bed.sh_ok("cd /var/lib/rpmctl/generations; find . -type f | sort | xargs sha256sum")
}

/// Applies a release that fails on instance 1 of 4, under load; `why` is the reason it gives. What apply said.
fn refused_release(bed: &Bed, bad: &str, why: &str) -> Output {
    let before = (written(bed), runs(bed, "web", 4));
    write(bed, bad);
    let (output, seen) = under_load(bed, 4201, || fails(bed, &["apply"], 1));
    assert_eq!(seen.failures, Vec::<String>::new(), "{output}");
    assert!(seen.answers > 100, "{}", seen.answers);
    let said = format!("\nerror: web@1.service: {why}");
    assert!(output.stderr.contains(&said), "{output}");
    for line in [
        "  put back  web: to what it was before\n",
        "  web was put back: its files and instances are as before; mend what failed and run it again\n",
    ] {
        assert!(output.stderr.contains(line), "{line}{output}");
    }
    // All of it is as before, but for new runs of those that had moved on.
    assert_eq!(written(bed), before.0, "{output}");
    assert_eq!(releases(bed, "web", 4), ["one"; 4], "{output}");
    assert_eq!(statuses(bed, &["web"]), ["online"; 4]);
    let after = runs(bed, "web", 4);
    assert_eq!(after[2..], before.1[2..], "{output}");
    assert_ne!(after[1], before.1[1]);
    assert!(!bed.exists("/run/rpmctl/pending"));
    assert_eq!(
        property(bed, "NeedDaemonReload", &units("web", 4)),
        ["no"; 4]
    );
    // The change is still to do.
    let plan = fails(bed, &["plan", "--detailed-exitcode"], 2).stdout;
    assert!(
        plan.contains("    restart web@0 web@1 web@2 web@3, one after another\n"),
        "{plan}"
    );
    output
}

fn mended(bed: &Bed, good: &str, release: &str) {
    let (_, seen) = under_load(bed, 4201, || apply(bed, good));
    assert_eq!(seen.failures, Vec::<String>::new());
    assert_eq!(releases(bed, "web", 4), vec![release; 4]);
    assert_eq!(
        ok(bed, &["apply"]),
        "nothing to do: 1 app, 4 instances, all as the file says\n"
    );
}

const GAVE_UP: &str = "gave up after 3 starts in a row shorter than min_uptime (max_restarts)";

#[test]
fn a_release_that_ends_at_boot_by_its_environment_or_its_arguments() {
    let bed = &steered::bed();
    let text = |release: &str, more: &str| steered("web", 4201, 4, release, more);
    apply(bed, &text("one", ""));
    let output = refused_release(bed, &text("crash-1", ""), GAVE_UP);
    assert!(
        output.stderr.contains("    cannot find the database\n"),
        "{output}"
    );
    refused_release(bed, &text("one", "args = [\"crash-1\"]"), GAVE_UP);
    mended(bed, &text("two", ""), "two");
    // From there, back by hand: the releases that failed are no generations.
    ok(bed, &["rollback"]);
    assert_eq!(releases(bed, "web", 4), ["one"; 4]);
}

#[test]
fn a_release_that_never_becomes_ready() {
    let bed = &steered::bed();
    let text = |release: &str| {
        steered("web", 4201, 4, release, "listen_timeout = 1500")
            .replace("max_restarts = 3", "max_restarts = 100")
    };
    apply(bed, &text("one"));
    refused_release(bed, &text("mute-1"), "not ready ");
    mended(bed, &text("two"), "two");
}

#[test]
fn a_release_that_is_ready_and_ends_soon_takes_one_instance_at_most() {
    let bed = &steered::bed();
    let text = |release: &str| steered("web", 4201, 4, release, "");
    apply(bed, &text("one"));
    let before = runs(bed, "web", 4);
    write(bed, &text("brief"));
    fails(bed, &["apply"], 1);
    assert_eq!(releases(bed, "web", 4), ["one"; 4]);
    assert_eq!(
        runs(bed, "web", 4)[1..],
        before[1..],
        "their turn never came"
    );
    mended(bed, &text("two"), "two");
}

#[test]
fn in_fork_mode_and_the_first_instance_and_beside_an_app_that_moves_on() {
    let bed = &steered::bed();
    let text =
        |fork: &str, web: &str| forked("fork", 4211, 3, fork) + &steered("web", 4201, 2, web, "");
    apply(bed, &text("one", "one"));
    let before = runs(bed, "fork", 3);
    write(bed, &text("crash", "two"));
    let output = fails(bed, &["apply", "--json"], 1);
    assert_eq!(output.stderr, "");
    let said: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(
        said["put_back"],
        serde_json::json!([{ "app": "fork", "failed": [] }])
    );
    assert_eq!(said["failed"][0]["unit"], "fork@0.service");
    assert_eq!(releases(bed, "fork", 3), ["one"; 3]);
    assert_eq!(releases(bed, "web", 2), ["two"; 2]);
    assert_eq!(runs(bed, "fork", 3)[1..], before[1..]);
    // What is there now is the generation: web's new release with fork's earlier one.
    let generations = ok(bed, &["rollback", "--list"]);
    assert_eq!(generations.lines().count(), 3, "{generations}");
    let again = ok(bed, &["rollback", "2"]);
    assert!(again.starts_with("nothing to do"), "{again}");
    apply(bed, &text("three", "two"));
    assert_eq!(releases(bed, "fork", 3), ["three"; 3]);
}

#[test]
fn more_instances_that_do_not_come_up_go_again() {
    let bed = &steered::bed();
    apply(bed, &steered("web", 4201, 2, "one", ""));
    let before = (written(bed), runs(bed, "web", 2));
    bed.write("/srv/crash-web-3", 0o644, "");
    write(bed, &steered("web", 4201, 4, "one", ""));
    let (output, seen) = under_load(bed, 4201, || fails(bed, &["apply"], 1));
    assert_eq!(seen.failures, Vec::<String>::new(), "{output}");
    assert_eq!((written(bed), runs(bed, "web", 2)), before, "{output}");
    assert_eq!(list(bed, &["web"]).len(), 2);
    assert_eq!(
        [state(bed, "web@2.service"), state(bed, "web@3.service")],
        ["inactive"; 2]
    );
    bed.ok(&["rm", "/srv/crash-web-3"]);
    ok(bed, &["apply"]);
    assert_eq!(statuses(bed, &["web"]), ["online"; 4]);
    assert_eq!(runs(bed, "web", 4)[..2], before.1[..]);
}

#[test]
fn a_port_that_another_has_brings_the_old_one_back() {
    let bed = &steered::bed();
    apply(bed, &steered("web", 4201, 2, "one", ""));
    let before = written(bed);
    let mut other = bed.spawn(&["python3", "-m", "http.server", "4202"]);
    bed.wait_until("4202 is taken", PATIENCE, || {
        bed.http_get("127.0.0.1:4202", "/").is_ok()
    });
    write(bed, &steered("web", 4202, 2, "one", ""));
    let output = fails(bed, &["apply"], 1);
    assert!(output.stderr.contains("cannot listen on 4202"), "{output}");
    assert_eq!(written(bed), before, "{output}");
    assert_eq!(statuses(bed, &["web"]), ["online"; 2], "{output}");
    assert_eq!(
        bed.http_get("127.0.0.1:4201", "/")
            .expect("an answer")
            .status,
        200
    );
    assert!(other.signal(rustix::process::Signal::KILL));
    bed.wait_until("4202 is free", PATIENCE, || !other.is_running());
    ok(bed, &["apply"]);
    assert_eq!(
        bed.http_get("127.0.0.1:4202", "/")
            .expect("an answer")
            .status,
        200
    );
}

#[test]
fn from_another_port_back_to_the_one_that_is_served_still() {
    let bed = &steered::bed();
    apply(bed, &steered("web", 4201, 4, "one", ""));
    refused_release(bed, &steered("web", 4202, 4, "crash-1", ""), GAVE_UP);
    assert_eq!(
        [
            state(bed, "web@tcp-4201.socket"),
            state(bed, "web@tcp-4202.socket")
        ],
        ["active", "inactive"]
    );
    assert!(bed.http_get("127.0.0.1:4202", "/").is_err());
    // What was left alone has the old listener when systemd starts it again.
    let (_, seen) = under_load(bed, 4201, || {
        bed.ok(&["systemctl", "restart", "web@3.service"]);
    });
    assert_eq!(seen.failures, Vec::<String>::new());
    apply(bed, &steered("web", 4202, 4, "two", ""));
    assert!(bed.http_get("127.0.0.1:4202", "/").is_ok());
}

/// Beyond what trying the address beforehand can tell.
#[test]
fn a_listener_that_systemd_cannot_open() {
    let bed = &steered::bed();
    let text = |count: u32, listen: &str| {
        steered("web", 4201, count, "one", &format!("listen = [{listen}]"))
    };
    apply(bed, &text(3, "4201"));
    let before = (written(bed), runs(bed, "web", 2));
    // A file stands where its folder would be; another address can be opened, and an instance goes.
    write(bed, &text(2, "4201, 4203, \"/srv/steered.py/web.sock\""));
    let (output, seen) = under_load(bed, 4201, || fails(bed, &["apply"], 1));
    assert_eq!(seen.failures, Vec::<String>::new(), "{output}");
    let said = "cannot listen on /srv/steered.py/web.sock";
    assert_eq!(output.stderr.matches(said).count(), 1, "{output}");
    assert!(
        output.stderr.ends_with("  web was put back: its files and instances are as before; mend what failed and run it again\n"),
        "{output}"
    );
    assert_eq!((written(bed), runs(bed, "web", 2)), before, "{output}");
    assert_eq!(statuses(bed, &["web"]), ["online"; 3]);
    assert_eq!(
        [
            "web@tcp-4201.socket",
            "web-socket.service",
            "web@tcp-4203.socket"
        ]
        .map(|unit| state(bed, unit)),
        ["active", "active", "inactive"]
    );
    assert!(!bed.exists("/run/rpmctl/pending"));
    let failed = bed.sh_ok("systemctl list-units --all --failed --plain --no-legend");
    assert_eq!(failed, "");
    write(bed, &text(3, "4201"));
    assert!(ok(bed, &["apply"]).starts_with("nothing to do"));
}

#[test]
fn what_fails_with_its_earlier_settings_too_is_told_and_a_first_apply_has_nothing_to_go_back_to() {
    let bed = &steered::bed();
    write(bed, &steered("web", 4201, 2, "crash", ""));
    let first = fails(bed, &["apply"], 1);
    assert!(!first.stderr.contains("put back"), "{first}");
    assert!(bed.exists("/etc/systemd/system/web.target"));
    // Nothing of it runs: there is nothing to bring back either.
    write(
        bed,
        &steered("web", 4201, 2, "crash", "kill_timeout = 5000"),
    );
    let second = fails(bed, &["apply"], 1);
    assert!(!second.stderr.contains("put back"), "{second}");

    apply(bed, &steered("web", 4201, 2, "one", ""));
    let before = (written(bed), runs(bed, "web", 2));
    bed.write("/srv/crash-web", 0o644, "");
    write(bed, &steered("web", 4201, 2, "two", ""));
    let output = fails(bed, &["apply"], 1);
    assert!(
        output.stderr.ends_with(
            "  web was put back, and does not come up with its earlier settings either: is its program as it was?\n"
        ),
        "{output}"
    );
    assert_eq!(
        output
            .stderr
            .matches("error: web@0.service: gave up")
            .count(),
        2,
        "{output}"
    );
    assert_eq!(written(bed), before.0);
    assert_eq!(runs(bed, "web", 2)[1], before.1[1]);
    bed.ok(&["rm", "/srv/crash-web"]);
    ok(bed, &["apply"]);
    assert_eq!(releases(bed, "web", 2), ["two"; 2]);
}

#[test]
fn killed_at_any_moment_of_it_the_next_apply_converges() {
    let bed = &steered::bed();
    let text = |release: &str| steered("web", 4201, 3, release, "");
    apply(bed, &text("one"));
    let (killed, seen) = under_load(bed, 4201, || {
        let mut killed = 0;
        for step in 0u32.. {
            write(bed, &text("crash-1"));
            let after = format!("{:.3}", 0.12 * f64::from(step) + 0.01);
            let line = ["timeout", "-s", "KILL", &after, "rpmctl", "apply"];
            let first = bed.cmd(&line).dir("/srv").run();
            assert!(matches!(first.status, 1 | 137), "{first}");
            killed += u32::from(first.status == 137);
            let release = format!("good-{step}");
            write(bed, &text(&release));
            let second = rpmctl(bed, &["apply"]);
            let case = format!("killed after {after} s\n{first}\n{second}");
            assert_eq!(second.status, 0, "{case}");
            assert_eq!(releases(bed, "web", 3), vec![release; 3], "{case}");
            assert_eq!(
                ok(bed, &["apply"]),
                "nothing to do: 1 app, 3 instances, all as the file says\n",
                "{case}"
            );
            assert!(!bed.exists("/run/rpmctl/pending"));
            if first.status == 1 {
                break;
            }
        }
        killed
    });
    println!("killed {killed} times, {} answers", seen.answers);
    assert!(killed >= 8, "{killed}");
    assert_eq!(seen.failures, Vec::<String>::new());
}

#[test]
fn ctrl_c_in_an_apply_finishes_the_instance_at_hand_and_the_next_apply_carries_on() {
    let bed = &steered::bed();
    let text = |release: &str| steered("web", 4201, 3, release, "");
    apply(bed, &text("one"));
    bed.write("/srv/slow-web", 0o644, "");
    write(bed, &text("two"));
    let mut one = bed.cmd(&["rpmctl", "apply"]).dir("/srv").spawn();
    bed.wait_until("web@0 is at hand", PATIENCE, || {
        state(bed, "web@0.service") != "active"
    });
    assert!(one.signal(rustix::process::Signal::INT));
    let output = one.wait(PATIENCE);
    assert_eq!(output.status, 130, "{output}");
    assert!(
        output.stderr.ends_with(
            "  web@1 web@2 still run with their earlier settings; the same command again carries on\n"
        ),
        "{output}"
    );
    assert_eq!(releases(bed, "web", 3), ["two", "one", "one"]);
    let first = runs(bed, "web", 3)[0].clone();
    bed.ok(&["rm", "/srv/slow-web"]);
    ok(bed, &["apply"]);
    assert_eq!(releases(bed, "web", 3), ["two"; 3]);
    assert_eq!(runs(bed, "web", 3)[0], first);
}
