//! What comes back with the machine: apps, the watcher, timers; and the log files, with each line exactly once.

use std::collections::BTreeMap;

use crate::machine::{self, Guest, PATIENCE};
use crate::memory::apply;

const FILE: &str = "/var/log/writes/out.log";

#[test]
fn everything_comes_back_and_each_line_is_in_the_file_once() {
    let guest = machine::shared();
    apply(
        &guest,
        &format!(
            "[[apps]]\nname = \"writes\"\nscript = \"/opt/guest/leaky\"\nexec_mode = \"cluster\"\ninstances = 2\nport = 3000\n\
             max_memory_restart = \"500M\"\nmerge_logs = true\nout_file = \"{FILE}\"\ncron_restart = \"0 0 1 1 *\"\nenv = {{ LINES = \"100\" }}\n"
        ),
    );
    writes(&guest);
    guest.reboot();
    writes(&guest);
    let rebooted = guest.ok(&[
        "systemctl",
        "is-active",
        "rpmctl-watch.service",
        "writes-cron.timer",
    ]);
    assert_eq!(rebooted, "active\nactive\n");
    // What was printed while it went down as well: the first boot's lines are complete.
    let complete = lines(&guest.ok(&[
        "journalctl",
        "--no-pager",
        "--quiet",
        "-o",
        "cat",
        "--boot=-1",
        "-u",
        "writes@*",
    ]));
    let written = lines(&guest.read(FILE));
    assert_eq!(complete.len(), 2, "{complete:?}");
    for (process, numbers) in &complete {
        assert!(
            written.get(process) == Some(numbers),
            "lines of {process} are missing or doubled: {:?}",
            written.get(process)
        );
    }

    guest.cut_power();
    writes(&guest);
    guest.ok(&["rpmctl", "stop", "writes"]);
    for (process, numbers) in lines(&guest.read(FILE)) {
        let doubled_or_lost = numbers
            .iter()
            .zip(1..)
            .find(|(number, wanted)| *number != wanted);
        assert_eq!(
            doubled_or_lost, None,
            "number and what should stand there, of {process}"
        );
    }
    guest.ok(&["rpmctl", "delete", "writes"]);
}

/// Whatever was ordered before the reboot still holds after it, and nothing has to be told again.
#[test]
fn what_runs_what_is_stopped_and_what_is_gone_stays_so() {
    let guest = machine::shared();
    let app = |name: &str, port: u32, more: &str| {
        format!(
            "[[apps]]\nname = \"{name}\"\nscript = \"/opt/guest/leaky\"\nexec_mode = \"cluster\"\ninstances = 2\nport = {port}\n{more}\n"
        )
    };
    let text = [
        app("shop", 3000, "max_memory_restart = \"500M\"\n"),
        app("halted", 3001, ""),
        app("doomed", 3002, ""),
    ];
    apply(&guest, &text.concat());
    for line in [
        &["rpmctl", "scale", "shop", "3"][..],
        &["rpmctl", "stop", "halted"],
        &["rpmctl", "delete", "doomed"],
    ] {
        guest.ok(line);
    }
    let wanted = [
        "halted@0 stopped",
        "halted@1 stopped",
        "shop@0 online",
        "shop@1 online",
        "shop@2 online",
    ];
    let before = guest.read("/proc/sys/kernel/random/boot_id");
    assert_eq!(instances(&guest), wanted);
    let watcher = ["systemctl", "is-active", "rpmctl-watch.service"];
    assert_eq!(guest.ok(&watcher), "active\n");

    guest.reboot();
    assert_ne!(guest.read("/proc/sys/kernel/random/boot_id"), before);
    // An app counts as up only min_uptime after it began.
    guest.wait_until("what ran runs again", PATIENCE, || {
        instances(&guest) == wanted
    });
    assert_eq!(guest.ok(&watcher), "active\n");
    for (port, answers) in [(3000, true), (3001, false), (3002, false)] {
        let asked = guest.run(&["bash", "-c", &format!(
            "exec 3<>/dev/tcp/127.0.0.1/{port} && printf 'GET / HTTP/1.1\\r\\nHost: guest\\r\\n\\r\\n' >&3 && cat <&3"
        )]);
        assert_eq!(
            asked.stdout.starts_with("HTTP/1.1 200 OK\r\n"),
            answers,
            "{port}: {asked}"
        );
        assert!(
            answers || asked.stderr.contains("Connection refused"),
            "{port}: {asked}"
        );
    }
    let units = guest.run(&["systemctl", "list-unit-files", "--no-legend", "doomed*"]);
    assert_eq!(units.stdout, "");
    guest.ok(&["rpmctl", "start", "halted"]);
    assert!(instances(&guest).contains(&"halted@1 online".to_owned()));
    guest.ok(&["rpmctl", "delete", "all"]);
}

/// Each with its status, in the order of names.
fn instances(guest: &Guest) -> Vec<String> {
    let list = guest.ok(&["rpmctl", "list", "--json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&list).expect("JSON");
    let mut said: Vec<String> = rows
        .iter()
        .map(|row| {
            let word = |key: &str| row[key].as_str().expect("a word").to_owned();
            format!("{}@{} {}", word("name"), row["instance"], word("status"))
        })
        .collect();
    said.sort();
    said
}

/// Waits until both instances have a hundred lines of this boot in the file.
fn writes(guest: &Guest) {
    let boot = guest.read("/proc/sys/kernel/random/boot_id");
    guest.wait_until(
        "both instances write their file in this boot",
        PATIENCE,
        || {
            let written = lines(&guest.run(&["cat", FILE]).stdout);
            let of_boot = written.iter().filter(|(process, numbers)| {
                process.starts_with(&boot[..8]) && numbers.len() >= 100
            });
            of_boot.count() == 2
        },
    );
}

/// The numbers of each process, by boot and PID, in the file's order. The line that is being written is left out.
fn lines(text: &str) -> BTreeMap<String, Vec<u64>> {
    let mut found = BTreeMap::<String, Vec<u64>>::new();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines() {
        let Some((process, number)) = line.rsplit_once(' ') else {
            continue;
        };
        if let (8, Ok(number)) = (process.find(' ').unwrap_or(0), number.parse()) {
            found.entry(process.to_owned()).or_default().push(number);
        }
    }
    found
}
