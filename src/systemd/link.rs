//! One bus connection and the task that reads it.
//!
//! Replies and signals reach a listener through one queue, in the order the bus sent them, so a `JobRemoved` that
//! overtakes the reply to `StartUnit` is never lost. At most [`WINDOW`] calls are unanswered at a time: dbus-daemon
//! refuses more than 128 (max_replies_per_connection in dbus-daemon(1)).

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_core::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream};

/// Unanswered calls on one connection.
const WINDOW: usize = 100;

pub(super) const SYSTEMD: &str = "org.freedesktop.systemd1";
const DBUS: &str = "org.freedesktop.DBus";

/// What a listener hears, in the order of the bus.
pub(super) enum Heard {
    /// The reply (or error reply) to the call the listener sent under this number.
    Reply(usize, Message),
    /// A signal of the service manager.
    Signal(Message),
    /// The manager left the bus (`false`: daemon-reexec) or is there again (`true`).
    Present(bool),
    /// The connection ended: nothing more comes.
    Lost,
}

pub(super) type Ear = mpsc::UnboundedSender<Heard>;
pub(super) type Queue = mpsc::UnboundedReceiver<Heard>;

struct Waiting {
    ear: Ear,
    number: usize,
    // Held until the reply is here: the bus counts the call until then, even when nobody waits for it any more.
    _permit: OwnedSemaphorePermit,
}

struct Board {
    waiting: HashMap<u32, Waiting>,
    listeners: Vec<Ear>,
    owner: Option<String>,
    /// The manager's process, where it is known.
    pid: Option<u32>,
    /// When the manager said something last.
    heard: Instant,
    lost: bool,
}

pub(super) struct Link {
    conn: Connection,
    board: Arc<Mutex<Board>>,
    window: Arc<Semaphore>,
    reader: tokio::task::JoinHandle<()>,
    /// Whether the manager was told to send signals on this connection.
    pub(super) subscribed: AtomicBool,
    /// The match rules of this connection, each once and kept until it ends: dbus-daemon refuses more than 512
    /// (max_match_rules_per_connection).
    pub(super) rules: tokio::sync::Mutex<HashSet<String>>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    pub(super) fn connection(&self) -> &Connection {
        &self.conn
    }

    pub(super) fn new(conn: Connection) -> Link {
        let board = Arc::new(Mutex::new(Board {
            waiting: HashMap::new(),
            listeners: Vec::new(),
            owner: None,
            pid: None,
            heard: Instant::now(),
            lost: false,
        }));
        let stream = MessageStream::from(&conn);
        let reader = tokio::spawn(read(stream, board.clone()));
        Link {
            conn,
            board,
            window: Arc::new(Semaphore::new(WINDOW)),
            reader,
            subscribed: AtomicBool::new(false),
            rules: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        lock(&self.board).lost
    }

    pub(super) fn set_owner(&self, owner: Option<String>) {
        lock(&self.board).owner = owner;
    }

    pub(super) fn set_pid(&self, pid: Option<u32>) {
        lock(&self.board).pid = pid;
    }

    pub(super) fn pid(&self) -> Option<u32> {
        lock(&self.board).pid
    }

    pub(super) fn heard(&self) -> Instant {
        lock(&self.board).heard
    }

    pub(super) fn has_owner(&self) -> bool {
        lock(&self.board).owner.is_some()
    }

    /// Hands every later signal of the manager to `ear`.
    pub(super) fn listen(&self, ear: &Ear) {
        let mut board = lock(&self.board);
        if board.lost {
            let _ = ear.send(Heard::Lost);
        } else {
            board.listeners.push(ear.clone());
        }
    }

    /// Room for one more call, when there is.
    pub(super) fn try_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.window.clone().try_acquire_owned().ok()
    }

    /// Room for one more call, waited for.
    pub(super) async fn permit(&self) -> OwnedSemaphorePermit {
        match self.window.clone().acquire_owned().await {
            Ok(permit) => permit,
            Err(_) => unreachable!("the window is never closed"),
        }
    }

    /// Sends the calls; each reply comes to `ear` under its number. A connection that fails says `Heard::Lost`.
    pub(super) async fn send(&self, calls: Vec<(usize, Message, OwnedSemaphorePermit)>, ear: &Ear) {
        let mut messages = Vec::with_capacity(calls.len());
        {
            let mut board = lock(&self.board);
            if board.lost {
                let _ = ear.send(Heard::Lost);
                return;
            }
            for (number, message, permit) in calls {
                let serial = message.primary_header().serial_num().get();
                let ear = ear.clone();
                board.waiting.insert(
                    serial,
                    Waiting {
                        ear,
                        number,
                        _permit: permit,
                    },
                );
                messages.push(message);
            }
        }
        if self.conn.send_all(&messages).await.is_err() {
            lose(&self.board);
        }
    }
}

/// Tells everybody, once, that the connection is gone.
fn lose(board: &Mutex<Board>) {
    let mut board = lock(board);
    board.lost = true;
    for (_, waiting) in board.waiting.drain() {
        let _ = waiting.ear.send(Heard::Lost);
    }
    for ear in board.listeners.drain(..) {
        let _ = ear.send(Heard::Lost);
    }
}

async fn read(mut stream: MessageStream, board: Arc<Mutex<Board>>) {
    loop {
        match poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await {
            Some(Ok(message)) => post(&board, message),
            Some(Err(_)) | None => return lose(&board),
        }
    }
}

fn post(board: &Mutex<Board>, message: Message) {
    let mut board = lock(board);
    let header = message.header();
    if let Some(sender) = header.sender()
        && board.owner.as_deref() == Some(sender.as_str())
    {
        board.heard = Instant::now();
    }
    match message.message_type() {
        Type::MethodReturn | Type::Error => {
            let serial = message.header().reply_serial();
            if let Some(waiting) = serial.and_then(|s| board.waiting.remove(&s.get())) {
                let _ = waiting.ear.send(Heard::Reply(waiting.number, message));
            }
        }
        Type::Signal => {
            let header = message.header();
            let sender = header.sender().map(|s| s.as_str());
            if sender == Some(DBUS) {
                // NameOwnerChanged(name, old, new): the bus itself says it, nobody can forge this sender.
                if header.member().map(|m| m.as_str()) == Some("NameOwnerChanged") {
                    let body = message.body();
                    if let Ok((SYSTEMD, _, new)) = body.deserialize::<(&str, &str, &str)>() {
                        board.owner = (!new.is_empty()).then(|| new.to_owned());
                        // Process 1 stays the same when it executes itself anew.
                        board.pid = board.pid.filter(|pid| *pid == 1);
                        board.heard = Instant::now();
                        let present = board.owner.is_some();
                        board
                            .listeners
                            .retain(|ear| ear.send(Heard::Present(present)).is_ok());
                    }
                }
            } else if sender.is_some() && sender == board.owner.as_deref() {
                // Any user of the bus may send us a signal that looks like systemd's: only the name's owner is heard.
                board
                    .listeners
                    .retain(|ear| ear.send(Heard::Signal(message.clone())).is_ok());
            }
        }
        Type::MethodCall => {}
    }
}
