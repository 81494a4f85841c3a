//! How an instance's probe fares, as the watcher saw it last: `health/STEM@N` beside the lock, gone after a reboot, when the instance stops, and with its app.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Places;

/// The health of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// False once it has failed `threshold` times in a row, until it answers well.
    pub ok: bool,
    /// Of its last good answer.
    pub latency: Option<Duration>,
    /// In a row, up to now.
    pub failures: u32,
    /// What was wrong last: `GET /healthz answered 503`; empty when nothing was.
    pub detail: String,
    pub at: SystemTime,
}

impl Health {
    /// `unhealthy: GET /healthz answered 503, 4 times`; None where it is well.
    pub fn why(&self) -> Option<String> {
        let times = match self.failures {
            0 | 1 => String::new(),
            times => format!(", {times} times"),
        };
        (!self.ok).then(|| format!("unhealthy: {}{times}", self.detail))
    }

    /// Whether it is of a run that began so long ago, and not of the one before; true where that is not known.
    pub fn is_of(&self, age: Option<Duration>) -> bool {
        let since = self.at.elapsed().unwrap_or_default();
        age.is_none_or(|age| since <= age)
    }
}

#[derive(Serialize, Deserialize)]
struct Written {
    ok: bool,
    /// Microseconds.
    latency: Option<u64>,
    failures: u32,
    detail: String,
    /// Microseconds since the epoch.
    at: u64,
}

fn folder(places: &Places) -> PathBuf {
    places.on_disk(&places.run).join("health")
}

/// `unit` is an instance, with or without its ending.
fn path(places: &Places, unit: &str) -> PathBuf {
    let instance = unit.strip_suffix(".service").unwrap_or(unit);
    folder(places).join(Path::new(instance).file_name().unwrap_or_default())
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// In the place of the one before, whole or not at all. It is written often and lies in memory: nothing is synced. Errors name the file.
pub fn note(places: &Places, unit: &str, health: &Health) -> io::Result<()> {
    let since = health.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let written = Written {
        ok: health.ok,
        latency: health.latency.map(micros),
        failures: health.failures,
        detail: health.detail.clone(),
        at: micros(since),
    };
    let text = serde_json::to_string(&written)? + "\n";
    let path = path(places, unit);
    // No instance's name ends so.
    let beside = path.with_file_name(format!(
        "{}.new",
        path.file_name().unwrap_or_default().to_string_lossy()
    ));
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let write = || fs::write(&beside, &text);
    match write() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder(places)).map_err(named)?;
            write().map_err(named)?;
        }
        done => done.map_err(named)?,
    }
    fs::rename(&beside, &path).map_err(named)
}

/// None for an instance that was not asked since it came up, and for what is no such file.
pub fn read(places: &Places, unit: &str) -> Option<Health> {
    let text = fs::read_to_string(path(places, unit)).ok()?;
    let written: Written = serde_json::from_str(&text).ok()?;
    Some(Health {
        ok: written.ok,
        latency: written.latency.map(Duration::from_micros),
        failures: written.failures,
        detail: written.detail,
        at: UNIX_EPOCH + Duration::from_micros(written.at),
    })
}

/// It does not run. Nothing to forget is no error.
pub fn forget(places: &Places, unit: &str) {
    let _ = fs::remove_file(path(places, unit));
}

/// Only those of these instances stay, named without their ending. With none the folder goes.
pub fn keep(places: &Places, instances: &BTreeSet<String>) {
    let folder = folder(places);
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    for entry in entries {
        let known = |name: &str| instances.contains(name);
        if !entry.file_name().to_str().is_some_and(known) {
            let _ = fs::remove_file(entry.path());
        }
    }
    if instances.is_empty() {
        let _ = fs::remove_dir(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn come_and_go() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().into());
        let unit = "api@0.service";
        assert_eq!(read(&places, unit), None);
        let ago = |seconds| Health {
            ok: true,
            latency: None,
            failures: 0,
            detail: String::new(),
            at: SystemTime::now() - Duration::from_secs(seconds),
        };
        let age = Some(Duration::from_secs(600));
        assert!(ago(0).is_of(age) && !ago(1200).is_of(age) && ago(1200).is_of(None));
        let mut health = Health {
            ok: true,
            latency: Some(Duration::from_micros(1234)),
            failures: 0,
            detail: String::new(),
            at: UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_001),
        };
        note(&places, unit, &health).unwrap();
        assert_eq!(read(&places, "api@0"), Some(health.clone()));
        assert_eq!(health.why(), None);
        health.ok = false;
        health.failures = 4;
        health.detail = "GET /healthz answered 503".to_owned();
        note(&places, unit, &health).unwrap();
        note(&places, "web@1", &health).unwrap();
        let why = "unhealthy: GET /healthz answered 503, 4 times";
        assert_eq!(read(&places, unit).unwrap().why().as_deref(), Some(why));
        keep(&places, &BTreeSet::from(["api@0".to_owned()]));
        assert!(read(&places, unit).is_some() && read(&places, "web@1").is_none());
        forget(&places, unit);
        forget(&places, unit);
        assert_eq!(read(&places, unit), None);
        keep(&places, &BTreeSet::new());
        assert!(!folder(&places).exists());
    }
}
