//! What is there, as far as deciding needs it. Always stale: apply observes again under the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::units::{AppUnits, EnvFile, UnitFile, marker};

#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Units on disk that carry our marker: name to text.
    pub units: BTreeMap<String, String>,
    /// Environment files on disk: name to text.
    pub env: BTreeMap<String, String>,
    /// Links below the unit directory to units of ours: folder and unit.
    pub links: BTreeSet<(String, String)>,
    /// Units that carry a wanted name, or the name of an instance of a template of ours, and are not ours: name to file.
    pub foreign: BTreeMap<String, PathBuf>,
    /// Units that the manager has loaded; one that is absent is down.
    pub running: BTreeMap<String, Running>,
    /// What an interrupted apply left undone.
    pub pending: Option<Pending>,
    pub watcher: Watcher,
}

/// The watcher's unit as it is on disk; its state is in [`Observed::running`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watcher {
    /// Ours, in our folder.
    pub text: Option<String>,
    /// Ours, in another folder, where a package has put it: file and text.
    pub shipped: Option<(PathBuf, String)>,
    /// Not ours.
    pub foreign: Option<PathBuf>,
    /// Folders with a link to it.
    pub links: BTreeSet<String>,
}

/// Written before the first change, so that a killed apply is carried on by the next; after the last it says what a failure left as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Instances that still run with their old settings, or were stopped to get new ones.
    pub restart: BTreeSet<String>,
    /// The manager may not have read the changed units yet.
    pub reload: bool,
}

/// A unit's state, as far as deciding needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    Up,
    /// On its way up; also between two automatic restarts.
    Starting,
    Stopping,
    Failed,
    Down,
}

impl Running {
    /// From `ActiveState` (org.freedesktop.systemd1(5)).
    pub fn from_active_state(active: &str) -> Running {
        match active {
            "active" | "reloading" | "refreshing" => Running::Up,
            "activating" => Running::Starting,
            "deactivating" => Running::Stopping,
            "failed" => Running::Failed,
            _ => Running::Down,
        }
    }
}

impl Running {
    pub fn as_str(self) -> &'static str {
        match self {
            Running::Up => "up",
            Running::Starting => "starting",
            Running::Stopping => "stopping",
            Running::Failed => "failed",
            Running::Down => "down",
        }
    }
}

impl Observed {
    pub fn state(&self, unit: &str) -> Running {
        self.running.get(unit).copied().unwrap_or(Running::Down)
    }

    /// Every app that has a target of ours on disk, by name, put together from its files.
    pub fn apps(&self) -> BTreeMap<String, AppUnits> {
        let mut files: BTreeMap<String, Vec<UnitFile>> = BTreeMap::new();
        for (name, text) in &self.units {
            if let Some(owner) = marker::owner(text) {
                files.entry(owner).or_default().push(UnitFile {
                    name: name.clone(),
                    text: text.clone(),
                });
            }
        }
        files
            .into_iter()
            .filter_map(|(app, units)| {
                let name = crate::model::Name::new(&app).ok()?;
                let env = self.env_of(name.stem());
                Some((app, AppUnits::from_files(&name.target(), units, env)?))
            })
            .collect()
    }

    /// `stem.env` and `stem@N.env`.
    fn env_of(&self, stem: &str) -> Vec<EnvFile> {
        let own = format!("{stem}.env");
        let instances = format!("{stem}@");
        self.env
            .range(stem.to_owned()..)
            .take_while(|(name, _)| name.starts_with(stem))
            .filter(|(name, _)| **name == own || name.starts_with(&instances))
            .map(|(name, text)| EnvFile {
                name: name.clone(),
                text: text.clone(),
            })
            .collect()
    }

    /// Loaded instances of an app, by number.
    pub fn instances(&self, stem: &str) -> BTreeMap<u32, Running> {
        self.of_template(stem)
            .filter_map(|(_, name, state)| Some((canonical(name)?, state)))
            .collect()
    }

    /// Loaded units of an app's template that are no instance of it, as somebody started by hand: `api@x.service`, `api@007.service`.
    pub fn strays(&self, stem: &str) -> Vec<String> {
        self.of_template(stem)
            .filter(|(_, name, _)| canonical(name).is_none())
            .map(|(unit, _, _)| unit.to_owned())
            .collect()
    }

    /// Unit, instance name and state. A unit with a file of its own is none of the template.
    fn of_template(&self, stem: &str) -> impl Iterator<Item = (&str, &str, Running)> {
        let prefix = format!("{stem}@");
        let length = prefix.len();
        self.running
            .range(prefix.clone()..)
            .take_while(move |(unit, _)| unit.starts_with(&prefix))
            .filter(|(unit, _)| !self.foreign.contains_key(*unit))
            .filter_map(move |(unit, state)| {
                let name = unit[length..].strip_suffix(".service")?;
                Some((unit.as_str(), name, *state))
            })
    }
}

/// The number of an instance, as systemd's `%i` has it: `7`, never `07` or `+7`.
fn canonical(name: &str) -> Option<u32> {
    name.parse()
        .ok()
        .filter(|number: &u32| number.to_string() == name)
}
