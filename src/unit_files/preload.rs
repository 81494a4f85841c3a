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
