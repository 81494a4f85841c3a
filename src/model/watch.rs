//! `watch`: which files restart an app when they change.

use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watch {
    /// Absolute. One that is not there as it stands may be a glob: the part before its first sign is the folder to watch.
    pub paths: Vec<PathBuf>,
    /// Texts that [`super::Pattern::parse`] takes, besides [`ALWAYS_IGNORED`] and the app's own log files.
    pub ignore: Vec<String>,
    /// The app's log files, as patterns.
    pub logs: Vec<String>,
    /// `watch_delay`
    pub delay: Duration,
    /// `watch_options.awaitWriteFinish.stabilityThreshold`: how long it must have been quiet.
    pub quiet: Option<Duration>,
    /// `watch_options.usePolling`: look so often, instead of being told by the kernel.
    pub poll: Option<Duration>,
    /// `watch_options.depth`: 0 is the files of the watched folder itself.
    pub depth: Option<u32>,
    /// `watch_options.followSymlinks`
    pub links: bool,
}

impl Watch {
    /// Everything below `path`, at once.
    pub fn of(path: &Path) -> Watch {
        Watch {
            paths: vec![path.to_path_buf()],
            ignore: Vec::new(),
            logs: Vec::new(),
            delay: Duration::ZERO,
            quiet: None,
            poll: None,
            depth: None,
            links: true,
        }
    }
}

/// Never watched, and no `!` pattern brings them back: tens of thousands of files that nobody edits.
pub const NEVER_WATCHED: [&str; 2] = ["node_modules", ".git"];

/// Names that are not watched unless a `!` pattern says so: what begins with a dot, as in PM2; logs; and what vim, Emacs and JetBrains leave beside a file
/// while they save it.
pub const ALWAYS_IGNORED: [&str; 8] = [
    ".*",
    "*.log",
    "*~",
    "#*#",
    "*.sw[a-p]",
    "4913",
    "*___jb_tmp___",
    "*___jb_old___",
];
