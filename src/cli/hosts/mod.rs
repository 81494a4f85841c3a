//! `-H`: the same command on another machine, through ssh as systemctl does it; on several, one after another, or in one table.

pub mod at;
mod host;
mod lines;
mod ssh;
mod together;
mod words;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory;
pub use host::Host;
use ssh::{Call, Input};

use super::args::{Cli, Command, FileArgs};
use super::out;
use super::report::{FAILED, Stop};

/// What a command is, as far as another machine is concerned.
struct Kind<'a> {
    file: Option<&'a Path>,
    /// Only looks: nothing is left half done when it is ended.
    reads: bool,
    /// Goes on until it is ended.
    endless: bool,
    /// Draws on the terminal.
    draws: bool,
}

/// Errors: commands that are about files of this machine.
fn kind(command: &Command) -> Result<Kind<'_>, Stop> {
    let of = |file: Option<&'static Path>, reads, endless| Kind {
        file,
        reads,
        endless,
        draws: false,
    };
    fn with(args: &FileArgs, reads: bool) -> Kind<'_> {
        Kind {
            file: Some(&args.file),
            reads,
            endless: false,
            draws: false,
        }
    }
    Ok(match command {
        Command::Plan(args) => with(&args.file, true),
        Command::Apply(args) => with(&args.file, false),
        Command::Check(args) => Kind {
            file: Some(&args.file),
            reads: true,
            endless: false,
            draws: false,
        },
        Command::List(_)
        | Command::Doctor(_)
        | Command::Jlist
        | Command::Show(_)
        | Command::Metrics(_) => of(None, true, false),
        Command::Logs(args) => of(None, true, args.follow),
        Command::Status(args) => Kind {
            draws: args.watch.is_some(),
            ..of(None, true, args.watch.is_some())
        },
        Command::Monit(_) => Kind {
            draws: true,
            ..of(None, true, true)
        },
        Command::Start(_)
        | Command::Stop(_)
        | Command::Restart(_)
        | Command::Reload(_)
        | Command::Scale(_)
        | Command::Delete(_)
        | Command::ReloadLogs
        | Command::Flush(_)
        | Command::Trigger(_)
        | Command::Rollback(_) => of(None, false, false),
        Command::Init(_)
        | Command::Render(_)
        | Command::Run(_)
        | Command::Watch
        | Command::Schema(_)
        | Command::Completions(_)
        | Command::Targets(_)
        | Command::At(_)
        | Command::MonitGuard
        | Command::TidyLog { .. }
        | Command::PolkitCheck { .. }
        | Command::PackagedUnits { .. }
        | Command::PrivateInit { .. } => {
            return Err(
                Stop::new("-H does not go with this command: it is about this machine")
                    .hint("log in and give it there: ssh HOST"),
            );
        }
    })
}

/// `args`: as they stood behind `rpmctl`; those for us alone are left out by the other end.
pub async fn run(cli: Cli, args: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let kind = kind(&cli.command)?;
    let hosts = distinct(&[before(&args), cli.hosts].concat());
    let several = hosts.len() > 1;
    let mut call = Call {
        args,
        input: Input::Nothing,
        terminal: kind.draws && std::io::stdin().is_terminal() && std::io::stdout().is_terminal(),
        patience: Duration::from_secs_f64(cli.host_timeout),
    };
    if several {
        if kind.endless {
            return Err(Stop::new(
                "with several -H nothing can be followed: the first would never end",
            )
            .hint("follow each in a terminal of its own")
            .into());
        }
        match &cli.command {
            Command::Status(args) => return together::status(&hosts, call, args.json).await,
            Command::List(args) => return together::list(&hosts, call, args.json).await,
            Command::Jlist => return together::list(&hosts, call, true).await,
            _ => {}
        }
    }
    if let Some(file) = kind.file {
        call.input = input(file, &hosts)?;
    }
    // What is broken on one machine says nothing of the next.
    let goes_on = matches!(cli.command, Command::Doctor(_));
    let mut broken = false;
    for (number, host) in hosts.iter().enumerate() {
        if several {
            ssh::heading(host);
        }
        let left = &hosts[number + 1..];
        match call.run(host, kind.reads).await {
            Ok(0) => {}
            Ok(FAILED) if goes_on => broken = true,
            Ok(code) => {
                not_done(host, left);
                return Ok(ExitCode::from(code));
            }
            Err(error) => {
                not_done(host, left);
                return Err(error);
            }
        }
    }
    Ok(match broken {
        true => ExitCode::from(FAILED),
        false => ExitCode::SUCCESS,
    })
}

/// Those that stand before the command: where others stand behind it, clap forgets them.
fn before(args: &[OsString]) -> Vec<Host> {
    let own = clap::Command::new("rpmctl")
        .args(Cli::command().get_arguments())
        .allow_external_subcommands(true);
    let words = std::iter::once(OsString::from("rpmctl")).chain(args.iter().cloned());
    let found = own.try_get_matches_from(words).ok();
    let hosts = found.and_then(|mut found| found.remove_many("hosts"));
    hosts.map(Iterator::collect).unwrap_or_default()
}

fn not_done(at: &Host, left: &[Host]) {
    if !left.is_empty() {
        let left: Vec<String> = left.iter().map(Host::to_string).collect();
        out::say(&format!("stopped at {at}; not done: {}", left.join(", ")));
    }
}

fn distinct(hosts: &[Host]) -> Vec<Host> {
    let mut found: Vec<Host> = Vec::new();
    for host in hosts {
        if !found.contains(host) {
            found.push(host.clone());
        }
    }
    found
}

/// The file is one of the other machine, and `-` ours: which one `ecosystem.toml` alone means there, nobody could tell.
fn input(file: &Path, hosts: &[Host]) -> anyhow::Result<Input> {
    if file.as_os_str() == "-" {
        if hosts.len() == 1 {
            return Ok(Input::Ours);
        }
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut text)
            .map_err(|error| Stop::new(format!("standard input cannot be read: {error}")))?;
        return Ok(Input::Text(Arc::new(text)));
    }
    if file.is_absolute() {
        return Ok(Input::Nothing);
    }
    let host = &hosts[0];
    let file = file.display();
    Err(Stop::new(format!("{file}: with -H a file is one of {host}, and its whole path is needed"))
        .hint(format!("a file of that machine: rpmctl -H {host} … /srv/app/ecosystem.toml"))
        .hint(format!("one of this machine, whose relative paths then begin at the home there: rpmctl -H {host} … - <{file}"))
        .into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn which_files() {
        let one = [Host::parse("web1").unwrap()];
        assert!(matches!(
            input(Path::new("/srv/a.toml"), &one),
            Ok(Input::Nothing)
        ));
        assert!(matches!(input(Path::new("-"), &one), Ok(Input::Ours)));
        assert!(input(Path::new("ecosystem.toml"), &one).is_err());
    }

    #[test]
    fn hosts_before_and_behind_the_command() {
        for args in [
            &["rpmctl", "-H", "a", "-Hb", "--host=a", "list"][..],
            &["rpmctl", "list", "--host", "a", "-H", "b"],
            &[
                "rpmctl",
                "--user",
                "-H",
                "a",
                "--host-timeout=10",
                "list",
                "-H",
                "b",
                "--",
                "-Hc",
            ],
        ] {
            let cli = Cli::try_parse_from(args).unwrap();
            let words: Vec<OsString> = args[1..].iter().map(OsString::from).collect();
            let hosts = distinct(&[before(&words), cli.hosts].concat());
            let hosts: Vec<String> = hosts.iter().map(Host::to_string).collect();
            assert_eq!(hosts, ["a", "b"]);
            assert_eq!(cli.host_timeout, 10.0);
        }
        for args in [
            &["rpmctl", "-H", "-oProxyCommand=x", "list"][..],
            &["rpmctl", "--host=-x", "list"],
            &["rpmctl", "--host-timeout", "0", "-H", "a", "list"],
        ] {
            assert!(Cli::try_parse_from(args).is_err(), "{args:?}");
        }
    }
}
