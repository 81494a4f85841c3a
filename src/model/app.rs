//! An app and all its settings. Each field names its key in the file; defaults are in `config::defaults`.

use std::path::PathBuf;
use std::time::Duration;

use super::{
    Bytes, Command, Cron, EnvName, Environment, Health, Listen, Name, Rotation, Signal, Watch,
};

/// Every app of one file, in the file's order, names distinct.
#[derive(Clone, PartialEq, Debug)]
pub struct Model {
    /// Absolute path of the file.
    pub file: PathBuf,
    /// `--env`.
    pub profile: Option<String>,
    pub apps: Vec<App>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct App {
    pub name: Name,
    pub namespace: String,
    pub command: Command,
    /// Absolute, symlinks unresolved.
    pub cwd: PathBuf,
    /// At least 1.
    pub instances: u32,
    pub mode: Mode,
    /// What all instances share; empty in fork mode.
    pub listen: Vec<Listen>,
    /// `balance`
    pub balance: Balance,
    /// `listen_fds`: the app takes the descriptors of sd_listen_fds(3) itself.
    pub listen_fds: bool,
    /// `preload`: Node loads rpmctl's preload.
    pub preload: bool,
    /// `pmx`: the preload counts requests.
    pub pmx: bool,
    pub env: Environment,
    /// `instance_var`: holds the instance's number.
    pub instance_var: EnvName,
    /// `increment_var`: base value plus the instance's number.
    pub increment_var: Option<EnvName>,
    pub user: Option<String>,
    pub group: Option<String>,
    pub restart: Restart,
    pub stop: Stop,
    pub ready: Readiness,
    pub memory: Option<Memory>,
    pub health: Option<Health>,
    /// Started by apply and at boot.
    pub autostart: bool,
    pub depends_on: Vec<Dependency>,
    pub directives: Directives,
    pub logs: LogFiles,
    pub watch: Option<Watch>,
    pub schedule: Option<Schedule>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Fork,
    Cluster,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Fork => "fork",
            Mode::Cluster => "cluster",
        }
    }
}

/// Who spreads connections over the instances.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Balance {
    /// One socket an address, from which every instance accepts.
    Shared,
    /// A socket an instance, all on the same address (`SO_REUSEPORT`, socket(7)): the kernel spreads connections by a hash.
    Reuseport,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Restart {
    /// `autorestart`
    pub auto: bool,
    /// `restart_delay`
    pub delay: Duration,
    /// `exp_backoff_restart_delay`
    pub backoff: Option<Duration>,
    /// `min_uptime`: a shorter run counts as a failed start.
    pub min_uptime: Duration,
    /// `max_restarts`: failed starts in a row after which an instance stays down; None for never.
    pub max: Option<u32>,
    /// `stop_exit_codes`
    pub stop_codes: Vec<u8>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Stop {
    /// `stop_signal`
    pub signal: Signal,
    /// `kill_timeout`
    pub timeout: Duration,
    /// `treekill`: signal every process of the instance, not the main one alone.
    pub tree: bool,
    /// `shutdown_with_message`
    pub message: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Readiness {
    /// `wait_ready`: the app says when it is ready (sd_notify(3)).
    pub wait: bool,
    /// `listen_timeout`
    pub timeout: Duration,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Memory {
    /// `max_memory_restart`
    pub restart: Bytes,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Dependency {
    /// Another app of the same file.
    App(Name),
    /// A unit of the machine: `postgresql.service`.
    Unit(String),
}

/// `[apps.systemd.*]`: passed through in order; the key is a directive's name, the value one line of unit syntax.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Directives {
    pub unit: Vec<(String, String)>,
    pub service: Vec<(String, String)>,
    pub socket: Vec<(String, String)>,
    pub install: Vec<(String, String)>,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub struct LogFiles {
    /// `out_file`, `error_file`, `log_file`: absolute; None is off.
    pub out: Option<PathBuf>,
    pub error: Option<PathBuf>,
    pub combined: Option<PathBuf>,
    /// `merge_logs`
    pub merge: bool,
    /// `log_date_format`, or what `time = true` stands for.
    pub date_format: Option<String>,
    /// `log_type = "json"`
    pub json: bool,
    /// `log_rotate`
    pub rotate: Option<Rotation>,
    /// `log_namespace`: a journal of its own (systemd-journald.service(8)); never under a user manager.
    pub namespace: Option<String>,
    /// `disable_logs`
    pub disabled: bool,
}

impl LogFiles {
    /// Whether lines go to any file.
    pub fn any(&self) -> bool {
        !self.disabled && (self.out.is_some() || self.error.is_some() || self.combined.is_some())
    }
}

/// `cron_restart`
#[derive(Clone, PartialEq, Debug)]
pub struct Schedule {
    /// As it is written.
    pub cron: String,
    pub times: Cron,
}
