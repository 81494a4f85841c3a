//! What happens, and what is to be done about it.

use std::time::SystemTime;

use ratatui::crossterm::event::{KeyEvent, MouseEvent};

use super::cluster::{App, Target};
use super::lines::Line;
use crate::apply::view;
use crate::journal::LogApp;
use crate::process::{Queue, Requests};
use crate::unit_files::health::Health;

/// Something that happened: of the user, of the machine, of time.
#[derive(Clone, Debug)]
pub enum Action {
    Key(KeyEvent),
    Mouse(MouseEvent),
    /// Text that was pasted.
    Paste(String),
    /// Columns and rows.
    Resize(u16, u16),
    /// What is visible may be measured again.
    Tick(SystemTime),
    /// All apps, anew.
    Cluster(Vec<App>),
    /// Some apps, anew.
    Apps(Vec<App>),
    /// systemd says so.
    Changed {
        app: String,
        number: u32,
        state: view::State,
        /// The time of day.
        at: String,
    },
    /// Why the cluster cannot be read now; None when it can be again.
    Trouble(Option<String>),
    Measured(Vec<Measured>),
    /// New lines of the `Follow` with this number.
    Lines {
        of: u64,
        lines: Vec<Line>,
    },
    /// Why there are none.
    LinesTrouble {
        of: u64,
        why: String,
    },
    OrderSaid {
        id: u64,
        line: String,
    },
    OrderEnded {
        id: u64,
        done: bool,
    },
}

/// Figures of an instance as they are now.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub app: String,
    pub number: u32,
    /// None until there are two looks.
    pub cpu: Option<f64>,
    pub memory: Option<u64>,
    pub requests: Option<Requests>,
    pub health: Option<Health>,
    /// None where it was not asked for.
    pub custom: Option<Vec<String>>,
    /// Of its app, where that was asked for; then none where none of its listeners is open.
    pub queue: Option<Option<Queue>>,
}

/// An instance that is to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub app: String,
    pub number: u32,
    pub unit: String,
    pub group: Option<String>,
    pub started: Option<SystemTime>,
    /// It has a probe.
    pub probed: bool,
    /// It is selected itself: what its app tells of itself is wanted.
    pub closely: bool,
    /// The listeners of its app, where their queue is wanted.
    pub listen: Vec<String>,
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Quit,
    /// Show the lines of these apps under this number, and those of no earlier one.
    Follow {
        of: u64,
        apps: Vec<LogApp>,
    },
    Measure(Vec<Wanted>),
    /// Run rpmctl with these arguments.
    Order {
        id: u64,
        args: Vec<String>,
    },
    /// SIGINT to it.
    Interrupt {
        id: u64,
    },
    Redraw,
    Suspend,
    Mouse(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Start,
    Stop,
    Restart,
    Reload,
    More,
    Fewer,
}

impl Verb {
    /// rpmctl's command.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Restart => "restart",
            Verb::Reload => "reload",
            Verb::More | Verb::Fewer => "scale",
        }
    }
}

/// A command to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub verb: Verb,
    /// One, or several apps.
    pub targets: Vec<Target>,
}

impl Order {
    /// What is typed for it after `rpmctl`.
    pub fn args(&self) -> Vec<String> {
        let mut args = vec![self.verb.as_str().to_owned(), "--".to_owned()];
        args.extend(self.targets.iter().map(ToString::to_string));
        match self.verb {
            Verb::More => args.push("+1".to_owned()),
            Verb::Fewer => args.push("-1".to_owned()),
            _ => {}
        }
        args
    }

    /// `restart api@0`, `stop 3 apps`.
    pub fn words(&self) -> String {
        let what = match self.targets.as_slice() {
            [one] => one.to_string(),
            several => format!("{} apps", several.len()),
        };
        let count = match self.verb {
            Verb::More => " +1",
            Verb::Fewer => " -1",
            _ => "",
        };
        format!("{} {what}{count}", self.verb.as_str())
    }
}
