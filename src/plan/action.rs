//! What must be done, as values: the executor obeys and decides nothing.

use std::collections::BTreeSet;

use super::sockets::SocketPlan;
use super::watch::WatchPlan;
use crate::units::{AppUnits, Facts};

#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the order of their start.
    pub apps: Vec<AppPlan>,
    /// The manager must read the units again.
    pub reload: bool,
    /// Instances of other apps that an earlier apply left with their old settings: still so after this plan.
    pub owed: BTreeSet<String>,
    /// The watcher, which all apps share.
    pub watch: WatchPlan,
}

/// What happens to one app. The phases of all apps run together, in the order of the fields: stop, files, environment and links, then (after one
/// daemon-reload) sockets that must be closed, reset, sockets to open, start, restart, wait, and last the sockets that are not needed any more.
#[derive(Clone, Debug)]
pub struct AppPlan {
    pub facts: Facts,
    pub change: Change,
    /// Units to stop before their files change.
    pub stop: Vec<String>,
    /// Instances of an app that goes which looked down: stopped with the others without a word. A start that was queued may have begun since, and the
    /// target's stop does not wait for it.
    pub stop_too: Vec<String>,
    pub units: Vec<FileChange>,
    /// Contents are secret: shown as names of variables only.
    pub env: Vec<FileChange>,
    /// Sockets that open, change or close.
    pub sockets: SocketPlan,
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
            stop_too: vec![],
            units: vec![],
            sockets: SocketPlan::default(),
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
            && self.sockets.is_empty()
    }

    /// Everything that stops before anything starts.
    pub fn stops(&self) -> Vec<String> {
        let sockets = &self.sockets;
        [
            &sockets.leave[..],
            &self.stop,
            &sockets.halt,
            &sockets.close,
        ]
        .concat()
    }

    /// Everything that starts, sockets first.
    pub fn starts(&self) -> Vec<String> {
        [&self.sockets.open[..], &self.start].concat()
    }

    /// Whether this file goes only when its unit, a socket or its holder, is closed, late in the plan.
    pub fn goes_late(&self, change: &FileChange) -> bool {
        self.change != Change::Remove
            && change.after.is_none()
            && (change.name.ends_with(".socket") || change.name == self.facts.app.holder())
    }

    /// What would be unfinished if nothing of the plan were done.
    pub fn unfinished(&self) -> Vec<String> {
        let name = &self.facts.app;
        let sockets = &self.sockets;
        let again = self.stop.iter().chain(&sockets.halt);
        let mut units: Vec<String> = self
            .restart
            .iter()
            .chain(again.filter(|unit| self.wait.contains(unit)))
            .chain(&sockets.open)
            .chain(sockets.queues.iter().map(|queue| &queue.unit))
            .cloned()
            .collect();
        let anew = !sockets.halt.is_empty() || !sockets.close.is_empty();
        units.extend(anew.then(|| name.holder()));
        units.extend(sockets.renew.then(|| name.socket_template()));
        units
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
        !self.reload && self.watch.is_empty() && self.apps.iter().all(AppPlan::is_empty)
    }

    pub fn touches_files(&self) -> bool {
        self.watch.touches_files() || self.apps.iter().any(AppPlan::touches_files)
    }

    /// What would be unfinished if this plan were cut short anywhere: instances to restart, those that stop only to start again, sockets (see
    /// `sockets::pending`), and what was owed before.
    pub fn unfinished(&self) -> impl Iterator<Item = String> {
        self.apps
            .iter()
            .flat_map(AppPlan::unfinished)
            .chain(self.owed.iter().cloned())
            .chain(self.watch.unfinished())
    }
}
