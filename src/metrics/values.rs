//! Values that need more than a look.

use super::exposition::{Labels, Samples};
use crate::apply::view::{App, Mark, State};
use crate::process::requests::Histogram;
use crate::units::Facts;

/// Seconds. Edges that the histogram of an instance has as well.
const BOUNDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// As a label has them.
pub(super) const STATES: [(State, &str); 6] = [
    (State::Online, "online"),
    (State::Launching, "launching"),
    (State::Stopping, "stopping"),
    (State::Stopped, "stopped"),
    (State::WaitingRestart, "waiting_restart"),
    (State::Errored, "errored"),
];

pub(super) fn flag(yes: bool) -> f64 {
    if yes { 1.0 } else { 0.0 }
}

/// What is not known is left out.
pub(super) fn some(out: &mut Samples<'_>, labels: &Labels, value: Option<f64>) {
    if let Some(value) = value {
        out.add(labels, value);
    }
}

pub(super) fn drift(app: &App<'_>) -> impl Iterator<Item = (&'static str, usize)> {
    let marks = &app.marks;
    let count = |is: fn(&Mark) -> bool| marks.iter().filter(|mark| is(mark)).count();
    let old = marks.iter().map(|mark| match mark {
        Mark::Old(instances) => instances.len(),
        _ => 0,
    });
    // Not known is not none.
    let old = app.old_known.then(|| ("old_instances", old.sum()));
    let others = [
        ("edited", count(|mark| matches!(mark, Mark::Edited(_)))),
        ("drop_in", count(|mark| matches!(mark, Mark::DropIn(_)))),
        (
            "needs_reload",
            count(|mark| matches!(mark, Mark::NeedsReload)),
        ),
    ];
    others.into_iter().chain(old)
}

/// What an instance of this app may be restarted for.
pub(super) fn reasons_of(facts: &Facts) -> impl Iterator<Item = &'static str> {
    let when = |yes: bool, word| yes.then_some(word);
    [
        Some("crash"),
        Some("deploy"),
        Some("reload"),
        when(facts.memory_restart.is_some(), "memory"),
        when(facts.watch.is_some(), "files"),
        when(facts.health.is_some(), "health"),
        when(facts.schedule.is_some(), "schedule"),
    ]
    .into_iter()
    .flatten()
}

/// How many stayed below each of the bounds.
pub(super) fn cumulative(histogram: &Histogram) -> Vec<(f64, u64)> {
    let mut buckets = histogram.buckets.iter().peekable();
    let mut below = 0;
    BOUNDS
        .iter()
        .map(|bound| {
            let micros = (bound * 1e6).round() as u64;
            while let Some((_, count)) = buckets.next_if(|(upper, _)| *upper <= micros) {
                below += count;
            }
            (*bound, below)
        })
        .collect()
}
