//! The thread that writes: one loop around poll(2), because folders may hang and disks be slow, and opening a file as another user is for one thread.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use jiff::tz::TimeZone;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc::UnboundedSender;

use super::apps::{App, Apps};
use super::file::LogFile;
use super::follow::{self, Source};
use super::line::Lines;
use super::owners::Owners;
use super::parts::Parts;
use super::state::{self, Checkpoint};
use super::tidy::Tidier;
use super::{Beat, beat_is};
use crate::journal::Scope;
use crate::model::Flushed;
use crate::unit_files::Places;
use crate::unit_files::lock::Lock;

/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(50);
/// So many bytes are written at once.
const BATCH: usize = 256 << 10;
/// The longest that what was written stays unsynced.
const UNSYNCED: Duration = Duration::from_secs(10);
/// At the end: quiet for so long means that everything has come; no longer than that in all.
const QUIET: Duration = Duration::from_millis(200);
const END: Duration = Duration::from_secs(3);

pub enum Command {
    Set(Vec<App>),
    Stop,
}

pub enum Told {
    /// A sentence for the journal, with the app it is about.
    Trouble(Option<String>, String),
    /// There is something new to say.
    Says,
}

pub struct Writer {
    pub(super) places: Arc<Places>,
    pub(super) scope: Scope,
    pub(super) apps: Apps,
    pub(super) files: Vec<LogFile>,
    /// As of the last command.
    pub(super) owners: Owners,
    /// Which of `files` the lines of one instance's stream go to; filled as lines come.
    pub(super) routes: HashMap<(usize, u32, bool), Vec<usize>>,
    pub(super) sources: Vec<Source>,
    pub(super) parts: Parts,
    /// As of the last batch.
    pub(super) parts_done: Vec<state::KeptPart>,
    /// Until the first apps are known: what an earlier watcher left.
    pub(super) left: Option<Checkpoint>,
    /// What is on record from now on is the end.
    pub(super) closing: bool,
    pub(super) lines: Lines,
    pub(super) machine: Option<Vec<u8>>,
    /// When the batch's first line came.
    pub(super) gathering: Option<Instant>,
    pub(super) gathered: usize,
    pub(super) synced: Instant,
    pub(super) tell: UnboundedSender<Told>,
    pub(super) says: Arc<Mutex<Option<String>>>,
    /// Files that an app names whose lines cannot come to them.
    pub(super) refused: BTreeSet<(PathBuf, String)>,
    /// Why the state is not on disk.
    pub(super) unsaved: Option<String>,
    pub(super) tidier: Tidier,
    /// Lines from before a flush do not come to the files after it.
    pub(super) marks: HashMap<String, Flushed>,
    pub(super) marked: Option<SystemTime>,
    _alone: Lock,
}

/// Runs until it is told to stop, or the other end is gone. Errors: the state cannot be read or written.
pub fn run(
    places: Arc<Places>,
    scope: Scope,
    commands: &Receiver<Command>,
    mut wake: UnixStream,
    tell: UnboundedSender<Told>,
    says: Arc<Mutex<Option<String>>>,
    beat: &Beat,
) -> std::io::Result<()> {
    // Nothing is touched before there is something to do.
    let Ok(first) = commands.recv() else {
        return Ok(());
    };
    // Another watcher that still ends is no hang.
    let alone = state::only_writer(&places)?;
    beat_is(beat, Some(Instant::now()));
    let left = state::load(&places)?;
    let mut writer = Writer {
        parts: Parts::restore(left.parts.clone()),
        parts_done: left.parts.clone(),
        left: Some(left),
        places,
        scope,
        apps: Apps::default(),
        files: vec![],
        owners: Owners::default(),
        closing: false,
        routes: HashMap::new(),
        sources: vec![],
        lines: Lines::new(TimeZone::system()),
        machine: follow::machine(),
        gathering: None,
        gathered: 0,
        synced: Instant::now(),
        tell,
        says,
        refused: BTreeSet::new(),
        unsaved: None,
        tidier: Tidier::default(),
        marks: HashMap::new(),
        marked: None,
        _alone: alone,
    };
    let mut next = Some(first);
    let mut buffer = vec![0; 64 << 10];
    let mut stopping: Option<Instant> = None;
    let mut quiet = Instant::now();
    loop {
        match next.take() {
            Some(Command::Set(apps)) => writer.set(apps)?,
            Some(Command::Stop) => stopping = Some(Instant::now()),
            None => {}
        }
        beat_is(beat, None);
        let mut ready = writer.wait(&wake, stopping.is_some().then_some(quiet + QUIET))?;
        beat_is(beat, Some(Instant::now()));
        if ready.pop() == Some(true) {
            let _ = wake.read(&mut [0; 64]);
        }
        for (index, ready) in ready.into_iter().enumerate() {
            if ready {
                quiet = Instant::now();
                writer.read(index, &mut buffer)?;
            }
        }
        writer.on_time()?;
        next = match commands.try_recv() {
            Ok(command) => Some(command),
            Err(std::sync::mpsc::TryRecvError::Empty) => None,
            Err(_) => Some(Command::Stop).filter(|_| stopping.is_none()),
        };
        if let Some(since) = stopping
            && (quiet.elapsed() >= QUIET || since.elapsed() >= END)
        {
            writer.commit()?;
            writer.closing = true;
            return writer.sync();
        }
    }
}

impl Writer {
    /// Until a source has lines, a command comes, or it is time for something: which sources are readable, and last whether a command came.
    fn wait(&self, wake: &UnixStream, until: Option<Instant>) -> std::io::Result<Vec<bool>> {
        let times = [
            self.gathering.map(|since| since + GATHER),
            self.parts.due(),
            until,
            self.dirty().then(|| self.synced + UNSYNCED),
        ];
        let starts = self.sources.iter().filter_map(|source| source.start_at);
        let retries = self
            .files
            .iter()
            .filter_map(|file| Some(file.failing.as_ref()?.again));
        let gone = self.files.iter().filter_map(|file| file.gone_at);
        let due = times
            .into_iter()
            .flatten()
            .chain(starts)
            .chain(retries)
            .chain(gone)
            .min();
        let timeout = due.map(|due| {
            let left = due.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        let mut fds = Vec::with_capacity(self.sources.len() + 1);
        let mut of = Vec::with_capacity(self.sources.len());
        for (index, source) in self.sources.iter().enumerate() {
            if let Some(pipe) = source.pipe() {
                fds.push(PollFd::new(pipe, PollFlags::IN));
                of.push(index);
            }
        }
        fds.push(PollFd::new(wake, PollFlags::IN));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = vec![false; self.sources.len() + 1];
        for (fd, index) in fds.iter().zip(of.iter().chain([&self.sources.len()])) {
            ready[*index] = !fd.revents().is_empty();
        }
        Ok(ready)
    }

    fn read(&mut self, index: usize, buffer: &mut [u8]) -> std::io::Result<()> {
        let scope = self.scope.clone();
        if let Some(ended) = self.sources[index].read(&scope, buffer) {
            if !ended.is_empty() {
                self.trouble(None, format!("log files: {ended}"));
            }
            return Ok(());
        }
        let mut reader = self.sources[index].take_reader();
        let read = loop {
            match reader.entry() {
                Ok(Some(line)) => self.line(index, &line),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let passed = reader.passed();
        self.sources[index].give_back(reader);
        if passed > 0 {
            let text = "an entry of the journal of more than 4 MiB was passed over";
            self.trouble(None, format!("log files: {text}"));
        }
        if let Err(error) = read {
            self.trouble(None, format!("log files: journalctl printed {error}"));
            self.sources[index].stop();
            self.sources[index].start_at = Some(Instant::now() + QUIET);
        }
        if self.gathered >= BATCH {
            self.commit()?;
        }
        Ok(())
    }

    /// What is due: starting journalctl, writing, trying again, syncing.
    fn on_time(&mut self) -> std::io::Result<()> {
        let now = Instant::now();
        let due = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        for part in self.parts.overdue() {
            if self.gathering.is_none() {
                self.look_at_marks();
                self.gathering = Some(now);
            }
            self.put(part.writer, part.at, &part.bytes, &[]);
        }
        if due(self.gathering.map(|since| since + GATHER)) {
            self.commit()?;
        }
        if self
            .files
            .iter()
            .any(|file| due(file.failing.as_ref().map(|failing| failing.again)))
        {
            self.retry()?;
        }
        if self.sources.iter().any(|source| due(source.start_at)) {
            self.commit()?;
            for index in 0..self.sources.len() {
                if due(self.sources[index].start_at) {
                    self.start(index);
                }
            }
        }
        if self.files.iter().any(|file| due(file.gone_at)) {
            self.commit()?;
            self.sync()?;
            self.files.retain(|file| !due(file.gone_at));
            let mut list = std::mem::take(&mut self.apps.list);
            list.retain(|app| app.gone.is_none());
            self.set_apps(list);
            self.set_sources(None, &BTreeSet::new());
            self.status();
            self.save()?;
        }
        if self.dirty() && due(Some(self.synced + UNSYNCED)) {
            self.sync()?;
        }
        Ok(())
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    pub(super) fn gathered_nothing(&mut self) {
        self.gathering = None;
        self.gathered = 0;
        self.parts_done = self.parts.keep();
    }

    pub(super) fn is_gathering(&self) -> bool {
        self.gathering.is_some()
    }

    fn dirty(&self) -> bool {
        self.files.iter().any(|file| file.dirty)
    }

    pub(super) fn synced_now(&mut self) {
        self.synced = Instant::now();
    }
}
