//! Drop-ins of units: `NAME.d/*.conf` in each folder that the manager loads units from (systemd.unit(5)).
//!
//! Those of one unit, or of a template and its instances; not what holds for all services (`service.d`) or for all names that begin alike (`api-.service.d`):
//! these say nothing of an app.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Places;

/// A drop-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropIn {
    /// As the manager has it.
    pub path: PathBuf,
    /// What the manager was told to change as it goes (`systemctl set-property`), so that nothing needs a restart for it.
    pub in_force: bool,
    pub changed: SystemTime,
}

/// When a file, its content or its name, was changed last.
pub fn changed(file: &Metadata) -> SystemTime {
    let nanoseconds = u32::try_from(file.ctime_nsec()).unwrap_or_default();
    let seconds = u64::try_from(file.ctime()).unwrap_or_default();
    let inode = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    file.modified().map_or(inode, |content| inode.max(content))
}

/// Of every unit of which `wanted` holds, by its name: the template's own stand under `api@.service`. What cannot be read is left out.
pub fn find(places: &Places, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<DropIn>> {
    let mut found: BTreeMap<String, Vec<DropIn>> = BTreeMap::new();
    let mut seen = Vec::new();
    for folder in std::iter::once(&places.units).chain(&places.search) {
        let on_disk = places.on_disk(folder);
        // Where /lib is a link to /usr/lib, both have it.
        let Ok(real) = on_disk.canonicalize() else {
            continue;
        };
        if seen.contains(&real) {
            continue;
        }
        seen.push(real);
        for entry in fs::read_dir(&on_disk).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let unit = name.to_str().and_then(|name| name.strip_suffix(".d"));
            let Some(unit) = unit.filter(|unit| wanted(unit)) else {
                continue;
            };
            let path = folder.join(&name);
            let in_force = folder.extension().is_some_and(|end| end == "control");
            let files = of_folder(&on_disk.join(&name), &path, in_force);
            found.entry(unit.to_owned()).or_default().extend(files);
        }
    }
    for files in found.values_mut() {
        files.sort_by(|a, b| a.path.cmp(&b.path));
    }
    found
}

fn of_folder(on_disk: &Path, path: &Path, in_force: bool) -> Vec<DropIn> {
    let entries = fs::read_dir(on_disk).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| {
        let name = entry.file_name();
        name.to_str().filter(|name| name.ends_with(".conf"))?;
        Some(DropIn {
            path: path.join(&name),
            in_force,
            changed: changed(&fs::symlink_metadata(entry.path()).ok()?),
        })
    });
    files.collect()
}

/// When the folder of units, or that of a unit's drop-ins, was changed last: a file came, went or got another name. None: it is not there.
pub fn folder_changed(places: &Places, folder: &Path) -> Option<SystemTime> {
    let folder = fs::metadata(places.on_disk(folder)).ok()?;
    Some(changed(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_the_manager_looks() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().into());
        let put = |file: &str| {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "[Service]\nNice=1\n").unwrap();
        };
        let etc = "etc/systemd/system/api@.service.d/override.conf";
        let set = "etc/systemd/system.control/api@0.service.d/50-CPUWeight.conf";
        let run = "run/systemd/system/api.target.d/x.conf";
        let vendor = "usr/lib/systemd/system/api@.service.d/y.conf";
        for file in [etc, set, run, vendor] {
            put(file);
        }
        put("etc/systemd/system/api@.service.d/README");
        put("etc/systemd/system/other@.service.d/override.conf");
        put("usr/lib/systemd/system/service.d/all.conf");
        std::os::unix::fs::symlink("usr/lib", root.path().join("lib")).unwrap();
        let found = find(&places, |unit| unit.starts_with("api"));
        let paths = |unit: &str| -> Vec<String> {
            let files = found[unit].iter();
            files.map(|file| file.path.display().to_string()).collect()
        };
        assert_eq!(found.len(), 3);
        assert_eq!(
            paths("api@.service"),
            [etc, vendor].map(|file| format!("/{file}"))
        );
        assert_eq!(paths("api@0.service"), [format!("/{set}")]);
        assert_eq!(paths("api.target"), [format!("/{run}")]);
        assert!(found["api@0.service"][0].in_force);
        assert!(!found["api@.service"][0].in_force);
        let age = found["api.target"][0].changed.elapsed().unwrap();
        assert!(age < Duration::from_secs(60));
    }
}
