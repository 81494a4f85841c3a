//! What lies beside the apps on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::kernel;
use crate::doctor::leftovers::Leftovers;
use crate::model::of_runtime_folder;
use crate::plan::Observed;
use crate::unit_files::{Places, generations, pending, write};
use crate::units::{AppUnits, marker};

/// With the instances that have a runtime folder and no app: whether they run is for systemd to say.
pub fn left(
    places: &Places,
    known: &BTreeMap<String, AppUnits>,
    observed: &Observed,
) -> (Leftovers, Vec<String>) {
    let stems: BTreeMap<&str, u32> = known
        .values()
        .map(|app| (app.facts.app.stem(), app.facts.instances))
        .collect();
    let is_instance = |instance: &str| {
        let Some((stem, number)) = instance.split_once('@') else {
            return true;
        };
        let number = number.parse::<u32>();
        number.is_ok_and(|number| stems.get(stem).is_some_and(|count| number < *count))
    };
    let entries = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(places.on_disk(folder)).into_iter().flatten();
        let names = entries
            .flatten()
            .map(|entry| entry.file_name().into_string());
        names.filter_map(Result::ok).collect()
    };
    let candidates = entries(&places.run)
        .into_iter()
        .filter(|folder| places.on_disk(&places.run).join(folder).is_dir())
        .map(|folder| of_runtime_folder(&folder))
        .filter(|name| !is_instance(name))
        .map(|name| format!("{name}.service"))
        .collect();
    let env = entries(&places.env).into_iter().filter(|name| {
        let stem = name
            .strip_suffix(".env")
            .filter(|stem| !stem.starts_with('.'));
        stem.is_some_and(|stem| {
            !stems.contains_key(stem)
                && !stem
                    .split_once('@')
                    .is_some_and(|(stem, _)| stems.contains_key(stem))
        })
    });
    let mut folders = vec![places.units.clone(), places.env.clone(), places.run.clone()];
    folders.push(places.state.join("generations"));
    let of_links = entries(&places.units)
        .into_iter()
        .filter(|name| name.ends_with(".wants"));
    folders.extend(of_links.map(|name| places.units.join(name)));
    let list = generations::list(places).unwrap_or_default();
    let newest = list
        .last()
        .map(|newest| generations::unit_names(places, newest.number));
    let without_target = observed
        .units
        .iter()
        .filter(|(_, text)| marker::owner(text).is_some_and(|app| !known.contains_key(&app)));
    let leftovers = Leftovers {
        staged: folders
            .iter()
            .flat_map(|folder| write::abandoned(&places.on_disk(folder)))
            .collect(),
        pending: pending::read(places)
            .ok()
            .flatten()
            .map(|left| (left.restart.len(), left.reload)),
        orphans: vec![],
        units: without_target
            .map(|(name, _)| places.units.join(name))
            .collect(),
        env: env.map(|name| places.env.join(name)).collect(),
        lock: kernel::holder(&places.on_disk(&places.run).join("lock")),
        damaged: list
            .iter()
            .filter(|one| one.about == "(damaged)")
            .map(|one| {
                let folder = places
                    .state
                    .join("generations")
                    .join(one.number.to_string());
                (one.number, places.on_disk(&folder))
            })
            .collect(),
        removed: newest
            .unwrap_or_default()
            .into_iter()
            .filter(|name| !observed.units.contains_key(name))
            .collect(),
    };
    (leftovers, candidates)
}
