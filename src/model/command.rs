//! The program of an app.

use std::path::PathBuf;

/// An argument vector, resolved: nothing is left for a shell or PATH to decide when the instance starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// Absolute, symlinks unresolved.
    pub program: PathBuf,
    /// Any text without NUL.
    pub args: Vec<String>,
    /// The script as the file has it, for people.
    pub script: String,
    /// What runs the script, for people: `node`, `python3`, `none`.
    pub interpreter: String,
    /// Whether the program is linked dynamically, so that the listen shim can be loaded into it.
    pub preloadable: bool,
}
