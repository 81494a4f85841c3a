//! What the target of an app says about it in its `[X-Rpmctl]` section, as a value and as its lines.

use std::path::PathBuf;
use std::time::Duration;

use super::marker::SECTION;
use super::section::Sections;
use super::socket::shared;
use super::{health_fact, quote, watch_fact};
use crate::model::{App, Balance, Health, LogFiles, Mode, Name, Rotation, Watch};

/// What the target of an app says about it: enough to list, log and control the app without its ecosystem file.
#[derive(Clone, PartialEq, Debug)]
pub struct Facts {
    pub app: Name,
    /// The ecosystem file it was compiled from.
    pub file: PathBuf,
    /// `--env` at that time.
    pub profile: Option<String>,
    pub instances: u32,
    pub mode: Mode,
    pub namespace: String,
    pub script: String,
    pub interpreter: String,
    pub cwd: PathBuf,
    pub listen: Vec<String>,
    pub balance: Balance,
    /// The sockets that all instances share.
    pub shared: Vec<String>,
    pub autostart: bool,
    /// Whether an instance that ends is started again; else it is a job, and done when it ended well.
    pub autorestart: bool,
    /// An instance is up when it says so, else when it has run for `settle`.
    pub notifies: bool,
    pub settle: Duration,
    /// `min_uptime`: an instance that ends sooner, or is over `max_memory_restart`, has just been started for nothing.
    pub min_uptime: Duration,
    /// `listen_timeout`: an instance that is not up by then has failed.
    pub ready_timeout: Duration,
    pub max_restarts: Option<u32>,
    /// `exp_backoff_restart_delay`
    pub backoff: Option<Duration>,
    /// `cron_restart`
    pub schedule: Option<String>,
    pub memory_restart: Option<u64>,
    pub health: Option<Health>,
    pub date_format: Option<String>,
    pub watch: Option<Watch>,
    pub user: Option<String>,
    /// Only where `logs` names a file, or files are watched.
    pub group: Option<String>,
    /// Its `date_format` is ours.
    pub logs: LogFiles,
    /// Apps that must be up before this one starts.
    pub after: Vec<Name>,
}

/// An instance that says nothing about readiness counts as up after this long, or after `min_uptime` where that is shorter.
const SETTLE: Duration = Duration::from_secs(1);

impl Facts {
    pub fn of(app: &App, file: PathBuf, profile: Option<String>, notifies: bool) -> Facts {
        use crate::model::Dependency;
        Facts {
            app: app.name.clone(),
            file,
            profile,
            instances: app.instances,
            mode: app.mode,
            namespace: app.namespace.clone(),
            script: app.command.script.clone(),
            interpreter: app.command.interpreter.clone(),
            cwd: app.cwd.clone(),
            listen: app.listen.iter().map(ToString::to_string).collect(),
            balance: app.balance,
            shared: shared(app).into_iter().map(|(name, _)| name).collect(),
            autostart: app.autostart,
            autorestart: app.restart.auto,
            notifies,
            settle: app.restart.min_uptime.min(SETTLE),
            min_uptime: app.restart.min_uptime,
            ready_timeout: app.ready.timeout,
            max_restarts: app.restart.max,
            backoff: app.restart.backoff.filter(|_| app.restart.auto),
            schedule: app.schedule.as_ref().map(|times| times.cron.clone()),
            memory_restart: app.memory.as_ref().map(|memory| memory.restart.0),
            health: app.health.clone(),
            date_format: app.logs.date_format.clone(),
            watch: app.watch.clone(),
            user: app.user.clone(),
            group: app
                .group
                .clone()
                .filter(|_| app.logs.any() || app.watch.is_some()),
            logs: match app.logs.any() {
                true => app.logs.clone(),
                false => LogFiles {
                    date_format: app.logs.date_format.clone(),
                    namespace: app.logs.namespace.clone(),
                    ..LogFiles::default()
                },
            },
            after: app
                .depends_on
                .iter()
                .filter_map(|dependency| match dependency {
                    Dependency::App(name) => Some(name.clone()),
                    Dependency::Unit(_) => None,
                })
                .collect(),
        }
    }

    /// Whether something about the app is done by `rpmctl watch`.
    pub fn needs_watcher(&self) -> bool {
        let keys = [
            self.memory_restart.is_some(),
            self.watch.is_some(),
            self.health.is_some(),
        ];
        keys.contains(&true) || self.logs.any()
    }

    /// A job that apply does not start: the clock does. Not one that listens, whose sockets come and go with it.
    pub fn by_clock_alone(&self) -> bool {
        let job = !self.autorestart && self.listen.is_empty();
        self.schedule.is_some() && job && !self.autostart
    }

    /// Whether it comes up at boot, or its clock does.
    pub fn boots(&self) -> bool {
        self.autostart || self.by_clock_alone()
    }

    pub fn instance_units(&self) -> impl Iterator<Item = String> {
        (0..self.instances).map(|index| self.app.instance(index))
    }

    /// Every socket of the app as it runs, in the order of its start.
    pub fn sockets(&self) -> Vec<String> {
        match self.balance {
            Balance::Reuseport if !self.listen.is_empty() => (0..self.instances)
                .map(|index| self.app.instance_socket(index))
                .collect(),
            _ => self.shared.clone(),
        }
    }

    /// The shared sockets and the service that holds them.
    pub fn shared_units(&self) -> Vec<String> {
        let mut units = self.shared.clone();
        if !units.is_empty() {
            units.push(self.app.holder());
        }
        units
    }

    /// Keys and values of our section of the target.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![
            ("Instances", self.instances.to_string()),
            ("Mode", self.mode.as_str().to_owned()),
            ("Namespace", self.namespace.clone()),
            ("Script", self.script.clone()),
            ("Interpreter", self.interpreter.clone()),
            ("Cwd", self.cwd.display().to_string()),
            ("Autostart", self.autostart.to_string()),
            ("Autorestart", self.autorestart.to_string()),
            ("Notifies", self.notifies.to_string()),
            ("SettleMs", self.settle.as_millis().to_string()),
            ("ReadyMs", self.ready_timeout.as_millis().to_string()),
        ];
        let mut optional = |key, value: Option<String>| {
            if let Some(value) = value {
                pairs.push((key, value));
            }
        };
        optional(
            "MinUptimeMs",
            (self.min_uptime != self.settle).then(|| self.min_uptime.as_millis().to_string()),
        );
        optional("Profile", self.profile.clone());
        optional("MaxRestarts", self.max_restarts.map(|n| n.to_string()));
        optional(
            "BackoffMs",
            self.backoff.map(|wait| wait.as_millis().to_string()),
        );
        optional("Schedule", self.schedule.clone());
        optional(
            "MaxMemoryRestart",
            self.memory_restart.map(|n| n.to_string()),
        );
        optional("LogDateFormat", self.date_format.clone());
        let rotate = self.logs.rotate.as_ref();
        optional("LogRotate", rotate.map(Rotation::to_string));
        optional("LogNamespace", self.logs.namespace.clone());
        optional("User", self.user.clone());
        optional("Group", self.group.clone());
        let path = |path: &Option<PathBuf>| Some(path.as_ref()?.display().to_string());
        optional("OutFile", path(&self.logs.out));
        optional("ErrorFile", path(&self.logs.error));
        optional("LogFile", path(&self.logs.combined));
        optional("MergeLogs", self.logs.merge.then(|| "true".to_owned()));
        optional("LogType", self.logs.json.then(|| "json".to_owned()));
        pairs.extend(self.listen.iter().map(|l| ("Listen", l.clone())));
        if self.balance == Balance::Reuseport {
            pairs.push(("Balance", "reuseport".to_owned()));
        }
        pairs.extend(self.shared.iter().map(|name| ("Socket", name.clone())));
        pairs.extend(self.after.iter().map(|a| ("AfterApp", a.to_string())));
        pairs.extend(self.watch.iter().flat_map(watch_fact::pairs));
        pairs.extend(self.health.iter().flat_map(health_fact::pairs));
        pairs
    }

    /// None when the text is not an app's target of ours.
    pub fn read(text: &str) -> Option<Facts> {
        let sections = Sections::parse(text);
        let get = |key| sections.get(SECTION, key).map(quote::read_fact);
        let settle = Duration::from_millis(get("SettleMs")?.parse().ok()?);
        Some(Facts {
            app: Name::new(&get("App")?).ok()?,
            file: get("File")?.into(),
            profile: get("Profile"),
            instances: get("Instances")?.parse().ok()?,
            mode: match get("Mode")?.as_str() {
                "cluster" => Mode::Cluster,
                _ => Mode::Fork,
            },
            namespace: get("Namespace")?,
            script: get("Script")?,
            interpreter: get("Interpreter")?,
            cwd: get("Cwd")?.into(),
            listen: sections
                .all(SECTION, "Listen")
                .map(quote::read_fact)
                .collect(),
            balance: match get("Balance").as_deref() {
                Some("reuseport") => Balance::Reuseport,
                _ => Balance::Shared,
            },
            shared: sections
                .all(SECTION, "Socket")
                .map(quote::read_fact)
                .collect(),
            autostart: get("Autostart")? == "true",
            autorestart: get("Autorestart")? == "true",
            notifies: get("Notifies")? == "true",
            settle,
            min_uptime: get("MinUptimeMs")
                .and_then(|ms| ms.parse().ok())
                .map_or(settle, Duration::from_millis),
            ready_timeout: Duration::from_millis(get("ReadyMs")?.parse().ok()?),
            max_restarts: get("MaxRestarts").and_then(|n| n.parse().ok()),
            backoff: get("BackoffMs")
                .and_then(|ms| ms.parse().ok())
                .map(Duration::from_millis),
            schedule: get("Schedule"),
            memory_restart: get("MaxMemoryRestart").and_then(|n| n.parse().ok()),
            health: health_fact::read(|key| {
                sections.all(SECTION, key).map(quote::read_fact).collect()
            }),
            date_format: get("LogDateFormat"),
            watch: watch_fact::read(|key| {
                sections.all(SECTION, key).map(quote::read_fact).collect()
            }),
            user: get("User"),
            group: get("Group"),
            logs: LogFiles {
                out: get("OutFile").map(Into::into),
                error: get("ErrorFile").map(Into::into),
                combined: get("LogFile").map(Into::into),
                merge: get("MergeLogs").is_some(),
                date_format: get("LogDateFormat"),
                json: get("LogType").as_deref() == Some("json"),
                rotate: get("LogRotate").and_then(|rule| rule.parse().ok()),
                namespace: get("LogNamespace"),
                disabled: false,
            },
            after: sections
                .all(SECTION, "AfterApp")
                .filter_map(|name| Name::new(&quote::read_fact(name)).ok())
                .collect(),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::marker::{mark, owner};
    use super::*;

    pub fn facts() -> Facts {
        Facts {
            app: Name::new("api server").unwrap(),
            file: "/srv/eco system.toml".into(),
            profile: Some("production".into()),
            instances: 4,
            mode: Mode::Cluster,
            namespace: "default".into(),
            script: "npm run \\".into(),
            interpreter: "none".into(),
            cwd: "/srv".into(),
            listen: vec!["3000".into(), "/run/a.sock".into()],
            balance: Balance::Shared,
            shared: vec![
                "a\\x20b@tcp-3000.socket".into(),
                "a@unix-run-a.sock.socket".into(),
            ],
            autostart: true,
            autorestart: true,
            notifies: false,
            settle: Duration::from_millis(1000),
            min_uptime: Duration::from_secs(5),
            ready_timeout: Duration::from_secs(30),
            max_restarts: Some(16),
            backoff: Some(Duration::from_millis(100)),
            schedule: Some("0 3 * * *".into()),
            memory_restart: None,
            health: None,
            date_format: Some("YYYY-MM-DD HH:mm:ss Z".into()),
            watch: None,
            user: None,
            group: None,
            logs: LogFiles {
                out: Some("/var/log/api/out %n.log".into()),
                json: true,
                rotate: "size=1048576 keep=3 compress".parse().ok(),
                namespace: Some("api_20server".into()),
                date_format: Some("YYYY-MM-DD HH:mm:ss Z".into()),
                ..LogFiles::default()
            },
            after: vec![Name::new("db").unwrap()],
        }
    }

    #[test]
    fn facts_come_back_from_the_target() {
        let text = mark("[Unit]\nDescription=x\n", &facts(), true);
        assert_eq!(Facts::read(&text), Some(facts()));
        assert_eq!(owner(&text).as_deref(), Some("api server"));
    }
}
