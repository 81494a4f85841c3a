//! What is told in numbers, of one instance or of several together.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::{App, Row};
use crate::process::{self, Requests};

/// What of a processor instances used between two looks, by unit. Empty at the first look: then the figures are those of [`Row`].
/// Requests a second are always those of the last minute: apps write their counts down once a second, and two looks may lie closer together.
#[derive(Debug, Default)]
pub struct Since(HashMap<String, f64>);

/// What a look saw, for the next one.
#[derive(Debug)]
pub struct Sample {
    at: Instant,
    units: HashMap<String, process::Usage>,
}

impl Sample {
    pub fn of(apps: &[App<'_>], at: Instant) -> Sample {
        let units = apps
            .iter()
            .flat_map(|app| &app.rows)
            .filter_map(|row| Some((row.unit.clone(), row.usage.clone()?)))
            .collect();
        Sample { at, units }
    }

    /// How long before `now` it was taken.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.at)
    }

    /// An instance that was started anew in between has no figures here.
    pub fn until(&self, later: &Sample) -> Since {
        let between = self.age(later.at);
        let changes = later.units.iter().filter_map(|(unit, usage)| {
            let cpu = process::cpu_percent(self.units.get(unit)?, usage, between)?;
            Some((unit.clone(), cpu))
        });
        Since(changes.collect())
    }
}

/// Of one instance, or of several together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Percent of one processor: since the last look, or on average since the start.
    pub cpu: Option<f64>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes of the instance that uses most.
    pub worst: Option<u64>,
    /// Of [`Figures::worst`], percent of `max_memory_restart`.
    pub of_limit: Option<f64>,
    pub restarts: Option<u32>,
    /// What for: see [`Row::causes`].
    pub causes: BTreeMap<String, u32>,
    /// Of the youngest.
    pub uptime: Option<Duration>,
    /// Requests a second, in the last minute.
    pub per_second: Option<f64>,
    /// Response times that 50, 95 and 99 % of the last minute's requests stayed below.
    pub response: Option<[Duration; 3]>,
    /// Since the start: all requests, answered with 5xx, given up by the client.
    pub requests: Option<[u64; 3]>,
}

impl Figures {
    pub fn of(rows: &[Row<'_>], since: &Since) -> Figures {
        let sum = |figures: &mut dyn Iterator<Item = f64>| figures.reduce(|a, b| a + b);
        let requests = Requests::sum(rows.iter().filter_map(|row| row.requests.as_ref()));
        let worst = rows.iter().filter_map(|row| row.memory).max();
        let limit = rows.first().and_then(|row| row.facts.memory_restart);
        let mut causes = BTreeMap::new();
        for (word, count) in rows.iter().flat_map(Row::causes) {
            let sum: &mut u32 = causes.entry(word).or_default();
            *sum = sum.saturating_add(count);
        }
        Figures {
            cpu: sum(&mut rows
                .iter()
                .filter_map(|row| since.0.get(&row.unit).copied().or(row.cpu))),
            memory: rows
                .iter()
                .filter_map(|row| row.memory)
                .reduce(u64::saturating_add),
            worst,
            of_limit: worst
                .zip(limit.filter(|limit| *limit > 0))
                .map(|(worst, limit)| worst as f64 / limit as f64 * 100.0),
            restarts: rows
                .iter()
                .filter_map(|row| row.restarts)
                .reduce(u32::saturating_add),
            causes,
            uptime: rows.iter().filter_map(|row| row.uptime).min(),
            per_second: sum(&mut rows
                .iter()
                .filter_map(|row| row.requests.as_ref()?.per_second())),
            response: requests.as_ref().and_then(|known| {
                let time = |share| known.recent.quantile(share);
                Some([time(0.5)?, time(0.95)?, time(0.99)?])
            }),
            requests: requests
                .as_ref()
                .map(|known| [known.total.count, known.failed, known.aborted]),
        }
    }
}
