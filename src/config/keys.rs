//! The one table of every key of an app. Reading, 'did you mean', the JSON schema and the documentation derive from it.

/// One key of `[[apps]]`.
#[derive(Debug)]
pub struct Key {
    /// In snake_case, as rpmctl writes it.
    pub name: &'static str,
    /// PM2's other names; the camelCase form of each name is accepted as well.
    pub aliases: &'static [&'static str],
    pub form: Form,
    /// One line.
    pub doc: &'static str,
    /// In words.
    pub default: &'static str,
    pub status: Status,
}

/// What kind of value a key takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Text,
    Bool,
    /// A whole number in this range, also in quotes.
    Count(u64, u64),
    Duration,
    Size,
    /// One text or an array of texts.
    Texts,
    /// An array of texts, or one text that is split like a shell's words.
    Words,
    /// A name or a number.
    Id,
    /// A path, `"/dev/null"`, `"NULL"` or false.
    LogPath,
    /// One of these.
    Choice(&'static [&'static str]),
    /// One or several exit codes.
    Codes,
    Instances,
    Listen,
    Port,
    Cron,
    Watch,
    WatchOptions,
    Signal,
    EnvName,
    /// Text, or false for none.
    TextOrOff,
    /// true, false, or a table of [`ROTATE`].
    Rotate,
    /// A path, false, or a table of `health`.
    Health,
    /// true, false, or the name of a journal namespace.
    LogNamespace,
    /// Names and values of the environment.
    Env,
    Systemd,
    Any,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Acted on.
    Now,
    /// Checked; acted on by a later version. Meanwhile what the text says.
    Later(&'static str),
    /// Accepted because PM2's files have it; it has no meaning here, because.
    Meaningless(&'static str),
}

impl Form {
    /// What to write, for `write …`.
    pub fn expects(self) -> String {
        match self {
            Form::Text => "text in quotes".into(),
            Form::Bool => "true or false, without quotes".into(),
            Form::Count(min, max) => format!("a whole number from {min} to {max}"),
            Form::Duration => {
                "a time: \"10s\", \"500ms\", \"2m\" or a number of milliseconds".into()
            }
            Form::Size => "a size: \"512M\", \"1.5G\" or a number of bytes".into(),
            Form::Texts => "text in quotes, or an array of them".into(),
            Form::Words => "an array of texts, or one text".into(),
            Form::Id => "a name in quotes, or a number".into(),
            Form::LogPath => "a path in quotes, or false".into(),
            Form::Choice(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                quoted.join(" or ")
            }
            Form::Codes => "an exit code from 0 to 255, or an array of them".into(),
            Form::Instances => {
                "a number of instances, \"max\", or a negative number: processors less that many"
                    .into()
            }
            Form::Listen => {
                "a port, an address with a port, the path of a socket, an array of these, or false"
                    .into()
            }
            Form::Port => "a port from 1 to 65535".into(),
            Form::Cron => {
                "a cron pattern of five or six fields, such as \"0 3 * * *\", or false".into()
            }
            Form::Watch => "true, false, or paths".into(),
            Form::WatchOptions => "a table: { usePolling = true }".into(),
            Form::Signal => "the name of a signal, such as \"SIGTERM\"".into(),
            Form::EnvName => "the name of a variable: letters, digits and `_`".into(),
            Form::TextOrOff => "text in quotes, or false".into(),
            Form::Rotate => {
                "true, false, or a table: { size = \"10M\", every = \"1d\", keep = 14 }".into()
            }
            Form::Health => {
                "a path: \"/healthz\", or a table: { http = \"/healthz\", interval = \"10s\", restart = true }".into()
            }
            Form::LogNamespace => "true, false, or a name in quotes".into(),
            Form::Env => "a table: { NAME = \"value\" }".into(),
            Form::Systemd => "tables named Unit, Service, Socket, Install".into(),
            Form::Any => "any value".into(),
        }
    }
}

const fn key(
    name: &'static str,
    aliases: &'static [&'static str],
    form: Form,
    doc: &'static str,
    default: &'static str,
    status: Status,
) -> Key {
    Key {
        name,
        aliases,
        form,
        doc,
        default,
        status,
    }
}

use Form::*;
use Status::*;

const SAAS: Status = Meaningless("it belongs to PM2's monitoring service");
const DOCKER: Status = Meaningless("it belongs to PM2's Docker mode");

/// Most instances of one app.
pub const INSTANCES_MAX: u64 = 10_000;

#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    // What runs.
    key("name", &[], Text, "Name of the app, and of its units.", "the script's file name without its ending", Now),
    key("script", &["exec", "cmd", "command"], Text, "File, program or command line to run; files are looked for in `cwd`, then on PATH.", "required", Now),
    key("args", &[], Words, "Arguments of the script.", "none", Now),
    key("interpreter", &["exec_interpreter"], Text, "What runs the script: a program, its path, or \"none\".", "by the script's `#!` line, else its ending", Now),
    key("node_args", &["interpreter_args"], Words, "Arguments of the interpreter, before the script.", "none", Now),
    key("cwd", &[], Text, "Folder to run in, relative to the file's; a symlink is resolved at each start.", "the file's folder", Now),
    key("name_prefix", &[], Text, "Stands before the name, with a colon.", "none", Now),
    key("append_env_to_name", &[], Bool, "Adds the profile of --env to the name.", "false", Now),
    key("namespace", &[], Text, "Label that commands accept as a target.", "default", Now),
    key("user", &["uid"], Id, "User to run as.", "root; under --user the user", Now),
    key("group", &["gid"], Id, "Group to run as.", "the user's", Now),
    // How many, and what they share.
    key("instances", &[], Instances, "How many: a number, \"max\" for one a processor, negative for processors less that many.", "1", Now),
    key("exec_mode", &[], Choice(&["fork", "cluster", "fork_mode", "cluster_mode"]), "cluster: the instances share their listeners; fork: they share nothing.", "cluster when `instances` is given and node or bun runs a JavaScript file, else fork", Now),
    key("listen", &[], Listen, "What the instances listen on together in cluster mode; false for nothing.", "`port`, else `env.PORT`", Now),
    key("balance", &[], Choice(&["shared", "reuseport"]), "Who spreads connections: shared, the instances, which accept from one socket; reuseport, the kernel, with a socket an instance.", "shared", Now),
    key("listen_fds", &[], Bool, "The app takes its listeners from systemd itself, sd_listen_fds(3).", "false", Now),
    key("preload", &[], Bool, "Node loads a module of rpmctl's that drains connections and stands in for PM2's process.send and cluster.isWorker.", "true", Now),
    key("pmx", &[], Bool, "The preload counts requests and response times of Node's HTTP servers.", "true", Now),
    key("port", &[], Port, "Sets PORT in the environment.", "none", Now),
    key("instance_var", &[], EnvName, "Variable that holds the instance's number.", "NODE_APP_INSTANCE", Now),
    key("increment_var", &[], EnvName, "Variable whose value grows by one from instance to instance.", "none", Now),
    // Environment.
    key("env", &[], Env, "Environment; nothing is inherited. `env_<profile>` tables overlay it with --env <profile>.", "empty", Now),
    key("filter_env", &[], Any, "", "", Meaningless("nothing of the calling shell's environment is inherited")),
    // Restarts.
    key("autostart", &[], Bool, "Start by apply and at boot.", "true", Now),
    key("autorestart", &[], Bool, "Restart when it exits, whatever the exit code.", "true", Now),
    key("stop_exit_codes", &[], Codes, "Exit codes after which it stays down.", "none", Now),
    key("min_uptime", &[], Duration, "A shorter run counts as a failed start.", "1s", Now),
    key("max_restarts", &[], Count(0, 1_000_000), "Failed starts in a row after which the instance stays down; one that is not ready within listen_timeout has failed too.", "16; never with exp_backoff_restart_delay", Now),
    key("restart_delay", &[], Duration, "Wait before each restart; 100 ms at least.", "100ms", Now),
    key("exp_backoff_restart_delay", &[], Duration, "First wait of growing ones, up to 15 s.", "off", Now),
    key("max_memory_restart", &[], Size, "Restart an instance whose processes use more memory of their own, within a second and one at a time.", "off", Now),
    key("health", &["health_check", "healthcheck"], Health, "Ask each instance whether it is well: a path of GET, or a table of one of `http`, `tcp`, `exec`, and of `port`, `status`, `interval`, `timeout`, `threshold`, `restart`.", "off; interval 10s, timeout 2s, threshold 3, restart false", Now),
    key("cron_restart", &["cron"], Cron, "Restart at these times; with autorestart = false, start.", "off", Now),
    key("depends_on", &[], Texts, "Apps of this file, or units, that must be up first.", "none", Now),
    // Start and stop.
    key("wait_ready", &[], Bool, "The app says itself when it is ready: process.send('ready'), or READY=1 to $NOTIFY_SOCKET, sd_notify(3).", "false", Now),
    key("listen_timeout", &[], Duration, "Longest wait until ready; longer is a failure.", "30s", Now),
    key("kill_timeout", &[], Duration, "From the stop signal to SIGKILL.", "10s", Now),
    key("stop_signal", &["kill_signal"], Signal, "Signal that asks the app to stop.", "SIGINT", Now),
    key("treekill", &[], Bool, "Signal every process of the instance, not the main one alone.", "true", Now),
    key("shutdown_with_message", &[], Bool, "Send the message 'shutdown' to process.on('message') of Node instead of the signal.", "false", Now),
    // Logs.
    key("out_file", &["output", "out", "out_log"], LogPath, "File for standard output, beside the journal.", "the journal alone", Now),
    key("error_file", &["error", "err", "err_file", "err_log"], LogPath, "File for standard error, beside the journal.", "the journal alone", Now),
    key("log_file", &["log"], LogPath, "File for both.", "off", Now),
    key("merge_logs", &["combine_logs"], Bool, "One file for all instances; else each file has the instance's number before its ending: out-0.log.", "false; true for one instance in fork mode", Now),
    key("log_type", &[], Choice(&["json", "raw"]), "How lines stand in log files.", "raw", Now),
    key("log_date_format", &[], TextOrOff, "Date before each line in log files and of `rpmctl logs`: YYYY-MM-DD HH:mm:ss Z.", "off", Now),
    key("time", &[], Bool, "Short for log_date_format = \"YYYY-MM-DDTHH:mm:ss\", and wins over it.", "false", Now),
    key("log_rotate", &[], Rotate, "Set log files aside by `size` or `every`, keep `keep` of them, `compress` them, drop those older than `max_age`.", "off; true is { size = \"10M\", keep = 14, compress = true }", Now),
    key("log_namespace", &[], LogNamespace, "Give the app a journal of its own, with limits of its own; true calls it as the app.", "false", Now),
    key("disable_logs", &[], Bool, "Throw the output away.", "false", Now),
    // Watching files.
    key("watch", &[], Watch, "Reload when files change: true for `cwd`, or paths and globs.", "false", Now),
    key("ignore_watch", &[], Texts, "Names, globs and regular expressions of files that are not watched, besides node_modules, logs and what begins with a dot; those that begin with `!` stay watched.", "none", Now),
    key("watch_delay", &[], Duration, "Wait after the last change.", "0", Now),
    key("watch_options", &[], WatchOptions, "Options of chokidar, PM2's file watcher: usePolling, interval, depth, followSymlinks, ignored, awaitWriteFinish.", "none", Now),
    // systemd's own.
    key("systemd", &[], Systemd, "[apps.systemd.Unit|Service|Socket|Install]: any further directive of systemd.", "none", Now),
    // In PM2's files, without a meaning here.
    key("kill_retry_time", &[], Any, "", "", Meaningless("systemd is told when a process ends")),
    key("pid_file", &["pid"], Any, "", "", Meaningless("systemd knows the processes: `systemctl show -p MainPID`")),
    key("username", &[], Any, "", "", Meaningless("it is only shown; `user` sets who runs the app")),
    key("force", &[], Any, "", "", Meaningless("the file says what runs; give a second app a name of its own")),
    key("execute_command", &[], Any, "", "", Meaningless("`exec_mode = \"fork\"` says it")),
    key("write", &[], Any, "", "", Meaningless("`rpmctl render` writes what the file compiles to")),
    key("windows_hide", &[], Any, "", "", Meaningless("it is for Windows")),
    key("vizion", &[], Any, "", "", Meaningless("version control is not read")),
    key("source_map_support", &[], Any, "", "", Meaningless("set NODE_OPTIONS = \"--enable-source-maps\" in `env`")),
    key("disable_source_map_support", &[], Any, "", "", Meaningless("source maps are off unless NODE_OPTIONS asks for them")),
    key("automation", &[], Any, "", "", Meaningless("`pmx = false` switches off that requests are counted")),
    key("io", &[], Any, "", "", SAAS),
    key("trace", &[], Any, "", "", SAAS),
    key("disable_trace", &[], Any, "", "", SAAS),
    key("v8", &[], Any, "", "", SAAS),
    key("event_loop_inspector", &[], Any, "", "", SAAS),
    key("deep_monitoring", &[], Any, "", "", SAAS),
    key("post_update", &[], Any, "", "", SAAS),
    key("install_url", &[], Any, "", "", SAAS),
    key("km_link", &[], Any, "", "", SAAS),
    key("container", &[], Any, "", "", DOCKER),
    key("dist", &[], Any, "", "", DOCKER),
    key("image_name", &[], Any, "", "", DOCKER),
    key("node_version", &[], Any, "", "", DOCKER),
    key("fresh", &[], Any, "", "", DOCKER),
    key("dockerdaemon", &[], Any, "", "", DOCKER),
];

/// `max_memory_restart` → `maxMemoryRestart`.
pub fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut up = false;
    for c in name.chars() {
        match c {
            '_' => up = true,
            c if up => {
                out.push(c.to_ascii_uppercase());
                up = false;
            }
            c => out.push(c),
        }
    }
    out
}

impl Key {
    /// The name, the aliases, and the camelCase forms of both.
    pub fn spellings(&self) -> Vec<String> {
        let mut all = vec![self.name.to_owned()];
        for name in std::iter::once(&self.name).chain(self.aliases) {
            for form in [(*name).to_owned(), camel(name)] {
                if !all.contains(&form) {
                    all.push(form);
                }
            }
        }
        all
    }
}

/// The key that a word of the file means.
pub fn find(written: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| {
        std::iter::once(&key.name)
            .chain(key.aliases)
            .any(|name| *name == written || camel(name) == written)
    })
}

/// The key of that name.
///
/// # Panics
/// When the table has none: a mistake in the caller, which every run of its code finds.
pub fn named(name: &str) -> &'static Key {
    KEYS.iter()
        .find(|key| key.name == name)
        .unwrap_or_else(|| panic!("no key `{name}` in the table"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn no_spelling_means_two_keys() {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for key in KEYS {
            for spelling in key.spellings() {
                if let Some(other) = seen.insert(spelling.clone(), key.name) {
                    panic!("`{spelling}` means `{other}` and `{}`", key.name);
                }
                assert_eq!(find(&spelling).unwrap().name, key.name);
            }
        }
    }

    #[test]
    fn every_key_that_means_something_is_described() {
        for key in KEYS {
            if !matches!(key.status, Meaningless(_)) {
                assert!(
                    key.doc.ends_with('.') && !key.default.is_empty(),
                    "{}",
                    key.name
                );
            }
        }
    }
}
