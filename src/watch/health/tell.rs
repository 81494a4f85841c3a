//! Lines in the journal: an instance turns unhealthy, and healthy again.

use std::time::Duration;

use super::super::run::trouble;
use crate::journal::send::{HEALTHY, Line, Priority, UNHEALTHY};
use crate::units::Facts;

pub fn unhealthy(facts: &Facts, number: u32, failures: u32, detail: &str) {
    let times = match failures {
        0 | 1 => String::new(),
        times => format!(", {times} times"),
    };
    let text = format!("{} is unhealthy: {detail}{times}", named(facts, number));
    let line = Line::new(UNHEALTHY, Priority::Warning, text.as_str())
        .about(facts.app.as_str(), Some(number))
        .with("RPMCTL_HEALTH", "unhealthy")
        .with("RPMCTL_FAILURES", failures);
    if line.send().is_err() {
        trouble(None, &text);
    }
}

pub fn healthy(facts: &Facts, number: u32, latency: Duration) {
    let text = format!("{} is healthy again", named(facts, number));
    // Without a journal nobody misses it.
    let _ = Line::new(HEALTHY, Priority::Notice, text)
        .about(facts.app.as_str(), Some(number))
        .with("RPMCTL_HEALTH", "healthy")
        .with("RPMCTL_LATENCY_USEC", latency.as_micros())
        .send();
}

fn named(facts: &Facts, number: u32) -> String {
    match facts.instances {
        1 => facts.app.to_string(),
        _ => format!("{}@{number}", facts.app),
    }
}
