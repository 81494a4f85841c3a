//! Whose the terminal is: taken from the shell and given back, from any thread, also in a panic.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ratatui::crossterm::cursor;
use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use ratatui::crossterm::queue;
use ratatui::crossterm::style::ResetColor;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::monit::guard::Guard;

/// How long a terminal may take to take the last bytes.
const LAST: Duration = Duration::from_millis(500);

/// Held while something is written.
pub(super) static WRITING: Mutex<()> = Mutex::new(());
/// As it was found, while it is taken over.
static FOUND: Mutex<Option<Termios>> = Mutex::new(None);
/// What a SIGKILL leaves behind is its to clear away. Dismissed once the terminal is given back for good.
static GUARD: Mutex<Option<Guard>> = Mutex::new(None);

/// What is written on entering. `mouse`: whether clicks and the wheel are ours.
pub(super) fn entering(mouse: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    queue!(
        bytes,
        EnterAlternateScreen,
        EnableBracketedPaste,
        cursor::Hide
    )?;
    if mouse {
        queue!(bytes, EnableMouseCapture)?;
    }
    Ok(bytes)
}

/// What is written on leaving: right whatever was entered.
pub(in crate::monit) fn leaving() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    queue!(
        bytes,
        DisableMouseCapture,
        DisableBracketedPaste,
        ResetColor,
        cursor::Show,
        LeaveAlternateScreen
    )?;
    Ok(bytes)
}

pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
    let stdout = io::stdout();
    let out = stdout.as_fd();
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(out, rest) {
            Ok(count) => rest = &rest[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                // Somebody else made it non-blocking; it is not ours to change.
                let mut wait = [rustix::event::PollFd::new(
                    &out,
                    rustix::event::PollFlags::OUT,
                )];
                let _ = rustix::event::poll(&mut wait, None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Takes the terminal's own processing of keys away; what was before is kept in `FOUND`. Nothing happens where it is taken already.
pub(super) fn take() -> io::Result<()> {
    let stdin = io::stdin();
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if found.is_some() {
        return Ok(());
    }
    let before = tcgetattr(&stdin)?;
    let mut changed = before.clone();
    changed.make_raw();
    tcsetattr(&stdin, OptionalActions::Now, &changed)?;
    // Where it cannot be started, the rest works.
    let mut guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *guard {
        Some(guard) => guard.watch(&before),
        none => *none = Guard::start(&before),
    }
    *found = Some(before);
    Ok(())
}

/// Gives the terminal back; a second time nothing happens. True when what is written has been taken.
fn restore() -> bool {
    let found = FOUND.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(found) = found else {
        return true;
    };
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, &found);
    // Not from here: a terminal that takes nothing would hold up the end.
    let done = Arc::new(AtomicBool::new(false));
    let written = done.clone();
    let begun = Instant::now();
    let writer = std::thread::Builder::new().spawn(move || {
        let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = leaving().unwrap_or_default();
        let _ = write(&bytes);
        written.store(true, Ordering::Release);
    });
    while writer.is_ok() && !done.load(Ordering::Acquire) && begun.elapsed() < LAST {
        std::thread::sleep(Duration::from_millis(1));
    }
    done.load(Ordering::Acquire)
}

/// Gives it back for good. What the terminal does not take now is left to the guard, which has the time.
pub(super) fn give_back() {
    if !restore() {
        return;
    }
    let guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(guard) = guard {
        guard.dismiss();
    }
}

/// Gives it back for a while, until it is taken again.
pub(super) fn lend() {
    if restore()
        && let Some(guard) = &mut *GUARD.lock().unwrap_or_else(PoisonError::into_inner)
    {
        guard.rest();
    }
}

pub(super) fn is_taken() -> bool {
    FOUND
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .is_some()
}
