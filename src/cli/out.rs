//! Standard output: data. A reader that went away is no failure.

use std::io::{self, Write};

/// `rpmctl apply | head -1` must still apply: a closed pipe is not an error.
pub fn text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(not_written),
    }
}

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
