//! What makes Node load the preload (src/preload), and what it is told.

use super::compile::Site;
use crate::model::{App, Mode};

/// Runtimes that take nothing from NODE_OPTIONS, by the start of the program's name.
const OTHERS: [&str; 9] = [
    "python", "pypy", "ruby", "php", "perl", "java", "bun", "deno", "lua",
];

/// Options of Node that forbid what the preload does: read its file, load an addon, start a program.
const FORBIDDING: [&str; 3] = [
    "--permission",
    "--experimental-permission",
    "--experimental-policy",
];

/// Which signal says 'shutdown': one that no app handles.
pub const MESSAGE_SIGNAL: &str = "SIGPWR";

/// Whether Node, if it runs there, is to load the preload.
pub fn used(app: &App) -> bool {
    app.preload && may_run_node(app) && !restricted(app)
}

/// node itself, and whatever may start it: npm, a shell, an unknown program.
fn may_run_node(app: &App) -> bool {
    let program = program(app);
    if is_node(&program) {
        return true;
    }
    let other = |name: &str| OTHERS.iter().any(|other| name.starts_with(other));
    app.command.preloadable && !other(&program) && !other(&app.command.interpreter)
}

fn program(app: &App) -> String {
    let name = app.command.program.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Whether the main process is another than the app's.
fn is_launched(app: &App) -> bool {
    let script = app.command.script.split_whitespace().next();
    let name = script.and_then(|path| path.rsplit('/').next());
    let launcher = matches!(name, Some("npm" | "npx" | "yarn" | "pnpm" | "tsx"));
    launcher || !is_node(&program(app))
}

fn is_node(program: &str) -> bool {
    matches!(program, "node" | "nodejs")
}

/// Whether Node's permission model is on.
pub fn restricted(app: &App) -> bool {
    let option = |word: &str| {
        let name = word.split('=').next().unwrap_or_default();
        FORBIDDING.contains(&name)
    };
    let mut of_env = app
        .env
        .iter()
        .filter(|(name, _)| name.as_str() == "NODE_OPTIONS")
        .flat_map(|(_, value)| value.split_whitespace());
    app.command.args.iter().any(|word| option(word)) || of_env.any(option)
}

/// The signal that systemd sends.
pub fn stop_signal(app: &App) -> &'static str {
    if app.stop.message && used(app) {
        MESSAGE_SIGNAL
    } else {
        app.stop.signal.as_str()
    }
}

pub fn notes(app: &App, notes: &mut Vec<String>) {
    if app.preload && restricted(app) {
        notes.push(
            "node's permission model would refuse rpmctl's preload, so it is left out: connections are not drained, process.send is not there".to_owned(),
        );
    }
    if app.stop.message && !used(app) {
        notes.push(format!(
            "shutdown_with_message: nothing here takes messages, so {} is sent",
            app.stop.signal
        ));
    }
    if app.stop.message && used(app) && !app.stop.tree && is_launched(app) {
        notes.push(format!(
            "shutdown_with_message: {:?} does not pass the message on, so with treekill = false the app itself is killed without it",
            app.command.script
        ));
    }
    if app.ready.wait && app.command.interpreter == "node" && !used(app) {
        notes.push(
            "wait_ready: without rpmctl's preload the app must send READY=1 to $NOTIFY_SOCKET (sd_notify) itself".to_owned(),
        );
    }
}

/// See src/preload/role.cjs for each.
pub(super) fn variables(app: &App, site: &Site) -> Vec<(&'static str, String)> {
    if !used(app) {
        return vec![];
    }
    let stop = format!("{},{}", stop_signal(app), app.stop.timeout.as_millis());
    let mut variables = vec![
        ("NODE_OPTIONS", option(&site.preload.display().to_string())),
        ("RPMCTL_NATIVE", site.shim.display().to_string()),
        ("RPMCTL_STOP", stop),
    ];
    if app.ready.wait {
        variables.push(("RPMCTL_WAIT_READY", "1".to_owned()));
    }
    if !app.pmx {
        variables.push(("RPMCTL_PMX", "0".to_owned()));
    }
    if app.mode == Mode::Cluster {
        variables.push(("RPMCTL_CLUSTER", app.instance_var.as_str().to_owned()));
    }
    variables
}

/// One word, because programs that pass NODE_OPTIONS on split it at blanks. Quoted only where it
/// must be: double quotes, and a backslash before `"` and `\` (nodejs.org/api/cli.html).
fn option(path: &str) -> String {
    if path.contains([' ', '"', '\\']) {
        let escaped = path.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"--require={escaped}\"")
    } else {
        format!("--require={path}")
    }
}

#[cfg(test)]
mod tests {
    use super::option;

    #[test]
    fn paths_are_quoted_as_node_reads_them() {
        assert_eq!(option("/a/b.cjs"), "--require=/a/b.cjs");
        assert_eq!(option("/a b/\"c\\"), r#""--require=/a b/\"c\\""#);
    }
}
