//! One instance: its run, when it is asked next, and how it fares.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::rule::Course;
use crate::model::Health as Wanted;
use crate::process::{self, Hierarchy};
use crate::unit_files::Places;
use crate::unit_files::health::{self, Health};

/// Where nothing but the latency changes, it is reported this often.
const REPORT: Duration = Duration::from_secs(5);

pub struct Instance {
    /// Its control group; None until systemd has told it.
    pub group: Option<String>,
    pub due: Duration,
    /// It was asked, and has not answered.
    pub busy: bool,
    /// Its last answer may have been any instance's.
    pub by_any: bool,
    run: Option<Run>,
    course: Course,
    state: State,
    /// The journal has that it is unhealthy.
    told: bool,
    latency: Option<Duration>,
    detail: String,
    /// What is on disk, and since when.
    reported: Option<(bool, u32, Duration)>,
}

/// Its main process, and how old that was at a moment; it may have begun before the watcher did.
#[derive(Clone, Copy)]
struct Run {
    pid: u32,
    seen: Duration,
    age: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    /// It has failed often enough; systemd is asked whether it is up at all.
    Doubtful,
    Unhealthy,
}

impl Instance {
    pub fn new(due: Duration) -> Instance {
        Instance {
            group: None,
            due,
            busy: false,
            by_any: false,
            run: None,
            course: Course::default(),
            state: State::Well,
            told: false,
            latency: None,
            detail: String::new(),
            reported: None,
        }
    }

    /// The next moment of its own in the interval, `phase` after whole ones.
    pub fn next_due(&mut self, now: Duration, interval: Duration, phase: Duration) {
        let interval = interval.max(Duration::from_millis(1));
        let whole = now.saturating_sub(phase).as_nanos() / interval.as_nanos();
        let mut due = interval.saturating_mul(u32::try_from(whole).unwrap_or(u32::MAX)) + phase;
        // Not twice within half an interval.
        while due < now + interval / 2 {
            due += interval;
        }
        self.due = due;
    }

    /// Whether it has processes. What was known of an earlier run is forgotten, on disk too.
    pub fn runs(
        &mut self,
        hierarchy: &Hierarchy,
        proc: &Path,
        places: &Places,
        name: &str,
        now: Duration,
    ) -> bool {
        let Some(group) = &self.group else {
            return false;
        };
        let pids = hierarchy.pids(group).unwrap_or_default();
        if pids.is_empty() {
            return false;
        }
        if self.run.is_some_and(|run| pids.contains(&run.pid)) {
            return true;
        }
        let usage = process::read(hierarchy, proc, &[group]).pop().flatten();
        let Some(pid) = usage.as_ref().and_then(|usage| usage.main_pid) else {
            return false;
        };
        let age = usage.and_then(|usage| usage.age).unwrap_or_default();
        if self.run.is_some() || self.reported.is_some() {
            self.reported = None;
            health::forget(places, name);
        }
        self.begin();
        let seen = now;
        self.run = Some(Run { pid, seen, age });
        true
    }

    fn begin(&mut self) {
        self.run = None;
        self.course = Course::default();
        self.state = State::Well;
        self.latency = None;
        self.detail.clear();
    }

    /// Whether the run that was asked still goes on.
    pub fn is_same(&self, hierarchy: &Hierarchy) -> bool {
        let (Some(group), Some(run)) = (&self.group, self.run) else {
            return false;
        };
        hierarchy
            .pids(group)
            .is_some_and(|pids| pids.contains(&run.pid))
    }

    /// It does not run.
    pub fn gone(&mut self, places: &Places, name: &str) {
        if self.run.is_some() || self.reported.is_some() {
            self.begin();
            self.reported = None;
            health::forget(places, name);
        }
    }

    /// How long its main process has been running.
    pub fn uptime(&self, now: Duration) -> Duration {
        self.run
            .map_or(Duration::ZERO, |run| run.age + now.saturating_sub(run.seen))
    }

    /// True when the journal should have that it is well again.
    pub fn well(&mut self, latency: Duration) -> bool {
        self.course.well();
        self.state = State::Well;
        self.latency = Some(latency);
        self.detail.clear();
        std::mem::take(&mut self.told)
    }

    /// True when systemd is to be asked about it.
    pub fn failed(
        &mut self,
        why: String,
        by_any: bool,
        now: Duration,
        grace: Duration,
        threshold: u32,
    ) -> bool {
        self.detail = why;
        self.by_any = by_any;
        let uptime = self.uptime(now);
        if !self.course.failed(uptime, grace, threshold) || self.state != State::Well {
            return false;
        }
        self.state = State::Doubtful;
        true
    }

    /// What systemd says: it is up, or not, or cannot be asked. True when the journal should have that it is unhealthy.
    pub fn confirmed(&mut self, up: Option<bool>) -> bool {
        if self.state != State::Doubtful {
            return false;
        }
        match up {
            Some(true) => {
                self.state = State::Unhealthy;
                !std::mem::replace(&mut self.told, true)
            }
            Some(false) => {
                self.state = State::Well;
                self.course.excused();
                false
            }
            // At its next failure.
            None => {
                self.state = State::Well;
                false
            }
        }
    }

    pub fn is_unhealthy(&self) -> bool {
        self.state == State::Unhealthy
    }

    pub fn failures(&self) -> u32 {
        self.course.failures()
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// On disk, when it is another than what stands there, or that is old. Errors name the file.
    pub fn report(
        &mut self,
        places: &Places,
        name: &str,
        now: Duration,
        wanted: &Wanted,
    ) -> io::Result<()> {
        let (ok, failures) = (!self.is_unhealthy(), self.failures());
        let same = |(was, count, at): (bool, u32, Duration)| {
            (was, count) == (ok, failures) && now.saturating_sub(at) < REPORT
        };
        let unanswered = ok && self.latency.is_none() && failures == 0;
        if unanswered || self.reported.is_some_and(same) {
            return Ok(());
        }
        self.reported = Some((ok, failures, now));
        let health = Health {
            ok,
            latency: self.latency,
            failures,
            detail: self.detail.clone(),
            at: SystemTime::now(),
        };
        health::note(places, name, &health, good_for(wanted))
    }
}

/// Of three questions in a row none has been answered, nor given up.
fn good_for(wanted: &Wanted) -> Duration {
    let questions = wanted.interval.saturating_mul(3);
    questions
        .saturating_add(wanted.timeout)
        .saturating_add(REPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn spread_over_the_interval_and_never_twice_at_once() {
        let mut instance = Instance::new(Duration::ZERO);
        for (now, phase, due) in [(0, 0, 10), (1, 7, 7), (3, 7, 17), (7, 7, 17), (100, 4, 114)] {
            instance.next_due(now * SECOND, 10 * SECOND, phase * SECOND);
            assert_eq!(instance.due, due * SECOND, "{now} {phase}");
        }
    }

    #[test]
    fn told_once_each_way() {
        let mut instance = Instance::new(Duration::ZERO);
        instance.run = Some(Run {
            pid: 1,
            seen: Duration::ZERO,
            age: Duration::ZERO,
        });
        let fails = |instance: &mut Instance| {
            instance.failed("no".to_owned(), false, 100 * SECOND, SECOND, 2)
        };
        assert!(!instance.well(SECOND));
        assert!(!fails(&mut instance) && fails(&mut instance));
        // It is asked about once, and counts on meanwhile.
        assert!(!fails(&mut instance) && !instance.is_unhealthy());
        assert!(!instance.confirmed(Some(false)) && instance.failures() == 0);
        assert!(!fails(&mut instance) && fails(&mut instance));
        // systemd cannot be asked: the count goes on, and the next failure asks again.
        assert!(!instance.confirmed(None) && !instance.is_unhealthy());
        assert_eq!(instance.failures(), 2);
        assert!(fails(&mut instance) && instance.failures() == 3);
        // Well again before systemd answered.
        assert!(!instance.well(SECOND) && !instance.confirmed(Some(true)));
        assert!(instance.failures() == 0 && !instance.is_unhealthy());
        assert!(!fails(&mut instance) && fails(&mut instance));
        assert!(!instance.confirmed(None));
        assert!(fails(&mut instance) && instance.confirmed(Some(true)));
        assert!(instance.is_unhealthy() && !fails(&mut instance));
        assert!(!instance.confirmed(Some(true)));
        assert!(instance.well(SECOND) && !instance.well(SECOND));
        assert!(!instance.is_unhealthy());
    }
}
