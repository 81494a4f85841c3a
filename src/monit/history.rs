//! What was measured in the last minutes, for the lines of small bars.

use std::collections::{HashMap, VecDeque};

/// Measurements kept of each: five minutes at one a second.
pub const KEPT: usize = 300;

/// One measurement of an instance, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Percent of one processor.
    pub cpu: Option<f64>,
    /// Bytes.
    pub memory: Option<u64>,
}

/// The measurements of instances, by their unit, and of apps, by their name.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Rounds of measuring so far.
    round: u64,
    of: HashMap<String, Series>,
}

#[derive(Clone, Debug, Default)]
struct Series {
    /// Of the newest point.
    round: u64,
    points: VecDeque<Point>,
}

impl History {
    /// A new round begins: what is not measured in it has a gap there.
    pub fn begin(&mut self) {
        self.round += 1;
        // Long gone, or not looked at for as long as anything is kept.
        let round = self.round;
        self.of
            .retain(|_, series| round - series.round < KEPT as u64);
    }

    pub fn add(&mut self, of: &str, point: Point) {
        if !self.of.contains_key(of) {
            self.of.insert(of.to_owned(), Series::default());
        }
        let Some(series) = self.of.get_mut(of) else {
            return;
        };
        let gap = match series.points.is_empty() {
            true => 0,
            false => (self.round - series.round).saturating_sub(1),
        };
        for _ in 0..gap.min(KEPT as u64) {
            series.points.push_back(Point::default());
        }
        if series.round == self.round {
            series.points.pop_back();
        }
        series.points.push_back(point);
        series.round = self.round;
        while series.points.len() > KEPT {
            series.points.pop_front();
        }
    }

    /// The last `count` rounds, oldest first; fewer where less was measured.
    pub fn last(&self, of: &str, count: usize) -> Vec<Point> {
        let Some(series) = self.of.get(of) else {
            return vec![];
        };
        let gap = usize::try_from(self.round - series.round).unwrap_or(KEPT);
        let known = series.points.iter().copied();
        let all = known.chain(std::iter::repeat_n(Point::default(), gap.min(KEPT)));
        let skipped = (series.points.len() + gap.min(KEPT)).saturating_sub(count);
        all.skip(skipped).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(percent: f64) -> Point {
        Point {
            cpu: Some(percent),
            memory: None,
        }
    }

    #[test]
    fn what_was_not_looked_at_is_a_gap() {
        let mut history = History::default();
        history.begin();
        history.add("a", cpu(1.0));
        history.begin();
        history.begin();
        history.add("a", cpu(2.0));
        history.begin();
        let none = Point::default();
        assert_eq!(history.last("a", 9), [cpu(1.0), none, cpu(2.0), none]);
        assert_eq!(history.last("a", 2), [cpu(2.0), none]);
        assert_eq!(history.last("b", 2), []);
    }

    #[test]
    fn no_more_is_kept_than_is_shown() {
        let mut history = History::default();
        for round in 0..1000 {
            history.begin();
            history.add("a", cpu(f64::from(round)));
            history.add("a", cpu(f64::from(round) + 0.5));
        }
        assert_eq!(history.last("a", 9999).len(), KEPT);
        assert_eq!(history.last("a", 1), [cpu(999.5)]);
        for _ in 0..KEPT {
            history.begin();
        }
        assert!(history.of.is_empty());
    }
}
