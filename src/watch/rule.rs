//! When an instance's memory is looked at, and when it may be restarted for it. Times are since the watcher began; nothing here knows a clock.
//!
//! An instance cannot have crossed its limit unless all processes of the machine together have taken as much memory as it had left, so one file read twice
//! a second stands for a thousand instances. It can hide behind another that gives memory back in the same half second: hence the longest waits.

use std::time::Duration;

/// How often the machine's count is read.
pub const TICK: Duration = Duration::from_millis(500);

/// Longest time between two looks at an instance, if nobody takes memory, and what an instance takes in a second at most while others give as much back.
const LATEST: Duration = Duration::from_secs(30);
const FASTEST: u64 = 16 << 20;

/// Waits of an instance that is over its limit whenever it has just come up.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// One that is over its limit sooner than this after its start, so often in a row, is restarted for nothing too: what an ordinary start takes. Ten, because
/// a leak of 50 MB/s in 160 MB comes round in three seconds, and some of those restarts are to come at once.
const SOON: Duration = Duration::from_secs(10);
const TIMES: u32 = 10;

/// The last look at an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    pub at: Duration,
    /// Bytes that it used at most.
    pub bytes: u64,
    /// What the machine had [`Climb`]ed by then.
    pub climbed: u64,
}

/// All that the machine's processes ever took, what they gave back not taken off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Climb {
    before: Option<u64>,
    total: u64,
}

impl Climb {
    /// `used`: bytes of anonymous and shared memory in use now. The total.
    pub fn add(&mut self, used: u64) -> u64 {
        let before = self.before.replace(used).unwrap_or(used);
        self.total += used.saturating_sub(before);
        self.total
    }
}

/// Whether to look at an instance again now.
pub fn due(sight: &Sight, limit: u64, now: Duration, climbed: u64) -> bool {
    let left = limit.saturating_sub(sight.bytes);
    climbed.saturating_sub(sight.climbed) >= left || now.saturating_sub(sight.at) >= longest(left)
}

fn longest(left: u64) -> Duration {
    Duration::from_millis(left.saturating_mul(1000) / FASTEST).clamp(TICK, LATEST)
}

/// How an instance has fared with its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Storm {
    /// Times in a row that it was over the limit when it had just come up.
    times: u32,
    /// Times in a row that it was so within [`SOON`], up to [`TIMES`].
    soon: u32,
    /// Not restarted for its memory before this.
    until: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Restart,
    /// It has just come up, and is over the limit again: it is left alone for so long.
    WaitsFor(Duration),
    Waits,
}

impl Storm {
    /// What to do about an instance that is over its limit after having been up for `uptime`. `early`: up to when that is no life.
    pub fn over(&mut self, now: Duration, uptime: Duration, early: Duration) -> Verdict {
        if now < self.until {
            return Verdict::Waits;
        }
        // After its wait it goes, and how long it lives then decides anew.
        if self.until > Duration::ZERO {
            self.until = Duration::ZERO;
            return Verdict::Restart;
        }
        if uptime >= SOON.max(early) {
            *self = Storm::default();
            return Verdict::Restart;
        }
        if uptime > early && self.soon < TIMES {
            self.soon += 1;
            return Verdict::Restart;
        }
        let wait = FIRST_WAIT
            .saturating_mul(1 << self.times.min(8))
            .min(LONGEST_WAIT);
        self.times += 1;
        self.until = now + wait;
        Verdict::WaitsFor(wait)
    }

    /// It is below its limit.
    pub fn below(&mut self) {
        self.until = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MB: u64 = 1 << 20;
    const SECOND: Duration = Duration::from_secs(1);

    proptest! {
        /// Whoever takes memory while nobody gives any back is looked at within a tick of its crossing, however fast it goes and whatever others take.
        #[test]
        fn no_crossing_is_missed(
            limit in MB..64 * 1024 * MB,
            start in 0.0..1.0f64,
            steps in prop::collection::vec((0..2048 * MB, 0..512 * MB), 1..200),
        ) {
            let mut used = (limit as f64 * start) as u64;
            let mut machine = 10_000 * MB;
            let mut climb = Climb::default();
            let mut sight = Sight { at: Duration::ZERO, bytes: used, climbed: climb.add(machine) };
            for (number, (own, others)) in steps.into_iter().enumerate() {
                used += own;
                machine += own + others;
                let now = TICK * (number as u32 + 1);
                let climbed = climb.add(machine);
                if due(&sight, limit, now, climbed) {
                    sight = Sight { at: now, bytes: used, climbed };
                }
                prop_assert!(used < limit || sight.bytes >= limit, "{used} of {limit}");
            }
        }

        /// One that hides behind others is found all the same.
        #[test]
        fn nobody_is_left_for_longer_than_half_a_minute(bytes in 0..u64::MAX, limit in 0..u64::MAX) {
            let sight = Sight { at: SECOND, bytes, climbed: 5 };
            prop_assert!(due(&sight, limit, SECOND + LATEST, 5));
            prop_assert!(!due(&sight, limit, SECOND, 5) || bytes >= limit);
        }
    }

    #[test]
    fn who_is_far_from_the_limit_is_left_alone_while_nothing_moves() {
        let sight = Sight {
            at: Duration::ZERO,
            bytes: 50 * MB,
            climbed: 0,
        };
        assert!(!due(&sight, 1024 * MB, 29 * SECOND, 973 * MB));
        assert!(due(&sight, 1024 * MB, SECOND, 974 * MB));
        assert!(!due(&sight, 66 * MB, TICK, 15 * MB));
        assert!(due(&sight, 66 * MB, SECOND, 0));
        let mut climb = Climb::default();
        let seen: Vec<u64> = [5, 9, 2, 4]
            .into_iter()
            .map(|used| climb.add(used))
            .collect();
        assert_eq!(seen, [0, 4, 4, 6]);
    }

    #[test]
    fn waits_grow_while_it_is_over_as_soon_as_it_is_up_and_end_when_it_lives() {
        let early = SECOND;
        let mut storm = Storm::default();
        let mut now = 100 * SECOND;
        assert_eq!(storm.over(now, 60 * SECOND, early), Verdict::Restart);
        for wait in [10, 20, 40, 80, 160, 300, 300] {
            now += SECOND;
            let waits = Verdict::WaitsFor(wait * SECOND);
            assert_eq!(storm.over(now, SECOND / 2, early), waits);
            assert_eq!(storm.over(now + SECOND, 2 * SECOND, early), Verdict::Waits);
            now += wait * SECOND;
            assert_eq!(storm.over(now, wait * SECOND, early), Verdict::Restart);
        }
        now += 60 * SECOND;
        assert_eq!(storm.over(now, 59 * SECOND, early), Verdict::Restart);
        now += SECOND;
        let first = Verdict::WaitsFor(10 * SECOND);
        assert_eq!(storm.over(now, SECOND / 2, early), first);
        storm.below();
        assert_eq!(
            storm.over(now + SECOND, 2 * SECOND, early),
            Verdict::Restart
        );
    }

    #[test]
    fn who_is_over_seconds_after_each_start_waits_as_well() {
        let early = SECOND;
        let mut storm = Storm::default();
        for _ in 0..2 {
            let mut now = 100 * SECOND;
            for _ in 0..TIMES {
                now += 4 * SECOND;
                assert_eq!(storm.over(now, 3 * SECOND, early), Verdict::Restart);
            }
            for wait in [10, 20, 40, 80, 160, 300, 300] {
                now += 4 * SECOND;
                let waits = Verdict::WaitsFor(wait * SECOND);
                assert_eq!(storm.over(now, 3 * SECOND, early), waits);
                now += wait * SECOND;
                assert_eq!(
                    storm.over(now, (wait + 3) * SECOND, early),
                    Verdict::Restart
                );
            }
            // It held.
            now += 11 * SECOND;
            assert_eq!(storm.over(now, SOON, early), Verdict::Restart);
        }
    }
}
