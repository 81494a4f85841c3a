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
    /// What is to be known of it: drift, when the clock strikes next.
    pub notes: Vec<String>,
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
    /// Why it is down, or what it was restarted for.
    pub why: Option<String>,
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

impl App {
    pub fn online(&self) -> usize {
        let online = |one: &&Instance| one.state == State::Online;
        self.instances.iter().filter(online).count()
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
