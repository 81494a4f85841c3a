//! The compiled units of all apps: what should be on disk.

use super::facts::Facts;

/// Units and environment files of every app, in an order in which they can be started.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct UnitSet {
    pub apps: Vec<AppUnits>,
    /// The watcher as this rpmctl writes it; None: one that is there stays as it is.
    pub watcher: Option<UnitFile>,
}

/// What one app becomes.
#[derive(Clone, PartialEq, Debug)]
pub struct AppUnits {
    pub facts: Facts,
    pub units: Vec<UnitFile>,
    pub env: Vec<EnvFile>,
    /// Links that make the target start at boot: name of the folder, `multi-user.target.wants`.
    pub enabled_by: Vec<String>,
    /// What a user should know: an ability that this systemd lacks, a key that is not acted on yet.
    pub notes: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnitFile {
    pub name: String,
    pub text: String,
}

/// Readable by its owner alone; the values never leave it.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvFile {
    pub name: String,
    pub text: String,
}

impl std::fmt::Debug for EnvFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EnvFile({}, {} bytes)", self.name, self.text.len())
    }
}

impl AppUnits {
    /// The units that are to run, in the order of their start. The socket of a single instance is none of them: it comes and goes with its instance.
    pub fn wanted(&self) -> Vec<String> {
        let facts = &self.facts;
        let mut wanted = facts.shared_units();
        wanted.extend(facts.schedule.as_ref().map(|_| facts.app.timer()));
        if !facts.by_clock_alone() {
            wanted.extend(facts.instance_units());
        }
        wanted
    }

    /// Every unit name that is the app's once it runs.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let files = self.units.iter().map(|unit| unit.name.clone());
        files
            .chain(self.wanted())
            .chain(self.facts.instance_units())
            .chain(self.facts.sockets())
    }

    pub fn has_socket(&self) -> bool {
        self.units.iter().any(|unit| unit.name.ends_with(".socket"))
    }

    /// Puts together again what files on disk or of an earlier generation say; None when the app's target is missing or not ours.
    pub fn from_files(target: &str, units: Vec<UnitFile>, env: Vec<EnvFile>) -> Option<AppUnits> {
        let text = &units.iter().find(|unit| unit.name == target)?.text;
        let facts = Facts::read(text)?;
        let enabled_by = super::install::enabled_by(text, facts.boots());
        Some(AppUnits {
            facts,
            units,
            env,
            enabled_by,
            notes: vec![],
        })
    }
}
