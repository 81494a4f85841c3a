//! How often rpmctl restarted an instance and why, beside the lock: `restarts/STEM@N`, gone after a reboot. What systemd does by itself is in `NRestarts=`.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Places;
use super::write::Changes;
use crate::model::Reason;

/// The restarts of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restarts {
    /// How often, by [`Reason::as_str`].
    pub counts: BTreeMap<String, u32>,
    /// The word and the sentence of the last one.
    pub reason: String,
    pub detail: String,
    pub at: SystemTime,
}

impl Restarts {
    /// Those that nobody ordered: for memory, files and the schedule.
    pub fn automatic(&self) -> u32 {
        let ordered = [Reason::Deploy, Reason::Reload].map(|reason| reason.as_str());
        let counted = |(word, _): &(&String, &u32)| !ordered.contains(&word.as_str());
        self.counts
            .iter()
            .filter(counted)
            .fold(0, |sum: u32, (_, count)| sum.saturating_add(*count))
    }
}

#[derive(Serialize, Deserialize)]
struct Written {
    counts: BTreeMap<String, u32>,
    reason: String,
    detail: String,
    /// Microseconds since the epoch.
    at: u64,
}

fn folder(places: &Places) -> PathBuf {
    places.on_disk(&places.run).join("restarts")
}

/// The instances that have any, without their ending.
pub fn noted(places: &Places) -> HashSet<String> {
    let entries = std::fs::read_dir(folder(places)).into_iter().flatten();
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().into_string());
    names.filter_map(Result::ok).collect()
}

/// `unit` is an instance, with or without its ending.
fn path(places: &Places, unit: &str) -> PathBuf {
    let instance = unit.strip_suffix(".service").unwrap_or(unit);
    folder(places).join(Path::new(instance).file_name().unwrap_or_default())
}

/// Notes that the instance is restarted now; whole or not at all. Errors name the file.
pub fn note(places: &Places, unit: &str, reason: &Reason) -> io::Result<()> {
    let mut counts = read(places, unit).map_or_else(BTreeMap::new, |before| before.counts);
    let count: &mut u32 = counts.entry(reason.as_str().to_owned()).or_default();
    *count = count.saturating_add(1);
    let at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let written = Written {
        counts,
        reason: reason.as_str().to_owned(),
        detail: reason.to_string(),
        at: u64::try_from(at.as_micros()).unwrap_or(u64::MAX),
    };
    let mut changes = Changes::default();
    let text = serde_json::to_string(&written)? + "\n";
    changes.write(path(places, unit), &text, 0o644);
    changes.commit()
}

/// None when rpmctl never restarted it since boot, and for what is no such file.
pub fn read(places: &Places, unit: &str) -> Option<Restarts> {
    let text = std::fs::read_to_string(path(places, unit)).ok()?;
    let written: Written = serde_json::from_str(&text).ok()?;
    Some(Restarts {
        counts: written.counts,
        reason: written.reason,
        detail: written.detail,
        at: UNIX_EPOCH + Duration::from_micros(written.at),
    })
}

/// Those that are gone begin anew when they come back; those that a guest stops go on. Errors name the file.
pub fn forget<'a>(places: &Places, units: impl IntoIterator<Item = &'a String>) -> io::Result<()> {
    if places.is_guest() {
        return Ok(());
    }
    for unit in units.into_iter().filter(|unit| unit.contains('@')) {
        let path = path(places, unit);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let words = format!("{}: {error}", path.display());
                return Err(io::Error::new(error.kind(), words));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_by_reason() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().into());
        let unit = "api@0.service".to_owned();
        assert_eq!(read(&places, &unit), None);
        let memory = Reason::Memory { bytes: 2, limit: 1 };
        for reason in [&memory, &Reason::Schedule, &memory] {
            note(&places, &unit, reason).unwrap();
        }
        assert_eq!(noted(&places), HashSet::from(["api@0".to_owned()]));
        let found = read(&places, "api@0").unwrap();
        let counts = BTreeMap::from([("memory".to_owned(), 2), ("schedule".to_owned(), 1)]);
        assert_eq!((found.counts, found.reason), (counts, "memory".to_owned()));
        assert_eq!(found.detail, memory.to_string());
        note(&places, &unit, &Reason::Reload).unwrap();
        assert_eq!(read(&places, &unit).unwrap().automatic(), 3);
        assert!(found.at.elapsed().unwrap() < Duration::from_secs(60));
        forget(&places, [&unit, &"api.target".to_owned()]).unwrap();
        assert_eq!(read(&places, &unit), None);
    }
}
