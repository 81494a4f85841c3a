//! One machine through ssh, and in words why that did not work.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::host::Host;
use super::{at, words};
use crate::cli::report::{Interrupted, Stop};
use crate::cli::{out, table};

/// What ssh is called, with its options, as a shell would split it: `ssh -i key`. As git's GIT_SSH_COMMAND.
pub const PROGRAM: &str = "RPMCTL_SSH";

/// ssh's own failures; no command of ours ends with it.
const SSH_FAILED: i32 = 255;

/// Of what ssh says this many bytes are kept, to tell why it failed.
const LAST_WORDS: usize = 8192;

/// A connection that is shared (ControlPersist) may hold the outputs of the ssh that made it open: what is said later than this is not waited for.
const LINGER: Duration = Duration::from_secs(1);

/// What goes to the standard input there.
#[derive(Clone)]
pub enum Input {
    Nothing,
    /// Ours, as it is.
    Ours,
    Text(Arc<Vec<u8>>),
}

/// A command for another machine.
#[derive(Clone)]
pub struct Call {
    /// As they stood behind `rpmctl`.
    pub args: Vec<OsString>,
    pub input: Input,
    /// It draws on a terminal.
    pub terminal: bool,
    /// How long ssh may take until it is logged in.
    pub patience: Duration,
}

/// What a machine answered.
pub struct Told {
    pub text: Vec<u8>,
    /// Something wanted is not running or not well there, as its exit code says.
    pub lacks: bool,
}

impl Call {
    /// `ssh … -- HOST env … rpmctl __at …`. `json`: status and list print it whether they are asked to or not; nobody is asked for a password then.
    /// Errors: $RPMCTL_SSH is no command.
    fn command(&self, host: &Host, json: bool) -> anyhow::Result<Command> {
        let set = std::env::var(PROGRAM)
            .ok()
            .filter(|set| !set.trim().is_empty());
        let ssh = match &set {
            None => vec!["ssh".to_owned()],
            Some(set) => shlex::split(set)
                .filter(|words| !words.is_empty())
                .ok_or_else(|| {
                    Stop::new(format!("{PROGRAM} has a quote without its end: {set}"))
                })?,
        };
        let mut command = Command::new(&ssh[0]);
        command.args(&ssh[1..]);
        // Whatever its configuration says: a terminal makes CR LF of each line feed.
        command.arg(if self.terminal { "-t" } else { "-T" });
        if json || !std::io::stdin().is_terminal() {
            command.args(["-o", "BatchMode=yes"]);
        }
        command.args([
            "-o",
            &format!("ConnectTimeout={}", self.patience.as_secs().max(1)),
        ]);
        if let Some(port) = host.port {
            command.args(["-p", &port.to_string()]);
        }
        command.args(["--", &host.destination, "env"]);
        if !json && !self.terminal {
            let columns = table::columns().map(|columns| format!("COLUMNS={columns}"));
            command.args(columns);
            command.args(table::colour().then_some("CLICOLOR_FORCE=1"));
        }
        command.args(["rpmctl", "__at"]);
        command.args(json.then_some("--as-json"));
        command.args([at::line(), "--"]);
        command.args(self.args.iter().map(|word| words::encode(word)));
        command.kill_on_drop(true);
        // However we end, it does not go on.
        let follow = || {
            Ok(rustix::process::set_parent_process_death_signal(Some(
                Signal::TERM,
            ))?)
        };
        // SAFETY: one system call, which may be made between fork and exec.
        unsafe { command.pre_exec(follow) };
        Ok(command)
    }

    fn start(&self, mut command: Command) -> anyhow::Result<Child> {
        command.stdin(match self.input {
            Input::Nothing if !self.terminal => Stdio::null(),
            Input::Text(_) => Stdio::piped(),
            _ => Stdio::inherit(),
        });
        let program = command.as_std().get_program().to_owned();
        command.spawn().map_err(|error| {
            let stop = Stop::new(format!("{} cannot be started: {error}", program.display()));
            let hint = match error.kind() {
                std::io::ErrorKind::NotFound => {
                    format!("install it (Debian: openssh-client), or name another in {PROGRAM}")
                }
                _ => format!("see {PROGRAM}"),
            };
            stop.hint(hint).into()
        })
    }

    /// Runs it there with our output as its output. Gives its exit code.
    /// Errors: ssh's own, in words; that rpmctl is not there; [`Interrupted`].
    pub async fn run(&self, host: &Host, reads: bool) -> anyhow::Result<u8> {
        let mut command = self.command(host, false)?;
        // What ssh says is shown, and read as well. Its questions go to the terminal itself.
        if !self.terminal {
            command.stderr(Stdio::piped());
        }
        let mut int = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
        let mut term = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
        let mut child = self.start(command)?;
        let stdin = child.stdin.take();
        let stderr = child.stderr.take();
        let feed = async {
            if let (Input::Text(text), Some(mut stdin)) = (&self.input, stdin) {
                // Who does not read it to its end says why itself.
                let _ = stdin.write_all(text).await;
            }
        };
        let said = RefCell::new(Vec::new());
        let pass_on = async {
            let mut buffer = [0; 4096];
            if let Some(mut stderr) = stderr {
                while let Ok(size @ 1..) = stderr.read(&mut buffer).await {
                    let _ = std::io::Write::write_all(&mut std::io::stderr(), &buffer[..size]);
                    let mut said = said.borrow_mut();
                    said.extend_from_slice(&buffer[..size]);
                    let more = said.len().saturating_sub(LAST_WORDS);
                    said.drain(..more);
                }
            }
        };
        let work = beside(child.wait(), async { tokio::join!(feed, pass_on) });
        let code = tokio::select! {
            status = work => return ended(host, status.context("cannot wait for ssh")?, &said.borrow()),
            _ = int.recv() => 130,
            _ = term.recv() => 143,
        };
        match reads {
            true => Ok(code),
            false => Err(Interrupted(code).into()),
        }
    }

    /// Runs it there and gives what it printed, or in one line why not; all of it within `patience`.
    pub async fn ask(&self, host: &Host) -> Result<Told, String> {
        let plain = |error: anyhow::Error| crate::cli::report::describe(&error).0;
        let mut command = self.command(host, true).map_err(plain)?;
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.start(command).map_err(plain)?;
        let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
        let (mut told, mut said) = (Vec::new(), Vec::new());
        let read = async {
            let told = async {
                if let Some(stdout) = &mut stdout {
                    let _ = stdout.read_to_end(&mut told).await;
                }
            };
            let said = async {
                if let Some(stderr) = &mut stderr {
                    let _ = stderr.read_to_end(&mut said).await;
                }
            };
            tokio::join!(told, said)
        };
        let status = tokio::time::timeout(self.patience, beside(child.wait(), read))
            .await
            .map_err(|_| format!("no answer within {} s", self.patience.as_secs_f64()))?
            .map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&said);
        match status.code() {
            Some(code @ (0 | 3)) => Ok(Told {
                text: told,
                lacks: code == 3,
            }),
            Some(SSH_FAILED) | None => Err(why(&said).map_or_else(
                || last_line(&said).unwrap_or_else(|| "ssh failed".to_owned()),
                |why| why.what.to_owned(),
            )),
            Some(126 | 127) => Err(NOT_THERE.to_owned()),
            Some(code) => Err(said
                .lines()
                .find_map(|line| line.strip_prefix("error: "))
                .map(str::to_owned)
                .or_else(|| last_line(&said))
                .unwrap_or_else(|| format!("exit code {code}"))),
        }
    }
}

const NOT_THERE: &str =
    "rpmctl is not installed there, or not on the PATH of a command through ssh";

/// Waits for `work`, and lets `other` go on beside it and for a moment after.
async fn beside<T>(work: impl Future<Output = T>, other: impl Future) -> T {
    let (mut work, mut other) = (pin!(work), pin!(other));
    let mut over = false;
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            _ = &mut other, if !over => over = true,
        }
    };
    if !over {
        let _ = tokio::time::timeout(LINGER, other).await;
    }
    result
}

/// The exit code there, or in words what went wrong on the way.
fn ended(host: &Host, status: ExitStatus, said: &[u8]) -> anyhow::Result<u8> {
    let said = String::from_utf8_lossy(said);
    let stop = match status.code() {
        Some(SSH_FAILED) => match why(&said) {
            Some(why) => Stop::new(format!("{host}: {}", why.what)).hint((why.hint)(host)),
            None => Stop::new(format!("{host}: ssh failed")).hint(format!(
                "try by hand: ssh {}{} true",
                port(host),
                host.destination
            )),
        },
        Some(126 | 127) => Stop::new(format!("{host}: {NOT_THERE}"))
            .hint("install the same version there, e.g. in /usr/local/bin")
            .hint(format!(
                "its PATH: ssh {}{} printenv PATH",
                port(host),
                host.destination
            )),
        Some(code) => return Ok(u8::try_from(code).unwrap_or(crate::cli::report::FAILED)),
        None => Stop::new(format!("{host}: ssh was killed")),
    };
    Err(stop.into())
}

/// A failure of ssh that people meet.
struct Why {
    what: &'static str,
    hint: fn(&Host) -> String,
}

/// In the words of OpenSSH. None: others.
fn why(said: &str) -> Option<Why> {
    let of = |words: &[&str], what, hint| {
        words
            .iter()
            .any(|words| said.contains(words))
            .then_some(Why { what, hint })
    };
    of(&["REMOTE HOST IDENTIFICATION HAS CHANGED"], "its host key has changed: another machine, or somebody in between", |host| {
        format!("when that is known to be right: ssh-keygen -R {}", host.known_as())
    })
    .or_else(|| of(&["Host key verification failed"], "its host key is not known yet", |host| {
        format!("log in once by hand and compare it: ssh {}{}", port(host), host.destination)
    }))
    .or_else(|| of(&["Permission denied", "Too many authentication failures"], "it lets nobody in with these keys", |host| {
        format!("see which user and key it takes: ssh {}{}, ssh-add -l; for a new key: ssh-copy-id {}{}", port(host), host.destination, port(host), host.destination)
    }))
    .or_else(|| of(&["Could not resolve hostname"], "no address is known for this name", |_| {
        "see its spelling, /etc/hosts, and Host in ~/.ssh/config".to_owned()
    }))
    .or_else(|| of(&["Connection refused"], "nothing listens on its ssh port", |_| {
        "start sshd there, or give its port: -H HOST:PORT".to_owned()
    }))
    .or_else(|| of(&["timed out", "timeout", "No route to host", "Network is unreachable", "Host is down"], "it does not answer", |_| {
        "is it up, and the network between? --host-timeout SECONDS waits longer".to_owned()
    }))
    .or_else(|| of(&["Connection closed", "Connection reset", "Broken pipe"], "the connection was lost", |_| {
        "what was begun there is interrupted; the same command again carries on".to_owned()
    }))
}

fn port(host: &Host) -> String {
    host.port
        .map_or_else(String::new, |port| format!("-p {port} "))
}

impl Host {
    /// As known_hosts has it, for a command line.
    fn known_as(&self) -> String {
        let name = self.destination.rsplit('@').next().unwrap_or_default();
        match self.port {
            Some(port) => format!("'[{name}]:{port}'"),
            None => name.to_owned(),
        }
    }
}

fn last_line(said: &str) -> Option<String> {
    let line = said
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())?;
    Some(line.chars().filter(|one| !one.is_control()).collect())
}

/// Between the lines of several machines.
pub fn heading(host: &Host) {
    out::say(&format!("==> {host}"));
}
