//! The watcher's unit: there, enabled and running while an app needs it, and gone when none does.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::action::{AppPlan, Change, FileChange};
use super::observed::{Observed, Running};
use crate::units::{UnitFile, watcher};

/// What happens to it, in the order of the fields but for `link` and `unlink`, which go with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchPlan {
    pub change: Change,
    /// Before its file changes; it is to go.
    pub stop: bool,
    pub unit: Option<FileChange>,
    /// Folders that get a link to `file`, and that lose theirs.
    pub link: Vec<String>,
    pub unlink: Vec<String>,
    /// Where it is when it is not in our folder.
    pub file: Option<PathBuf>,
    /// Its failure is forgotten.
    pub reset: bool,
    /// When the apps are up.
    pub start: bool,
    pub restart: bool,
    /// As this rpmctl writes it, for the way back.
    pub wanted: Option<UnitFile>,
}

impl Default for WatchPlan {
    fn default() -> WatchPlan {
        WatchPlan {
            change: Change::Keep,
            stop: false,
            unit: None,
            link: vec![],
            unlink: vec![],
            file: None,
            reset: false,
            start: false,
            restart: false,
            wanted: None,
        }
    }
}

impl WatchPlan {
    pub fn is_empty(&self) -> bool {
        !(self.touches_files() || self.stop || self.start || self.restart)
    }

    pub fn touches_files(&self) -> bool {
        !(self.unit.is_none() && self.link.is_empty() && self.unlink.is_empty())
    }

    /// What would be unfinished if nothing of it were done: that it is to be started is seen by its state.
    pub fn unfinished(&self) -> Option<String> {
        self.restart.then(|| watcher::UNIT.to_owned())
    }
}

/// `apps`: what happens to apps; the others stay. `wanted`: the unit as this rpmctl writes it; None: what is there is good.
pub(super) fn plan(apps: &[AppPlan], observed: &Observed, wanted: Option<&UnitFile>) -> WatchPlan {
    let stays = |name: &str| !apps.iter().any(|app| app.facts.app.as_str() == name);
    let needed = apps
        .iter()
        .any(|app| app.change != Change::Remove && app.facts.needs_watcher())
        || observed
            .apps()
            .iter()
            .any(|(name, app)| stays(name) && app.facts.needs_watcher());
    let plan = match needed {
        true => needed_plan(observed, wanted),
        false => removal(observed),
    };
    WatchPlan {
        wanted: wanted.cloned(),
        ..plan
    }
}

fn needed_plan(observed: &Observed, wanted: Option<&UnitFile>) -> WatchPlan {
    let there = &observed.watcher;
    let mut plan = WatchPlan::default();
    // A package's own is used as it is.
    let text = match (&there.shipped, wanted, &there.text) {
        (Some((file, text)), _, _) => {
            plan.file = Some(file.clone());
            text
        }
        (None, Some(wanted), _) => &wanted.text,
        (None, None, Some(text)) => text,
        (None, None, None) => return plan,
    };
    let ours = there.shipped.is_none().then_some(text);
    if there.text.as_ref() != ours {
        plan.unit = Some(FileChange {
            name: watcher::UNIT.to_owned(),
            before: there.text.clone(),
            after: ours.cloned(),
        });
    }
    let links: BTreeSet<String> = watcher::enabled_by(text).into_iter().collect();
    plan.link = links.difference(&there.links).cloned().collect();
    plan.unlink = there.links.difference(&links).cloned().collect();
    let left_undone = observed
        .pending
        .as_ref()
        .is_some_and(|pending| pending.restart.contains(watcher::UNIT));
    match observed.state(watcher::UNIT) {
        Running::Up | Running::Starting => plan.restart = plan.unit.is_some() || left_undone,
        state => {
            plan.start = true;
            plan.reset = state == Running::Failed;
        }
    }
    if !plan.is_empty() {
        let is_new = there.text.is_none() && there.shipped.is_none();
        plan.change = match is_new {
            true => Change::Create,
            false => Change::Update,
        };
    }
    plan
}

fn removal(observed: &Observed) -> WatchPlan {
    let there = &observed.watcher;
    let mut plan = WatchPlan::default();
    if there.text.is_none() && there.shipped.is_none() {
        return plan;
    }
    plan.stop = observed.state(watcher::UNIT) != Running::Down;
    plan.reset = plan.stop;
    plan.unlink = there.links.iter().cloned().collect();
    plan.unit = there.text.as_ref().map(|text| FileChange {
        name: watcher::UNIT.to_owned(),
        before: Some(text.clone()),
        after: None,
    });
    if !plan.is_empty() {
        plan.change = Change::Remove;
    }
    plan
}
