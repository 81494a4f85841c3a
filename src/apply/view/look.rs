//! What the kernel and the instances themselves tell of their runs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::model::runtime_folder;
use crate::process::{self, Eye, Hierarchy, Main, Requests, Usage, custom, requests};
use crate::systemd::{Bus, group_name, usual_place};
use crate::unit_files::Places;
use crate::unit_files::starts::{Folders, Run};

/// An instance to look at.
pub(super) struct Wanted {
    /// Its unit's name without the ending.
    pub instance: String,
    /// None: it has no processes, or nobody knows where.
    pub group: Option<Group>,
}

pub(super) enum Group {
    At(String),
    /// In this folder, under the unit's own name.
    In(Arc<str>),
}

#[derive(Default)]
pub(super) struct Seen {
    pub usage: Option<Usage>,
    pub run: Option<Run>,
    pub requests: Option<Requests>,
    pub custom: Option<custom::Metrics>,
}

impl Seen {
    /// It has processes: what systemd does not tell something else of is running.
    pub fn runs(&self) -> bool {
        self.usage.as_ref().is_some_and(|usage| usage.processes > 0)
    }

    /// What the start script said, where the process it said it of is still the main one.
    pub fn run_now(&self) -> Option<Run> {
        let main = self.usage.as_ref().and_then(|usage| usage.main_pid);
        self.run.filter(|run| Some(run.pid) == main)
    }
}

/// Where instances are unless their units say otherwise.
pub(super) struct Usual {
    bus: Bus,
    known: HashMap<String, Option<Arc<str>>>,
}

impl Usual {
    pub fn of(bus: Bus) -> Usual {
        Usual {
            bus,
            known: HashMap::new(),
        }
    }

    pub fn group(&mut self, template: &str) -> Option<Group> {
        if !self.known.contains_key(template) {
            let place = usual_place(&self.bus, template).map(Arc::from);
            self.known.insert(template.to_owned(), place);
        }
        self.known[template].clone().map(Group::In)
    }
}

/// Blocks, and reads with all processors. `counted`: what its app counts and tells of itself too.
pub(super) fn look(places: &Places, wanted: &[Wanted], counted: bool) -> Vec<Seen> {
    let folders = Folders::open(places);
    let runtime = places.on_disk(&places.run);
    let one = |number: usize, eye: &mut Eye<'_>| {
        let Wanted { instance, group } = &wanted[number];
        let run = folders.as_ref().and_then(|folders| folders.run(instance));
        let main = run.map(|run| Main {
            pid: run.pid,
            started: run.began,
        });
        let usage = match group {
            Some(Group::At(path)) => eye.look(path, main),
            Some(Group::In(folder)) => {
                let unit = format!("{instance}.service");
                eye.look(&format!("{folder}/{}", group_name(&unit)), main)
            }
            None => None,
        };
        let mut seen = Seen {
            usage,
            run,
            ..Seen::default()
        };
        if counted {
            let folder = runtime.join(runtime_folder(instance));
            // What was killed leaves its files behind.
            let began = seen.usage.as_ref().and_then(|usage| usage.started);
            seen.requests = requests::read(&folder, began);
            let age = seen.usage.as_ref().and_then(|usage| usage.age);
            let started = age.and_then(|age| SystemTime::now().checked_sub(age));
            seen.custom = started.and_then(|since| custom::read(&folder, Some(since)));
        }
        seen
    };
    let hierarchy = Hierarchy::of_this_machine();
    process::read_with(&hierarchy, Path::new("/proc"), wanted.len(), one)
}
