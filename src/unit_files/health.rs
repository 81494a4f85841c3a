//! How an instance's probe fares, as the watcher saw it last: `health/STEM@N` beside the lock, gone after a reboot, when the instance stops, and with its app.
//!
//! The watcher writes it anew as long as it asks. What it has not written for long, being dead or stuck, says nothing of now and is not read: each report
//! has in it how long it is good for. Its time is the clock's that counts from the boot, sleep included, which nobody sets.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};
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
    /// It answers well, and has done so since it came up: one that has not answered yet is neither well nor unhealthy.
    pub fn is_well(&self) -> bool {
        self.ok && self.latency.is_some()
    }

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
    /// Microseconds since the boot.
    at: u64,
    /// Microseconds from then on.
    good_for: u64,
}

fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(now.tv_sec).unwrap_or_default(), nanos)
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

/// In the place of the one before, whole or not at all. It is written often and lies in memory: nothing is synced. `good_for`: when the next one must be
/// there. Errors name the file.
pub fn note(places: &Places, unit: &str, health: &Health, good_for: Duration) -> io::Result<()> {
    let since = health.at.elapsed().unwrap_or_default();
    let written = Written {
        ok: health.ok,
        latency: health.latency.map(micros),
        failures: health.failures,
        detail: health.detail.clone(),
        at: micros(since_boot().saturating_sub(since)),
        good_for: micros(good_for),
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

/// None for an instance that was not asked since it came up, for what is no such file, and for a report that is too old to be one of now.
pub fn read(places: &Places, unit: &str) -> Option<Health> {
    let text = fs::read_to_string(path(places, unit)).ok()?;
    let written: Written = serde_json::from_str(&text).ok()?;
    let since = since_boot().checked_sub(Duration::from_micros(written.at))?;
    if since > Duration::from_micros(written.good_for) {
        return None;
    }
    Some(Health {
        ok: written.ok,
        latency: written.latency.map(Duration::from_micros),
        failures: written.failures,
        detail: written.detail,
        at: SystemTime::now() - since,
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
            latency: Some(Duration::from_micros(1234)),
            ..ago(3)
        };
        let good_for = Duration::from_secs(600);
        note(&places, unit, &health, good_for).unwrap();
        let seen = read(&places, "api@0").unwrap();
        let since = seen.at.elapsed().unwrap();
        assert!(since >= Duration::from_secs(3) && since < good_for);
        let at = health.at;
        assert_eq!(Health { at, ..seen }, health);
        assert_eq!(health.why(), None);
        health.ok = false;
        health.failures = 4;
        health.detail = "GET /healthz answered 503".to_owned();
        note(&places, unit, &health, good_for).unwrap();
        note(&places, "web@1", &health, good_for).unwrap();
        let why = "unhealthy: GET /healthz answered 503, 4 times";
        assert_eq!(read(&places, unit).unwrap().why().as_deref(), Some(why));
        // Nobody wrote it anew.
        note(&places, unit, &ago(601), good_for).unwrap();
        assert_eq!(read(&places, unit), None);
        note(&places, unit, &ago(599), good_for).unwrap();
        keep(&places, &BTreeSet::from(["api@0".to_owned()]));
        assert!(read(&places, unit).is_some() && read(&places, "web@1").is_none());
        forget(&places, unit);
        forget(&places, unit);
        assert_eq!(read(&places, unit), None);
        keep(&places, &BTreeSet::new());
        assert!(!folder(&places).exists());
    }
}
