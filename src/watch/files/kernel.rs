//! inotify(7): one instance for all apps.
//!
//! By itself, not through the crate notify, whose inotify backend always asks for `IN_OPEN` too: an app that reads a file of its folder on each request
//! would wake the watcher each time.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

/// A file counts when its writer has closed it; `IN_MODIFY` would tell of every line appended to a file that stays open. `IN_ATTRIB` is for touch(1).
pub const FOLDER: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::ONLYDIR);

/// Of a folder where one name matters.
pub const NAMES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::ONLYDIR);

/// Of the file that a link leads to.
pub const FILE: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);

/// So much is read at once, and so many events at most before something else has its turn.
const BUFFER: usize = 16 << 10;
const TURN: usize = 4096;

/// Why something is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A folder of the tree, so many below its base.
    Folder { path: Rc<Path>, depth: u32 },
    /// This name in it is on the way to a base.
    Turn { name: Rc<OsStr>, base: usize },
    /// This link of the tree leads to it.
    Link { path: Rc<Path> },
}

pub struct Seen {
    pub watch: i32,
    pub what: ReadFlags,
    pub name: Option<OsString>,
}

pub struct Kernel {
    fd: AsyncFd<OwnedFd>,
    /// The kernel has one watch for a folder, whatever the paths that lead to it: who wants it, and why.
    wanted: HashMap<i32, Vec<(u32, Why)>>,
}

impl Kernel {
    /// Errors: `EMFILE` when the user has `fs.inotify.max_user_instances` already.
    pub fn new() -> io::Result<Kernel> {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Kernel {
            // SAFETY: the descriptor is owned, and stays the same one for as long.
            fd: unsafe { AsyncFd::register(fd) }?,
            wanted: HashMap::new(),
        })
    }

    /// Errors: `ENOSPC` when the user has `fs.inotify.max_user_watches` already.
    pub fn watch(
        &mut self,
        path: &Path,
        what: WatchFlags,
        tree: u32,
        why: Why,
    ) -> Result<i32, Errno> {
        let watch = inotify::add_watch(self.fd.get_ref(), path, what | WatchFlags::MASK_ADD)?;
        let wanted = self.wanted.entry(watch).or_default();
        if !wanted.iter().any(|one| *one == (tree, why.clone())) {
            wanted.push((tree, why));
        }
        Ok(watch)
    }

    /// Ends what that tree wanted of this watch and `gone` names.
    pub fn forget(&mut self, watch: i32, tree: u32, gone: impl Fn(&Why) -> bool) {
        if let Some(wanted) = self.wanted.get_mut(&watch) {
            wanted.retain(|(of, why)| *of != tree || !gone(why));
            if wanted.is_empty() {
                self.wanted.remove(&watch);
                // Gone already where the folder is.
                let _ = inotify::remove_watch(self.fd.get_ref(), watch);
            }
        }
    }

    /// Everything that tree wanted.
    pub fn forget_all(&mut self, tree: u32) {
        let watches: Vec<i32> = self.wanted.keys().copied().collect();
        for watch in watches {
            self.forget(watch, tree, |_| true);
        }
    }

    pub fn wanted(&self, watch: i32) -> &[(u32, Why)] {
        self.wanted.get(&watch).map_or(&[], Vec::as_slice)
    }

    /// The kernel has ended the watch: what was watched is gone.
    pub fn ended(&mut self, watch: i32) -> Vec<(u32, Why)> {
        self.wanted.remove(&watch).unwrap_or_default()
    }

    /// What has been seen, and whether nothing is left; waits until there is something. Cancel safe.
    pub async fn read(&self) -> io::Result<(Vec<Seen>, bool)> {
        loop {
            let mut ready = self.fd.readable().await?;
            let (seen, dry) = self.take()?;
            if dry {
                ready.clear_ready();
            }
            if !seen.is_empty() {
                return Ok((seen, dry));
            }
        }
    }

    /// What has been seen by now, a turn's worth at most, and whether nothing is left.
    pub fn take(&self) -> io::Result<(Vec<Seen>, bool)> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut reader = Reader::new(self.fd.get_ref(), &mut buffer);
        let mut seen = Vec::new();
        while !reader.is_buffer_empty() || seen.len() < TURN {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| name.to_bytes());
                    seen.push(Seen {
                        watch: event.wd(),
                        what: event.events(),
                        name: name.map(|name| OsStr::from_bytes(name).to_owned()),
                    });
                }
                Err(Errno::AGAIN) => return Ok((seen, true)),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((seen, false))
    }
}
