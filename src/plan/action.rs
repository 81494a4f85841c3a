//! What must be done, as values: the executor obeys and decides nothing.

use std::collections::BTreeSet;

use crate::units::{AppUnits, Facts};

#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the order of their start.
    pub apps: Vec<AppPlan>,
    /// The manager must read the units again.
    pub reload: bool,
    /// Instances of other apps that an earlier apply left with their old settings: still so after this plan.
    pub owed: BTreeSet<String>,
}

/// What happens to one app. The phases of all apps run together, in the order of the fields: stop, files, environment and links, then (after one
/// daemon-reload) reset, start, restart, wait.
#[derive(Clone, Debug)]
pub struct AppPlan {
    pub facts: Facts,
    pub change: Change,
    /// Units to stop before their files change.
    pub stop: Vec<String>,
    pub units: Vec<FileChange>,
    /// Contents are secret: shown as names of variables only.
    pub env: Vec<FileChange>,
    /// Links to make and to remove: folder and unit.
    pub link: Vec<(String, String)>,
    pub unlink: Vec<(String, String)>,
    /// Failed units whose failure is forgotten.
    pub reset: Vec<String>,
    /// Units to start, in one go.
    pub start: Vec<String>,
    /// Instances to restart, one after another, each ready before the next.
    pub restart: Vec<String>,
    /// Instances that must be up in the end.
    pub wait: Vec<String>,
    /// For people: why, and what does not work here.
    pub notes: Vec<String>,
    /// What the app goes back to when it does not come up.
    pub back: Option<AppUnits>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Create,
    Update,
    Remove,
    Keep,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    pub name: String,
    /// None: new.
    pub before: Option<String>,
    /// None: removed.
    pub after: Option<String>,
}

impl AppPlan {
    pub fn new(facts: Facts, change: Change) -> AppPlan {
        AppPlan {
            facts,
            change,
            stop: vec![],
            units: vec![],
            env: vec![],
            link: vec![],
            unlink: vec![],
            reset: vec![],
            start: vec![],
            restart: vec![],
            wait: vec![],
            notes: vec![],
            back: None,
        }
    }

    /// Nothing to do, not even waiting.
    pub fn is_empty(&self) -> bool {
        !self.touches_files()
            && self.stop.is_empty()
            && self.reset.is_empty()
            && self.start.is_empty()
            && self.restart.is_empty()
            && self.wait.is_empty()
    }

    pub fn touches_files(&self) -> bool {
        !(self.units.is_empty()
            && self.env.is_empty()
            && self.link.is_empty()
            && self.unlink.is_empty())
    }
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        !self.reload && self.apps.iter().all(AppPlan::is_empty)
    }

    pub fn touches_files(&self) -> bool {
        self.apps.iter().any(AppPlan::touches_files)
    }

    /// What would be unfinished if this plan were cut short anywhere: instances to restart, those that stop only to start again, and what was owed before.
    pub fn unfinished(&self) -> impl Iterator<Item = &String> {
        self.apps
            .iter()
            .flat_map(|app| {
                let again = app.stop.iter().filter(|unit| app.wait.contains(unit));
                app.restart.iter().chain(again)
            })
            .chain(&self.owed)
    }
}
