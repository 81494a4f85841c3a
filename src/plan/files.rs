//! Which files and links of an app change.

use std::collections::BTreeMap;

use super::action::{AppPlan, FileChange};
use super::observed::Observed;
use crate::units::AppUnits;
use crate::units::section::Sections;

pub(super) fn pairs(
    app: Option<&AppUnits>,
    files: impl Fn(&AppUnits) -> Vec<(String, String)>,
) -> Vec<(String, String)> {
    app.map(files).unwrap_or_default()
}

pub(super) fn changes<'a>(
    old: &BTreeMap<String, String>,
    new: impl Iterator<Item = (&'a String, &'a String)>,
) -> Vec<FileChange> {
    let mut changes = Vec::new();
    let mut kept = Vec::new();
    for (name, text) in new {
        kept.push(name);
        let before = old.get(name);
        if before != Some(text) {
            changes.push(FileChange {
                name: name.clone(),
                before: before.cloned(),
                after: Some(text.clone()),
            });
        }
    }
    let gone = old.iter().filter(|(name, _)| !kept.contains(name));
    changes.extend(gone.map(|(name, text)| FileChange {
        name: name.clone(),
        before: Some(text.clone()),
        after: None,
    }));
    changes
}

pub(super) fn links(plan: &mut AppPlan, app: &AppUnits, observed: &Observed) {
    let target = app.facts.app.target();
    let wanted: Vec<(String, String)> = app
        .enabled_by
        .iter()
        .map(|folder| (folder.clone(), target.clone()))
        .collect();
    plan.unlink = observed
        .links
        .iter()
        .filter(|link| link.1 == target && !wanted.contains(link))
        .cloned()
        .collect();
    plan.link = wanted
        .into_iter()
        .filter(|link| !observed.links.contains(link))
        .collect();
}

/// Whether a change of a unit's file changes what runs.
pub(super) fn acts(change: &FileChange) -> bool {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            Sections::parse(before).effective() != Sections::parse(after).effective()
        }
        _ => true,
    }
}
