//! The site that is under load: the Express app in four instances on port 3000, in a bed of its own.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::bed::{Bed, Output};
use crate::traffic::{express, held};

pub const PORT: u16 = 3000;
pub const INSTANCES: usize = 4;
pub const PATIENCE: Duration = Duration::from_secs(120);

static TURN: Mutex<()> = Mutex::new(());

/// Waits until no other test is at work.
pub fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

pub struct Site {
    pub bed: Bed,
    _turn: MutexGuard<'static, ()>,
}

/// What its ecosystem file says.
#[derive(Clone)]
pub struct File {
    pub instances: usize,
    /// `RELEASE` of the app's env: `good`, `broken` or `deaf`.
    pub release: &'static str,
    /// Changes the env, and nothing else.
    pub version: u32,
}

pub const GOOD: File = File {
    instances: INSTANCES,
    release: "good",
    version: 1,
};

impl Site {
    /// Up, and all its instances answering.
    pub fn new() -> Site {
        let turn = turn();
        let bed = Bed::boot(Default::default());
        express::copy_in(&bed, "/srv/api");
        let site = Site { bed, _turn: turn };
        site.apply(&GOOD);
        site.all_answer(INSTANCES);
        site
    }

    pub fn write(&self, file: &File) {
        let mut text = String::from("[[apps]]\nname = \"api\"\nscript = \"variant.js\"\n");
        let File {
            instances,
            release,
            version,
        } = file;
        write!(
            text,
            "exec_mode = \"cluster\"\ninstances = {instances}\nmin_uptime = 200\nmax_restarts = 3\nlisten_timeout = 3000\n\n\
             [apps.env]\nPORT = {PORT}\nNODE_ENV = \"production\"\nRELEASE = \"{release}\"\nVERSION = \"{version}\"\n"
        )
        .expect("text");
        self.bed.write("/srv/api/ecosystem.toml", 0o644, text);
    }

    /// Writes the file and applies it; it must succeed.
    pub fn apply(&self, file: &File) -> String {
        self.write(file);
        self.ok(&["apply"])
    }

    pub fn rpmctl(&self, args: &[&str]) -> Output {
        let all: Vec<&str> = ["rpmctl"].iter().chain(args).copied().collect();
        let command = self.bed.cmd(&all).dir("/srv/api");
        command.deadline(Duration::from_secs(180)).run()
    }

    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.rpmctl(args);
        assert_eq!(output.status, 0, "rpmctl {}\n{output}", args.join(" "));
        output.stdout
    }

    /// Main processes of the instances that run.
    pub fn pids(&self) -> BTreeSet<u32> {
        let shown = self.bed.ok(&[
            "systemctl",
            "show",
            "--value",
            "-p",
            "MainPID",
            "api@*.service",
        ]);
        let numbers = shown.lines().filter_map(|line| line.parse().ok());
        numbers.filter(|pid| *pid != 0).collect()
    }

    /// Those that systemd runs are `instances`, and each of them answers new connections, and nobody else.
    pub fn all_answer(&self, instances: usize) {
        let what = format!("{instances} instances answer");
        let mut seen = BTreeSet::new();
        self.bed.wait_until(&what, PATIENCE, || {
            let running = self.pids();
            // Enough to fill new instances up to what the load keeps open on the others: the fewest are served first.
            if let Ok(spread) = held::spread(&self.bed, PORT, 200, None) {
                seen.extend(spread.into_keys());
            }
            seen.retain(|pid| running.contains(pid));
            running.len() == instances && seen == running
        });
    }
}
