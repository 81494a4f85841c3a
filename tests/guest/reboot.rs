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
