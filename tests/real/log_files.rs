//! Log files: each line once whatever is killed, files that are moved, truncated, removed or full, and nothing of root's in a user's reach.

use std::time::{Duration, Instant};

use crate::apps::{self, PATIENCE, apply, ok, shell, state};
use crate::bed::Bed;

const WATCHER: &str = "rpmctl-watch.service";

/// Writes the numbers from 0, so many, so many a second, each at the end of a line, as a program would that does not gather its output.
const NUMBERS: &str = r#"
import os, sys, time
count, rate = int(sys.argv[1]), int(sys.argv[2])
begun, written = time.monotonic(), 0
while written < count:
    due = min(count, int((time.monotonic() - begun) * rate) + 1)
    for number in range(written, due):
        os.write(1, b'line %d\n' % number)
    written = due
    time.sleep(0.002)
"#;

fn read(bed: &Bed, path: &str) -> String {
    bed.run(&["cat", "--", path]).stdout
}

/// Waits until the file holds exactly this.
fn holds(bed: &Bed, path: &str, expected: &str) {
    let mut last = String::new();
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        last = read(bed, path);
        if last == expected {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!(
        "{path}: {last:?} is not {expected:?}\n{}",
        bed.sh("cat /run/rpmctl/log-files/checkpoint.json").stdout
    );
}

fn watcher_pid(bed: &Bed) -> String {
    bed.ok(&["systemctl", "show", "-p", "MainPID", "--value", WATCHER])
}

/// An app that writes what is put into the pipe /srv/NAME-in, as it comes.
fn piped(bed: &Bed, name: &str, more: &str) -> String {
    bed.sh_ok(&format!(
        "[ -p /srv/{name}-in ] || mkfifo -m 666 /srv/{name}-in"
    ));
    shell(name, &format!("exec cat <>/srv/{name}-in"), more)
}

fn say(bed: &Bed, name: &str, text: &str) {
    bed.cmd(&["sh", "-c", &format!("cat >/srv/{name}-in")])
        .stdin(text)
        .ok();
}

#[test]
fn every_line_is_there_once_whatever_is_killed() {
    // At 20,000 a second; LOG_LINES=1000000 for as many as the README tells of.
    let count = std::env::var("LOG_LINES").map_or(300_000, |count| {
        count.parse::<usize>().expect("LOG_LINES is a number")
    });
    let bed = apps::bed();
    bed.write("/srv/numbers.py", 0o644, NUMBERS);
    apply(
        &bed,
        &format!(
            "[[apps]]\nname = \"numbers\"\nscript = \"numbers.py\"\nargs = [\"{count}\", \"20000\"]\nautorestart = false\n\
             out_file = \"/var/log/numbers/out.log\"\n"
        ),
    );
    let size = || -> u64 {
        let text = bed
            .run(&["stat", "-c", "%s", "/var/log/numbers/out.log"])
            .stdout;
        text.trim().parse().unwrap_or(0)
    };
    let blows: [&[&str]; 6] = [
        &[
            "systemctl",
            "kill",
            "--kill-who=main",
            "-s",
            "KILL",
            WATCHER,
        ],
        &["systemctl", "restart", "systemd-journald"],
        &["systemctl", "daemon-reexec"],
        &["systemctl", "kill", "-s", "KILL", WATCHER],
        &["systemctl", "restart", "dbus"],
        &[
            "systemctl",
            "kill",
            "--kill-who=main",
            "-s",
            "KILL",
            WATCHER,
        ],
    ];
    let last = format!("line {}\n", count - 1);
    let is_complete = || bed.run(&["tail", "-n1", "/var/log/numbers/out.log"]).stdout == last;
    let mut slowest = Duration::ZERO;
    for blow in blows.iter().cycle().take(blows.len().max(count / 50_000)) {
        let (pid, begun) = (watcher_pid(&bed), Instant::now());
        bed.ok(blow);
        if blow.contains(&WATCHER) {
            bed.wait_until("the watcher is dead", PATIENCE, || watcher_pid(&bed) != pid);
        }
        let before = size();
        // On a slow machine the app may be through by now.
        bed.wait_until("the file grows again", PATIENCE, || {
            size() > before || is_complete()
        });
        slowest = slowest.max(begun.elapsed());
    }
    println!("the file grew again after {slowest:?} at most");
    assert!(slowest < Duration::from_secs(30), "{slowest:?}");
    bed.wait_until("all is written", PATIENCE, || {
        state(&bed, "numbers@0.service") == "inactive"
    });
    bed.wait_until("the last line is in the file", PATIENCE, is_complete);
    let text = read(&bed, "/var/log/numbers/out.log");
    let mut lines = text.lines();
    for number in 0..count {
        assert_eq!(lines.next(), Some(format!("line {number}").as_str()));
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn lines_of_each_instance_as_pm2_writes_them() {
    let bed = apps::bed();
    let long = "x".repeat(100_000);
    // Two instances; one line of 100,000 bytes, one that is no text, one on stderr.
    let write =
        r#"printf "%0100000d\n" 0 | tr 0 x; printf "a\377b\n"; echo bad >&2; exec sleep infinity"#;
    let two = shell(
        "two",
        write,
        "instances = 2\nexec_mode = \"fork\"\nuser = \"app\"\nout_file = \"/var/log/two/deep/out.log\"\nerror_file = \"/var/log/two/deep/err\"\nlog_file = \"/dev/null\"",
    );
    let json = shell(
        "json",
        "echo before; echo oops >&2; exec sleep infinity",
        "log_file = \"/var/log/json.log\"\nlog_type = \"json\"\nlog_date_format = \"[at] YYYY\"",
    );
    let dated = shell(
        "dated",
        "echo one; exec sleep infinity",
        "out_file = \"/var/log/dated.log\"\nlog_date_format = \"[on] YYYY\"",
    );
    let failing = shell(
        "failing",
        "echo tries; exit 1",
        "max_restarts = 2\nlog_file = \"/var/log/failing.log\"",
    );
    bed.sh_ok("mkfifo -m 666 /srv/early-in");
    let early = piped(&bed, "early", "");
    apply(&bed, &(early.clone() + &two + &json + &dated));
    apps::write(&bed, &(early + &two + &json + &dated + &failing));
    apps::fails(&bed, &["apply"], 1);
    let year = bed.ok(&["date", "+%Y"]);
    let year = year.trim();
    holds(&bed, "/var/log/dated.log", &format!("on {year}: one\n"));
    // What the watcher asks for.
    let marked = ["RPMCTL_APP=dated", "_TRANSPORT=stdout"];
    let marked = bed.ok(&[&["journalctl", "-o", "cat"], &marked[..]].concat());
    assert_eq!(marked, "one\n");
    // Anybody may say that by the native protocol.
    bed.sh_ok("printf 'MESSAGE=forged\\nPRIORITY=6\\nRPMCTL_APP=dated\\n' | logger --journald");
    for number in 0..2 {
        holds(&bed, &format!("/var/log/two/deep/err-{number}"), "bad\n");
        let out = format!("/var/log/two/deep/out-{number}.log");
        let expected = bed.sh_ok(&format!("printf '{long}\\na\\377b\\n' | sha256sum"));
        bed.wait_until("both lines are there, byte for byte", PATIENCE, || {
            bed.ok(&["sh", "-c", &format!("sha256sum <{out}")]) == expected
        });
        assert_eq!(bed.ok(&["stat", "-c", "%U:%G %a", &out]), "app:app 640\n");
    }
    assert_eq!(
        bed.ok(&["stat", "-c", "%U:%G %a", "/var/log/two/deep"]),
        "app:app 755\n"
    );
    let timestamp = format!("at {year}");
    bed.wait_until("both streams are in the file", PATIENCE, || {
        read(&bed, "/var/log/json.log").lines().count() == 2
    });
    let mut lines: Vec<String> = read(&bed, "/var/log/json.log")
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort_unstable();
    let line = |message: &str, kind: &str| {
        format!(
            "{{\"message\":\"{message}\",\"timestamp\":\"{timestamp}\",\"type\":\"{kind}\",\"process_id\":0,\"app_name\":\"json\"}}"
        )
    };
    assert_eq!(lines, [line("before", "out"), line("oops", "err")]);
    // What the manager and the start script say of it is in the journal alone.
    bed.wait_until("it gave up", PATIENCE, || {
        state(&bed, "failing@0.service") == "failed"
    });
    assert!(ok(&bed, &["logs", "failing"]).contains("gave up"));
    holds(&bed, "/var/log/failing.log", "tries\ntries\n");
    // An app gets a file while it runs: from then on.
    say(&bed, "early", "too early\n");
    bed.wait_until("the line is in the journal", PATIENCE, || {
        ok(&bed, &["logs", "early"]).contains("too early")
    });
    let pid = bed.ok(&[
        "systemctl",
        "show",
        "-p",
        "MainPID",
        "--value",
        "early@0.service",
    ]);
    apply(
        &bed,
        &piped(&bed, "early", "out_file = \"/var/log/early.log\""),
    );
    assert_eq!(
        bed.ok(&[
            "systemctl",
            "show",
            "-p",
            "MainPID",
            "--value",
            "early@0.service"
        ]),
        pid,
        "no instance restarts for it"
    );
    say(&bed, "early", "in time\n");
    holds(&bed, "/var/log/early.log", "in time\n");
    apply(&bed, &piped(&bed, "early", ""));
    bed.wait_until("nothing is under way to it", PATIENCE, || {
        let record = bed.sh("cat /run/rpmctl/log-files/checkpoint.json").stdout;
        !record.contains("/var/log/early.log")
    });
    say(&bed, "early", "too late\n");
    bed.wait_until("the line is in the journal", PATIENCE, || {
        ok(&bed, &["logs", "early"]).contains("too late")
    });
    assert_eq!(read(&bed, "/var/log/early.log"), "in time\n");
}

#[test]
fn files_that_are_moved_truncated_removed_or_full() {
    let bed = apps::bed();
    let path = "/var/log/moving/out.log";
    bed.sh_ok("mkdir /srv/small; mount -t tmpfs -o size=64k,mode=755 tmpfs /srv/small");
    let moving = piped(
        &bed,
        "moving",
        "user = \"app\"\nout_file = \"/var/log/moving/out.log\"\nerror_file = \"/srv/small/err.log\"\n",
    );
    let full = piped(&bed, "full", "out_file = \"/srv/small/out.log\"");
    // A link to a file of root's, laid by the app's user.
    bed.write("/etc/secret", 0o644, "root's\n");
    bed.sh_ok("mkdir /srv/theirs; ln -s /etc/secret /srv/theirs/out.log; chown -h app:app /srv/theirs /srv/theirs/out.log");
    let sly = piped(
        &bed,
        "sly",
        "user = \"app\"\nout_file = \"/srv/theirs/out.log\"",
    );
    apply(&bed, &(moving + &full + &sly));

    say(&bed, "moving", "1\n");
    holds(&bed, path, "1\n");
    // logrotate without a word to anybody.
    bed.ok(&["mv", path, "/var/log/moving/out.log.1"]);
    say(&bed, "moving", "2\n");
    holds(&bed, path, "2\n");
    assert_eq!(bed.read("/var/log/moving/out.log.1"), "1\n");
    // With one: the new file is there at once.
    bed.ok(&["mv", path, "/var/log/moving/out.log.2"]);
    assert!(ok(&bed, &["reload-logs"]).starts_with("reopened "));
    assert_eq!(bed.ok(&["stat", "-c", "%U %s", path]), "app 0\n");
    // copytruncate.
    say(&bed, "moving", "3\n4\n");
    holds(&bed, path, "3\n4\n");
    bed.ok(&["truncate", "-s0", path]);
    say(&bed, "moving", "5\n");
    holds(&bed, path, "5\n");
    // Its folder goes.
    bed.ok(&["rm", "-r", "/var/log/moving"]);
    say(&bed, "moving", "6\n");
    holds(&bed, path, "6\n");
    // What others append while the watcher is stopped stays.
    bed.ok(&["systemctl", "stop", WATCHER]);
    bed.sh_ok(&format!("echo theirs >>{path}"));
    say(&bed, "moving", "more\n");
    bed.ok(&["systemctl", "start", WATCHER]);
    holds(&bed, path, "6\ntheirs\nmore\n");
    // Killed after it wrote and before that was on record; the file is renamed before it is back.
    let records = "/run/rpmctl/log-files/checkpoint.json /var/lib/rpmctl/log-files/checkpoint.json";
    let killed = format!("sed -i 's/\"closed\":true,//' {records}");
    bed.ok(&["systemctl", "stop", WATCHER]);
    bed.sh_ok(&killed);
    bed.sh_ok(&format!("printf '7\\nha' >>{path}; mv {path} {path}.1"));
    say(&bed, "moving", "7\nhalf\n");
    bed.ok(&["systemctl", "start", WATCHER]);
    holds(&bed, path, "7\nhalf\n");
    assert_eq!(bed.read(&format!("{path}.1")), "6\ntheirs\nmore\n");
    // The same, and the journal no longer has its place: nothing is cut that would not come back.
    bed.ok(&["systemctl", "stop", WATCHER]);
    bed.sh_ok(&killed);
    bed.sh_ok(&format!(
        "sed -i 's/\"s=[0-9a-f]*;i=[0-9a-f]*;/\"s=00000000000000000000000000000001;i=1;/g' {records}; echo kept >>{path}"
    ));
    bed.ok(&["systemctl", "start", WATCHER]);
    say(&bed, "moving", "after\n");
    holds(&bed, path, "7\nhalf\nkept\nafter\n");

    // Root follows no link of theirs; it is told.
    say(&bed, "sly", "gotcha\n");
    bed.wait_until("it is told", PATIENCE, || {
        ok(&bed, &["logs", "sly"])
            .contains("/srv/theirs/out.log cannot be written: permission denied")
    });
    assert_eq!(bed.read("/etc/secret"), "root's\n");
    bed.ok(&["rm", "/srv/theirs/out.log"]);

    // A full disk stops that file alone, and what was missed comes when there is room.
    let many: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    say(&bed, "full", &many);
    bed.wait_until("it is told", PATIENCE, || {
        // Lines of the app may come after it.
        ok(&bed, &["logs", "full", "--grep", "cannot be written"])
            .contains("/srv/small/out.log cannot be written: no space left on device")
    });
    let status = bed.ok(&["systemctl", "show", "-p", "StatusText", "--value", WATCHER]);
    assert!(
        status.contains("/srv/small/out.log no space left on device"),
        "{status}"
    );
    assert!(ok(&bed, &["show", "full"]).contains("no space left on device"));
    say(&bed, "moving", "8\n");
    holds(&bed, path, "7\nhalf\nkept\nafter\n8\n");
    say(&bed, "full", "last\n");
    bed.ok(&[
        "systemctl",
        "kill",
        "--kill-who=main",
        "-s",
        "KILL",
        WATCHER,
    ]);
    bed.sh_ok("mount -o remount,size=16m /srv/small");
    holds(&bed, "/srv/small/out.log", &(many + "last\n"));
    assert_eq!(state(&bed, "full@0.service"), "active");
    holds(&bed, "/srv/theirs/out.log", "gotcha\n");
    assert_ne!(watcher_pid(&bed), "0\n");
    bed.ok(&["umount", "-l", "/srv/small"]);
}
