//! The terminal: taken over, drawn on, and left as it was found, however this ends.
//!
//! A thread of its own writes, one screen at a time: where the terminal does not take what is written (Ctrl-S, a dead connection), keys and signals are
//! still heard. Leaving by the front door, a signal or a panic restores it here; a SIGKILL leaves that to the `guard`.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::Context;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor;
use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use ratatui::crossterm::queue;
use ratatui::crossterm::style::ResetColor;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::Notify;

use super::guard::Guard;

/// How long a terminal may take to take the last bytes.
const LAST: Duration = Duration::from_millis(500);

/// Held while something is written.
static WRITING: Mutex<()> = Mutex::new(());
/// As it was found, while it is taken over.
static FOUND: Mutex<Option<Termios>> = Mutex::new(None);
/// Dismissed once it is given back.
static GUARD: Mutex<Option<Guard>> = Mutex::new(None);

/// What is written on entering. `mouse`: whether clicks and the wheel are ours.
fn entering(mouse: bool) -> io::Result<Vec<u8>> {
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
pub(super) fn leaving() -> io::Result<Vec<u8>> {
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

fn write(bytes: &[u8]) -> io::Result<()> {
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

/// Takes the terminal's own processing of keys away; what was before is kept in `FOUND`.
fn raw() -> io::Result<Termios> {
    let stdin = io::stdin();
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let before = match &*found {
        Some(before) => before.clone(),
        None => tcgetattr(&stdin)?,
    };
    let mut changed = before.clone();
    changed.make_raw();
    tcsetattr(&stdin, OptionalActions::Now, &changed)?;
    *found = Some(before.clone());
    Ok(before)
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
fn give_back() {
    if !restore() {
        return;
    }
    let guard = GUARD.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(guard) = guard {
        guard.dismiss();
    }
}

fn taken() -> bool {
    FOUND
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .is_some()
}

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
        let before = raw().context("cannot set up the terminal")?;
        // What a SIGKILL leaves behind is its to clear away; where it cannot be started, the rest works.
        *GUARD.lock().unwrap_or_else(PoisonError::into_inner) = Guard::start(&before);
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
        if !taken() {
            raw().context("cannot set up the terminal")?;
        }
        let mut bytes = entering(self.mouse)?;
        // As ratatui's own clear, which asks the terminal for its cursor: the answer would go to who reads the keys.
        let (columns, rows) = size();
        self.resize(columns, rows)?;
        bytes.extend(self.drawn.take());
        self.send(bytes);
        Ok((columns, rows))
    }

    /// Gives it back, stops this process as Ctrl-Z does, and takes it again when it goes on: see [`Screen::again`].
    pub fn suspend(&mut self) -> anyhow::Result<(u16, u16)> {
        restore();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP)
            .context("cannot stop")?;
        self.again()
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
            let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
            // What comes after it was given back would be drawn on the user's own screen.
            match taken() {
                true => write(&bytes),
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
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::process::{Command, Stdio};

    use rustix::fs::{Mode, OFlags, open};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{LocalModes, tcgetattr};

    use super::Screen;

    const CHILD: &str = "RPMCTL_TEST_PANICS_ON_A_TERMINAL";

    /// Runs itself once more, on a terminal, and panics there in another thread than the first.
    #[test]
    fn a_panic_gives_the_terminal_back_and_then_says_what_it_was() {
        if std::env::var_os(CHILD).is_some() {
            let screen = Screen::enter().unwrap();
            let other = std::thread::spawn(|| panic!("said on the terminal"));
            let _ = other.join();
            drop(screen);
            panic!("the program went on");
        }
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs = open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let end = || Stdio::from(theirs.try_clone().unwrap());
        let before = tcgetattr(&theirs).unwrap();
        assert!(before.local_modes.contains(LocalModes::ECHO));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "monit::terminal::tests::a_panic_gives_the_terminal_back_and_then_says_what_it_was",
            ])
            .env(CHILD, "1")
            .env("RUST_BACKTRACE", "0")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let mut terminal = File::from(ours);
        let reader = std::thread::spawn(move || {
            let mut written = Vec::new();
            let mut chunk = [0; 4096];
            // The end of a terminal that nobody holds is an error.
            while let Ok(size @ 1..) = terminal.read(&mut chunk) {
                written.extend_from_slice(&chunk[..size]);
            }
            String::from_utf8_lossy(&written).into_owned()
        });
        let status = child.wait().unwrap();
        let after = tcgetattr(&theirs).unwrap();
        drop(theirs);
        let written = reader.join().unwrap();
        assert_eq!(status.code(), Some(101), "{written:?}");
        assert_eq!(
            (before.local_modes, before.input_modes, before.output_modes),
            (after.local_modes, after.input_modes, after.output_modes)
        );
        let entered = written.find("\x1b[?1049h").unwrap();
        let left = written.find("\x1b[?1049l").unwrap();
        let said = written.find("said on the terminal").unwrap();
        assert!(entered < left && left < said, "{written:?}");
        assert_eq!(written.matches("\x1b[?1049l").count(), 1, "{written:?}");
    }
}
