//! What is watched for one app, and what the kernel's events mean for it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::inotify::ReadFlags;

use super::ignore::Scope;
use super::kernel::{Kernel, Seen, Why};
use super::rule::Burst;
use super::way::End;

/// touch(1) sets a file's time to now and chmod(1) does not: now is when the inode was changed, give or take the way from the clock to the kernel.
const TOUCH: Duration = Duration::from_millis(100);

/// What is left to look at.
pub enum Step {
    /// Where a base leads now.
    Base { index: usize, after: After },
    Folder {
        path: Rc<Path>,
        depth: u32,
        news: News,
    },
}

/// Why a base is looked at.
#[derive(Clone, Copy)]
pub enum After {
    /// Watching begins.
    Nothing,
    /// Something on the way to it is another.
    Turn,
    /// Events were lost since then.
    Loss(SystemTime),
}

/// Whether what is found in a folder has just changed.
#[derive(Clone, Copy)]
pub enum News {
    No,
    All,
    /// What has changed since then.
    Since(SystemTime),
}

pub struct Tree {
    pub(super) number: u32,
    pub scope: Arc<Scope>,
    pub burst: Burst,
    /// When the last change was.
    pub at: SystemTime,
    /// Where each base led when it was last looked at.
    pub(super) ends: Vec<Option<End>>,
    pub(super) turns: Vec<Vec<i32>>,
    pub(super) folders: BTreeMap<Rc<Path>, i32>,
    pub(super) links: BTreeMap<Rc<Path>, i32>,
    /// Folders for which the kernel had no watch left.
    pub unwatched: usize,
    /// There are more folders than are watched of one app.
    pub is_large: bool,
    /// The first folder that others may write to.
    pub elsewhere: Option<PathBuf>,
    /// The first folder that could not be read, and why.
    pub closed: Option<(PathBuf, io::Error)>,
}

impl Tree {
    pub fn new(number: u32, scope: Scope, burst: Burst) -> Tree {
        Tree {
            number,
            burst,
            at: SystemTime::UNIX_EPOCH,
            ends: vec![None; scope.bases.len()],
            turns: vec![Vec::new(); scope.bases.len()],
            folders: BTreeMap::new(),
            links: BTreeMap::new(),
            unwatched: 0,
            is_large: false,
            elsewhere: None,
            closed: None,
            scope: Arc::new(scope),
        }
    }

    /// Everything from the start.
    pub fn begin(&mut self, kernel: &mut Kernel, after: After) -> Vec<Step> {
        kernel.forget_all(self.number);
        self.folders.clear();
        self.links.clear();
        self.unwatched = 0;
        self.is_large = false;
        self.closed = None;
        for turns in &mut self.turns {
            turns.clear();
        }
        (0..self.ends.len())
            .map(|index| Step::Base { index, after })
            .collect()
    }

    pub fn changed(&mut self, path: &Path) {
        self.at = SystemTime::now();
        self.burst.changed(path, Instant::now());
    }

    fn gone(&mut self, path: &Path) {
        self.at = SystemTime::now();
        self.burst.gone(path, Instant::now());
    }

    /// What the kernel saw on one of this tree's watches. Steps to do go to `next`.
    pub fn seen(&mut self, kernel: &mut Kernel, why: &Why, seen: &Seen, next: &mut Vec<Step>) {
        match why {
            Why::Turn { name, base } => {
                if seen.name.as_deref() == Some(&**name) {
                    let path = self.scope.bases[*base].path.clone();
                    let is_file = self.ends[*base].is_some_and(|end| !end.is_folder);
                    if is_file && self.has_content(&path, seen) {
                        self.changed(&path);
                    }
                    next.push(again(*base));
                }
            }
            Why::Link { path } => {
                // Replaced by a rename, the name leads to another file now.
                let before = self.links.get(path).copied();
                self.link_seen(kernel, path.to_path_buf(), 0, News::No, next);
                let is_other = before != self.links.get(path).copied();
                if is_other && let Some(before) = before {
                    kernel.forget(before, self.number, |one| one == why);
                }
                if is_other || self.has_content(path, seen) {
                    self.changed(path);
                }
            }
            Why::Folder { path, depth } => {
                if let Some(name) = &seen.name {
                    self.entry(kernel, path.join(name), *depth, seen, next);
                }
            }
        }
    }

    fn has_content(&self, path: &Path, seen: &Seen) -> bool {
        seen.what
            .intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO)
            || (seen.what.contains(ReadFlags::ATTRIB) && is_touched(path))
    }

    fn entry(
        &mut self,
        kernel: &mut Kernel,
        path: PathBuf,
        depth: u32,
        seen: &Seen,
        next: &mut Vec<Step>,
    ) {
        let what = seen.what;
        if what.contains(ReadFlags::ISDIR) {
            if what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
                let known = self.drop_below(kernel, &path);
                // Of one that was deleted the files were told before.
                if known && what.contains(ReadFlags::MOVED_FROM) {
                    self.gone(&path);
                }
            } else if what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                self.burst.begun(&path);
                self.below(path, depth, News::All, next);
            }
            return;
        }
        if what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            self.forget_link(kernel, &path);
            // A link to a folder is no folder to the kernel.
            let was_folder = self.drop_below(kernel, &path);
            if was_folder || self.scope.counts(&path) {
                self.gone(&path);
            }
        } else if what.contains(ReadFlags::CREATE) {
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => {
                    self.link_seen(kernel, path, depth, News::All, next)
                }
                Ok(found) if !self.scope.counts(&path) || !found.is_file() => {}
                // link(2): nobody has it open, so nobody will close it.
                Ok(found) if found.nlink() > 1 => self.changed(&path),
                _ => self.burst.begun(&path),
            }
        } else if what.contains(ReadFlags::MOVED_TO) {
            self.forget_link(kernel, &path);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => {
                    self.drop_below(kernel, &path);
                    let is_folder = fs::metadata(&path).is_ok_and(|target| target.is_dir());
                    if is_folder && self.scope.links && !self.scope.ignores(&path, true) {
                        self.changed(&path);
                        self.below(path, depth, News::No, next);
                    } else {
                        self.link_seen(kernel, path, depth, News::All, next);
                    }
                }
                _ if self.scope.counts(&path) => self.changed(&path),
                _ => {}
            }
        } else if (what.contains(ReadFlags::CLOSE_WRITE)
            || (what.contains(ReadFlags::ATTRIB) && is_touched(&path)))
            && self.scope.counts(&path)
        {
            self.changed(&path);
        }
    }

    /// The kernel ended a watch: what it was on is gone. Whoever listens to the folder above is told that by another event.
    pub fn ended(&mut self, kernel: &mut Kernel, why: &Why, next: &mut Vec<Step>) {
        match why {
            Why::Folder { path, .. } => {
                self.folders.remove(path);
            }
            Why::Turn { base, .. } => next.push(again(*base)),
            Why::Link { path } => {
                self.links.remove(path);
                self.link_seen(kernel, path.to_path_buf(), 0, News::No, next);
            }
        }
    }

    fn forget_link(&mut self, kernel: &mut Kernel, path: &Path) {
        if let Some(watch) = self.links.remove(path) {
            kernel.forget(
                watch,
                self.number,
                |why| matches!(why, Why::Link { path: one } if **one == *path),
            );
        }
    }

    /// Ends the watches of a folder and of all below it. Whether there were any.
    pub(super) fn drop_below(&mut self, kernel: &mut Kernel, path: &Path) -> bool {
        let start: Rc<Path> = path.into();
        let below: Vec<Rc<Path>> = self
            .folders
            .range(start.clone()..)
            .map(|(one, _)| one)
            .take_while(|one| one.starts_with(path))
            .cloned()
            .collect();
        for one in &below {
            if let Some(watch) = self.folders.remove(one) {
                kernel.forget(watch, self.number, |why| is_folder(why, one));
            }
        }
        let links: Vec<Rc<Path>> = self
            .links
            .range(start..)
            .map(|(one, _)| one)
            .take_while(|one| one.starts_with(path))
            .cloned()
            .collect();
        for one in links {
            self.forget_link(kernel, &one);
        }
        !below.is_empty()
    }
}

fn again(index: usize) -> Step {
    Step::Base {
        index,
        after: After::Turn,
    }
}

pub(super) fn is_folder(why: &Why, path: &Path) -> bool {
    matches!(why, Why::Folder { path: one, .. } if **one == *path)
}

fn is_touched(path: &Path) -> bool {
    let Ok(found) = fs::metadata(path) else {
        return false;
    };
    let nanos = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    let apart = nanos(found.ctime(), found.ctime_nsec()) - nanos(found.mtime(), found.mtime_nsec());
    found.is_file() && apart.unsigned_abs() < TOUCH.as_nanos()
}
