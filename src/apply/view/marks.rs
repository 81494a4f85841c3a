//! Where what runs, what systemd has read and what rpmctl wrote are not the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Mark, Row};
use crate::apply::Machine;
use crate::unit_files::drop_ins::{self, DropIn};
use crate::unit_files::{Places, generations, pending};
use crate::units::section::Sections;
use crate::units::{AppUnits, marker};

/// What is on disk of the units of all apps; reading it does not need systemd.
pub(super) struct Ground {
    drop_ins: BTreeMap<String, Vec<DropIn>>,
    /// Number and time of the generations, oldest first. None: they may not be read.
    generations: Option<Vec<(u64, SystemTime)>>,
    /// Instances with an environment of their own.
    own_env: BTreeSet<String>,
    /// Instances that are to be restarted for their new settings: an apply could not.
    owed: BTreeSet<String>,
}

impl Ground {
    pub fn read(places: &Places, apps: &BTreeMap<String, AppUnits>) -> Ground {
        let names: BTreeSet<String> = apps.values().flat_map(AppUnits::names).collect();
        let left = pending::read(places).ok().flatten();
        let env = fs::read_dir(places.on_disk(&places.env));
        let env = env.into_iter().flatten().flatten();
        let own_env = env.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.contains('@').then_some(name)
        });
        Ground {
            drop_ins: drop_ins::find(places, |unit| names.contains(unit)),
            generations: generations::times(places),
            own_env: own_env.collect(),
            owed: left.map(|left| left.restart).unwrap_or_default(),
        }
    }

    /// Whether it can be told which instances are older than their files.
    pub fn tells_old(&self) -> bool {
        self.generations.is_some()
    }

    fn generations(&self) -> &[(u64, SystemTime)] {
        self.generations.as_deref().unwrap_or_default()
    }

    fn of<'g>(&'g self, app: &'g AppUnits) -> impl Iterator<Item = (String, &'g DropIn)> {
        let units: BTreeSet<String> = app.names().collect();
        units.into_iter().flat_map(|unit| {
            let found = self.drop_ins.get(&unit).map_or(&[][..], Vec::as_slice);
            found.iter().map(move |one| (unit.clone(), one))
        })
    }
}

/// Of one app: the marks but that systemd has not read its files, and the generation that its units are of.
pub(super) fn of_app(
    places: &Places,
    ground: &Ground,
    app: &AppUnits,
    rows: &[Row<'_>],
) -> (Vec<Mark>, Option<u64>) {
    let mut marks = Vec::new();
    for unit in app.units.iter().filter(|unit| marker::edited(&unit.text)) {
        marks.push(Mark::Edited(places.units.join(&unit.name)));
    }
    for (_, one) in ground.of(app) {
        marks.push(Mark::DropIn(one.path.clone()));
    }
    let old = old(places, ground, app, rows);
    if !old.is_empty() {
        marks.push(Mark::Old(old));
    }
    (marks, generation(places, ground, app))
}

/// The first one that was kept after the last of its files was written.
fn generation(places: &Places, ground: &Ground, app: &AppUnits) -> Option<u64> {
    let written = app.units.iter().map(|unit| {
        let path = places.on_disk(&places.units).join(&unit.name);
        fs::metadata(path).and_then(|file| file.modified()).ok()
    });
    let last = written.max().flatten()?;
    let known = ground.generations().iter().find(|(_, made)| *made >= last);
    // What is older than the oldest may be of one that is no longer kept.
    let oldest = ground.generations().first().map(|(number, _)| *number);
    let known = known.map(|(number, _)| *number);
    known.filter(|number| *number == 1 || Some(*number) != oldest)
}

/// The instances that were started before a file of theirs was written as it is now. A generation is kept between the writing of its files and the start of what is to
/// run with them: what an instance was started with is in the newest one of that time. Words for people and our own section need no restart.
fn old(places: &Places, ground: &Ground, app: &AppUnits, rows: &[Row<'_>]) -> Vec<u32> {
    let name = &app.facts.app;
    let template = name.template();
    let units = places.on_disk(&places.units);
    let env = places.on_disk(&places.env);
    let of_all = [
        ("units", units.join(&template)),
        ("env", env.join(name.env_file())),
    ];
    let now = SystemTime::now();
    let written = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    let of_all = of_all.map(|(kind, path)| (kind, written(&path), path));
    let is_old = |row: &Row<'_>| {
        if ground.owed.contains(&row.unit) {
            return true;
        }
        let Some(started) = row.uptime.and_then(|age| now.checked_sub(age)) else {
            return false;
        };
        let own = format!("{}.env", row.unit.trim_end_matches(".service"));
        let own = ground.own_env.contains(&own).then(|| {
            let path = env.join(&own);
            ("env", written(&path), path)
        });
        let mut files = of_all.iter().chain(&own);
        let drop_ins = [&template, &row.unit].map(|unit| ground.drop_ins.get(unit.as_str()));
        let mut drop_ins = drop_ins.into_iter().flatten().flatten();
        files.any(|(kind, written, path)| {
            written.is_some_and(|written| written > started + SLACK)
                && differs(places, ground, kind, path, started)
        }) || drop_ins.any(|one| !one.in_force && one.changed > started + SLACK)
    };
    let old = rows.iter().filter(|row| is_old(row));
    old.map(|row| row.instance).collect()
}

/// /proc tells the start of a process to a hundredth of a second.
const SLACK: Duration = Duration::from_millis(20);

fn differs(
    places: &Places,
    ground: &Ground,
    kind: &str,
    path: &PathBuf,
    started: SystemTime,
) -> bool {
    let mut earlier = ground.generations().iter().rev();
    let Some((number, _)) = earlier.find(|(_, made)| *made <= started) else {
        return false;
    };
    let name = path.file_name().and_then(|name| name.to_str());
    let then = name.and_then(|name| generations::file(places, *number, kind, name));
    match (then, fs::read_to_string(path)) {
        (Some(then), Ok(now)) if kind == "units" => {
            Sections::parse(&then).effective() != Sections::parse(&now).effective()
        }
        (Some(then), Ok(now)) => then != now,
        _ => false,
    }
}

/// The apps whose files systemd has not read since they changed. It is asked only about those that have a newer file than its last look: each question costs
/// it a look at every folder.
pub(super) async fn need_reload(
    machine: &Machine,
    apps: &[&AppUnits],
    ground: &Ground,
) -> anyhow::Result<Vec<bool>> {
    let places = &machine.places;
    let loaded = machine.manager.units_loaded().await?;
    let newer = |time: Option<SystemTime>| match (time, loaded) {
        (Some(time), Some(loaded)) => time > loaded,
        (Some(_), None) => true,
        (None, _) => false,
    };
    // A drop-in that is gone has left its trace in the folder alone, and may have been of any instance.
    let folders = std::iter::once(&places.units).chain(&places.search);
    // Not those of generators, which write theirs while systemd reads.
    let mut folders = folders.filter(|folder| {
        let own = ["system", "user"].map(OsStr::new);
        folder.extension().is_some_and(|end| end == "control")
            || folder.file_name().is_some_and(|name| own.contains(&name))
    });
    let all = folders.any(|folder| newer(drop_ins::folder_changed(places, folder)));
    let units = places.on_disk(&places.units);
    let own = |name: &str| {
        let file = fs::metadata(units.join(name)).ok();
        newer(file.as_ref().map(drop_ins::changed))
    };
    // A template is not loaded: its instances are.
    let first = |name: &str| match name.split_once("@.") {
        Some((stem, end)) => format!("{stem}@0.{end}"),
        None => name.to_owned(),
    };
    let mut asked: Vec<(usize, String)> = Vec::new();
    // systemd does not look for folders of drop-ins that were not there (252): it says that it need not read them.
    let mut fresh: Vec<(usize, String, &Path)> = Vec::new();
    for (number, app) in apps.iter().enumerate() {
        let changed = app.units.iter().filter(|unit| all || own(&unit.name));
        asked.extend(changed.map(|unit| (number, first(&unit.name))));
        for (unit, one) in ground.of(app) {
            let folder = one.path.parent();
            let folder = folder.and_then(|path| drop_ins::folder_changed(places, path));
            if newer(Some(one.changed)) || newer(folder) {
                asked.push((number, first(&unit)));
                fresh.push((number, first(&unit), &one.path));
            }
        }
        if all {
            let others = app.facts.instance_units().skip(1);
            asked.extend(others.map(|unit| (number, unit)));
        }
    }
    let units: Vec<String> = asked.iter().map(|(_, unit)| unit.clone()).collect();
    let with_fresh: Vec<String> = fresh.iter().map(|(_, unit, _)| unit.clone()).collect();
    let (need, known) = tokio::try_join!(
        machine.manager.need_reload(&units),
        machine.manager.drop_ins(&with_fresh)
    )?;
    let mut marks = vec![false; apps.len()];
    for ((number, _), need) in asked.iter().zip(need) {
        marks[*number] |= need;
    }
    for ((number, _, path), known) in fresh.iter().zip(known) {
        marks[*number] |= !known.iter().any(|known| Path::new(known) == *path);
    }
    Ok(marks)
}
