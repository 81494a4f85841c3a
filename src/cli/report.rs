//! The one place that turns an error into a heading, hints and an exit code.

use std::process::ExitCode;

use crate::doctor::GROUP;
use crate::host::accounts;
use crate::systemd::ConnectError;

/// 0 done, 1 failed, 2 wrong usage (clap's), 3 something wanted is not running or is unhealthy (`status`).
pub const FAILED: u8 = 1;
pub const NOT_RUNNING: u8 = 3;

/// An error that knows what its user can do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Without `error: `; may have several lines.
    pub what: String,
    pub hints: Vec<String>,
}

impl Stop {
    pub fn new(what: impl Into<String>) -> Stop {
        Stop {
            what: what.into(),
            hints: vec![],
        }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Stop {
        self.hints.push(hint.into());
        self
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Stop {}

/// What has been shown already: nothing is left to say but the exit code.
#[derive(Debug)]
pub struct Shown;

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("shown")
    }
}

impl std::error::Error for Shown {}

/// A signal ended the command; with the exit code for that.
#[derive(Debug, Clone, Copy)]
pub struct Interrupted(pub u8);

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped at once; the same command again carries on")
    }
}

impl std::error::Error for Interrupted {}

/// Prints the error on stderr, unless it was printed, and gives the exit code.
pub fn end(error: anyhow::Error) -> ExitCode {
    if error.is::<Shown>() {
        return ExitCode::from(FAILED);
    }
    let (what, hints) = describe(&error);
    let mut text = format!("error: {what}\n");
    for hint in hints {
        text.push_str(&format!("  {hint}\n"));
    }
    // Nobody is left to tell when stderr is closed.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    let interrupted = error.downcast_ref::<Interrupted>();
    ExitCode::from(interrupted.map_or(FAILED, |signal| signal.0))
}

/// Heading and hints of any error.
pub fn describe(error: &anyhow::Error) -> (String, Vec<String>) {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return (stop.what.clone(), stop.hints.clone());
    }
    if let Some(connect) = error.downcast_ref::<ConnectError>() {
        return (connect.what.clone(), connect.hints.clone());
    }
    let mut words: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = without_os_code(&cause.to_string());
        // Some errors print their cause within themselves.
        if !words
            .last()
            .is_some_and(|last: &String| last.contains(&text))
        {
            words.push(text);
        }
    }
    let hints = match permission(error) {
        true => no_rights(error.is::<NoOrders>()),
        false => vec![],
    };
    (words.join(": "), hints)
}

/// The one who asks may not order apps about.
#[derive(Debug)]
pub struct NoOrders;

impl std::fmt::Display for NoOrders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("you may not change anything about the system's apps")
    }
}

/// What to do for who may not do it: sudo, or for `orders` the group that polkit lets give them.
pub fn no_rights(orders: bool) -> Vec<String> {
    let sudo = "run it with sudo, or with --user for your own service manager".to_owned();
    let Some((gid, members)) = accounts::group(GROUP) else {
        return vec![sudo];
    };
    let more = match accounts::is_in(gid, &members) {
        (true, _) => format!("the group {GROUP} may start, stop, restart and reload apps, no more"),
        (false, true) => format!(
            "you are in the group {GROUP}, but this session began before that: log in again, or newgrp {GROUP}"
        ),
        (false, false) if !orders => return vec![sudo],
        (false, false) => format!(
            "or have yourself let into the group that may start, stop, restart and reload apps: sudo usermod -aG {GROUP} $USER, then log in again"
        ),
    };
    vec![sudo, more]
}

fn permission(error: &anyhow::Error) -> bool {
    let denied = |kind| kind == std::io::ErrorKind::PermissionDenied;
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| denied(io.kind()))
        && !rustix::process::geteuid().is_root()
}

/// `x: Permission denied (os error 13)` as `x: permission denied`.
fn without_os_code(text: &str) -> String {
    let Some(at) = text.find(" (os error ") else {
        return text.to_owned();
    };
    let end = text[at..].find(')').map_or(text.len(), |len| at + len + 1);
    let start = text[..at].rfind(": ").map_or(0, |colon| colon + 2);
    let mut said = text[start..at].to_owned();
    if let Some(first) = said.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    format!("{}{said}{}", &text[..start], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_once_and_no_codes() {
        let io = std::io::Error::from_raw_os_error(2);
        let error = anyhow::Error::new(io).context("/etc/x");
        assert_eq!(describe(&error).0, "/etc/x: no such file or directory");
        assert_eq!(
            without_os_code("/etc/X: Is a directory (os error 21), really"),
            "/etc/X: is a directory, really"
        );
        let stop = anyhow::Error::new(Stop::new("no").hint("do this"));
        assert_eq!(
            describe(&stop),
            ("no".to_owned(), vec!["do this".to_owned()])
        );
    }
}
