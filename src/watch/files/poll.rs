//! `usePolling`: for file systems whose changes the kernel does not tell, such as NFS and folders shared with a virtual machine.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::super::rights::Rights;
use super::ignore::Scope;

/// A look that takes long is made less often: at most a twentieth of a core goes into it.
const SHARE: u32 = 20;

/// What tells one content of a file from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    modified: (i64, i64),
    size: u64,
    inode: u64,
}

/// What a look found.
pub struct Looked {
    tree: u32,
    files: BTreeMap<PathBuf, Stamp>,
    took: Duration,
}

impl Looked {
    pub fn tree(&self) -> u32 {
        self.tree
    }
}

pub struct Poll {
    often: Duration,
    /// None before the first look.
    files: Option<BTreeMap<PathBuf, Stamp>>,
    /// None while a look is being made.
    next: Option<Instant>,
}

impl Poll {
    pub fn new(often: Duration, now: Instant) -> Poll {
        Poll {
            often,
            files: None,
            next: Some(now),
        }
    }

    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Looks in another thread, because a network may not answer for a while; what is found comes to `to`.
    pub fn look(&mut self, tree: u32, scope: &Arc<Scope>, to: &UnboundedSender<Looked>) {
        self.next = None;
        let (scope, to) = (scope.clone(), to.clone());
        tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            // Without them nothing is found.
            let files = match scope.account.as_ref().map(Rights::take).transpose() {
                Ok(_rights) => walk(&scope),
                Err(_) => BTreeMap::new(),
            };
            // Nobody listens any more when the app is not watched any more.
            let _ = to.send(Looked {
                tree,
                files,
                took: begun.elapsed(),
            });
        });
    }

    /// What is another than at the last look; nothing at the first.
    pub fn looked(&mut self, looked: Looked, now: Instant) -> Vec<PathBuf> {
        self.next = Some(now + self.often.max(looked.took * SHARE));
        let Some(before) = self.files.replace(looked.files) else {
            return Vec::new();
        };
        let after = self.files.as_ref().expect("just put there");
        let changed = after
            .iter()
            .filter(|(path, stamp)| before.get(*path) != Some(stamp))
            .map(|(path, _)| path);
        let gone = before.keys().filter(|path| !after.contains_key(*path));
        changed.chain(gone).cloned().collect()
    }
}

fn walk(scope: &Scope) -> BTreeMap<PathBuf, Stamp> {
    let mut files = BTreeMap::new();
    // Device and inode of each folder: a link may lead back to one above.
    let mut been = std::collections::BTreeSet::new();
    for base in &scope.bases {
        let mut left = vec![(base.path.clone(), 0)];
        while let Some((path, depth)) = left.pop() {
            let Ok(found) = fs::metadata(&path) else {
                continue;
            };
            if !found.is_dir() {
                if found.is_file() && scope.counts(&path) {
                    files.insert(path, stamp(&found));
                }
                continue;
            }
            let deep = scope.depth.is_some_and(|most| depth > most);
            if deep || scope.ignores(&path, true) || !been.insert((found.dev(), found.ino())) {
                continue;
            }
            for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
                let kind = entry.file_type().ok();
                let is_link = kind.is_some_and(|kind| kind.is_symlink());
                if scope.links || !is_link {
                    left.push((entry.path(), depth + 1));
                }
            }
        }
    }
    files
}

fn stamp(found: &fs::Metadata) -> Stamp {
    Stamp {
        modified: (found.mtime(), found.mtime_nsec()),
        size: found.size(),
        inode: found.ino(),
    }
}
