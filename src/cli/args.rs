//! Every command and flag, once: help, man page and completions come from here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::hosts::Host;

/// PM2's cluster mode on systemd: ecosystem files become units, systemd runs them.
#[derive(Parser, Debug)]
#[command(name = "rpmctl", version, about, disable_help_subcommand = true)]
#[command(
    after_help = "targets: a name, name@2 (one instance), an id of `list`, a namespace, all, /regex/"
)]
pub struct Cli {
    /// Work with the user's own service manager instead of the system's
    #[arg(long, global = true)]
    pub user: bool,
    /// Work on another machine through ssh: [USER@]HOST[:PORT]; given several times, on each
    #[arg(short = 'H', long = "host", value_name = "HOST", global = true, value_parser = Host::parse, value_hint = clap::ValueHint::Hostname)]
    pub hosts: Vec<Host>,
    /// With -H: how long to wait until a machine answers
    #[arg(long, value_name = "SECONDS", global = true, default_value = "10", value_parser = seconds)]
    pub host_timeout: f64,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Write a commented ecosystem.toml for what is found here
    Init(super::init::InitArgs),
    /// Report every problem of an ecosystem file; touches nothing
    Check(super::check::CheckArgs),
    /// Show what apply would do; exit 1 when it would be refused
    Plan(PlanArgs),
    /// Make the machine what the file says, and wait until every instance is up
    Apply(ApplyArgs),
    /// Start apps or instances
    Start(TargetArgs),
    /// Stop apps or instances; a stopped app stays stopped after a reboot
    Stop(TargetArgs),
    /// Restart apps or instances
    Restart(TargetArgs),
    /// Restart running instances one after another, each ready before the next
    Reload(ReloadArgs),
    /// Run more or fewer instances of an app; the others are not touched
    Scale(ScaleArgs),
    /// Stop apps and remove their units
    #[command(visible_alias = "del")]
    Delete(DeleteArgs),
    /// One row an instance
    #[command(visible_aliases = ["ls", "ps"], alias = "l")]
    List(ListArgs),
    /// One row an app; exit 3 when something wanted is not running or is unhealthy
    Status(StatusArgs),
    /// The cluster on the screen as it changes: figures, logs, and keys to act on it
    #[command(visible_aliases = ["dashboard", "dash"], alias = "imonit")]
    Monit(MonitArgs),
    /// All figures in the text format of Prometheus
    Metrics(super::metrics::MetricsArgs),
    /// Everything about an app or an instance
    #[command(visible_aliases = ["describe", "info"], alias = "desc")]
    Show(ShowArgs),
    /// Have instances do what their app offers as an action, and print their replies
    Trigger(super::trigger::TriggerArgs),
    /// Lines from the journal, of all instances
    #[command(visible_alias = "log")]
    Logs(super::logs::LogsArgs),
    /// Open log files anew after they were moved away, for logrotate
    #[command(visible_alias = "reloadLogs")]
    ReloadLogs,
    /// Empty the log files; `logs` begins after this moment
    Flush(FlushArgs),
    /// Go back to an earlier generation of the compiled units
    Rollback(RollbackArgs),
    /// Write the unit files alone below a folder; needs no systemd
    Render(RenderArgs),
    /// Run the apps in the foreground until Ctrl-C, on a private systemd where no manager can be reached
    Run(super::run::RunArgs),
    /// Do what systemd has no directive for, until SIGTERM; rpmctl-watch.service runs it where an app needs it
    Watch,
    /// Look for what commonly goes wrong, and say the remedy; changes nothing
    Doctor(super::doctor::DoctorArgs),
    /// Print the JSON schema of ecosystem.toml, for editors
    Schema(super::schema::SchemaArgs),
    /// Print completions of commands, flags and names of apps for bash, zsh and fish; of commands and flags for others
    Completions(super::completions::CompletionsArgs),
    /// The same as `list --json`, under PM2's name
    #[command(hide = true)]
    Jlist,
    /// Gives the terminal back when monit was killed; started by `monit` alone
    #[command(name = crate::monit::guard::COMMAND, hide = true)]
    MonitGuard,
    /// Packs and removes old files of one log; started by `watch` alone
    #[command(name = crate::watch::logs::tidy::COMMAND, hide = true)]
    TidyLog {
        #[arg(long)]
        account: Option<String>,
        rule: String,
        file: std::ffi::OsString,
    },
    /// A command that another machine's rpmctl gives with -H
    #[command(name = "__at", hide = true)]
    At(AtArgs),
    /// Whether a unit is an app's; asked by packaging/polkit alone
    #[command(name = "__polkit-check", hide = true)]
    PolkitCheck { unit: String, verb: String },
    /// Write the units that a package brings; called by packaging/build alone
    #[command(name = "__packaged-units", hide = true)]
    PackagedUnits { folder: std::path::PathBuf },
    /// What may stand where a command takes apps; asked by completions alone
    #[command(name = "__targets", hide = true)]
    Targets(super::completions::TargetsArgs),
    /// Process 1 of a private systemd; called by `run` alone
    #[command(name = "__private-init", hide = true)]
    PrivateInit {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
}

/// What comes through ssh.
#[derive(Args, Debug)]
pub struct AtArgs {
    /// JSON is printed, asked for or not
    #[arg(long)]
    pub as_json: bool,
    /// The line of versions of the one who calls
    pub line: String,
    /// The arguments, encoded
    #[arg(last = true)]
    pub words: Vec<std::ffi::OsString>,
}

fn seconds(text: &str) -> Result<f64, &'static str> {
    let seconds = text.parse().ok();
    seconds
        .filter(|seconds| (0.1..=3600.0).contains(seconds))
        .ok_or("write seconds from 0.1 to 3600")
}

/// Which file, and what of it.
#[derive(Args, Debug, Clone)]
pub struct FileArgs {
    /// The ecosystem file; - reads standard input
    #[arg(default_value = "ecosystem.toml", value_name = "FILE")]
    pub file: PathBuf,
    /// Overlay each app's env with its env_NAME
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// These apps alone, separated by commas
    #[arg(long, value_name = "APPS", value_delimiter = ',')]
    pub only: Vec<String>,
    /// With -: the file that standard input is the text of, there or not; relative paths in it start from its folder
    #[arg(long, value_name = "FILE")]
    pub stdin_filename: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct PlanArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// Remove apps that came from this file and are no longer in it
    #[arg(long)]
    pub prune: bool,
    /// Show how each unit's text changes
    #[arg(long)]
    pub diff: bool,
    /// Print the plan as JSON
    #[arg(long)]
    pub json: bool,
    /// Exit 0 when there is nothing to do and 2 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
}

#[derive(Args, Debug)]
pub struct ApplyArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// Remove apps that came from this file and are no longer in it
    #[arg(long)]
    pub prune: bool,
    #[command(flatten)]
    pub how: HowArgs,
}

/// How files that change are dealt with.
#[derive(Args, Debug, Clone, Copy)]
pub struct HowArgs {
    /// Say what would be done and do nothing, as Ansible's check mode
    #[arg(long)]
    pub check: bool,
    /// Show how each unit's text changes
    #[arg(long)]
    pub diff: bool,
    /// Print what was done as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct TargetArgs {
    /// name, name@2, id, namespace, all or /regex/
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Say what would be done and do nothing, as Ansible's check mode
    #[arg(long)]
    pub check: bool,
    /// Print what was done as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct DeleteArgs {
    /// name, id, namespace, all or /regex/
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<String>,
    #[command(flatten)]
    pub how: HowArgs,
}

#[derive(Args, Debug)]
pub struct ReloadArgs {
    #[command(flatten)]
    pub of: TargetArgs,
    /// How many instances of an app at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub parallel: u32,
    /// As NAME-cron.service calls it: a stopped app stays stopped
    #[arg(long, hide = true)]
    pub by_clock: bool,
}

#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only these
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Only these; one app alone is opened to its instances
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Look again every so many seconds, 2 if left out, and when an instance changes
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = every)]
    pub watch: Option<Every>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// What stands behind `--watch`: of `--watch api` the word is a target.
#[derive(Clone, Debug, PartialEq)]
pub enum Every {
    Span(Duration),
    Target(String),
}

/// Of `status --watch` without a number.
const EVERY: Duration = Duration::from_secs(2);

/// Errors: a number below 0.1 or above a day.
fn every(text: &str) -> Result<Every, &'static str> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => {
            Ok(Every::Span(Duration::from_secs_f64(seconds)))
        }
        Ok(_) => Err("write seconds from 0.1 to 86400"),
        Err(_) => Ok(Every::Target(text.to_owned())),
    }
}

impl StatusArgs {
    /// How often to look again, and at what.
    pub fn every_and_targets(self) -> (Option<Duration>, Vec<String>) {
        let mut targets = self.targets;
        let every = self.watch.map(|every| match every {
            Every::Span(span) => span,
            Every::Target(target) => {
                targets.insert(0, target);
                EVERY
            }
        });
        (every, targets)
    }
}

#[derive(Args, Debug)]
pub struct MonitArgs {
    /// name, name@2, id, namespace, all or /regex/; every app when left out
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
}

#[derive(Args, Debug)]
pub struct ShowArgs {
    /// name, name@2, id, namespace, all or /regex/
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct FlushArgs {
    /// name, name@2, id, namespace, all or /regex/; every app when left out
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Empty the journals of apps that have their own as well (log_namespace)
    #[arg(long)]
    pub vacuum: bool,
    /// Print what was done as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct RollbackArgs {
    /// Number of the generation; the one before the present one if left out
    #[arg(value_parser = generation)]
    pub generation: Option<u64>,
    /// List the generations
    #[arg(long, conflicts_with = "generation")]
    pub list: bool,
    #[command(flatten)]
    pub how: HowArgs,
}

#[derive(Args, Debug)]
pub struct ScaleArgs {
    /// name, id or namespace of one app
    #[arg(value_name = "APP")]
    pub app: String,
    /// How many: N, +N, -N, or max for one a processor
    #[arg(value_name = "N", allow_negative_numbers = true, value_parser = super::scale::count)]
    pub count: super::scale::Count,
    #[command(flatten)]
    pub how: HowArgs,
}

fn generation(text: &str) -> Result<u64, &'static str> {
    text.parse()
        .map_err(|_| "write the number of a generation, as `rpmctl rollback --list` shows it")
}

#[derive(Args, Debug)]
pub struct RenderArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// The folder that stands for / of the machine to be
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// systemd's version there
    #[arg(long, value_name = "VERSION", default_value_t = 252)]
    pub systemd: u32,
}
