//! The guest is what the other tests take it for.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::machine::{self, PATIENCE};

const VICTIM: &str = "RPMCTL_GUEST_VICTIM";

#[test]
fn a_program_that_nobody_waits_for_is_ended() {
    let guest = machine::shared();
    let sleeper = guest
        .cmd(&["sh", "-c", "echo $$; sleep 1000; true"])
        .spawn();
    guest.wait_until("it runs", PATIENCE, || !sleeper.printed().is_empty());
    let group = sleeper.printed();
    drop(sleeper);
    guest.wait_until("it and what it started are gone", PATIENCE, || {
        guest.run(&["pgrep", "-g", group.trim()]).status == 1
    });
}

/// This program once more, killed as hard as can be while its guest boots.
#[test]
fn the_guest_ends_with_a_test_that_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        let guest = machine::start(&[]);
        println!("\nqemu {}", guest.qemu_pid());
        loop {
            std::thread::park();
        }
    }
    let mut victim = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "guest_itself::the_guest_ends_with_a_test_that_is_killed",
            "--nocapture",
        ])
        .env(VICTIM, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("start this program");
    let mut lines = BufReader::new(victim.stdout.take().expect("stdout")).lines();
    let qemu = lines.find_map(|line| line.ok()?.strip_prefix("qemu ").map(str::to_owned));
    victim.kill().expect("kill");
    victim.wait().expect("wait");
    let qemu = qemu.expect("the victim started QEMU");
    let end = Instant::now() + PATIENCE;
    while is_qemu(&qemu) {
        assert!(
            Instant::now() < end,
            "QEMU {qemu} outlives the test that started it"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(
        is_qemu(&machine::shared().qemu_pid().to_string()),
        "and the one of this process goes on"
    );
}

fn is_qemu(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .is_ok_and(|name| name.starts_with("qemu-system"))
}

#[test]
fn units_have_a_memory_controller_of_cgroup_v2() {
    let guest = machine::shared();
    println!(
        "booted in {:?}, KVM: {}",
        guest.boot_time(),
        guest.accelerated()
    );
    guest.sh_ok("systemd-run --quiet --unit=guest-memory sleep 100");
    let stat = guest.read("/sys/fs/cgroup/system.slice/guest-memory.service/memory.stat");
    let names: BTreeSet<&str> = stat
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(
        names.is_superset(&BTreeSet::from(["anon", "file", "shmem"])),
        "{stat}"
    );
    let shown = guest.ok(&["systemctl", "show", "-P", "MemoryCurrent", "guest-memory"]);
    assert!(
        shown.trim().parse::<u64>().is_ok_and(|bytes| bytes > 0),
        "{shown}"
    );
    guest.ok(&["systemctl", "stop", "guest-memory"]);
}

#[test]
fn it_has_no_network_but_loopback() {
    let guest = machine::shared();
    let interfaces = guest.ok(&["ls", "/sys/class/net"]);
    assert_eq!(interfaces.trim(), "lo");
}

#[test]
fn rpmctl_runs_in_it() {
    let guest = machine::shared();
    assert_eq!(
        guest.ok(&["rpmctl", "--version"]),
        format!("rpmctl {}\n", env!("CARGO_PKG_VERSION"))
    );
}
