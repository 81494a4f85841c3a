//! What an instance counted of its requests: how many, how long they took, how they ended.
//!
//! Node's preload (src/preload/requests.cjs) writes it into the instance's runtime folder; its first comment says in which form.

mod buckets;
mod file;

use std::path::Path;
use std::time::Duration;

/// Upper bounds in microseconds by which monitoring systems may count: each is the edge of a bucket, so [`Histogram::within`] is exact there.
/// They stay the same from version to version.
pub const BOUNDS: [u64; 17] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// Counts of response times, in buckets whose width is a fixed part of their value: 2.5 % at most from 50 µs to an hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    pub count: u64,
    /// Microseconds of all together.
    pub sum: u64,
    /// Upper bound of each bucket in microseconds and what fell in it, ascending; empty ones left out.
    pub buckets: Vec<(u64, u64)>,
}

impl Histogram {
    /// The response time that `share` (0 to 1) of the requests stayed below, as if those of a bucket were spread evenly over it. None without
    /// requests.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = self.count as f64 * share.clamp(0.0, 1.0);
        let mut seen = 0.0;
        let last = self.buckets.len().checked_sub(1)?;
        for (at, (upper, count)) in self.buckets.iter().enumerate() {
            let count = *count as f64;
            if seen + count >= rank || at == last {
                let lower = buckets::lower_of(*upper) as f64;
                let part = ((rank - seen) / count).clamp(0.0, 1.0);
                let micros = lower + (*upper as f64 - lower) * part;
                return Some(Duration::from_nanos((micros * 1e3) as u64));
            }
            seen += count;
        }
        None
    }

    /// How many took no longer than `bound` microseconds: those of buckets that end there or before.
    pub fn within(&self, bound: u64) -> u64 {
        let below = self.buckets.iter().take_while(|(upper, _)| *upper <= bound);
        below.map(|(_, count)| count).sum()
    }

    fn add(&mut self, other: &Histogram) {
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        let mut merged = Vec::with_capacity(self.buckets.len().max(other.buckets.len()));
        let (mut ours, mut theirs) = (&self.buckets[..], &other.buckets[..]);
        while let (Some((a, n)), Some((b, m))) = (ours.first(), theirs.first()) {
            match a.cmp(b) {
                std::cmp::Ordering::Less => merged.push((*a, *n)),
                std::cmp::Ordering::Greater => merged.push((*b, *m)),
                std::cmp::Ordering::Equal => merged.push((*a, n.saturating_add(*m))),
            }
            ours = &ours[usize::from(a <= b)..];
            theirs = &theirs[usize::from(b <= a)..];
        }
        merged.extend(ours.iter().chain(theirs));
        self.buckets = merged;
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
    /// The last 50 to 60 s, or since the start where that is shorter. Of several together: the time for which [`Requests::per_second`] is the
    /// sum of theirs.
    pub span: Duration,
}

impl Requests {
    pub fn per_second(&self) -> Option<f64> {
        let seconds = self.span.as_secs_f64();
        (seconds > 0.0).then(|| self.recent.count as f64 / seconds)
    }

    /// Of several instances; none where none counts.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Requests>) -> Option<Requests> {
        let mut all = all.into_iter();
        let mut sum = all.next()?.clone();
        let (mut rate, mut longest) = (sum.per_second().unwrap_or(0.0), sum.span);
        let mut alone = true;
        for one in all {
            alone = false;
            sum.total.add(&one.total);
            sum.recent.add(&one.recent);
            sum.failed = sum.failed.saturating_add(one.failed);
            sum.aborted = sum.aborted.saturating_add(one.aborted);
            rate += one.per_second().unwrap_or(0.0);
            longest = longest.max(one.span);
        }
        if !alone {
            let span = Duration::try_from_secs_f64(sum.recent.count as f64 / rate);
            sum.span = span.unwrap_or(longest);
        }
        Some(sum)
    }
}

/// Of the instance whose runtime folder this is; none where nothing counts. The folder belongs to the app's user: no link is followed, nothing
/// but a regular file is read, and only what adds up is taken from it. Never blocks. `started`: when its main process was, counted from the boot of
/// the machine; what was begun before is of an earlier run, whose files automatic restarts leave behind.
pub fn read(folder: &Path, started: Option<Duration>) -> Option<Requests> {
    let since = started.map_or(0, file::on_our_clock);
    file::read(folder, file::monotonic(), since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: &[u64]) -> Histogram {
        let mut all = Histogram::default();
        for time in times {
            all.add(&Histogram {
                count: 1,
                sum: *time,
                buckets: vec![(buckets::upper(buckets::index(*time)), 1)],
            });
        }
        all
    }

    #[test]
    fn quantiles_are_within_a_bucket_of_the_truth() {
        let times: Vec<u64> = (1..=10_000).map(|i| 450 + i * i / 25).collect();
        let all = of(&times);
        assert_eq!((all.count, all.sum), (10_000, times.iter().sum()));
        for share in [0.01, 0.5, 0.9, 0.95, 0.99, 0.999] {
            let truth = times[(share * 1e4) as usize - 1] as f64;
            let said = all.quantile(share).unwrap().as_secs_f64() * 1e6;
            assert!(
                (said / truth - 1.0).abs() < 0.025,
                "{share}: {said}, {truth}"
            );
        }
        assert_eq!(Histogram::default().quantile(0.5), None);
        let one = of(&[20_000]);
        let (low, high) = (one.quantile(0.0).unwrap(), one.quantile(1.0).unwrap());
        assert!(low.as_micros() == 20_000 && high.as_micros() == 20_500);
    }

    #[test]
    fn bounds_are_edges() {
        for bound in BOUNDS {
            assert_eq!(buckets::upper(buckets::index(bound - 1)), bound);
        }
        let all = of(&[100, 249, 250, 4_999, 5_000, 70_000_000]);
        let counts = [250, 5_000, 10_000, 60_000_000].map(|bound| all.within(bound));
        assert_eq!(counts, [2, 4, 5, 5]);
    }

    #[test]
    fn rates_of_several_add_up_however_long_each_has_run() {
        let one = |count, seconds| Requests {
            recent: of(&vec![1_000; count]),
            total: of(&vec![1_000; count]),
            failed: 1,
            aborted: 2,
            span: Duration::from_secs(seconds),
        };
        let sum = Requests::sum([&one(600, 60), &one(50, 5), &one(0, 0)]).unwrap();
        assert!((sum.per_second().unwrap() - 20.0).abs() < 1e-6, "{sum:?}");
        assert_eq!((sum.recent.count, sum.total.count), (650, 650));
        assert_eq!((sum.failed, sum.aborted), (3, 6));
        assert_eq!(sum.total.buckets.len(), 1);

        let idle = Requests::sum([&one(0, 60), &one(0, 30)]).unwrap();
        assert_eq!(
            (idle.per_second(), idle.span.as_secs()),
            (Some(0.0), 60),
            "{idle:?}"
        );
        assert_eq!(Requests::sum([]), None);
        assert_eq!(Requests::sum([&one(3, 7)]), Some(one(3, 7)));
    }
}
