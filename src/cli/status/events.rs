//! What comes from outside while `status --watch` waits: signals, keys, another size of the terminal.

use std::io::{self, IsTerminal, Stdin};
use std::process::ExitCode;

use anyhow::Context;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::terminal::job;

/// As shells have it: 128 and the signal's number.
const HUNG_UP: u8 = 129;
const QUIT: u8 = 131;
const TERMINATED: u8 = 143;

const TSTP: i32 = rustix::process::Signal::TSTP.as_raw();
const CONT: i32 = rustix::process::Signal::CONT.as_raw();

pub enum Event {
    /// With the exit code.
    End(ExitCode),
    Resize,
    /// SIGTSTP: it is to stop, as by Ctrl-Z.
    Stop,
    /// SIGCONT: it goes on after a stop.
    Again,
}

pub struct Events {
    int: Signal,
    term: Signal,
    /// Only where a terminal is to be put back.
    hangup: Option<Signal>,
    quit: Option<Signal>,
    size: Option<Signal>,
    stop: Option<Signal>,
    again: Option<Signal>,
    keys: Option<AsyncFd<Stdin>>,
}

impl Events {
    /// `live`: a terminal is drawn on, whose size and keys are of interest. Errors: signals cannot be watched for.
    pub fn new(live: bool) -> anyhow::Result<Events> {
        let of = |kind| signal(kind).context("cannot watch for signals");
        let keys = (live && io::stdin().is_terminal()).then(|| {
            // SAFETY: descriptor 0 stays open until the program ends.
            unsafe { AsyncFd::register_with_interest(io::stdin(), Interest::READABLE) }.ok()
        });
        Ok(Events {
            int: of(SignalKind::interrupt())?,
            term: of(SignalKind::terminate())?,
            hangup: live.then(|| of(SignalKind::hangup())).transpose()?,
            quit: live.then(|| of(SignalKind::quit())).transpose()?,
            size: live.then(|| of(SignalKind::window_change())).transpose()?,
            stop: live.then(|| of(SignalKind::from_raw(TSTP))).transpose()?,
            again: live.then(|| of(SignalKind::from_raw(CONT))).transpose()?,
            keys: keys.flatten(),
        })
    }

    /// Safe to drop half-way.
    pub async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                biased;
                _ = self.int.recv() => return Event::End(ExitCode::SUCCESS),
                _ = self.term.recv() => return Event::End(ExitCode::from(TERMINATED)),
                _ = came(&mut self.hangup) => return Event::End(ExitCode::from(HUNG_UP)),
                _ = came(&mut self.quit) => return Event::End(ExitCode::from(QUIT)),
                ends = quits(&mut self.keys) => if ends {
                    return Event::End(ExitCode::SUCCESS);
                },
                _ = came(&mut self.stop) => return Event::Stop,
                _ = came(&mut self.again) => return Event::Again,
                _ = came(&mut self.size) => return Event::Resize,
            }
        }
    }

    /// The exit code, when it is to end.
    pub async fn end(&mut self) -> ExitCode {
        loop {
            if let Event::End(code) = self.next().await {
                return code;
            }
        }
    }
}

async fn came(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether a key that ends it was pressed.
async fn quits(keys: &mut Option<AsyncFd<Stdin>>) -> bool {
    let Some(stdin) = keys else {
        return std::future::pending().await;
    };
    let pressed = match stdin.readable().await {
        Ok(mut ready) => {
            ready.clear_ready();
            // Keys are another's; a reader in the background is stopped (SIGTTIN).
            if !job::is_in_front() {
                return false;
            }
            let mut bytes = [0; 64];
            let count = rustix::io::read(stdin.get_ref(), &mut bytes).unwrap_or(0);
            bytes[..count].to_vec()
        }
        Err(_) => vec![],
    };
    if pressed.is_empty() {
        // The terminal is gone.
        *keys = None;
    }
    pressed.iter().any(|key| b"qQ".contains(key))
}
