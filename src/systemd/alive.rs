//! How long to wait for a manager that says nothing: as long as it shows that it is at work.
//!
//! Process 1 does one thing at a time. While it reads the files of 1,000 units again, or starts as many on a machine that is busy, it neither answers nor
//! signals, for a minute maybe; one that is frozen or stopped never does. The processor time it uses tells them apart.

use std::time::Duration;

use tokio::time::Instant;

use super::link::Link;

/// Between two looks at it.
const LOOK: Duration = Duration::from_secs(5);

/// A manager at work has this part of a processor at least, however many others want it.
const SHARE: u32 = 100;

/// Longest wait all in all, in times of what it may be without a sign of life: that it is at work does not say that it has heard us.
const LONGEST: u32 = 5;

/// A wait for something that the manager is to say.
pub(super) struct Wait {
    begun: Instant,
    patience: Duration,
    /// It said something, or was at work.
    sign: Instant,
    looked: Instant,
    /// Processor time it had used by then; not looked at before the first [`LOOK`] is over, for most answers come at once.
    used: Option<Duration>,
}

impl Wait {
    /// `patience`: how long it may be without any sign of life.
    pub fn new(patience: Duration) -> Wait {
        let now = Instant::now();
        Wait {
            begun: now,
            patience,
            sign: now,
            looked: now,
            used: None,
        }
    }

    /// When [`Wait::goes_on`] is to be asked, if nothing is heard until then.
    pub fn next(&self) -> Instant {
        let end = self.sign + self.patience;
        end.min(self.looked + LOOK)
    }

    /// False when the time is over.
    pub fn goes_on(&mut self, link: &Link) -> bool {
        let now = Instant::now();
        self.sign = self.sign.max(link.heard());
        let since = now - self.looked;
        // Of shorter times nothing can be said.
        if since >= LOOK.min(self.patience) / 2 {
            let used = used(link.pid());
            if works(since, self.used, used) {
                self.sign = now;
            }
            (self.looked, self.used) = (now, used);
        }
        now < self.sign + self.patience && now < self.begun + self.patience * LONGEST
    }

    /// Since it began.
    pub fn waited(&self) -> Duration {
        self.begun.elapsed()
    }
}

fn works(since: Duration, before: Option<Duration>, now: Option<Duration>) -> bool {
    let more = now.zip(before).map(|(now, before)| now.checked_sub(before));
    more.flatten().is_some_and(|more| more >= since / SHARE)
}

/// Processor time of a process (/proc/PID/schedstat, proc(5)); None where it is not there, or not to be seen.
fn used(pid: Option<u32>) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{}/schedstat", pid?)).ok()?;
    let nanos = text.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_processor_is_not_at_work() {
        let seconds = |number| Some(Duration::from_secs(number));
        let millis = |number| Some(Duration::from_millis(number));
        let since = Duration::from_secs(5);
        assert!(works(since, seconds(7), seconds(8)));
        assert!(works(since, millis(7000), millis(7050)));
        assert!(!works(since, millis(7000), millis(7049)));
        assert!(!works(since, seconds(7), seconds(7)));
        // Another process has its number.
        assert!(!works(since, seconds(7), seconds(6)));
        assert!(!works(since, None, seconds(6)) && !works(since, seconds(7), None));
    }

    #[test]
    fn processor_time_of_a_process() {
        // A thread's own: that of the process is its first thread's alone.
        let own = u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).ok();
        let own = || used(own).expect("/proc/TID/schedstat");
        let (before, begun) = (own(), Instant::now());
        while own() == before {
            assert!(begun.elapsed() < Duration::from_secs(60), "{before:?}");
        }
        assert_eq!(used(None), None);
    }
}
