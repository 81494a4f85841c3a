//! `max_memory_restart`: looks at what instances use, and asks for the restart of those that are over their limit.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::event::{Event, Request};
use super::places::{Asking, Places};
use super::rule::{self, Climb, Sight, Storm, Verdict};
use super::run::Ground;
use crate::model::{Bytes, Name, Reason};
use crate::process::{self, Hierarchy, Meminfo, Probe, Use};
use crate::units::Facts;

const PROC: &str = "/proc";

/// An instance that is not up is looked for so often: what it uses by then is known to nobody.
const ABSENT: Duration = Duration::from_secs(1);

/// A restart that was asked for is asked for again when the same process is still over its limit after so long.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Memory {
    ground: Ground,
    hierarchy: Hierarchy,
    /// None: this kernel does not count it, and every tick is one to look at everybody.
    meminfo: Option<Meminfo>,
    climb: Climb,
    began: Instant,
    ticks: Interval,
    apps: Vec<App>,
    /// Asks systemd for the control groups of the apps that have none yet.
    places: Asking,
    events: VecDeque<Event>,
}

struct App {
    name: Name,
    limit: u64,
    /// An instance that is over its limit sooner has just been started for nothing.
    early: Duration,
    /// Path of an instance's group up to its number; None until systemd has told it.
    place: Option<String>,
    instances: Vec<Instance>,
}

#[derive(Default)]
struct Instance {
    probe: Probe,
    sight: Option<Sight>,
    /// When it was last looked for in vain.
    absent: Option<Duration>,
    storm: Storm,
    /// The process whose restart was asked for, and when.
    asked: Option<(Option<u32>, Duration)>,
}

impl Memory {
    pub fn new(ground: &Ground) -> Memory {
        let mut ticks = interval(rule::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Memory {
            ground: ground.clone(),
            hierarchy: Hierarchy::of_this_machine(),
            meminfo: Meminfo::open(Path::new(PROC)).ok(),
            climb: Climb::default(),
            began: Instant::now(),
            ticks,
            apps: vec![],
            places: Asking::default(),
            events: VecDeque::new(),
        }
    }

    pub fn set(&mut self, apps: &[Facts]) {
        let mut before: BTreeMap<Name, App> = std::mem::take(&mut self.apps)
            .into_iter()
            .map(|app| (app.name.clone(), app))
            .collect();
        for facts in apps {
            let Some(limit) = facts.memory_restart else {
                continue;
            };
            let (place, mut instances) = match before.remove(&facts.app) {
                Some(app) => (app.place, app.instances),
                None => (None, vec![]),
            };
            instances.resize_with(facts.instances as usize, Instance::default);
            self.apps.push(App {
                name: facts.app.clone(),
                limit,
                early: facts.min_uptime.max(Duration::from_secs(1)),
                place,
                instances,
            });
        }
        // The units may have changed, and their slices with them.
        let names = self.apps.iter().map(|app| app.name.clone()).collect();
        self.places.ask(&self.ground, names);
    }

    /// An app that systemd does not know yet is asked for again.
    fn answered(&mut self, mut found: Places) {
        for app in &mut self.apps {
            if let Some(place) = found.remove(&app.name) {
                app.place = Some(place);
            }
        }
        let unknown = self.apps.iter().filter(|app| app.place.is_none());
        let unknown: Vec<Name> = unknown.map(|app| app.name.clone()).collect();
        self.places.again(&self.ground, unknown);
    }

    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            if self.apps.is_empty() {
                return std::future::pending().await;
            }
            tokio::select! {
                found = self.places.answered() => self.answered(found),
                _ = self.ticks.tick() => self.look(),
            }
        }
    }

    pub fn says(&self) -> Option<String> {
        let count: usize = self.apps.iter().map(|app| app.instances.len()).sum();
        match count {
            0 => None,
            1 => Some("memory of 1 instance".to_owned()),
            _ => Some(format!("memory of {count} instances")),
        }
    }

    pub async fn close(&mut self) {}

    /// At those whose time has come.
    fn look(&mut self) {
        let now = self.began.elapsed();
        let used = self.meminfo.as_ref().and_then(|file| file.used().ok());
        let climbed = match used {
            Some(used) => self.climb.add(used),
            None => u64::MAX,
        };
        let mut group = String::new();
        let proc = Path::new(PROC);
        let newest = process::newest(proc);
        for app in &mut self.apps {
            let Some(place) = &app.place else {
                continue;
            };
            for (number, instance) in app.instances.iter_mut().enumerate() {
                let due = match (&instance.sight, instance.absent) {
                    (Some(sight), _) => rule::due(sight, app.limit, now, climbed),
                    (None, Some(at)) => now.saturating_sub(at) >= ABSENT,
                    (None, None) => true,
                };
                if !due {
                    continue;
                }
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                group.clear();
                // Writing to a string cannot fail.
                let _ = write!(group, "{place}{number}.service");
                let probe = &mut instance.probe;
                let bytes = match probe.look(&self.hierarchy, proc, &group, app.limit, newest) {
                    Use::AtMost(bytes) | Use::Exactly(bytes) => bytes,
                    Use::Gone => {
                        *instance = Instance {
                            absent: Some(now),
                            storm: instance.storm,
                            ..Instance::default()
                        };
                        continue;
                    }
                };
                instance.sight = Some(Sight {
                    at: now,
                    bytes,
                    climbed,
                });
                if bytes < app.limit {
                    instance.storm.below();
                    instance.asked = None;
                    continue;
                }
                let verdict = over(&self.hierarchy, app.early, instance, now, &group);
                self.events.extend(verdict.map(|verdict| match verdict {
                    Verdict::WaitsFor(wait) => Event::Trouble {
                        app: Some(app.name.clone()),
                        text: format!(
                            "{}@{number} uses {}, more than max_memory_restart = {}, and has just come up: it is restarted in {} s if it still does then",
                            app.name,
                            Bytes(bytes),
                            Bytes(app.limit),
                            wait.as_secs()
                        ),
                    },
                    _ => Event::Restart(Request::new(
                        app.name.clone(),
                        Some(vec![number]),
                        Reason::Memory {
                            bytes,
                            limit: app.limit,
                        },
                    )),
                }));
            }
        }
    }
}

/// What to do about an instance that is over its limit; None: it is being done.
fn over(
    hierarchy: &Hierarchy,
    early: Duration,
    instance: &mut Instance,
    now: Duration,
    group: &str,
) -> Option<Verdict> {
    let usage = process::read(hierarchy, Path::new(PROC), &[group])
        .pop()
        .flatten()?;
    if let Some((pid, at)) = instance.asked
        && pid == usage.main_pid
    {
        if now.saturating_sub(at) < PATIENCE {
            return None;
        }
        instance.asked = Some((pid, now));
        return Some(Verdict::Restart);
    }
    let uptime = usage.age.unwrap_or(Duration::MAX);
    match instance.storm.over(now, uptime, early) {
        Verdict::Waits => None,
        Verdict::Restart => {
            instance.asked = Some((usage.main_pid, now));
            Some(Verdict::Restart)
        }
        waits => Some(waits),
    }
}
