//! From when on the lines of an app are shown: `rpmctl flush`.

use std::collections::BTreeMap;
use std::fmt;

/// The moments of an app's last flushes, in microseconds since the epoch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Flushed {
    /// Of the whole app.
    all: u64,
    /// Of one instance, where that is later.
    instances: BTreeMap<u32, u64>,
}

impl Flushed {
    /// Whether a line received at that time is shown; `instance` is None for lines about the app's socket.
    pub fn shows(&self, at: u64, instance: Option<u32>) -> bool {
        let own = instance.and_then(|index| self.instances.get(&index));
        at > self.all.max(own.copied().unwrap_or(0))
    }

    /// Before this nothing is shown; None when the app as a whole was never flushed.
    pub fn nothing_before(&self) -> Option<u64> {
        (self.all > 0).then_some(self.all)
    }

    pub fn is_empty(&self) -> bool {
        *self == Flushed::default()
    }

    /// Flushes these instances, or all of the app.
    pub fn flush(&mut self, instances: Option<&[u32]>, now: u64) {
        match instances {
            None => {
                *self = Flushed {
                    all: now,
                    instances: BTreeMap::new(),
                }
            }
            Some(some) => self
                .instances
                .extend(some.iter().map(|index| (*index, now))),
        }
    }

    /// Without moments that are still to come: the clock was set back since, and hiding what is written now would be worse than showing old lines.
    pub fn known_at(mut self, now: u64) -> Flushed {
        if self.all > now {
            self.all = 0;
        }
        self.instances.retain(|_, at| *at <= now);
        self
    }

    /// What [`Display`](fmt::Display) wrote; lines that are something else are passed over.
    pub fn read(text: &str) -> Flushed {
        let mut flushed = Flushed::default();
        for line in text.lines() {
            let Some((whose, Ok(at))) = line
                .split_once(' ')
                .map(|(whose, at)| (whose, at.parse::<u64>()))
            else {
                continue;
            };
            match (whose, whose.parse()) {
                ("all", _) => flushed.all = at,
                (_, Ok(index)) => drop(flushed.instances.insert(index, at)),
                _ => {}
            }
        }
        flushed
    }
}

/// A line each: `all 1795381509042000`, `2 1795381510000000`.
impl fmt::Display for Flushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.all > 0 {
            writeln!(f, "all {}", self.all)?;
        }
        for (index, at) in &self.instances {
            writeln!(f, "{index} {at}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_and_its_instances() {
        let mut flushed = Flushed::default();
        assert!(flushed.shows(1, None) && flushed.nothing_before().is_none());
        flushed.flush(Some(&[2]), 10);
        assert!(flushed.shows(5, Some(1)) && flushed.shows(5, None));
        assert!(!flushed.shows(10, Some(2)) && flushed.shows(11, Some(2)));
        assert_eq!(flushed.nothing_before(), None);
        assert_eq!(Flushed::read(&flushed.to_string()), flushed);
        flushed.flush(None, 20);
        assert!(!flushed.shows(20, Some(2)) && !flushed.shows(20, None));
        assert_eq!(flushed.nothing_before(), Some(20));
        flushed.flush(Some(&[0]), 30);
        assert_eq!(flushed.to_string(), "all 20\n0 30\n");
        assert_eq!(Flushed::read("all 20\n0 30\nrubbish\nx 3\n"), flushed);
    }

    #[test]
    fn a_clock_that_was_set_back() {
        let mut flushed = Flushed::default();
        flushed.flush(None, 20);
        flushed.flush(Some(&[0]), 30);
        assert!(!flushed.clone().known_at(25).shows(20, Some(0)));
        assert!(flushed.clone().known_at(25).shows(21, Some(0)));
        assert!(flushed.known_at(10).shows(1, Some(0)));
    }
}
