//! What can be asked of a unit, and how it can end, in systemd's words and in ours.

use std::fmt;
use std::time::Duration;

use super::call::Refusal;

/// What to do with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    Start,
    Stop,
    Restart,
    Reload,
    ReloadOrRestart,
}

impl Verb {
    pub(super) fn member(self) -> &'static str {
        match self {
            Verb::Start => "StartUnit",
            Verb::Stop => "StopUnit",
            Verb::Restart => "RestartUnit",
            Verb::Reload => "ReloadUnit",
            Verb::ReloadOrRestart => "ReloadOrRestartUnit",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Restart => "restart",
            Verb::Reload => "reload",
            Verb::ReloadOrRestart => "reload or restart",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub verb: Verb,
    pub unit: String,
    alone: bool,
}

impl Job {
    /// A job that contradicts takes the place of the older one.
    pub fn new(verb: Verb, unit: impl Into<String>) -> Job {
        Job {
            verb,
            unit: unit.into(),
            alone: false,
        }
    }

    /// Of this unit and no other: what requires it runs on.
    pub fn alone(verb: Verb, unit: impl Into<String>) -> Job {
        Job {
            alone: true,
            ..Job::new(verb, unit)
        }
    }

    /// systemctl(1), `--job-mode=`.
    pub(super) fn mode(&self) -> &'static str {
        if self.alone {
            "ignore-dependencies"
        } else {
            "replace"
        }
    }
}

/// How a job ended. The words are those of `JobRemoved` in org.freedesktop.systemd1(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Failed,
    Canceled,
    Timeout,
    Dependency,
    Skipped,
    /// `invalid`, `assert`, `unsupported`, `collected`, `once`, `frozen`…
    Other(String),
    /// systemd did not take the job.
    Refused(Refusal),
    /// The job is still queued or running after this long.
    Unfinished(Duration),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobResult {
    pub verb: Verb,
    pub unit: String,
    pub outcome: Outcome,
}

impl JobResult {
    pub fn is_done(&self) -> bool {
        self.outcome == Outcome::Done
    }

    /// What went wrong, where, and what to do next; nothing when the job was done.
    pub fn problem(&self) -> Option<String> {
        let JobResult {
            verb,
            unit,
            outcome,
        } = self;
        Some(match outcome {
            Outcome::Done => return None,
            Outcome::Failed => format!("{unit}: {verb} failed"),
            Outcome::Canceled => {
                format!("{unit}: {verb} was canceled by another job for it")
            }
            Outcome::Timeout => format!("{unit}: {verb} timed out"),
            Outcome::Dependency => format!(
                "{unit}: {verb} failed because a unit it needs failed; \
                 see: systemctl list-dependencies {unit}"
            ),
            Outcome::Skipped => format!("{unit}: {verb} does not apply to it now"),
            Outcome::Other(word) => format!("{unit}: {verb} was not done ({word})"),
            Outcome::Refused(refusal) => match refusal.hint(unit) {
                Some(hint) => format!("{unit}: {verb} was refused: {refusal}; {hint}"),
                None => format!("{unit}: {verb} was refused: {refusal}"),
            },
            Outcome::Unfinished(after) => format!(
                "{unit}: {verb} was not finished after {} s; see: systemctl list-jobs",
                after.as_secs()
            ),
        })
    }
}

impl From<&str> for Outcome {
    fn from(word: &str) -> Outcome {
        match word {
            "done" => Outcome::Done,
            "failed" => Outcome::Failed,
            "canceled" => Outcome::Canceled,
            "timeout" => Outcome::Timeout,
            "dependency" => Outcome::Dependency,
            "skipped" => Outcome::Skipped,
            word => Outcome::Other(word.to_owned()),
        }
    }
}
