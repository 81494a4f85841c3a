//! What an instance counted of its requests: how many, how long they took, how they ended.

use std::path::Path;
use std::time::Duration;

/// Counts of response times, in buckets whose width is a fixed part of their value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    pub count: u64,
    /// Microseconds of all together.
    pub sum: u64,
    /// Upper bound of each bucket in microseconds and what fell in it, ascending; empty ones left out.
    pub buckets: Vec<(u64, u64)>,
}

impl Histogram {
    /// The response time that `share` (0 to 1) of the requests stayed below. None without requests.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        self.buckets.iter().find_map(|(upper, count)| {
            seen += count;
            (seen >= rank).then(|| Duration::from_micros(*upper))
        })
    }
}

/// The requests of one instance, or of several together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Requests {
    /// Since the instance was started.
    pub total: Histogram,
    /// Of them: answered with 5xx.
    pub failed: u64,
    /// Of them: the client went away before the answer was complete.
    pub aborted: u64,
    /// Those that ended within the last `span`.
    pub recent: Histogram,
    /// The last minute, or since the start where that is shorter.
    pub span: Duration,
}

impl Requests {
    pub fn per_second(&self) -> Option<f64> {
        let seconds = self.span.as_secs_f64();
        (seconds > 0.0).then(|| self.recent.count as f64 / seconds)
    }
}

/// Of the instance whose runtime folder this is; none where nothing counts.
pub fn read(_folder: &Path) -> Option<Requests> {
    None
}
