//! rpmctl-watch.service: there while an app needs it, one for all apps, and nobody's parent.

use std::time::Duration;

use crate::apps::{self, PATIENCE, apply, fails, ok, property, rpmctl, runs, shell, state, write};
use crate::bed::Bed;

const UNIT: &str = "rpmctl-watch.service";
const FILE: &str = "/etc/systemd/system/rpmctl-watch.service";
const LINK: &str = "/etc/systemd/system/multi-user.target.wants/rpmctl-watch.service";

fn sleeper(name: &str, more: &str) -> String {
    shell(name, "exec sleep infinity", more)
}

fn limited(name: &str, instances: u32) -> String {
    let more = format!("instances = {instances}\nmax_memory_restart = \"64M\"");
    sleeper(name, &more)
}

fn watches(bed: &Bed, what: &str) {
    bed.wait_until(what, PATIENCE, || {
        property(bed, "StatusText", &[UNIT.to_owned()]) == [what]
    });
}

fn pid(bed: &Bed) -> String {
    property(bed, "MainPID", &[UNIT.to_owned()]).remove(0)
}

fn gone(bed: &Bed) {
    assert!(!bed.exists(FILE) && !bed.exists(LINK));
    assert_eq!(state(bed, UNIT), "inactive");
    assert_eq!(bed.sh("pgrep -x -f '.*rpmctl watch'").stdout, "");
}

#[test]
fn it_comes_and_goes_with_the_need() {
    let bed = &apps::bed();
    let first = apply(bed, &sleeper("plain", ""));
    assert!(!first.contains("watch"), "{first}");
    gone(bed);

    let text = sleeper("plain", "") + &limited("web", 2);
    write(bed, &text);
    let plan = ok(bed, &["plan"]);
    let part = "+ rpmctl-watch.service (create)\n    + rpmctl-watch.service\n    + starts at boot (multi-user.target.wants)\n    start rpmctl-watch\n";
    assert!(
        plan.ends_with(&format!("{part}2 to create, 1 unchanged\n")),
        "{plan}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&ok(bed, &["plan", "--json", "--diff"])).expect("JSON");
    assert_eq!(json["watcher"]["change"], "create");
    assert_eq!(
        (&json["watcher"]["boot"], &json["watcher"]["start"]),
        (&true.into(), &true.into())
    );
    assert!(
        json["watcher"]["diff"]
            .as_str()
            .expect("a diff")
            .contains("+Type=notify")
    );
    ok(bed, &["apply"]);
    assert_eq!(state(bed, UNIT), "active");
    assert!(bed.exists(LINK));
    watches(bed, "watching memory of 2 instances");
    let rated = bed.ok(&["systemd-analyze", "security", "--no-pager", UNIT]);
    let rated = rated.lines().last().expect("a line").to_owned();
    let exposed: f64 = rated
        .split_ascii_whitespace()
        .find_map(|word| word.parse().ok())
        .expect("a figure");
    assert!(exposed <= 3.0, "{rated}");
    eprintln!("{rated}");

    let before = (pid(bed), runs(bed, "web", 2));
    assert!(apply(bed, &text).starts_with("nothing to do"));
    ok(bed, &["scale", "web", "3"]);
    watches(bed, "watching memory of 3 instances");
    bed.ok(&["systemctl", "reload", UNIT]);
    watches(bed, "watching memory of 3 instances");
    assert_eq!((pid(bed), runs(bed, "web", 2)), before);

    // A site's own template, and the way back.
    let shipped = bed.read(FILE);
    let body = &shipped[..shipped.find("[X-Rpmctl]").expect("ours")];
    bed.write(
        "/etc/rpmctl/templates/rpmctl-watch.service",
        0o644,
        body.replace("WatchdogSec=30", "WatchdogSec=20"),
    );
    let changed = apply(bed, &text);
    assert!(
        changed.contains("~ rpmctl-watch.service (change)")
            && changed.contains("restart rpmctl-watch"),
        "{changed}"
    );
    assert_ne!(pid(bed), before.0);
    assert_eq!(property(bed, "WatchdogUSec", &[UNIT.to_owned()]), ["20s"]);
    assert_eq!(runs(bed, "web", 2), before.1);
    bed.ok(&["rm", "/etc/rpmctl/templates/rpmctl-watch.service"]);
    apply(bed, &text);
    assert_eq!(bed.read(FILE), shipped);

    // Killed, it is back, and nothing else has happened.
    let killed = pid(bed);
    bed.ok(&["kill", "-9", &killed]);
    bed.wait_until("it is back", Duration::from_secs(60), || {
        let now = pid(bed);
        now != "0" && now != killed && state(bed, UNIT) == "active"
    });
    assert_eq!(runs(bed, "web", 2), before.1);

    // Down, it is missed by whoever looks at an app that needs it.
    let looks = [["list", "web"], ["status", "web"], ["show", "web"]];
    let missed = |look: &[&str; 2]| rpmctl(bed, look).stderr;
    assert_eq!(looks.each_ref().map(missed), [""; 3]);
    bed.ok(&["systemctl", "stop", UNIT]);
    let note = "note: rpmctl-watch.service is not running: max_memory_restart, watch, health and log files of web do nothing until it does; `rpmctl apply` starts it\n";
    assert_eq!(looks.each_ref().map(missed), [note; 3]);
    assert_eq!(rpmctl(bed, &["list", "plain"]).stderr, "");
    apply(bed, &text);
    assert_eq!(looks.each_ref().map(missed), [""; 3]);

    // An app that is left out keeps what it needs; without the key, by rollback and by delete nobody does.
    apply(bed, &sleeper("plain", "kill_timeout = 3000"));
    assert_eq!(state(bed, UNIT), "active");
    apply(
        bed,
        &(sleeper("plain", "") + &sleeper("web", "instances = 2")),
    );
    gone(bed);
    ok(bed, &["rollback"]);
    watches(bed, "watching memory of 2 instances");
    ok(bed, &["delete", "web"]);
    gone(bed);
}

/// Takes what its file says, once: over its limit from its first second.
const GREEDY: &str = "import os, time\nfirst = '/tmp/greedy-' + os.environ['NODE_APP_INSTANCE']\n\
    again = os.path.exists(first)\nopen(first, 'w')\nprint('up', flush=True)\n\
    time.sleep(2)\nkept = bytearray(b'x') * (0 if again else 200 << 20)\nprint('full', flush=True)\ntime.sleep(1 << 20)\n";

const GREEDY_APP: &str = "[[apps]]\nname = \"greedy\"\nscript = \"greedy.py\"\nmin_uptime = 200\nmax_memory_restart = \"100M\"\n";

#[test]
fn a_users_own() {
    let bed = &apps::bed();
    bed.write_as("app", "/home/app/greedy.py", 0o644, GREEDY);
    bed.write_as("app", "/home/app/ecosystem.toml", 0o644, GREEDY_APP);
    let user = |args: &[&str]| bed.cmd(args).user("app").dir("/home/app").ok();
    user(&["rpmctl", "--user", "apply"]);
    let active = || {
        user(&[
            "systemctl",
            "--user",
            "show",
            "--value",
            "-p",
            "StatusText",
            UNIT,
        ])
    };
    bed.wait_until("it says what it watches", PATIENCE, || {
        active() == "watching memory of 1 instance\n"
    });
    bed.wait_until("it is restarted", PATIENCE, || {
        user(&["rpmctl", "--user", "list"]).contains("restarted for memory 1x")
    });
    bed.ok(&["journalctl", "--sync"]);
    let lines = user(&["rpmctl", "--user", "logs", "greedy"]);
    assert!(lines.contains("restarting greedy: uses "), "{lines}");
    user(&["rpmctl", "--user", "delete", "greedy"]);
    assert!(!bed.exists("/home/app/.config/systemd/user/rpmctl-watch.service"));
    assert_eq!(active(), "\n");
}

#[test]
fn in_the_foreground() {
    let bed = &apps::bed();
    bed.write("/srv/greedy.py", 0o644, GREEDY);
    write(bed, GREEDY_APP);
    for private in [&[][..], &["--private"]] {
        bed.sh_ok("rm -f /tmp/greedy-*");
        let args = [&["rpmctl", "run"][..], private].concat();
        let mut run = bed.cmd(&args).dir("/srv").spawn();
        bed.wait_until("it is restarted", PATIENCE, || {
            assert!(run.is_running(), "{:?}", run.printed());
            let (out, _) = run.printed();
            out.contains("restarting greedy: uses ") && out.matches("full").count() == 2
        });
        assert!(run.signal(rustix::process::Signal::INT));
        assert_eq!(run.wait(PATIENCE).status, 0);
        gone(bed);
    }
}

#[test]
fn a_unit_of_that_name_that_is_not_ours_stays_and_a_packages_own_is_used() {
    let bed = &apps::bed();
    bed.write(FILE, 0o644, "[Service]\nExecStart=/bin/true\n");
    write(bed, &limited("web", 1));
    let refused = fails(bed, &["apply"], 1);
    assert!(
        refused.stderr.starts_with(&format!(
            "error: {UNIT} is there already and is not ours: {FILE}\n"
        )),
        "{refused}"
    );
    assert_eq!(bed.read(FILE), "[Service]\nExecStart=/bin/true\n");
    assert_eq!(state(bed, "web.target"), "inactive");
    bed.ok(&["rm", FILE]);
    ok(bed, &["apply"]);
    let packaged = "/usr/lib/systemd/system/rpmctl-watch.service";
    bed.ok(&["install", "-D", "-m", "644", FILE, packaged]);
    let changed = ok(bed, &["apply"]);
    assert!(
        changed.contains("    - rpmctl-watch.service\n"),
        "{changed}"
    );
    assert!(!bed.exists(FILE));
    assert!(packaged.ends_with(&property(bed, "FragmentPath", &[UNIT.to_owned()])[0]));
    watches(bed, "watching memory of 1 instance");
    assert!(ok(bed, &["apply"]).starts_with("nothing to do"));
    ok(bed, &["delete", "web"]);
    gone(bed);
    assert!(bed.exists(packaged));
}
