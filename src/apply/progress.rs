//! What is told while a command works: steps that are done, and instances on their way.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::systemd::UnitState;

/// How often what is on its way is drawn anew.
const TICK: Duration = Duration::from_millis(100);

/// One piece of news.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A step is done.
    Line(String),
    /// What is left to know; nothing was done.
    Note(String),
    /// An instance does this now, and has been on its way since then.
    Stage {
        unit: &'a str,
        stage: Stage,
        since: Instant,
    },
    /// An instance has arrived, one way or the other.
    Arrived {
        unit: &'a str,
        how: Arrival,
        /// Where it was followed from the order on.
        took: Option<Duration>,
    },
    /// Time has passed.
    Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Stopping,
    Starting,
    /// Between two automatic restarts.
    StartingAgain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    Reloaded,
    Restarted,
    Started,
    Failed,
}

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Stopping => "stopping",
            Stage::Starting => "starting",
            Stage::StartingAgain => "again",
        }
    }
}

impl Arrival {
    pub fn as_str(self) -> &'static str {
        match self {
            Arrival::Reloaded => "reloaded",
            Arrival::Restarted => "restarted",
            Arrival::Started => "started",
            Arrival::Failed => "failed",
        }
    }
}

/// What an instance does, for those who look at one that is on its way.
pub fn on_its_way(state: &UnitState, since: Instant, show: &RefCell<impl FnMut(Progress<'_>)>) {
    let stage = match (state.active.as_str(), state.sub.as_str()) {
        ("deactivating", _) => Stage::Stopping,
        ("active", _) if state.job.is_some() => Stage::Stopping,
        ("activating", "auto-restart" | "auto-restart-queued") => Stage::StartingAgain,
        ("activating" | "active", _) => Stage::Starting,
        ("inactive", _) if state.job.is_some() => Stage::Starting,
        _ => return,
    };
    let unit = state.name.as_str();
    (show.borrow_mut())(Progress::Stage { unit, stage, since });
}

/// An instance that was to start is up, or has failed.
pub fn arrived(unit: &str, up: bool, word: Arrival, show: &RefCell<impl FnMut(Progress<'_>)>) {
    let how = if up { word } else { Arrival::Failed };
    let took = None;
    (show.borrow_mut())(Progress::Arrived { unit, how, took });
}

/// Does `work`, and lets `show` know meanwhile that time passes.
pub async fn ticking<T>(
    show: &RefCell<impl FnMut(Progress<'_>)>,
    work: impl Future<Output = T>,
) -> T {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            result = &mut work => return result,
            _ = ticks.tick() => (show.borrow_mut())(Progress::Tick),
        }
    }
}
