//! `app@.service`: the template of an app's instances.

use std::time::Duration;

use tera::Context;

use super::compile::Site;
use super::{preload, quote};
use crate::model::{App, Balance, Dependency, Name, Restart};

/// Exit status with which the start script gives up; in the range that systemd.exec(5) leaves to applications.
pub const GAVE_UP: u8 = 199;

/// Tells two starts that follow each other at once from two with a run of `min_uptime` between them, whatever the timer's slack.
const SLACK_MS: u128 = 250;

/// The shortest delay of an automatic restart, systemd's own default: what fails before the start script runs (a folder that is gone, an
/// `ExecStartPre=`) is not counted there, and without a pause systemd would try it a hundred times a second.
const SHORTEST_DELAY: Duration = Duration::from_millis(100);

/// How an instance comes up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// The app sends `READY=1` itself.
    AppNotifies,
    /// The shim hands the shared socket to the app's bind() and reports its listen().
    Shim,
    /// Running is all that can be known.
    Plain,
}

impl Start {
    pub fn of(app: &App) -> Start {
        let shim = !app.listen.is_empty() && !app.listen_fds && app.command.preloadable;
        if app.ready.wait {
            Start::AppNotifies
        } else if shim {
            Start::Shim
        } else {
            Start::Plain
        }
    }

    pub fn notifies(self) -> bool {
        self != Start::Plain
    }

    /// `Type=`. Before 249 systemd forgets a process of `exec` that ended before its start was seen, and from then on does nothing else than
    /// look at the descriptor it kept of it: no order reaches it any more (github.com/systemd/systemd/pull/20030).
    fn service_type(self, systemd: u32) -> &'static str {
        match (self, systemd) {
            (Start::Plain, ..249) => "simple",
            (Start::Plain, _) => "exec",
            _ => "notify",
        }
    }
}

/// Notes get what this systemd cannot do.
pub fn fill(
    context: &mut Context,
    app: &App,
    start: Start,
    site: &Site,
    notes: &mut Vec<String>,
) -> Result<(), String> {
    let name = &app.name;
    fill_surroundings(context, app, site)?;
    context.insert("folder", &name.runtime_folder());
    context.insert("type", start.service_type(site.systemd));
    // Without readiness there is nothing to be late for but the wait before a start.
    let start_timeout = match start.notifies() {
        true => Some(millis(app.ready.timeout)),
        false => backoff(app).map(|_| "infinity".to_owned()),
    };
    context.insert("start_timeout", &start_timeout);
    context.insert("after", &after(app));
    context.insert("exec_start", &exec_start(app)?);
    let first = backoff(app).map(|first| {
        let script = include_str!("../../templates/backoff.sh");
        let allowed = match start.notifies() {
            true => app.ready.timeout.as_millis(),
            false => u128::from(u32::MAX),
        };
        format!(":{} {} {allowed}", shell(script, name), first.as_millis(),)
    });
    context.insert("exec_start_pre", &first);
    let files: &[&str] = match (counted_starts(app), backoff(app)) {
        (None, None) => &[],
        (Some(_), None) => &["starts"],
        _ => &["starts", "wait"],
    };
    let asked = shell(include_str!("../../templates/asked.sh"), name);
    context.insert(
        "exec_stop",
        &format!(":{}", [&[asked.as_str()], files].concat().join(" ")),
    );
    let look_back = if backoff(app).is_some() {
        Some(include_str!("../../templates/ended.sh"))
    } else if counted_starts(app).is_some() && start.notifies() {
        Some(include_str!("../../templates/stopped.sh"))
    } else {
        None
    };
    context.insert(
        "exec_stop_post",
        &look_back.map(|script| format!(":{}", shell(script, name))),
    );
    context.insert("restart", if app.restart.auto { "always" } else { "no" });
    let delay = match app.restart.backoff {
        Some(_) => SHORTEST_DELAY,
        None => app.restart.delay.max(SHORTEST_DELAY),
    };
    context.insert("restart_delay", &millis(delay));
    let codes: Vec<String> = app.restart.stop_codes.iter().map(u8::to_string).collect();
    context.insert(
        "restart_prevent",
        &[vec![GAVE_UP.to_string()], codes.clone()]
            .concat()
            .join(" "),
    );
    let kill_signal = preload::stop_signal(app);
    // What shells and npm end with when they pass on the stop signal: not a failure.
    let mut success = vec!["130".to_owned(), "143".to_owned()];
    if kill_signal == preload::MESSAGE_SIGNAL {
        // A process that does not listen for messages ends by it.
        success.extend(["158".to_owned(), preload::MESSAGE_SIGNAL.to_owned()]);
    } else if backoff(app).is_some() && kill_signal != "SIGKILL" {
        // Of a stop in the moment before the waiting start has its trap: systemd 257 and later count that as a failure.
        success.push(kill_signal.to_owned());
    }
    context.insert("success", &[success, codes].concat().join(" "));
    context.insert("kill_signal", kill_signal);
    context.insert(
        "kill_mode",
        if app.stop.tree {
            "control-group"
        } else {
            "mixed"
        },
    );
    context.insert("stop_timeout", &millis(app.stop.timeout));
    context.insert(
        "memory_max",
        &app.memory.as_ref().map(|memory| memory.restart.0 / 2 * 3),
    );
    context.insert("logs_disabled", &app.logs.disabled);
    context.insert("log_namespace", &app.logs.namespace);
    context.insert("identifier", &(quote::prose(name.as_str()) + "@%i"));
    context.insert("log_field", &quote::word(&format!("RPMCTL_APP={name}")));
    context.insert("unit_directives", &lines(&app.directives.unit));
    context.insert("service_directives", &lines(&app.directives.service));
    preload::notes(app, notes);
    if !app.listen.is_empty() && !app.listen_fds && !app.command.preloadable {
        notes.push(format!(
            "{} is linked statically or set-user-ID: the shared socket reaches it as descriptor 3 (LISTEN_FDS) only; say listen_fds = true if it takes that, or exec_mode = \"fork\"",
            app.command.program.display()
        ));
    }
    Ok(())
}

/// What a process of the app finds around it: its user, folder and environment.
/// Errors: a path that no unit can name.
pub(super) fn fill_surroundings(
    context: &mut Context,
    app: &App,
    site: &Site,
) -> Result<(), String> {
    let cwd = app.cwd.to_str().ok_or("cwd is not valid UTF-8")?;
    if cwd.chars().any(char::is_control) {
        return Err(format!(
            "its folder {cwd:?} has a line break or another control character, which no unit can name: rename it"
        ));
    }
    context.insert("user", &app.user.as_deref().map(quote::prose));
    context.insert("group", &app.group.as_deref().map(quote::prose));
    context.insert("cwd", &quote::path(cwd));
    context.insert(
        "instance_env",
        &quote::word_then(&format!("{}=", app.instance_var), "%i"),
    );
    let env_dir = site
        .env_dir
        .to_str()
        .ok_or("the folder of the environment files is not valid UTF-8")?;
    let in_env_dir = |file: &str| quote::glob_path(&format!("{env_dir}/{file}"));
    context.insert("env_file", &in_env_dir(&app.name.env_file()));
    context.insert(
        "instance_env_file",
        &app.increment_var
            .is_some()
            .then(|| in_env_dir(&format!("{}@", app.name.stem())) + "%i.env"),
    );

    Ok(())
}

/// The start script, then systemd-cat for the two streams, then the program. The program is an argument there, so that its path may hold anything;
/// the first word of a command line may not (systemd.service(5)).
///
/// The script prints an empty line, which journald drops: with it journald knows whose lines follow, even of a process that ends at once (165 of 600
/// lines were lost without it). Then it writes down this run, for who looks at the instance (`unit_files::starts`): how many restarts there were that
/// nobody ordered, when it began, and its process. Then it counts the failed starts in a row, unless the argument after its folder is 0.
fn exec_start(app: &App) -> Result<String, String> {
    let name = app.name.as_str();
    let program = app
        .command
        .program
        .to_str()
        .ok_or("the program's path is not valid UTF-8")?;
    let mut words = vec![
        shell(include_str!("../../templates/start.sh"), &app.name),
        counted_starts(app).unwrap_or(0).to_string(),
        (window_ms(&app.restart) / 10).to_string(),
    ];
    if !app.logs.disabled {
        words.extend(["/usr/bin/systemd-cat".to_owned(), "-t".to_owned()]);
        words.push(quote::word_then(name, "@%i"));
        words.extend(["--stderr-priority=err", "--level-prefix=false", "--"].map(str::to_owned));
    }
    words.push(quote::word(program));
    words.extend(app.command.args.iter().map(|arg| quote::word(arg)));
    Ok(format!(":{}", words.join(" ")))
}

/// A script of ours; its first argument is the instance's folder, which `$RUNTIME_DIRECTORY` need not name first when the app has others besides.
fn shell(script: &str, name: &Name) -> String {
    let (script, folder) = (quote::word(script.trim_end()), name.runtime_folder());
    format!(
        "/bin/sh -c {script} {} \"%t/rpmctl/{folder}\"",
        quote::word(name.as_str())
    )
}

/// How many failed starts in a row are allowed: PM2 counts the first one too.
fn counted_starts(app: &App) -> Option<u32> {
    app.restart
        .max
        .filter(|_| app.restart.auto)
        .map(|max| max.max(1))
}

/// Two starts closer than this are one failed start apart, in milliseconds.
fn window_ms(restart: &Restart) -> u128 {
    let delay = match restart.backoff {
        Some(_) => 15_000,
        None => restart.delay.max(SHORTEST_DELAY).as_millis(),
    };
    restart.min_uptime.as_millis() + delay + SLACK_MS
}

/// The first of the growing waits before automatic restarts. `RestartSteps=` (systemd 254) cannot be had: nothing but a reset by hand ends its series.
fn backoff(app: &App) -> Option<Duration> {
    app.restart.backoff.filter(|_| app.restart.auto)
}

fn after(app: &App) -> Vec<String> {
    app.depends_on
        .iter()
        .map(|dependency| match dependency {
            Dependency::App(name) => name.target(),
            Dependency::Unit(unit) => unit.clone(),
        })
        .collect()
}

/// `1500ms`, `10s`: systemd.time(7).
pub(super) fn millis(span: Duration) -> String {
    match span.as_millis() {
        0 => "0".to_owned(),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

pub(super) fn lines(directives: &[(String, String)]) -> Vec<String> {
    directives
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}

/// Kept beside `Start` because both say what the shim needs.
pub(super) fn shim_variables(start: Start, app: &App, site: &Site) -> Vec<(&'static str, String)> {
    let used = start == Start::Shim
        || start == Start::AppNotifies
            && !app.listen.is_empty()
            && !app.listen_fds
            && app.command.preloadable;
    if !used {
        return vec![];
    }
    let mut variables = vec![
        ("LD_PRELOAD", site.shim.display().to_string()),
        ("RPMCTL_SHIM", "1".to_owned()),
    ];
    if start == Start::AppNotifies {
        variables.push(("RPMCTL_NOTIFY", "0".to_owned()));
    }
    if app.balance == Balance::Reuseport {
        // The kernel has spread them over the instances' own sockets.
        variables.push(("RPMCTL_BALANCE", "0".to_owned()));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_exec_only_where_systemd_bears_processes_that_end_at_once() {
        let types = |systemd| {
            [Start::Plain, Start::Shim, Start::AppNotifies].map(|start| start.service_type(systemd))
        };
        assert_eq!(types(248), ["simple", "notify", "notify"]);
        assert_eq!(types(249), ["exec", "notify", "notify"]);
    }
}
