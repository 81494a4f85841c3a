//! Standard output: data. A reader that went away is no failure.

use std::io::{self, Write};

pub fn text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(not_written)
}

/// The kind stays, so that a reader that went away is still known as such.
pub fn not_written(error: io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot write to standard output: {error}"),
    )
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
