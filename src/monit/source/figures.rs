//! What instances use, and what they say, from the kernel's and their own files: no call to systemd.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use crate::model::runtime_folder;
use crate::monit::action::{Measured, Wanted};
use crate::process::custom::{self, Kind, number};
use crate::process::{self, Hierarchy, Usage, requests};
use crate::terminal::text;
use crate::unit_files::{Places, health};

/// Lines shown of what an app tells of itself.
const TOLD: usize = 40;

/// Remembers the last look at each instance: the processor's share is between two.
pub struct Figures {
    hierarchy: Hierarchy,
    places: Places,
    before: HashMap<String, (Usage, Instant)>,
}

impl Figures {
    pub fn new(places: &Places) -> Figures {
        Figures {
            hierarchy: Hierarchy::of_this_machine(),
            places: places.clone(),
            before: HashMap::new(),
        }
    }

    /// Reads files: some 50 µs an instance. Call it where that holds nothing up.
    pub fn measure(&mut self, wanted: Vec<Wanted>) -> Vec<Measured> {
        let of = |one: &Wanted| one.group.clone();
        let groups: Vec<String> = wanted.iter().filter_map(of).collect();
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let mut usages = process::read(&self.hierarchy, Path::new("/proc"), &groups).into_iter();
        let listens: Vec<&[String]> = wanted.iter().map(|one| one.listen.as_slice()).collect();
        let queues = process::queues(&listens);
        let mut before = std::mem::take(&mut self.before);
        wanted
            .into_iter()
            .zip(queues)
            .map(|(one, queue)| {
                let queue = (!one.listen.is_empty()).then_some(queue);
                let usage = one.group.as_ref().and_then(|_| usages.next().flatten());
                let now = Instant::now();
                let cpu = usage.as_ref().and_then(|usage| {
                    let (before, at) = before.remove(&one.unit)?;
                    process::cpu_percent(&before, usage, now - at)
                });
                let memory = usage.as_ref().and_then(|usage| usage.memory);
                let (mut requests, mut health) = (None, None);
                let mut custom = one.closely.then(Vec::new);
                if let Some(usage) = usage {
                    let runtime = self.places.on_disk(&self.places.run);
                    let folder = runtime.join(runtime_folder(&one.unit));
                    requests = requests::read(&folder, usage.started);
                    if one.probed {
                        health = health::read(&self.places, &one.unit)
                            .filter(|health| health.is_of(usage.age));
                    }
                    if one.closely {
                        custom = custom::read(&folder, one.started).map(|metrics| told(&metrics));
                    }
                    self.before.insert(one.unit, (usage, now));
                }
                Measured {
                    app: one.app,
                    number: one.number,
                    cpu,
                    memory,
                    requests,
                    health,
                    custom,
                    queue,
                }
            })
            .collect()
    }
}

/// `name{label="value"} 12 unit`, a line each; buckets of histograms left out.
pub fn told(metrics: &custom::Metrics) -> Vec<String> {
    let shown = metrics
        .all
        .iter()
        .filter(|one| one.kind != Kind::Histogram && one.kind != Kind::Summary);
    shown
        .take(TOLD)
        .map(|one| {
            let labels: Vec<String> = one
                .labels
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let name = one.help.as_deref().unwrap_or(&one.name);
            let labels = match labels.is_empty() {
                true => String::new(),
                false => format!(" ({})", labels.join(", ")),
            };
            let unit = one.unit.as_deref().unwrap_or_default();
            // Thousandths of a small one; a large one has none.
            let value = match one.value.abs() < 1e12 {
                true => (one.value * 1000.0).round() / 1000.0,
                false => one.value,
            };
            let value = number(value);
            text::harmless(format!("{name}{labels}  {value} {unit}").trim_end())
        })
        .collect()
}
