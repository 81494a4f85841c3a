//! watch: a save is one rolling reload that says which file, and what nobody edits is none.

use std::time::Duration;

use serde_json::Value;

use crate::apps::{PATIENCE, Run, apply, ok, property, runs, state, statuses, stays};
use crate::bed::Bed;
use crate::steered::{self, away, most_away, steered, under_load};

const UNIT: &str = "rpmctl-watch.service";
const RESTARTING: &str = "MESSAGE_ID=741aef7c9a4748ec84ca6cb8e12f864a";
const TROUBLE: &str = "MESSAGE_ID=4708853f39fe414ca36116710e492e8d";

/// Longer than a burst is held together, the reload's beginning included.
const AFTER: Duration = Duration::from_secs(1);

/// An app in /srv/shop, with 50,000 files there, most of them in node_modules.
fn shop() -> Bed {
    let bed = steered::bed();
    bed.sh_ok("mkdir -p /srv/shop/.git /srv/shop/logs && cp /srv/steered.py /srv/shop");
    bed.ok(&[
        "python3",
        "-c",
        "import os\n\
         for folder, files in [('node_modules', 48000), ('src', 2000)]:\n\
        \x20   for number in range(files):\n\
        \x20       path = f'/srv/shop/{folder}/{number // 50}'\n\
        \x20       if number % 50 == 0: os.makedirs(path)\n\
        \x20       os.close(os.open(f'{path}/{number}.js', os.O_CREAT | os.O_WRONLY))\n",
    ]);
    bed
}

fn watched(more: &str) -> String {
    steered(
        "web",
        4201,
        3,
        "one",
        &format!("cwd = \"shop\"\nwatch = true\n{more}"),
    )
}

/// What the watcher has done to the app for files, oldest first.
fn reloads(bed: &Bed) -> Vec<Value> {
    journal(bed, &[RESTARTING, "RPMCTL_APP=web", "RPMCTL_REASON=files"])
}

fn journal(bed: &Bed, matches: &[&str]) -> Vec<Value> {
    bed.ok(&["journalctl", "--sync"]);
    let args = ["journalctl", "-q", "-o", "json"];
    let lines = bed.ok(&[&args, matches].concat());
    let parse = |line: &str| serde_json::from_str(line).expect("JSON");
    lines.lines().map(parse).collect()
}

/// Waits for this many reloads in all, the last of which ends with every instance another than `before`, and that there is none more. The last one's file
/// and count.
fn told(bed: &Bed, count: usize, before: &[Run]) -> (String, String) {
    bed.wait_until("it is reloaded", PATIENCE, || reloads(bed).len() >= count);
    bed.wait_until("the reload is over", PATIENCE, || {
        let idle = bed
            .run(&["flock", "-n", "/run/rpmctl/reload/web", "true"])
            .status
            == 0;
        idle && renewed(before, &runs(bed, "web", 3)) && statuses(bed, &["web"]) == ["online"; 3]
    });
    assert!(
        stays(AFTER, || reloads(bed).len() == count),
        "{:#?}",
        reloads(bed)
    );
    let last = reloads(bed).remove(count - 1);
    let text = |field: &str| last[field].as_str().expect("a text").to_owned();
    (text("RPMCTL_FILE"), text("RPMCTL_FILES"))
}

fn renewed(before: &[Run], after: &[Run]) -> bool {
    before.iter().zip(after).all(|(one, other)| one != other)
}

fn watching(bed: &Bed) {
    let status = || property(bed, "StatusText", &[UNIT.to_owned()]);
    bed.wait_until("it watches", PATIENCE, || {
        status() == ["watching files of 1 app"]
    });
}

#[test]
fn a_save_is_one_rolling_reload_and_so_are_a_thousand() {
    let bed = &shop();
    apply(bed, &watched("user = \"nobody\""));
    watching(bed);
    let shop = |line: &str| bed.sh_ok(&format!("cd /srv/shop; {line}"));

    let before = runs(bed, "web", 3);
    let (took, seen) = under_load(bed, 4201, || {
        let saved = shop("date +%s%6N; echo 1 > src/3/150.js");
        assert_eq!(
            told(bed, 1, &before),
            ("src/3/150.js".to_owned(), "1".to_owned())
        );
        let begun = reloads(bed)[0]["__REALTIME_TIMESTAMP"].clone();
        let begun: u64 = begun
            .as_str()
            .expect("a time")
            .parse()
            .expect("microseconds");
        Duration::from_micros(begun - saved.trim().parse::<u64>().expect("microseconds"))
    });
    println!("from the save to the reload: {took:?}");
    assert!(took < PATIENCE, "{took:?}");
    assert_eq!(seen.failures, Vec::<String>::new());
    assert_eq!(most_away(&away(bed, "web", 3)), 1);
    let logs = ok(bed, &["logs", "web"]);
    assert!(
        logs.contains("restarting 3 instances of web, one after another: src/3/150.js changed\n"),
        "{logs}"
    );

    let before = runs(bed, "web", 3);
    // Written beside it first: no two of them are so far apart that they are two bursts.
    bed.ok(&[
        "python3",
        "-c",
        "import os\n\
         os.mkdir('/srv/saves')\n\
         for number in range(1000): open(f'/srv/saves/{number}.js', 'w').close()\n\
         for number in range(1000): os.rename(f'/srv/saves/{number}.js', f'/srv/shop/src/1/{number}.js')\n",
    ]);
    assert_eq!(
        told(bed, 2, &before),
        ("src/1/0.js".to_owned(), "1000".to_owned())
    );

    // While it is being reloaded: the instances that have been are so once more.
    shop("touch /srv/slow-web; echo 2 > src/3/150.js");
    bed.wait_until("the reload has begun", PATIENCE, || reloads(bed).len() == 3);
    bed.wait_until("the first is through", PATIENCE, || {
        state(bed, "web@1.service") != "active"
    });
    shop("rm /srv/slow-web; echo 3 > src/new.js");
    assert_eq!(
        told(bed, 4, &before),
        ("src/new.js".to_owned(), "1".to_owned())
    );

    let before = runs(bed, "web", 3);
    shop(
        "for f in node_modules/1/50.js node_modules/x .git/index logs/out.txt .env a.log; do echo 1 > $f; done; mkdir logs/x; chmod 600 src/new.js; cat src/new.js",
    );
    assert!(stays(AFTER, || runs(bed, "web", 3) == before));

    // Killed, it harms nobody and is back.
    let killed = property(bed, "MainPID", &[UNIT.to_owned()]).remove(0);
    bed.ok(&["kill", "-9", &killed]);
    bed.wait_until("it is back", PATIENCE, || {
        let now = property(bed, "MainPID", &[UNIT.to_owned()]).remove(0);
        now != killed && now != "0" && state(bed, UNIT) == "active"
    });
    assert_eq!(runs(bed, "web", 3), before);
    watching(bed);
    shop("echo 4 > src/new.js");
    assert_eq!(told(bed, 5, &before).0, "src/new.js");

    // Killed in the middle of a reload: the next one goes on with those that are left.
    let before = runs(bed, "web", 3);
    shop("touch /srv/slow-web; echo 5 > src/new.js");
    bed.wait_until("the reload has begun", PATIENCE, || reloads(bed).len() == 6);
    bed.sh_ok("pid=$(systemctl show -P MainPID rpmctl-watch); while systemctl is-active -q web@1; do :; done; kill -9 $pid; rm /srv/slow-web");
    let first = runs(bed, "web", 3).remove(0);
    assert_ne!(first, before[0]);
    assert_eq!(told(bed, 7, &before).0, "src/new.js");
    assert_eq!(runs(bed, "web", 3)[0], first);
    let rest = reloads(bed).remove(6)["MESSAGE"].clone();
    assert_eq!(rest, "restarting web@2: src/new.js changed");
    assert_eq!(bed.sh_ok("ls /run/rpmctl/asked"), "");
}

#[test]
fn what_failed_comes_back_and_what_was_stopped_does_not() {
    let bed = &steered::bed();
    bed.sh_ok("mkdir -p /srv/releases/1/src /srv/releases/2; cp /srv/steered.py /srv/releases/1; cp /srv/steered.py /srv/releases/2; ln -s releases/1 /srv/shop");
    apply(bed, &watched("watch_delay = 500"));
    watching(bed);

    // A release that does not start: the first to be restarted fails, the others stay.
    let before = runs(bed, "web", 3);
    bed.sh_ok("touch /srv/crash-web; echo 1 > /srv/shop/src/a.js");
    bed.wait_until("one has given up", PATIENCE, || {
        state(bed, "web@0.service") == "failed"
    });
    let trouble = || journal(bed, &[TROUBLE, "RPMCTL_APP=web"]);
    bed.wait_until("it is told", PATIENCE, || !trouble().is_empty());
    assert_eq!(runs(bed, "web", 3)[1..], before[1..]);
    assert!(
        trouble()[0]["MESSAGE"]
            .as_str()
            .expect("a text")
            .starts_with("web@0 did not come up again: "),
        "{:?}",
        trouble()
    );
    bed.sh_ok("rm /srv/crash-web; echo 2 > /srv/shop/src/a.js");
    bed.wait_until("it is mended", PATIENCE, || {
        statuses(bed, &["web"]) == ["online"; 3]
    });
    bed.wait_until("all are new", PATIENCE, || {
        renewed(&before, &runs(bed, "web", 3))
    });
    told(bed, 2, &before);

    // Another release by its link.
    let before = runs(bed, "web", 3);
    bed.sh_ok("ln -s releases/2 /srv/next; mv -T /srv/next /srv/shop");
    assert_eq!(told(bed, 3, &before).0, "/srv/shop");
    let folder = bed.sh_ok("readlink /proc/$(systemctl show -P MainPID web@0)/cwd");
    assert_eq!(folder, "/srv/releases/2\n");

    ok(bed, &["stop", "web"]);
    bed.sh_ok("echo 3 > /srv/shop/a.js");
    assert!(stays(AFTER + AFTER, || state(bed, "web@0.service") == "inactive"));
    assert_eq!(reloads(bed).len(), 3);
    ok(bed, &["start", "web"]);

    // The kernel's limit, as a container may set it: told with what to do, and the service goes on.
    bed.ok(&["systemctl", "stop", UNIT]);
    let line = "umount -l /proc/sys; exec unshare -Ur sh -ec 'echo 3 > /proc/sys/user/max_inotify_watches; exec rpmctl watch'";
    let mut limited = bed.spawn(&["unshare", "-m", "sh", "-ec", line]);
    let told = |text: &str| {
        trouble().iter().any(|line| {
            line["MESSAGE"]
                .as_str()
                .is_some_and(|said| said.starts_with(text))
        })
    };
    bed.wait_until("the limit is told", PATIENCE, || {
        assert!(limited.is_running(), "{:?}", limited.printed());
        told("not all files of web are watched: fs.inotify.max_user_watches = ")
    });
    drop(limited);
}
