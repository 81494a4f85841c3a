//! Log files: what apps write to stdout and stderr, from the journal to the files of `out_file`, `error_file` and `log_file`.
//!
//! The journal stays the source: a file that cannot be written to, or a watcher that is not there, delays lines and loses none that journald keeps.
//! `apps` says whose a line is, `place` which files take it, `line` how it looks there, `parts` joins what journald cut; `follow` reads, `file` and `open`
//! write, as those who are in `owners`; `rotate`, `folder` and `tidy` set files aside, where `descend` leads; `state` is what is on record, `identity`
//! which file that is of. `writer` is the loop over it all, in a thread of its own: `wanted` what is to be written, `sort` a line to its files, `commit`
//! the files, `tell` what is wrong.

mod apps;
mod commit;
mod descend;
mod file;
mod folder;
mod follow;
mod identity;
mod line;
mod open;
mod owners;
mod parts;
pub mod place;
mod position;
pub mod rotate;
mod sort;
pub mod state;
mod tell;
pub mod tidy;
mod wanted;
mod writer;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::event::Event;
use super::run::Ground;
use crate::model::Name;
use crate::units::Facts;
use apps::App;
use writer::{Command, Told};

/// Before a writer that gave up is started again.
const AGAIN: Duration = Duration::from_secs(5);
/// A round of the writer that takes longer than this is told: a file system, getent or journalctl hangs.
const STUCK: Duration = Duration::from_secs(30);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// The longest that the end waits for lines to be written.
const END: Duration = Duration::from_secs(10);

/// The source of the loop: what it tells is trouble alone.
pub struct Logs {
    ground: Ground,
    apps: Vec<App>,
    thread: Option<Thread>,
    told: UnboundedReceiver<Told>,
    tell: UnboundedSender<Told>,
    says: Arc<Mutex<Option<String>>>,
    /// When to start the thread again.
    again: Option<Instant>,
    /// Why the last one gave up, until one works for longer than it did.
    gave_up: Option<String>,
    beat: Beat,
    /// It is told that the thread is stuck.
    stuck: bool,
    /// When to look at it.
    look: Instant,
}

/// Since when the thread has been at work; None while it waits.
type Beat = Arc<Mutex<Option<std::time::Instant>>>;

struct Thread {
    commands: Sender<Command>,
    wake: UnixStream,
    /// Why it ended, if it failed.
    ended: oneshot::Receiver<Option<String>>,
}

impl Logs {
    pub fn new(ground: &Ground) -> Logs {
        let (tell, told) = unbounded_channel();
        Logs {
            ground: ground.clone(),
            apps: vec![],
            thread: None,
            told,
            tell,
            says: Arc::default(),
            again: None,
            gave_up: None,
            beat: Beat::default(),
            stuck: false,
            look: Instant::now() + LOOK,
        }
    }

    /// Also looks whether files were moved away.
    pub fn set(&mut self, apps: &[Facts]) {
        self.apps = apps.iter().filter_map(App::of).collect();
        if self.thread.is_none() && self.again.is_none() && !self.apps.is_empty() {
            self.start();
        }
        self.send(Command::Set(self.apps.clone()));
    }

    fn send(&mut self, command: Command) {
        if let Some(thread) = &mut self.thread
            && thread.commands.send(command).is_ok()
        {
            // A full pipe wakes as well.
            let _ = thread.wake.write(b"!");
        }
    }

    fn start(&mut self) {
        match self.spawn() {
            Ok(thread) => {
                self.thread = Some(thread);
                self.look = Instant::now() + LOOK;
            }
            Err(error) => {
                self.again = Some(Instant::now() + AGAIN);
                if let Some(text) = self.gives_up(format!("no thread: {error}")) {
                    let _ = self.tell.send(Told::Trouble(None, text));
                }
            }
        }
    }

    /// What is to be told of it: a reason only once.
    fn gives_up(&mut self, why: String) -> Option<String> {
        let new = self.gave_up.as_ref() != Some(&why);
        let text = format!("log files: {why}");
        self.gave_up = Some(why);
        new.then_some(text)
    }

    /// For how long the thread has been at work, if that is too long.
    fn stuck(&self) -> Option<Duration> {
        let beat = self.beat.lock();
        let since = *beat.unwrap_or_else(|poisoned| poisoned.into_inner());
        Some(since?.elapsed()).filter(|time| *time >= STUCK && self.thread.is_some())
    }

    fn spawn(&self) -> std::io::Result<Thread> {
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let (commands, receiver): (_, Receiver<Command>) = channel();
        let (end, ended) = oneshot::channel();
        let (places, scope) = (self.ground.places.clone(), self.ground.journal.clone());
        let (tell, says, beat) = (self.tell.clone(), self.says.clone(), self.beat.clone());
        std::thread::Builder::new()
            .name("log-files".into())
            .spawn(move || {
                let result = writer::run(places, scope, &receiver, woken, tell, says, &beat);
                beat_is(&beat, None);
                let _ = end.send(result.err().map(|error| error.to_string()));
            })?;
        Ok(Thread {
            commands,
            wake,
            ended,
        })
    }

    /// Cancel safe.
    pub async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                Some(told) = self.told.recv() => return match told {
                    Told::Says => Event::Says,
                    Told::Trouble(app, text) => {
                        let app = app.and_then(|app| Name::new(&app).ok());
                        Event::Trouble { app, text }
                    }
                },
                why = ended(&mut self.thread) => {
                    self.thread = None;
                    self.again = Some(Instant::now() + AGAIN);
                    self.stuck = false;
                    if let Some(text) = why.and_then(|why| self.gives_up(why)) {
                        return Event::Trouble { app: None, text };
                    }
                }
                () = tokio::time::sleep_until(self.look), if self.thread.is_some() => {
                    self.look = Instant::now() + LOOK;
                    let stuck = self.stuck().is_some();
                    let was = std::mem::replace(&mut self.stuck, stuck);
                    // It outlived the pause before the next.
                    let works = self.gave_up.take().is_some();
                    if self.stuck && !was {
                        let text = "log files: nothing has been written to them for 30 s: a file system, getent or journalctl hangs";
                        return Event::Trouble { app: None, text: text.to_owned() };
                    }
                    if works || was != self.stuck {
                        return Event::Says;
                    }
                }
                () = at(self.again) => {
                    self.again = None;
                    self.start();
                    self.send(Command::Set(self.apps.clone()));
                }
            }
        }
    }

    /// `3 log files`, with what is wrong about them.
    pub fn says(&self) -> Option<String> {
        if let (None, Some(why)) = (&self.thread, &self.gave_up) {
            return Some(format!("log files stand still: {why}"));
        }
        let says = self.says.lock();
        let says = says
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone();
        match self.stuck() {
            None => says,
            Some(time) => {
                let files = says.unwrap_or_else(|| "log files".to_owned());
                Some(format!("{files} (stuck for {} s)", time.as_secs()))
            }
        }
    }

    /// Writes what has come until now.
    pub async fn close(&mut self) {
        self.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = tokio::time::timeout(END, thread.ended).await;
        }
    }
}

fn beat_is(beat: &Beat, since: Option<std::time::Instant>) {
    *beat.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = since;
}

/// Pends without a time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Pends without a thread.
async fn ended(thread: &mut Option<Thread>) -> Option<String> {
    match thread {
        Some(thread) => (&mut thread.ended)
            .await
            .unwrap_or(Some("the thread ended".into())),
        None => std::future::pending().await,
    }
}
