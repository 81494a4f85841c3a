//! Commands that are not there: the nearest one, or for PM2's own what stands for it here.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Error};

use super::args::Cli;

/// PM2's commands that have another name here, or nothing to do.
const PM2: [(&[&str], &str); 12] = [
    (
        &["save", "dump", "cleardump"],
        "nothing is to be saved: what was applied starts at boot",
    ),
    (
        &["startup", "unstartup", "resurrect"],
        "nothing is to be set up: what was applied starts at boot",
    ),
    (
        &["gracefulReload", "softReload"],
        "a similar subcommand exists: 'reload'",
    ),
    (
        &["startOrRestart", "startOrReload", "startOrGracefulReload"],
        "apply does that: rpmctl apply ecosystem.toml",
    ),
    (
        &["remove", "rm", "unregister"],
        "a similar subcommand exists: 'delete'",
    ),
    (
        &["kill"],
        "there is no daemon to end; rpmctl stop all stops every app",
    ),
    (
        &["update", "ping", "updatePM2"],
        "there is no daemon: systemd runs the apps",
    ),
    (
        &["flush", "reloadLogs"],
        "the lines are in the journal, which keeps itself within its limits: journald.conf(5)",
    ),
    (&["env"], "rpmctl show APP says what an app is made of"),
    (
        &["pid", "id"],
        "rpmctl list shows them, list --json for programs",
    ),
    (&["ecosystem"], "a similar subcommand exists: 'init'"),
    (
        &["prettylist"],
        "rpmctl list --json for programs, rpmctl show all for people",
    ),
];

/// The error with a tip that fits, where it is about a command that is not known.
pub fn with_tip(mut error: Error) -> Error {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return error;
    }
    let Some(ContextValue::String(verb)) = error.get(ContextKind::InvalidSubcommand) else {
        return error;
    };
    let verb = verb.clone();
    error.remove(ContextKind::SuggestedSubcommand);
    let known = PM2.iter().find(|(verbs, _)| verbs.contains(&verb.as_str()));
    let tip = match known {
        Some((_, tip)) => Some((*tip).to_owned()),
        None => nearest(&verb).map(|name| format!("a similar subcommand exists: '{name}'")),
    };
    if let Some(tip) = tip {
        let tip = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
        error.insert(ContextKind::Suggested, tip);
    }
    error
}

/// The command that differs least, transposed letters counted once, where a third of the word or less is wrong.
fn nearest(verb: &str) -> Option<String> {
    let cli = Cli::command();
    cli.get_subcommands()
        .filter(|command| !command.is_hide_set())
        .flat_map(|command| {
            let names = command.get_all_aliases().chain([command.get_name()]);
            names.map(str::to_owned).collect::<Vec<_>>()
        })
        .filter(|name| name.len() > 1)
        .map(|name| (strsim::damerau_levenshtein(&name, verb), name))
        .filter(|(distance, name)| *distance <= 1.max(name.len() / 3))
        .min()
        .map(|(_, name)| name)
}
