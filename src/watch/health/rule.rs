//! From answers to who is unhealthy, and who may be restarted for it. Times are since the watcher began; nothing here knows a clock.

use std::time::Duration;

/// Waits until the next restart while the last one did not help: the first, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// An instance that is well for so long after its restart was helped by it.
const HELD: Duration = Duration::from_secs(60);

/// How a run of an instance has fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// It has answered well since it came up.
    good: bool,
    /// In a row.
    failures: u32,
}

impl Course {
    pub fn failures(&self) -> u32 {
        self.failures
    }

    pub fn well(&mut self) {
        *self = Course {
            good: true,
            failures: 0,
        };
    }

    /// A failure of an instance that has been up for `uptime`. Until it has answered once it is coming up, for `grace` at most, and its failures do not
    /// count. True when it has failed `threshold` times in a row or more.
    pub fn failed(&mut self, uptime: Duration, grace: Duration, threshold: u32) -> bool {
        if !self.good && uptime < grace {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        self.failures >= threshold
    }

    /// It was stopping, or waiting for a job of systemd's: that is no failure.
    pub fn excused(&mut self) {
        self.failures = 0;
    }
}

/// Whose turn it is: one instance of an app at a time. Where a restart did not help, what is wrong may be common to all: the next one waits, longer each
/// time, so that the others, which may still serve, are not all taken down for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    last: Option<Last>,
    /// Restarts in a row that did not help.
    times: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Last {
    number: u32,
    at: Duration,
    /// When it first answered well after that.
    well: Option<Duration>,
}

impl Turns {
    /// Which of the unhealthy instances (ascending) is to be restarted now. `start`: how long one may take to come up.
    pub fn next(&mut self, now: Duration, unhealthy: &[u32], start: Duration) -> Option<u32> {
        let pick = |after: Option<u32>| {
            let later = |number: &&u32| after.is_none_or(|after| **number > after);
            unhealthy.iter().find(later).or(unhealthy.first()).copied()
        };
        let Some(last) = self.last else {
            return self.go(now, pick(None)?, 0);
        };
        let number = pick(Some(last.number))?;
        match last.well {
            // It helped: the next one's trouble is its own.
            Some(_) if number != last.number => self.go(now, number, 0),
            Some(well) if now.saturating_sub(well) >= HELD => self.go(now, number, 0),
            _ if now >= last.at + start + wait(self.times) => self.go(now, number, self.times + 1),
            _ => None,
        }
    }

    fn go(&mut self, now: Duration, number: u32, times: u32) -> Option<u32> {
        self.times = times;
        self.last = Some(Last {
            number,
            at: now,
            well: None,
        });
        Some(number)
    }

    /// An instance answered well.
    pub fn well(&mut self, now: Duration, number: u32) {
        if let Some(last) = &mut self.last
            && last.number == number
        {
            last.well.get_or_insert(now);
        }
    }
}

fn wait(times: u32) -> Duration {
    FIRST_WAIT
        .saturating_mul(1 << times.min(8))
        .min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn failures_count_from_the_first_good_answer_or_the_end_of_the_grace() {
        let grace = 30 * SECOND;
        let mut course = Course::default();
        assert!(!course.failed(5 * SECOND, grace, 1));
        assert_eq!(course.failures(), 0);
        assert!(!course.failed(30 * SECOND, grace, 2) && course.failed(31 * SECOND, grace, 2));
        let mut course = Course::default();
        course.well();
        assert!(!course.failed(SECOND, grace, 3) && !course.failed(SECOND, grace, 3));
        course.well();
        assert!(!course.failed(SECOND, grace, 3) && !course.failed(SECOND, grace, 3));
        assert!(course.failed(SECOND, grace, 3) && course.failed(SECOND, grace, 3));
        assert_eq!(course.failures(), 4);
        course.excused();
        assert!(!course.failed(SECOND, grace, 2));
    }

    #[test]
    fn one_after_another_while_it_helps() {
        let mut turns = Turns::default();
        let start = 30 * SECOND;
        assert_eq!(turns.next(SECOND, &[], start), None);
        assert_eq!(turns.next(SECOND, &[1, 3], start), Some(1));
        // It is on its way.
        assert_eq!(turns.next(2 * SECOND, &[3], start), None);
        turns.well(3 * SECOND, 1);
        assert_eq!(turns.next(3 * SECOND, &[3], start), Some(3));
        turns.well(4 * SECOND, 3);
        // The same again, at once after its restart.
        assert_eq!(turns.next(5 * SECOND, &[3], start), None);
        assert_eq!(turns.next(43 * SECOND, &[3], start), Some(3));
        turns.well(44 * SECOND, 3);
        assert_eq!(turns.next(104 * SECOND, &[3], start), Some(3));
    }

    #[test]
    fn waits_grow_while_it_does_not_help() {
        let mut turns = Turns::default();
        let start = 30 * SECOND;
        let mut now = SECOND;
        assert_eq!(turns.next(now, &[0, 1], start), Some(0));
        for (wait, number) in [
            (10, 1),
            (20, 0),
            (40, 1),
            (80, 0),
            (160, 1),
            (300, 0),
            (300, 1),
        ] {
            assert_eq!(
                turns.next(now + start + (wait - 1) * SECOND, &[0, 1], start),
                None
            );
            now += start + wait * SECOND;
            assert_eq!(turns.next(now, &[0, 1], start), Some(number), "{wait}");
        }
        turns.well(now, 1);
        assert_eq!(turns.next(now, &[0], start), Some(0));
        assert_eq!(turns.next(now + start + 10 * SECOND, &[0], start), Some(0));
    }

    proptest! {
        /// However instances fare, no two restarts are under way at once, and who is unhealthy for long enough gets its turn.
        #[test]
        fn one_at_a_time_and_everyone_in_the_end(steps in prop::collection::vec((0..20u32, 0..4u32, any::<bool>()), 1..200)) {
            let start = 5 * SECOND;
            let mut turns = Turns::default();
            let mut now = SECOND;
            let mut open: Option<(u32, Duration)> = None;
            for (seconds, number, well) in steps {
                now += seconds * SECOND;
                if well {
                    turns.well(now, number);
                    open = open.filter(|(last, _)| *last != number);
                }
                if let Some(next) = turns.next(now, &[0, 1, 2, 3], start) {
                    prop_assert!(open.is_none_or(|(_, at)| now >= at + start + FIRST_WAIT));
                    open = Some((next, now));
                }
            }
            let mut seen = [false; 4];
            for _ in 0..4 {
                now += start + LONGEST_WAIT;
                let next = turns.next(now, &[0, 1, 2, 3], start);
                seen[next.expect("its turn") as usize] = true;
            }
            prop_assert_eq!(seen, [true; 4]);
        }
    }
}
