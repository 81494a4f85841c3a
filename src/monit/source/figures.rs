//! What instances use, from the kernel's and their own files: no call to systemd.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::monit::action::{Measured, Wanted};
use crate::process::{self, Hierarchy, Usage, requests};
use crate::unit_files::Places;

/// Remembers the last look at each instance: the processor's share is between two.
pub struct Figures {
    hierarchy: Hierarchy,
    /// Where instances have their folders.
    run: PathBuf,
    before: HashMap<String, (Usage, Instant)>,
}

impl Figures {
    pub fn new(places: &Places) -> Figures {
        Figures {
            hierarchy: Hierarchy::of_this_machine(),
            run: places.on_disk(&places.run),
            before: HashMap::new(),
        }
    }

    /// Reads files: some 50 µs an instance. Call it where that holds nothing up.
    pub fn measure(&mut self, wanted: Vec<Wanted>) -> Vec<Measured> {
        let groups: Vec<&str> = wanted
            .iter()
            .filter_map(|one| one.group.as_deref())
            .collect();
        let mut usages = process::read(&self.hierarchy, Path::new("/proc"), &groups).into_iter();
        let mut before = std::mem::take(&mut self.before);
        wanted
            .into_iter()
            .map(|one| {
                let usage = one.group.as_ref().and_then(|_| usages.next().flatten());
                let now = Instant::now();
                let cpu = usage.as_ref().and_then(|usage| {
                    let (before, at) = before.remove(&one.unit)?;
                    process::cpu_percent(&before, usage, now - at)
                });
                let folder = one.unit.strip_suffix(".service").unwrap_or(&one.unit);
                let requests = usage
                    .as_ref()
                    .and_then(|_| requests::read(&self.run.join(folder)));
                let memory = usage.as_ref().and_then(|usage| usage.memory);
                if let Some(usage) = usage {
                    self.before.insert(one.unit, (usage, now));
                }
                Measured {
                    app: one.app,
                    number: one.number,
                    cpu,
                    memory,
                    requests,
                    health: None,
                    queue: None,
                }
            })
            .collect()
    }
}
