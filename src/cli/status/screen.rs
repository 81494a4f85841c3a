//! The terminal while `status --watch` draws on it, and as it was afterwards, whatever ends that.

use std::io::{self, Write};

use rustix::termios::{self, InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios};

use super::layout::clip;
use crate::terminal::job;

const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";
/// A line that is longer than the terminal is wide, which was made narrower meanwhile, stays one line.
const CUT_LINES: &str = "\x1b[?7l";
const WRAP_LINES: &str = "\x1b[?7h";
/// _POSIX_VDISABLE of termios(3)
const DISABLED: u8 = 0;
const CLEAR: &str = "\x1b[2J";
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Columns and lines of the terminal on stdout; none where it does not say.
pub fn size() -> Option<(usize, usize)> {
    let size = termios::tcgetwinsize(io::stdout()).ok()?;
    let (columns, lines) = (usize::from(size.ws_col), usize::from(size.ws_row));
    (columns > 0 && lines > 0).then_some((columns, lines))
}

pub struct Screen {
    /// How the terminal took keys before.
    keys: Option<Termios>,
    /// It is drawn on, and not as it was before.
    taken: bool,
}

impl Screen {
    /// Nothing happens to the terminal until [`Screen::take`].
    pub fn new() -> Screen {
        Screen {
            keys: None,
            taken: false,
        }
    }

    /// Clears the terminal; keys are neither shown nor kept for the shell. Also when it is taken: somebody else may have used it meanwhile (SIGSTOP). Of a
    /// process in the background the kernel makes one that is stopped (SIGTTOU), whatever is to end it.
    pub fn take(&mut self) -> io::Result<()> {
        if let Ok(before) = termios::tcgetattr(io::stdin()) {
            let before = self.keys.take().unwrap_or(before);
            let mut now = before.clone();
            now.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
            // Ctrl-S would hold up SIGTERM; Ctrl-\ leaves the terminal as it is now.
            now.input_modes -= InputModes::IXON;
            now.special_codes[SpecialCodeIndex::VQUIT] = DISABLED;
            if termios::tcsetattr(io::stdin(), OptionalActions::Now, &now).is_ok() {
                self.keys = Some(before);
            }
        }
        self.taken = true;
        write(&format!("{HIDE_CURSOR}{CUT_LINES}{HOME}{CLEAR}"))
    }

    /// The terminal as it was before; what was drawn last stays, and the shell goes on below it.
    fn give_back(&mut self) {
        if !std::mem::take(&mut self.taken) {
            return;
        }
        // What is another's now is not set by us.
        if !job::is_in_front() {
            let _ = write(&format!("{WRAP_LINES}{SHOW_CURSOR}"));
            return;
        }
        if let Some(before) = self.keys.take() {
            let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &before);
        }
        // Nobody is left to tell when the terminal is gone.
        let _ = write(&format!("{WRAP_LINES}{SHOW_CURSOR}\n"));
    }

    /// Gives the terminal back and stops this job, as Ctrl-Z does; returns when it goes on, which may be in the background.
    pub fn suspend(&mut self) -> io::Result<()> {
        self.give_back();
        job::stop()
    }

    /// Puts the lines on the screen, as many as there is room for.
    pub fn draw(&self, text: &str, columns: usize, lines: usize) -> io::Result<()> {
        write(&frame(text, columns, lines))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// One write, so that nothing of the change is seen.
fn frame(text: &str, columns: usize, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let mut out = HOME.to_owned();
    let (shown, more) = match all.len() {
        count if count <= lines => (count, 0),
        count => (lines.saturating_sub(1), count - lines.saturating_sub(1)),
    };
    let mut drawn: Vec<String> = all[..shown]
        .iter()
        .map(|line| clip(line, columns))
        .collect();
    if more > 0 {
        drawn.push(clip(&format!("… {more} more lines"), columns));
    }
    // Each line is cleared before it is written: behind a full one the cursor stands on its last character.
    let last = drawn.pop().unwrap_or_default();
    for line in drawn {
        out.push_str(CLEAR_LINE);
        out.push_str(&line);
        out.push_str("\r\n");
    }
    out.push_str(CLEAR_BELOW);
    out.push_str(&last);
    out
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<String> {
        let text = text.replace(HOME, "").replace(CLEAR_BELOW, "");
        let lines = text.split("\r\n");
        lines.map(|line| line.replace(CLEAR_LINE, "")).collect()
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        assert_eq!(plain(&frame("a\nb\nc\n", 80, 3)), ["a", "b", "c"]);
        assert_eq!(plain(&frame("a\nb\nc\n", 80, 2)), ["a", "… 2 more lines"]);
        assert_eq!(plain(&frame("a\nb\nc\n", 6, 1)), ["… 3 mo"]);
        assert_eq!(plain(&frame("", 80, 3)), [""]);
        assert_eq!(plain(&frame("abcdef\n", 4, 3)), ["abcd"]);
        assert!(
            frame("abcd\n", 4, 3).ends_with("abcd"),
            "nothing clears a full line"
        );
    }
}
