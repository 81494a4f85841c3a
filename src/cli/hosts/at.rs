//! The other end: what rpmctl does where another rpmctl has called it through ssh.

use std::ffi::OsString;
use std::io;

use clap::Parser;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, getpid, kill_process};

use super::words;
use crate::cli::args::{AtArgs, Cli, Command};
use crate::cli::report::Stop;

/// Two of the same line understand each other: while it begins with 0, the first two numbers, else the first.
pub fn line() -> &'static str {
    let version = env!("CARGO_PKG_VERSION");
    let mut dots = version.match_indices('.').map(|(at, _)| at);
    let end = match version.starts_with("0.") {
        true => dots.nth(1),
        false => dots.next(),
    };
    &version[..end.unwrap_or(version.len())]
}

/// What was asked for, as if it had been asked for here. The outer error is for people, the inner one is wrong usage.
pub fn asked(args: &AtArgs) -> anyhow::Result<Result<Cli, clap::Error>> {
    if args.line != line() {
        return Err(Stop::new(format!(
            "rpmctl {} here, and {} where the command was given: they do not understand each other",
            line(),
            args.line
        ))
        .hint("install the same version on both machines")
        .into());
    }
    let words: Option<Vec<OsString>> = args.words.iter().map(|word| words::decode(word)).collect();
    let words = words.ok_or_else(|| Stop::new("the words of another rpmctl cannot be read"))?;
    let mut cli = match Cli::try_parse_from([OsString::from("rpmctl")].into_iter().chain(words)) {
        Ok(cli) => cli,
        Err(error) => return Ok(Err(error)),
    };
    // Those were for the one who called.
    cli.hosts.clear();
    match &mut cli.command {
        Command::Status(status) if args.as_json => status.json = true,
        Command::List(list) if args.as_json => list.json = true,
        Command::At(_) | Command::PrivateInit { .. } => {
            return Err(Stop::new("the words of another rpmctl are no command").into());
        }
        _ => {}
    }
    Ok(Ok(cli))
}

/// Without a terminal nothing tells a command that the ssh it was called by is gone: from then on nobody reads its output. It is interrupted, as Ctrl-C
/// would have done here.
pub fn end_with_the_caller() {
    std::thread::spawn(|| {
        let stdout = io::stdout();
        loop {
            let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
            match poll(&mut polled, None) {
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
                Ok(_) => break,
            }
        }
        let _ = kill_process(getpid(), Signal::INT);
    });
}
