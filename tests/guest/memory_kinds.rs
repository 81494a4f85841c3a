//! What counts as an app's memory and what does not, and what happens when rpmctl cannot keep up.

use crate::diary::{Diary, What};
use crate::machine::{self, Guest, PATIENCE};
use crate::memory::{apply, slowness};

const MB: u64 = 1 << 20;

/// Two apps read a file of 2 GB whole. One may have all of it as page cache, the other is held at 1.5 times its limit
/// by systemd. A third one, which leaks, shows that the watcher looks.
#[test]
fn page_cache_is_no_reason() {
    let guest = machine::shared();
    guest.ok(&["truncate", "--size=2G", "/srv/large"]);
    let (reads, held, leaks) = (
        Diary::of(&guest, "reads"),
        Diary::of(&guest, "held"),
        Diary::of(&guest, "control"),
    );
    let app = |name: &str, port: u32, more: &str, env: &str| {
        format!(
            "[[apps]]\nname = \"{name}\"\nscript = \"/opt/guest/leaky\"\nmax_memory_restart = {}\n{more}[apps.env]\nPORT = \"{port}\"\n{env}\n",
            100 * MB
        )
    };
    let unlimited = "[apps.systemd.Service]\nMemoryMax = \"infinity\"\n";
    let texts = [
        app("reads", 3001, unlimited, "FILE = \"/srv/large\"\n"),
        app("held", 3002, "", "FILE = \"/srv/large\"\n"),
        app("control", 3003, unlimited, "LEAK = \"20\"\n"),
    ];
    apply(&guest, &texts.concat());
    let whole = format!("read {} bytes", 2048 * MB);
    guest.wait_until("both have read the file", PATIENCE, || {
        [&reads, &held]
            .iter()
            .all(|diary| diary.entries().iter().any(|entry| entry.says(&whole)))
    });
    let over = charged(&guest, "reads");
    assert!(over > 1024 * MB, "{over} bytes are charged to it");
    assert!(charged(&guest, "held") > 100 * MB, "more than its limit");
    let restarts = |diary: &Diary| {
        diary
            .entries()
            .iter()
            .filter(|entry| matches!(entry.what, What::Restarting(_)))
            .count()
    };
    let before = restarts(&leaks);
    guest.wait_until(
        "the one that leaks is restarted once more",
        PATIENCE,
        || restarts(&leaks) > before,
    );
    assert!(charged(&guest, "reads") > 1024 * MB);
    for (name, diary) in [("reads", &reads), ("held", &held)] {
        assert_eq!(restarts(diary), 0, "{name}");
        let starts = diary
            .entries()
            .iter()
            .filter(|entry| entry.what == What::Started)
            .count();
        assert_eq!(starts, 1, "{name}");
        assert!(
            !diary
                .entries()
                .iter()
                .any(|entry| entry.what == What::OomKilled),
            "{name}"
        );
    }
    guest.ok(&["rpmctl", "delete", "reads", "held", "control"]);
    guest.ok(&["rm", "/srv/large"]);
}

/// memory.current of the only instance.
fn charged(guest: &Guest, name: &str) -> u64 {
    let unit = format!("{name}@0.service");
    let group = guest.ok(&["systemctl", "show", "-P", "ControlGroup", &unit]);
    let current = guest.read(&format!("/sys/fs/cgroup{}/memory.current", group.trim()));
    current.trim().parse().expect("a number")
}

/// One takes all it can get within a tick of the watcher; the other grows on while it is told to stop and does not.
#[test]
fn whoever_outgrows_rpmctl_is_ended_by_systemd_and_comes_back() {
    let guest = machine::shared();
    let app = |name: &str, port: u32, more: &str| {
        format!(
            "[[apps]]\nname = \"{name}\"\nscript = \"/opt/guest/leaky\"\nmax_memory_restart = {}\nkill_timeout = 120000\n\
             env = {{ PORT = \"{port}\", TRIGGER = \"/run/{name}-begins\", {more} }}\n\n",
            60 * MB
        )
    };
    // From the limit to systemd's own there are 30 MB.
    let slowly = 10.0 / slowness(&guest, 4);
    let diaries = [Diary::of(&guest, "sudden"), Diary::of(&guest, "deaf")];
    apply(
        &guest,
        &[
            app("sudden", 3001, "LEAK = \"3000\""),
            app("deaf", 3002, &format!("LEAK = \"{slowly}\", DEAF = \"1\"")),
        ]
        .concat(),
    );
    guest.ok(&["touch", "/run/sudden-begins", "/run/deaf-begins"]);
    let count = |diary: &Diary, what: What| {
        let entries = diary.entries();
        entries.iter().filter(|entry| entry.what == what).count()
    };
    guest.wait_until("both are ended and up again", PATIENCE, || {
        diaries.iter().all(|diary| count(diary, What::Started) >= 2)
    });
    for (name, diary) in ["sudden", "deaf"].iter().zip(&diaries) {
        assert!(count(diary, What::OomKilled) > 0, "{name}");
        let logs = guest.ok(&["rpmctl", "logs", name, "--nostream"]);
        assert!(logs.contains("Failed with result 'oom-kill'"), "{logs}");
        let list = guest.ok(&["rpmctl", "list", "--json"]);
        assert_eq!(list.matches("\"status\":\"online\"").count(), 2, "{list}");
    }
    let deaf = &diaries[1];
    assert_eq!(
        count(deaf, What::Restarting("memory".into())),
        1,
        "{:?}",
        deaf.entries()
    );
    guest.wait_until("rpmctl says why", PATIENCE, || {
        guest
            .ok(&["rpmctl", "list"])
            .contains("restarted for memory 1x")
    });
    guest.ok(&["rpmctl", "delete", "sudden", "deaf"]);
}
