//! Earlier compiled sets, so that `rollback` is apply of an older one.
//!
//! `generations/N/` holds `units/` and `env/` of every app as they were after the N-th change, and `about`: what made it. Only its owner may read it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Places;

/// How many are kept.
pub const KEPT: usize = 10;

/// All files of ours at one time.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    pub units: BTreeMap<String, String>,
    pub env: BTreeMap<String, String>,
}

/// A generation in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    pub number: u64,
    pub made: SystemTime,
    /// The command that made it: `apply /srv/ecosystem.toml`.
    pub about: String,
}

fn folder(places: &Places) -> PathBuf {
    places.on_disk(&places.state).join("generations")
}

/// Oldest first.
pub fn list(places: &Places) -> io::Result<Vec<Generation>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(folder(places)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(|error| named(&folder(places), error))?,
    };
    for entry in entries {
        let entry = entry?;
        let Some(number) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // One that was tampered with must not stand in the way of the others, nor of the next apply.
        let about = entry.path().join("about");
        found.push(Generation {
            number,
            made: entry.metadata()?.modified()?,
            about: fs::read_to_string(&about).map_or_else(
                |_| "(damaged)".to_owned(),
                |text| text.trim_end().to_owned(),
            ),
        });
    }
    found.sort_by_key(|generation| generation.number);
    Ok(found)
}

/// Number and time of each, oldest first: without reading any. None where they may not be read.
pub fn times(places: &Places) -> Option<Vec<(u64, SystemTime)>> {
    let entries = match fs::read_dir(folder(places)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(vec![]),
        entries => entries.ok()?.flatten(),
    };
    let mut times: Vec<(u64, SystemTime)> = entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, entry.metadata().ok()?.modified().ok()?))
        })
        .collect();
    times.sort_unstable();
    Some(times)
}

/// A file of one: `kind` is `units` or `env`. None: it has no such file, or it cannot be read.
pub fn file(places: &Places, number: u64, kind: &str, name: &str) -> Option<String> {
    let folder = folder(places).join(number.to_string()).join(kind);
    fs::read_to_string(folder.join(name)).ok()
}

/// Names of its units; none where they may not be read.
pub fn unit_names(places: &Places, number: u64) -> Vec<String> {
    let entries = fs::read_dir(folder(places).join(number.to_string()).join("units"));
    let names = entries.into_iter().flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// The number of the newest one.
pub fn newest(places: &Places) -> io::Result<Option<u64>> {
    Ok(list(places)?.last().map(|generation| generation.number))
}

/// Forgets the newest one: its files went back to what they were. Errors name the folder.
pub fn drop_newest(places: &Places) -> io::Result<()> {
    match newest(places)? {
        Some(number) => {
            let folder = folder(places);
            let number = folder.join(number.to_string());
            let going = folder.join(".old");
            remove(&going)
                .and_then(|()| fs::rename(&number, &going))
                .and_then(|()| remove(&going))
                .map_err(|error| named(&number, error))
        }
        None => Ok(()),
    }
}

pub fn read(places: &Places, number: u64) -> io::Result<Snapshot> {
    let folder = folder(places).join(number.to_string());
    Ok(Snapshot {
        units: texts(&folder.join("units"))?,
        env: texts(&folder.join("env"))?,
    })
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn texts(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(|error| named(folder, error))? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string() {
            let text = fs::read_to_string(entry.path());
            found.insert(name, text.map_err(|error| named(&entry.path(), error))?);
        }
    }
    Ok(found)
}

/// Makes the folder, and finds out whether a generation can be kept. Errors name the folder.
pub fn prepare(places: &Places) -> io::Result<()> {
    let folder = folder(places);
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let above = folder.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(above)
        .map_err(named)?;
    if !folder.is_dir() {
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(named)?;
    }
    super::write::writable(&folder)
}

/// Keeps the set as the newest generation, unless the newest is the same; drops the oldest ones. Returns its number.
/// With the lock held: what a killed apply had half written or half removed has no number and goes first.
pub fn keep(places: &Places, snapshot: &Snapshot, about: &str) -> io::Result<u64> {
    prepare(places)?;
    let folder = folder(places);
    let staged = folder.join(".new");
    let going = folder.join(".old");
    for left in [&staged, &going] {
        remove(left)?;
    }
    super::write::clean(&folder);
    let known = list(places)?;
    if let Some(newest) = known.last()
        && read(places, newest.number).is_ok_and(|kept| kept == *snapshot)
    {
        return Ok(newest.number);
    }
    let number = known.last().map_or(1, |newest| newest.number + 1);
    for (kind, files) in [("units", &snapshot.units), ("env", &snapshot.env)] {
        let kind = staged.join(kind);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&kind)?;
        for (name, text) in files {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(kind.join(name))?;
            file.write_all(text.as_bytes())?;
        }
    }
    fs::write(staged.join("about"), format!("{about}\n"))?;
    fs::rename(&staged, folder.join(number.to_string()))?;
    let surplus = (known.len() + 1).saturating_sub(KEPT);
    for old in &known[..surplus] {
        // At once: half of a set must never be taken for the whole of it.
        fs::rename(folder.join(old.number.to_string()), &going)?;
        remove(&going)?;
    }
    Ok(number)
}

/// A folder, if it is there.
fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_few_are_kept_and_the_same_set_once() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().into());
        let set = |n: u32| Snapshot {
            units: BTreeMap::from([("a.target".into(), n.to_string())]),
            env: BTreeMap::from([("a.env".into(), "S=\"1\"\n".into())]),
        };
        assert_eq!(keep(&places, &set(1), "apply").unwrap(), 1);
        let secret = fs::metadata(folder(&places).join("1/env/a.env")).unwrap();
        assert_eq!(secret.permissions().mode() & 0o777, 0o600);
        assert_eq!(keep(&places, &set(1), "apply").unwrap(), 1);
        for n in 2..=15 {
            assert_eq!(keep(&places, &set(n), "apply").unwrap(), u64::from(n));
        }
        for left in [".new/units", ".old/env"] {
            fs::create_dir_all(folder(&places).join(left)).unwrap();
        }
        fs::write(folder(&places).join(".rpmctl-killed"), "").unwrap();
        assert_eq!(keep(&places, &set(15), "apply").unwrap(), 15);
        assert_eq!(fs::read_dir(folder(&places)).unwrap().count(), KEPT);
        let numbers: Vec<u64> = list(&places).unwrap().iter().map(|g| g.number).collect();
        assert_eq!(numbers, (6..=15).collect::<Vec<_>>());
        assert!(read(&places, 7).unwrap() == set(7));
        drop_newest(&places).unwrap();
        assert_eq!(newest(&places).unwrap(), Some(14));
    }
}
