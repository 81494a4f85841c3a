//! Signals by name.

use std::fmt;

/// The name of a signal that can end a process, `SIGINT`; a closed list, so a misspelt one cannot reach a unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signal(&'static str);

/// Those of signal(7) that systemd knows on every Linux architecture; real-time ones are left out.
pub const SIGNALS: [&str; 12] = [
    "SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGKILL", "SIGABRT",
    "SIGALRM", "SIGPIPE", "SIGWINCH", "SIGCONT",
];

impl Signal {
    pub const INT: Signal = Signal("SIGINT");

    /// `SIGTERM`, `term` and `TERM` are the same.
    pub fn parse(text: &str) -> Option<Signal> {
        let upper = text.trim().to_ascii_uppercase();
        SIGNALS
            .into_iter()
            .find(|name| *name == upper || name[3..] == upper)
            .map(Signal)
    }

    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
