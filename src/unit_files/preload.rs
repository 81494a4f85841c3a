//! The Node preload (src/preload) as a file that units name in `NODE_OPTIONS`.

use std::io;
use std::path::{Path, PathBuf};

use super::loaded;

/// One CommonJS file of the parts, in this order.
pub const PRELOAD: &str = concat!(
    include_str!("../preload/role.cjs"),
    "\n",
    include_str!("../preload/worker.cjs"),
    "\n",
    include_str!("../preload/io.cjs"),
    "\n",
    include_str!("../preload/servers.cjs"),
    "\n",
    include_str!("../preload/requests.cjs"),
    "\n",
    include_str!("../preload/drain.cjs"),
);

/// `node-<hash>.cjs`.
pub fn file_name() -> String {
    loaded::file_name("node", "cjs", PRELOAD.as_bytes())
}

/// Puts the preload into `dir` and returns its path.
///
/// # Errors
/// As of [`loaded::install`].
pub fn install(dir: &Path) -> io::Result<PathBuf> {
    loaded::install(dir, &file_name(), PRELOAD.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::PRELOAD;

    /// The parts are one file: of two functions of one name the later would stand in for both, without a word.
    #[test]
    fn no_two_parts_call_something_alike() {
        let mut names = HashSet::new();
        for line in PRELOAD.lines() {
            let line = line.strip_prefix("async ").unwrap_or(line);
            let mut words = line.split([' ', '(', ';', '=']);
            if matches!(words.next(), Some("function" | "class" | "const" | "let")) {
                let name = words.next().unwrap_or_default();
                assert!(name == "{" || names.insert(name), "{name} twice");
            }
        }
        assert!(names.len() > 50, "{names:?}");
    }
}
