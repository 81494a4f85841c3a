//! The terminal: taken over, drawn on, and left as it was found, however this ends.
//!
//! A thread of its own writes, one screen at a time: where the terminal does not take what is written (Ctrl-S, a dead connection), keys and signals are
//! still heard. Leaving by the front door, a signal or a panic restores it here; a SIGKILL leaves that to the `guard`.

mod taken;

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use anyhow::Context;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use ratatui::crossterm::queue;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use rustix::termios::tcgetwinsize;
use tokio::sync::Notify;

use crate::terminal::job;
pub(super) use taken::leaving;
use taken::{entering, give_back, is_taken, lend, take};

/// What ratatui writes of a screen, until it is sent.
#[derive(Clone, Default)]
struct Drawn(Arc<Mutex<Vec<u8>>>);

impl Drawn {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Drawn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The terminal while it is ours; dropping it gives it back.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Drawn>>,
    drawn: Drawn,
    writer: mpsc::Sender<Vec<u8>>,
    state: Arc<Writer>,
    mouse: bool,
}

#[derive(Default)]
struct Writer {
    busy: AtomicBool,
    failed: AtomicBool,
    done: Notify,
}

/// Columns and rows; a terminal that does not know (a serial line) counts as 80×24.
pub fn size() -> (u16, u16) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (80, 24),
    }
}

impl Screen {
    /// Takes the terminal that stdin and stdout are. Errors: it cannot be.
    pub fn enter() -> anyhow::Result<Screen> {
        take().context("cannot set up the terminal")?;
        let earlier = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            earlier(panic);
            // Whatever thread it was: nothing draws or asks any further.
            std::process::exit(101);
        }));
        let (writer, screens) = mpsc::channel::<Vec<u8>>();
        let state = Arc::new(Writer::default());
        let told = state.clone();
        std::thread::Builder::new()
            .spawn(move || write_all(&screens, &told))
            .context("cannot start a thread")?;
        let drawn = Drawn::default();
        let (columns, rows) = size();
        let options = TerminalOptions {
            viewport: Viewport::Fixed(Rect::new(0, 0, columns, rows)),
        };
        let backend = CrosstermBackend::new(drawn.clone());
        let terminal =
            Terminal::with_options(backend, options).context("cannot set up the screen")?;
        let mut screen = Screen {
            terminal,
            drawn,
            writer,
            state,
            mouse: true,
        };
        screen.send(entering(true)?);
        Ok(screen)
    }

    /// Whether what was drawn last is still being written.
    pub fn is_busy(&self) -> bool {
        self.state.busy.load(Ordering::Acquire)
    }

    /// Whether the terminal is gone.
    pub fn is_lost(&self) -> bool {
        self.state.failed.load(Ordering::Acquire)
    }

    /// Until what was drawn last is written.
    pub async fn written(&self) {
        // Made before the look: what is told in between wakes it, too.
        loop {
            let done = self.state.done.notified();
            if !self.is_busy() {
                return;
            }
            done.await;
        }
    }

    fn send(&mut self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.state.busy.store(true, Ordering::Release);
            if self.writer.send(bytes).is_err() {
                self.state.failed.store(true, Ordering::Release);
            }
        }
    }

    pub fn draw(&mut self, how: impl FnOnce(&mut Frame<'_>)) -> anyhow::Result<()> {
        self.terminal.draw(how).context("cannot draw")?;
        let bytes = self.drawn.take();
        self.send(bytes);
        Ok(())
    }

    pub fn resize(&mut self, columns: u16, rows: u16) -> anyhow::Result<()> {
        let area = Rect::new(0, 0, columns, rows);
        self.terminal.resize(area).context("cannot draw")
    }

    pub fn set_mouse(&mut self, mouse: bool) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        match mouse {
            true => queue!(bytes, EnableMouseCapture)?,
            false => queue!(bytes, DisableMouseCapture)?,
        }
        self.mouse = mouse;
        self.send(bytes);
        Ok(())
    }

    /// Takes the terminal again, and draws all of it the next time: after it was left, or somebody else has written on it. Its columns and rows now: who is
    /// in the background is not told of a new size.
    pub fn again(&mut self) -> anyhow::Result<(u16, u16)> {
        take().context("cannot set up the terminal")?;
        let mut bytes = entering(self.mouse)?;
        // As ratatui's own clear, which asks the terminal for its cursor: the answer would go to who reads the keys.
        let (columns, rows) = size();
        self.resize(columns, rows)?;
        bytes.extend(self.drawn.take());
        self.send(bytes);
        Ok((columns, rows))
    }

    /// Gives it back and stops this job, as Ctrl-Z does; returns when it goes on, which may be in the background. [`Screen::again`] takes it again.
    pub fn suspend(&mut self) -> anyhow::Result<()> {
        lend();
        job::stop().context("cannot stop")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn write_all(screens: &mpsc::Receiver<Vec<u8>>, told: &Writer) {
    while let Ok(mut bytes) = screens.recv() {
        while let Ok(more) = screens.try_recv() {
            bytes.extend(more);
        }
        let written = {
            let _alone = taken::WRITING
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            // What comes after it was given back would be drawn on the user's own screen.
            match is_taken() {
                true => taken::write(&bytes),
                false => Ok(()),
            }
        };
        if written.is_err() {
            told.failed.store(true, Ordering::Release);
        }
        told.busy.store(false, Ordering::Release);
        told.done.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
