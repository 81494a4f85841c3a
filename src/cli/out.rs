//! Standard output: data. A reader that went away is no failure.

use std::io::{self, Write};

pub fn text(text: &str) -> io::Result<()> {
    io::stdout().lock().write_all(text.as_bytes())
}

pub fn line(line: &str) -> io::Result<()> {
    text(&format!("{line}\n"))
}

/// Progress and other words that are not data; nobody listening is fine.
pub fn say(line: &str) {
    let _ = io::stderr()
        .lock()
        .write_all(format!("{line}\n").as_bytes());
}
