//! A private manager that is booted, seen from outside.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::HOLD;
use crate::left::{Machine, pid_namespace, processes};

const LIMIT: Duration = Duration::from_secs(60);

pub struct Run {
    pub child: Child,
    pub init: u32,
    pub boot_ms: u128,
}

impl Run {
    pub fn start() -> Run {
        Run::of(Command::new(std::env::current_exe().unwrap()).arg(HOLD))
    }

    pub fn of(command: &mut Command) -> Run {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("it boots").unwrap();
        let (init, boot_ms) = first.split_once(' ').unwrap();
        let run = Run {
            init: init.parse().unwrap(),
            boot_ms: boot_ms.parse().unwrap(),
            child,
        };
        assert_eq!(lines.next().expect("it listens").unwrap(), "listening");
        run
    }

    /// A path of the private manager's, from here.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.init))
    }

    pub fn busctl(&self, call: &[&str]) -> String {
        let bus = format!(
            "--address=unix:path={}",
            self.path("/run/systemd/rpmctl/bus").display()
        );
        output(Command::new("busctl").arg(bus).args(call))
    }

    pub fn start_unit(&self, name: &str, text: &str) {
        fs::write(self.path("/run/systemd/rpmctl/units").join(name), text).unwrap();
        self.start_job(name);
    }

    pub fn start_job(&self, name: &str) {
        self.busctl(&[
            "call",
            "org.freedesktop.systemd1",
            "/org/freedesktop/systemd1",
            "org.freedesktop.systemd1.Manager",
            "StartUnit",
            "ss",
            name,
            "replace",
        ]);
    }

    pub fn journal(&self, matches: &[&str]) -> String {
        let dir = self.path("/run/log/journal");
        output(
            Command::new("journalctl")
                .args(["-q", "-o", "cat", "-D"])
                .arg(dir)
                .args(matches),
        )
    }

    /// Waits for a line in the journal. By systemd-cat's identifier: under a user manager the lines of short-lived
    /// children lack the unit's name, journald having found them gone.
    pub fn told(&self, identifier: &str, line: &str) {
        let identifier = format!("SYSLOG_IDENTIFIER={identifier}");
        let begun = Instant::now();
        while !self.journal(&[&identifier]).lines().any(|got| got == line) {
            assert!(
                begun.elapsed() < LIMIT,
                "no line {line:?} of {identifier} in:\n{}",
                self.journal(&[])
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    /// All of pid namespace, with pids as seen here.
    pub fn members(&self) -> BTreeSet<u32> {
        let namespace = pid_namespace(self.init);
        assert_ne!(
            namespace,
            pid_namespace(std::process::id()),
            "{} has a pid namespace of its own",
            self.init
        );
        processes()
            .into_iter()
            .filter(|&pid| pid_namespace(pid) == namespace)
            .collect()
    }

    /// The pid here of what is `pid` in the private pid namespace.
    pub fn seen_here(&self, pid: &str) -> u32 {
        let is = |member: &u32| {
            let status = fs::read_to_string(format!("/proc/{member}/status")).unwrap_or_default();
            status
                .lines()
                .any(|line| line.starts_with("NSpid:") && line.ends_with(&format!("\t{pid}")))
        };
        self.members()
            .into_iter()
            .find(is)
            .expect("a process of that pid")
    }

    /// The exit code, once it is over and nothing of it is left.
    pub fn gone(mut self, before: &Machine) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        let begun = Instant::now();
        let mut now = Machine::now();
        while now != *before && begun.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(10));
            now = Machine::now();
        }
        assert_eq!(now, *before, "the machine is as it was before");
        code
    }
}

impl Drop for Run {
    /// When a test failed half-way; otherwise it is gone already.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        wait_until("the run to end", || {
            !Path::new(&format!("/proc/{}", self.init)).exists()
        });
    }
}

pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "waited {LIMIT:?} for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn output(command: &mut Command) -> String {
    let out = command.output().unwrap();
    assert!(
        out.status.success() || out.stderr.is_empty(),
        "{command:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

pub fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}
