//! Whether an app starts at boot: the links of its target.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::Machine;
use super::observe;
use super::progress::Progress;
use super::target::Selected;
use crate::model::Name;
use crate::unit_files::write::Changes;

/// What is enabled or disabled, and of which apps.
pub struct BootChanges {
    changes: Changes,
    pub apps: Vec<Name>,
}

pub fn changes(
    machine: &Machine,
    selected: &[Selected<'_>],
    boot: bool,
) -> anyhow::Result<BootChanges> {
    let places = &machine.places;
    let folder = places.on_disk(&places.units);
    let observed = observe::apps(places)?;
    let apps = observed.apps();
    let mut changes = Changes::default();
    let mut changed: BTreeMap<&str, &Name> = BTreeMap::new();
    for one in selected.iter().filter(|one| one.instances.is_none()) {
        let target = one.facts.app.target();
        let Some(app) = apps.get(one.facts.app.as_str()) else {
            continue;
        };
        for wants in &app.enabled_by {
            let path = folder.join(wants).join(&target);
            let there = observed.links.contains(&(wants.clone(), target.clone()));
            match (boot, there) {
                (true, false) => changes.link(path, places.units.join(&target)),
                (false, true) => changes.remove(path),
                _ => continue,
            }
            changed.insert(one.facts.app.as_str(), &one.facts.app);
        }
    }
    let apps = changed.into_values().cloned().collect();
    Ok(BootChanges { changes, apps })
}

/// A stopped app stays stopped after a reboot, a started one comes back; single instances follow their app. A guest is told what stays as it is.
pub fn set(
    machine: &Machine,
    selected: &[Selected<'_>],
    boot: bool,
    show: &RefCell<impl FnMut(Progress<'_>)>,
) -> anyhow::Result<()> {
    let BootChanges { changes, apps } = self::changes(machine, selected, boot)?;
    if apps.is_empty() {
        return Ok(());
    }
    if machine.places.is_guest() {
        let stays = match (boot, apps.len()) {
            (true, 1) => "does not start",
            (true, _) => "do not start",
            (false, 1) => "starts",
            (false, _) => "start",
        };
        let apps: Vec<&str> = apps.iter().map(Name::as_str).collect();
        (show.borrow_mut())(Progress::Note(format!(
            "note: at the next boot {} {stays} as before; only root can change that",
            apps.join(", ")
        )));
        return Ok(());
    }
    changes.commit()?;
    let word = if boot { "enabled " } else { "disabled" };
    for app in &apps {
        (show.borrow_mut())(Progress::Line(format!("{word}  {}", app.target())));
    }
    Ok(())
}
