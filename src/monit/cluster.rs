//! The cluster as the screen has it: values alone, from `apply::view`.

use std::fmt;
use std::time::SystemTime;

use crate::apply::view::State;
use crate::journal::LogApp;
use crate::process::{Queue, Requests};
use crate::unit_files::health::Health;

/// What is selected, shown, or told to do something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    All,
    App(String),
    Instance(String, u32),
}

impl Target {
    pub fn app(&self) -> Option<&str> {
        match self {
            Target::All => None,
            Target::App(app) | Target::Instance(app, _) => Some(app),
        }
    }
}

/// As commands take it.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::All => f.write_str("all"),
            Target::App(app) => f.write_str(app),
            Target::Instance(app, number) => write!(f, "{app}@{number}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct App {
    pub name: String,
    /// As `status` calls it.
    pub state: &'static str,
    pub instances: Vec<Instance>,
    pub listen: Vec<String>,
    /// Whether its instances are asked for their health.
    pub probed: bool,
    pub queue: Option<Queue>,
    /// It ends by itself (`autorestart = false`): where it does not run, nothing is missed.
    pub job: bool,
    /// It starts at boot: what was stopped is missed.
    pub boots: bool,
    /// Where what runs is not what rpmctl wrote.
    pub drift: Vec<String>,
    /// Of a job: when its clock strikes next, how it ended last.
    pub runs: Vec<String>,
    /// `max_memory_restart`, bytes.
    pub memory_limit: Option<u64>,
    /// Which lines of the journal are its.
    pub log: LogApp,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    pub number: u32,
    pub unit: String,
    pub state: State,
    pub pid: Option<u32>,
    /// When its main process was started.
    pub started: Option<SystemTime>,
    pub restarts: Option<u32>,
    /// Why it is down.
    pub why: Option<String>,
    /// What rpmctl restarted it for.
    pub restarted: Option<String>,
    /// Percent of one processor.
    pub cpu: Option<f64>,
    pub memory: Option<u64>,
    pub requests: Option<Requests>,
    pub health: Option<Health>,
    /// What its app tells of itself, a line each; read while it is selected.
    pub custom: Vec<String>,
    /// Where its processes are counted.
    pub group: Option<String>,
}

/// How a person should take a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    Well,
    /// Down, and nobody waits for it.
    Resting,
    /// On its way, or down though it starts at boot.
    Passing,
    /// Somebody should look.
    Bad,
}

impl Instance {
    /// See [`State::is_unhealthy`].
    pub fn is_unhealthy(&self) -> bool {
        self.state.is_unhealthy(self.health.as_ref())
    }
}

impl App {
    /// Instances that run and are not unhealthy: what `status` has under `up`.
    pub fn ready(&self) -> usize {
        let ready = |one: &&Instance| one.state == State::Online && !one.is_unhealthy();
        self.instances.iter().filter(ready).count()
    }

    /// A job between two runs, or after its only one.
    pub fn rests(&self, one: &Instance) -> bool {
        self.job && one.state == State::Stopped
    }

    pub fn standing_of(&self, one: &Instance) -> Standing {
        match one.state {
            State::Online if one.is_unhealthy() => Standing::Bad,
            State::Online => Standing::Well,
            State::Errored | State::WaitingRestart => Standing::Bad,
            State::Launching | State::Stopping => Standing::Passing,
            State::Stopped if self.boots && !self.job => Standing::Passing,
            State::Stopped => Standing::Resting,
        }
    }

    /// That of the instance that fares worst.
    pub fn standing(&self) -> Standing {
        let all = self.instances.iter().map(|one| self.standing_of(one));
        all.max().unwrap_or(Standing::Resting)
    }

    /// The word for an instance: PM2's, and what PM2 has none for.
    pub fn word(&self, one: &Instance) -> &'static str {
        match one.state {
            State::Online if one.is_unhealthy() => "unhealthy",
            State::Stopped if self.rests(one) && matches!(self.state, "waiting" | "ended") => {
                self.state
            }
            state => state.as_str(),
        }
    }

    /// See [`Queue::is_crowded`].
    pub fn is_crowded(&self) -> bool {
        self.queue.is_some_and(Queue::is_crowded)
    }

    pub fn cpu(&self) -> Option<f64> {
        let known = self.instances.iter().filter_map(|one| one.cpu);
        known.reduce(|a, b| a + b)
    }

    pub fn memory(&self) -> Option<u64> {
        let known = self.instances.iter().filter_map(|one| one.memory);
        known.reduce(u64::saturating_add)
    }

    pub fn restarts(&self) -> Option<u32> {
        let known = self.instances.iter().filter_map(|one| one.restarts);
        known.reduce(u32::saturating_add)
    }

    /// When the instance that was started last was started.
    pub fn youngest(&self) -> Option<SystemTime> {
        self.instances.iter().filter_map(|one| one.started).max()
    }
}
