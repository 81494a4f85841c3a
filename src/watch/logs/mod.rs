//! Log files: what apps write to stdout and stderr, from the journal to the files of `out_file`, `error_file` and `log_file`.
//!
//! The journal stays the source: a file that cannot be written to, or a watcher that is not there, delays lines and loses none that journald keeps.
//! `apps` says whose a line is, `place` which files take it, `line` how it looks there, `parts` joins what journald cut; `follow` reads, `file` and `open`
//! write, `rotate`, `folder` and `tidy` set files aside, where `descend` leads and with whose `rights`; `state` is what is on record. `writer` is the loop
//! over it all, in a thread of its own: `wanted` what is to be written, `sort` a line to its files, `commit` the files, `tell` what is wrong.

mod apps;
mod commit;
mod descend;
mod file;
mod folder;
mod follow;
mod line;
mod open;
mod parts;
pub mod place;
mod position;
pub mod rotate;
mod sort;
pub mod state;
mod tell;
mod tidy;
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
}

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
            Ok(thread) => self.thread = Some(thread),
            Err(error) => {
                let _ = self.tell.send(Told::Trouble(
                    None,
                    format!("log files: no thread: {error}"),
                ));
            }
        }
    }

    fn spawn(&self) -> std::io::Result<Thread> {
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let (commands, receiver): (_, Receiver<Command>) = channel();
        let (end, ended) = oneshot::channel();
        let (places, scope) = (self.ground.places.clone(), self.ground.journal.clone());
        let (tell, says) = (self.tell.clone(), self.says.clone());
        std::thread::Builder::new()
            .name("log-files".into())
            .spawn(move || {
                let result = writer::run(places, scope, &receiver, woken, tell, says);
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
                    if let Some(why) = why {
                        return Event::Trouble { app: None, text: format!("log files: {why}") };
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
        self.says
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
    }

    /// Writes what has come until now.
    pub async fn close(&mut self) {
        self.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = tokio::time::timeout(END, thread.ended).await;
        }
    }
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
