//! One journalctl that follows what some apps write.
//!
//! One for each file that journald keeps their lines in: root's and system users' are in one, those of each user from 1000 on in a file of its own
//! (journald.conf(5), SplitMode=). journalctl orders the files it reads together by time, and an entry that comes to light in one file after a later
//! one of another file was read is passed over; within one file nothing is.

use std::io::{self, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::position::Position;
use crate::journal::export::{FIELDS, Line, Reader};
use crate::journal::namespace::has_folder;
use crate::journal::{Scope, trouble};

/// What the terms of a source begin with whose lines are in a namespace.
pub const NAMESPACE: &str = "--namespace=";

/// journald dropped lines of a unit that wrote too fast (systemd's catalog).
pub const DROPPED: &str = "a596d6fe7bfa4994828e72309e95d61e";
/// What journald says itself comes this way, and nothing else does (systemd.journal-fields(7)).
pub const DRIVER: &str = "driver";

/// Before another look for the journal of a namespace: a journalctl that starts before it is there never sees it.
const NOT_THERE: Duration = Duration::from_secs(1);
/// Pauses before a journalctl that ended is started again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// The longest that an answer of journalctl's is waited for.
const ANSWER: Duration = Duration::from_secs(10);

pub struct Source {
    pub name: String,
    /// Arguments that choose the lines.
    pub terms: Vec<String>,
    /// The last entry that was read.
    pub read: Option<Position>,
    /// The last entry whose lines are all in their files, or known to be missing there.
    pub done: Option<Position>,
    /// The first entry is to be this one, where reading ended before.
    pub expected: Option<Position>,
    pub start_at: Option<Instant>,
    /// No file is behind it.
    pub level: bool,
    pause: Duration,
    run: Option<Run>,
}

struct Run {
    child: Child,
    out: ChildStdout,
    err: ChildStderr,
    reader: Reader,
}

impl Source {
    pub fn new(name: String) -> Source {
        Source {
            name,
            terms: vec![],
            read: None,
            done: None,
            expected: None,
            start_at: Some(Instant::now()),
            level: false,
            pause: FIRST_PAUSE,
            run: None,
        }
    }

    /// Reads from `from` on, that entry included.
    pub fn start(&mut self, scope: &Scope, from: &Position) {
        self.stop();
        if self.namespace().is_some_and(|name| !has_folder(name)) {
            self.start_at = Some(Instant::now() + NOT_THERE);
            return;
        }
        let mut command = journalctl(scope);
        // While following, journalctl shows this boot alone, --boot=all or not (seen on 252), unless it merges the journals of all machines: what was
        // written before a reboot would be lost. Those of other machines are left out here.
        command.args(["--follow", "--no-tail", "--merge"]);
        if from.cursor.is_empty() {
            command.arg(since(from.at));
        } else {
            // Not --after-cursor=: older versions leave out the first entry even where it is another.
            command.arg(format!("--cursor={}", from.cursor));
        }
        command.arg(format!("--output-fields={FIELDS}"));
        command.args(&self.terms);
        self.expected = Some(from.clone()).filter(|from| !from.cursor.is_empty());
        self.read = self.done.clone();
        self.start_at = None;
        let started = command.spawn().and_then(|mut child| {
            let gone = || io::Error::other("a pipe is missing");
            Ok(Run {
                out: child.stdout.take().ok_or_else(gone)?,
                err: child.stderr.take().ok_or_else(gone)?,
                reader: Reader::default(),
                child,
            })
        });
        match started {
            Ok(run) => self.run = Some(run),
            Err(_) => self.again(),
        }
    }

    fn namespace(&self) -> Option<&str> {
        self.terms.first()?.strip_prefix(NAMESPACE)
    }

    /// Ends journalctl; what it printed and was not taken yet is read again by the next.
    pub fn stop(&mut self) {
        if let Some(mut run) = self.run.take() {
            let _ = run.child.kill();
            let _ = run.child.wait();
        }
    }

    fn again(&mut self) {
        self.start_at = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LAST_PAUSE);
    }

    /// To wait for with poll(2).
    pub fn pipe(&self) -> Option<&ChildStdout> {
        Some(&self.run.as_ref()?.out)
    }

    /// Reads what is there, once; waits when nothing is. Some: journalctl ended, and why.
    pub fn read(&mut self, scope: &Scope, buffer: &mut [u8]) -> Option<String> {
        let run = self.run.as_mut()?;
        match run.out.read(buffer) {
            Ok(size) if size > 0 => {
                run.reader.add(&buffer[..size]);
                self.pause = FIRST_PAUSE;
                None
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            _ => Some(self.ended(scope)),
        }
    }

    fn ended(&mut self, scope: &Scope) -> String {
        let mut said = String::new();
        if let Some(run) = &mut self.run {
            let _ = (&mut run.err).take(8192).read_to_string(&mut said);
        }
        self.stop();
        self.again();
        if trouble::not_there_yet(&said, scope, self.namespace()) {
            return String::new();
        }
        trouble::explain(&said, scope, self.namespace()).unwrap_or_else(|| match said.trim() {
            "" => "journalctl ended".to_owned(),
            said => format!("journalctl ended: {said}"),
        })
    }

    /// What was read, for [`Reader::entry`]; to be given back.
    pub fn take_reader(&mut self) -> Reader {
        self.run
            .as_mut()
            .map(|run| std::mem::take(&mut run.reader))
            .unwrap_or_default()
    }

    pub fn give_back(&mut self, reader: Reader) {
        if let Some(run) = &mut self.run {
            run.reader = reader;
        }
    }

    /// The entry was read. True when it was expected: reading ended with it before.
    pub fn passes(&mut self, line: &Line<'_>) -> Passing {
        let passing = match self.expected.take() {
            Some(expected) if expected.cursor == line.cursor => Passing::Expected,
            Some(expected) => Passing::Other(expected),
            None => Passing::New,
        };
        match &mut self.read {
            Some(read) => {
                read.cursor.clear();
                read.cursor.push_str(line.cursor);
                read.at = line.at;
            }
            none => *none = Some(Position::of(line)),
        }
        passing
    }
}

/// Whether the journal of the source of this name still has this entry, whatever it is of. On any doubt yes.
pub fn has(scope: &Scope, source: &str, position: &Position) -> bool {
    if position.cursor.is_empty() {
        return true;
    }
    let mut command = journalctl(scope);
    if let Some((namespace, _)) = source.split_once(':') {
        if !has_folder(namespace) {
            return false;
        }
        command.arg(format!("{NAMESPACE}{namespace}"));
    }
    command.arg(format!("--cursor={}", position.cursor));
    command.arg("--output-fields=_TRANSPORT");
    command.stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        return true;
    };
    let first = child.stdout.take().and_then(first_cursor);
    let _ = child.kill();
    let _ = child.wait();
    first.is_none_or(|first| first == position.cursor)
}

/// Of what journalctl prints; None when it printed no entry in time.
fn first_cursor(mut out: ChildStdout) -> Option<String> {
    let until = Instant::now() + ANSWER;
    let mut reader = Reader::default();
    let mut buffer = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&out, PollFlags::IN)], Some(&timeout)) {
            Ok(1..) => {}
            Err(rustix::io::Errno::INTR) if !left.is_zero() => continue,
            _ => return None,
        }
        match out.read(&mut buffer) {
            Ok(size @ 1..) => reader.add(&buffer[..size]),
            _ => return None,
        }
        if let Some(line) = reader.entry().ok()? {
            return Some(line.cursor.to_owned());
        }
    }
}

/// What an entry is to the place that reading began at.
pub enum Passing {
    New,
    Expected,
    /// It is the first, and not the one that was expected.
    Other(Position),
}

impl Drop for Source {
    fn drop(&mut self) {
        self.stop();
    }
}

/// journald's word for this machine; None where there is none.
pub fn machine() -> Option<Vec<u8>> {
    let text = std::fs::read_to_string("/etc/machine-id").ok()?;
    Some(text.trim().as_bytes().to_vec()).filter(|id| !id.is_empty())
}

fn since(at: u64) -> String {
    format!("--since=@{}.{:06}", at / 1_000_000, at % 1_000_000)
}

fn journalctl(scope: &Scope) -> Command {
    let mut command = Command::new("journalctl");
    command
        .env("LC_ALL", "C")
        .env("SYSTEMD_COLORS", "0")
        // 247 colours what it complains of, terminal or not.
        .env("SYSTEMD_LOG_COLOR", "0")
        .env_remove("SYSTEMD_LOG_LEVEL")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .args(["--no-pager", "--quiet", "--output=export"]);
    if let Scope::Directory(directory) = scope {
        command.arg("--directory").arg(directory);
    }
    command
}
