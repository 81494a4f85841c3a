//! Questions that a file raises about the machine, and the answers: plain values, so that checking a file stays free of effects.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What must be looked up before a file can be checked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Questions {
    /// Absolute paths: what is there?
    pub paths: Vec<PathBuf>,
    /// Names without a slash: where on PATH?
    pub programs: Vec<String>,
    pub users: Vec<String>,
    pub groups: Vec<String>,
}

/// The machine as far as the questions asked, and what every file may need.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Host {
    /// Usable processors: affinity and cgroup quota count.
    pub cpus: u32,
    /// Running as uid 0.
    pub root: bool,
    pub paths: BTreeMap<PathBuf, Found>,
    /// None where PATH has no such program.
    pub programs: BTreeMap<String, Option<Program>>,
    pub users: BTreeMap<String, bool>,
    pub groups: BTreeMap<String, bool>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    Missing,
    Directory,
    File(Program),
    /// There, but of another kind or unreadable: the words why.
    Other(String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// Absolute, symlinks unresolved.
    pub path: PathBuf,
    pub executable: bool,
    pub kind: Kind,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Linked dynamically.
    Dynamic,
    /// An ELF program without a loader: nothing can be preloaded.
    Static,
    /// Set-user-ID, set-group-ID or with file capabilities: the loader ignores LD_PRELOAD.
    Privileged,
    /// Starts with `#!`; the words of that line.
    Script(Vec<String>),
    /// Any other text or data.
    Plain,
}
