//! `rpmctl completions`: what a shell needs to complete commands, flags, files and the names of apps.
//!
//! clap_complete writes commands and flags. Names are asked of `rpmctl __targets` when a key is pressed, which reads unit files alone: no bus, no
//! root, a few milliseconds.

mod names;

use std::process::ExitCode;

use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;

use super::args::Cli;
use super::out;

pub use names::{TargetsArgs, targets};

/// In bash: what clap's function offers, with names or files where an argument is due.
const BASH: &str = include_str!("rpmctl.bash");
/// In zsh: what stands for `_default` behind the arguments that are names.
const ZSH: &str = include_str!("rpmctl.zsh");
const FISH: &str = include_str!("rpmctl.fish");

/// Print completions for a shell
#[derive(clap::Args, Debug)]
pub struct CompletionsArgs {
    /// The shell that is to complete
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

pub fn run(args: CompletionsArgs) -> anyhow::Result<ExitCode> {
    out::text(&script(args.shell)?)?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell) -> anyhow::Result<String> {
    let mut cli = shown();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli, "rpmctl", &mut script);
    let script = String::from_utf8(script)?;
    cli.build();
    Ok(match shell {
        Shell::Bash => bash(&cli, &script),
        Shell::Zsh => zsh(&cli, &script),
        Shell::Fish => fish(&cli, script),
        _ => script,
    })
}

/// The command line without what is for rpmctl itself.
fn shown() -> Command {
    let cli = Cli::command();
    let about = cli.get_about().cloned().unwrap_or_default();
    let visible = cli.get_subcommands().filter(|one| !one.is_hide_set());
    Command::new("rpmctl")
        .about(about)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(cli.get_arguments().cloned().collect::<Vec<_>>())
        .subcommands(visible.cloned().collect::<Vec<_>>())
}

/// What stands in the place of an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Takes {
    /// Names of apps, and of their instances.
    Targets,
    /// Whole apps.
    Apps,
    /// Whatever clap or the shell knows of it.
    Other,
}

fn takes(command: &Command, arg: &Arg) -> Takes {
    let named = arg.get_value_names().and_then(<[_]>::first);
    match (named.map(|name| name.as_str()), command.get_name()) {
        (Some("TARGET"), "delete") | (Some("APP"), _) => Takes::Apps,
        (Some("TARGET"), _) => Takes::Targets,
        _ => Takes::Other,
    }
}

/// The commands with names as first argument, all their own names, what that is and whether it may be given again.
fn with_names(cli: &Command) -> impl Iterator<Item = (Vec<&str>, Takes, bool)> {
    cli.get_subcommands().filter_map(|command| {
        let first = command.get_positionals().next()?;
        let takes = takes(command, first);
        let again = first.get_num_args().is_some_and(|n| n.max_values() > 1)
            || matches!(first.get_action(), clap::ArgAction::Append);
        let words = std::iter::once(command.get_name()).chain(command.get_all_aliases());
        (takes != Takes::Other).then(|| (words.collect(), takes, again))
    })
}

fn bash(cli: &Command, script: &str) -> String {
    // clap registers its own function last.
    let registers = script.rfind("\nif [[");
    let own = &script[..=registers.expect("clap_complete registers its function in an if")];
    let mut kinds = String::new();
    for (words, takes, again) in with_names(cli) {
        let kind = match (takes, again) {
            (Takes::Targets, true) => "targets",
            (Takes::Targets, false) => "target",
            (_, true) => "apps",
            (_, false) => "app",
        };
        kinds += &format!("        ,{}) kind={kind} ;;\n", words.join("|,"));
    }
    let rest = BASH
        .replace("        @KINDS@\n", &kinds)
        .replace("@VALUED@", &valued(cli).join("|"));
    format!("{own}\n{rest}")
}

/// The flags behind which a value stands.
fn valued(cli: &Command) -> Vec<String> {
    let flags = cli
        .get_subcommands()
        .chain([cli])
        .flat_map(Command::get_arguments);
    let mut valued: Vec<String> = flags
        .filter(|arg| arg.get_action().takes_values())
        .filter(|arg| arg.get_num_args().is_none_or(|n| n.min_values() > 0))
        .flat_map(|arg| {
            let long = arg.get_long().map(|long| format!("--{long}"));
            let short = arg.get_short().map(|short| format!("-{short}"));
            long.into_iter().chain(short)
        })
        .collect();
    valued.sort();
    valued.dedup();
    valued
}

fn zsh(cli: &Command, script: &str) -> String {
    let split = script.split_once("\n_rpmctl() {\n");
    let (head, body) = split.expect("clap_complete writes a function _rpmctl");
    let mut command = "";
    let lines = body.lines().map(|line| {
        let arm = line.trim().strip_prefix('(');
        if let Some(name) = arm.and_then(|rest| rest.strip_suffix(')')) {
            command = name;
        }
        let of = with_names(cli).find(|(words, ..)| words.contains(&command));
        let positional = [
            "'*::targets -- ",
            "'*:targets -- ",
            "':target -- ",
            "':app -- ",
        ];
        match of {
            Some((_, takes, _)) if positional.iter().any(|start| line.starts_with(start)) => {
                let ask = match takes {
                    Takes::Apps => ":_rpmctl_apps' ",
                    _ => ":_rpmctl_targets' ",
                };
                line.replace(":_default' ", ask)
            }
            _ => line.to_owned(),
        }
    });
    let body = lines.collect::<Vec<_>>().join("\n");
    format!("{head}\n{ZSH}\n_rpmctl() {{\n{body}\n")
}

fn fish(cli: &Command, mut script: String) -> String {
    script += &FISH.replace("@VALUED@", &valued(cli).join(" "));
    for (words, takes, again) in with_names(cli) {
        let ask = match takes {
            Takes::Apps => "__rpmctl_names --apps",
            _ => "__rpmctl_names",
        };
        let only = if again { "" } else { "; and __rpmctl_first" };
        let words = words.join(" ");
        script += &format!(
            "complete -c rpmctl -n \"__fish_rpmctl_using_subcommand {words}{only}\" -f -k -a \"({ask})\"\n"
        );
    }
    script
}
