//! `balance = "reuseport"`: a listener an instance, held by systemd while the instance runs or will.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::apps::{PATIENCE, apply, fails, ok, runs, state, statuses, write};
use crate::bed::Bed;
use crate::client::under_load;
use crate::sockets::{bed, listening, nothing_to_do, web};

const SOCKETS: [&str; 3] = ["web@0.socket", "web@1.socket", "web@2.socket"];

fn sockets(bed: &Bed) -> [String; 3] {
    SOCKETS.map(|unit| state(bed, unit))
}

fn reuseport(port: &str, keys: &str) -> String {
    web(port, &format!("balance = \"reuseport\"\n{keys}"))
}

/// Which instances answer a hundred requests, and how many fail.
fn answering(bed: &Bed, port: u16) -> (BTreeSet<String>, usize) {
    let address = format!("127.0.0.1:{port}");
    let mut seen = BTreeSet::new();
    let mut failed = 0;
    for _ in 0..100 {
        match bed.http_get(&address, "/") {
            Ok(answer) => drop(seen.insert(answer.body.split(' ').next().unwrap_or("").to_owned())),
            Err(_) => failed += 1,
        }
    }
    (seen, failed)
}

fn set(numbers: &[&str]) -> BTreeSet<String> {
    numbers.iter().map(|number| (*number).to_owned()).collect()
}

#[test]
fn each_instance_has_its_own_and_a_restart_loses_nothing() {
    let bed = &bed();
    apply(bed, &reuseport("4101", ""));
    assert_eq!(listening(bed), "*:4101 4096\n".repeat(3));
    assert_eq!(sockets(bed), ["active"; 3]);
    assert_eq!(answering(bed, 4101), (set(&["0", "1", "2"]), 0));
    nothing_to_do(bed);
    let before = runs(bed, "web", 3);
    let (_, records) = under_load(
        bed,
        "reuseport: restart of one, three times",
        &[4101],
        || {
            for _ in 0..3 {
                bed.ok(&["systemctl", "restart", "web@1.service"]);
            }
        },
    );
    assert_eq!(records[0].failures(), 0, "{}", records[0].summary());
    let after = runs(bed, "web", 3);
    assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
    // An apply that restarts all of them, one after another.
    write(bed, &reuseport("4101", "kill_timeout = 5000"));
    let (_, records) = under_load(bed, "reuseport: apply", &[4101], || ok(bed, &["apply"]));
    assert_eq!(records[0].failures(), 0, "{}", records[0].summary());
    // show and the journal know the sockets.
    assert!(ok(bed, &["show", "web"]).contains("4101"));
    ok(bed, &["delete", "web"]);
    assert_eq!(listening(bed), "");
}

#[test]
fn a_killed_instance_keeps_its_queue_and_one_that_gave_up_has_none() {
    let bed = &bed();
    apply(bed, &reuseport("4101", "max_restarts = 3"));
    let (_, records) = under_load(bed, "reuseport: kill -9", &[4101], || {
        bed.ok(&["systemctl", "kill", "-s", "KILL", "web@1.service"]);
        bed.wait_until("it is back", PATIENCE, || {
            runs(bed, "web", 3)[1].pid != 0 && state(bed, "web@1.service") == "active"
        });
    });
    // What was in flight in it, and no more.
    assert!(records[0].failures() <= 4, "{}", records[0].summary());
    assert_eq!(sockets(bed), ["active"; 3]);
    // It ends at each start: its queue waits while it is tried again, and is closed when it is not.
    bed.sh_ok(
        "sed -i '1i if (process.env.NODE_APP_INSTANCE === \"1\") process.exit(3);' /srv/polite.js",
    );
    let (_, records) = under_load(bed, "reuseport: gave up", &[4101], || {
        bed.ok(&["systemctl", "kill", "-s", "KILL", "web@1.service"]);
        bed.wait_until("it has given up", PATIENCE, || {
            state(bed, "web@1.service") == "failed"
        });
        bed.wait_until("its socket is closed", PATIENCE, || {
            sockets(bed)[1] == "inactive"
        });
    });
    println!("{}", records[0].summary());
    assert_eq!(answering(bed, 4101), (set(&["0", "2"]), 0));
    assert_eq!(state(bed, "web@1.service"), "failed");
    assert_eq!(listening(bed), "*:4101 4096\n".repeat(2));
    bed.sh_ok("sed -i 1d /srv/polite.js");
    ok(bed, &["restart", "web@1"]);
    assert_eq!(answering(bed, 4101), (set(&["0", "1", "2"]), 0));
}

#[test]
fn traffic_starts_nothing_that_was_stopped() {
    let bed = &bed();
    apply(bed, &reuseport("4101", ""));
    ok(bed, &["stop", "web@2"]);
    assert_eq!(sockets(bed), ["active", "active", "inactive"]);
    assert_eq!(answering(bed, 4101), (set(&["0", "1"]), 0));
    assert_eq!(statuses(bed, &["web"]), ["online", "online", "stopped"]);
    ok(bed, &["start", "web@2"]);
    assert_eq!(answering(bed, 4101), (set(&["0", "1", "2"]), 0));
    // By systemctl as well.
    bed.ok(&["systemctl", "stop", "web@0.service"]);
    // Its socket goes after it, with a job of its own.
    bed.wait_until("its socket is gone", PATIENCE, || {
        sockets(bed) == ["inactive", "active", "active"]
    });
    assert_eq!(answering(bed, 4101), (set(&["1", "2"]), 0));
    ok(bed, &["stop", "web"]);
    assert_eq!(listening(bed), "");
    assert!(bed.http_get("127.0.0.1:4101", "/").is_err());
    assert_eq!(statuses(bed, &["web"]), ["stopped"; 3]);
    ok(bed, &["start", "web"]);
    assert_eq!(sockets(bed), ["active"; 3]);
}

#[test]
fn fewer_and_more_instances() {
    let bed = &bed();
    let count =
        |n: u32| reuseport("4101", "").replace("instances = 3", &format!("instances = {n}"));
    apply(bed, &count(3));
    let before = runs(bed, "web", 1);
    for n in [1, 3, 2] {
        write(bed, &count(n));
        let name = format!("reuseport: {n} instances");
        let (_, records) = under_load(bed, &name, &[4101], || ok(bed, &["apply"]));
        // What waits in the queue of one that goes is reset (README).
        assert!(records[0].failures() <= 30, "{}", records[0].summary());
        assert_eq!(listening(bed), "*:4101 4096\n".repeat(n as usize));
        nothing_to_do(bed);
    }
    assert_eq!(runs(bed, "web", 1), before);
    for (n, args) in [
        (4, &["scale", "web", "+2"][..]),
        (2, &["scale", "web", "2"]),
        (1, &["stop", "web@1"]),
    ] {
        let name = format!("reuseport: {}", args.join(" "));
        let (_, records) = under_load(bed, &name, &[4101], || ok(bed, args));
        assert!(records[0].failures() <= 30, "{}", records[0].summary());
        assert_eq!(listening(bed), "*:4101 4096\n".repeat(n));
    }
    assert_eq!(runs(bed, "web", 1), before);
}

#[test]
fn address_options_and_queue_change_instance_by_instance() {
    let bed = &bed();
    apply(bed, &reuseport("4101", ""));
    write(bed, &reuseport("4102", ""));
    let (said, records) = under_load(bed, "reuseport: port 4101 to 4102", &[4101, 4102], || {
        ok(bed, &["apply"])
    });
    assert!(
        said.contains("note: each instance gets a new socket as it restarts"),
        "{said}"
    );
    let (old, new) = (&records[0], &records[1]);
    assert!(old.answered() > 40 && new.answered() > 40);
    // A queue that is closed resets who waits in it.
    assert!(old.failures_while_open() <= 30, "{}", old.summary());
    assert_eq!(new.failures_once_open(), 0, "{}", new.summary());
    assert_eq!(listening(bed), "*:4102 4096\n".repeat(3));
    nothing_to_do(bed);
    let options = "[apps.systemd.Socket]\nKeepAlive = true";
    write(bed, &reuseport("4102", options));
    let (_, records) = under_load(bed, "reuseport: KeepAlive", &[4102], || ok(bed, &["apply"]));
    assert!(records[0].failures() <= 30, "{}", records[0].summary());
    let before = runs(bed, "web", 3);
    write(bed, &reuseport("4102", &format!("{options}\nBacklog = 77")));
    let (_, records) = under_load(bed, "reuseport: backlog", &[4102], || ok(bed, &["apply"]));
    assert_eq!(records[0].failures(), 0, "{}", records[0].summary());
    assert_eq!(listening(bed), "*:4102 77\n".repeat(3));
    assert_eq!(runs(bed, "web", 3), before);
    nothing_to_do(bed);
}

#[test]
fn from_the_shared_socket_and_back() {
    let bed = &bed();
    apply(bed, &web("4101", ""));
    for (name, text, count) in [
        ("shared to reuseport", reuseport("4101", ""), 3),
        ("reuseport to shared", web("4101", ""), 1),
    ] {
        write(bed, &text);
        let (said, records) = under_load(bed, name, &[4101], || ok(bed, &["apply"]));
        assert!(said.contains("note: another balance"), "{said}");
        assert!(
            records[0].outage() < Duration::from_secs(3),
            "{}",
            records[0].summary()
        );
        assert_eq!(listening(bed), "*:4101 4096\n".repeat(count));
        nothing_to_do(bed);
    }
    ok(bed, &["rollback"]);
    assert_eq!(listening(bed), "*:4101 4096\n".repeat(3));
}

#[test]
fn what_it_is_not_for() {
    let bed = &bed();
    for (from, why) in [
        (
            "listen = [4101]",
            "the path of a unix socket can have one listener alone",
        ),
        ("exec_mode = \"cluster\"", "this app has none"),
    ] {
        let to = match from {
            "listen = [4101]" => "listen = \"/run/web.sock\"",
            _ => "exec_mode = \"fork\"",
        };
        let text = reuseport("4101", "").replace(from, to);
        let text = if to.contains("fork") {
            text.replace("listen = [4101]\n", "")
        } else {
            text
        };
        write(bed, &text);
        let refused = fails(bed, &["apply"], 1).stderr;
        assert!(refused.contains(why), "{refused}");
    }
    assert!(!bed.exists("/etc/systemd/system/web.target"));
}
