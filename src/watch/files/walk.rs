//! Walking an app's folders: our own way, so that what is ignored costs no watch.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use rustix::io::Errno;

use super::super::rights::Rights;
use super::kernel::{self, Kernel, Why};
use super::tree::{After, News, Step, Tree, is_folder};
use super::way;

/// File systems that hold no files: proc, sysfs, cgroup, cgroup2, devpts, debugfs, tracefs, securityfs (statfs(2)).
const NO_FILES: [u32; 8] = [
    0x9fa0,
    0x6265_6572,
    0x27_e0eb,
    0x6367_7270,
    0x1cd1,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
];

/// File systems that others write to, of which this kernel learns nothing: nfs, smb, cifs, 9p, fuse, vboxsf, afs, ceph.
const ELSEWHERE: [u32; 8] = [
    0x6969,
    0xfe53_4d42,
    0xff53_4d42,
    0x0102_1997,
    0x6573_5546,
    0x786f_4256,
    0x5346_414f,
    0x00c3_6400,
];

/// So many of one app at most: a link to / must not take the watches, and the watcher's memory, from all others.
pub const MOST_FOLDERS: usize = 32_768;

impl Tree {
    pub fn step(&mut self, kernel: &mut Kernel, step: Step, next: &mut Vec<Step>) {
        match step {
            Step::Base { index, after } => self.base(kernel, index, after, next),
            Step::Folder { path, depth, news } => {
                let scope = self.scope.clone();
                match scope.account.as_ref().map(Rights::take).transpose() {
                    Ok(_rights) => self.folder(kernel, path, depth, news, next),
                    Err(error) => {
                        self.closed.get_or_insert((path.to_path_buf(), error));
                    }
                }
            }
        }
    }

    fn base(&mut self, kernel: &mut Kernel, index: usize, after: After, next: &mut Vec<Step>) {
        let path = self.scope.bases[index].path.clone();
        let mut way = way::follow(&path);
        // What changed while the watches were set is seen by looking again.
        for _ in 0..5 {
            self.turn(kernel, index, &way);
            let now = way::follow(&path);
            let same = now == way;
            way = now;
            if same {
                break;
            }
        }
        let before = std::mem::replace(&mut self.ends[index], way.end);
        let Some(end) = way.end else {
            self.drop_below(kernel, &path);
            return;
        };
        // A folder that was removed and made again may have got the same inode: its watch has ended then.
        let same = before == Some(end) && (!end.is_folder || self.folders.contains_key(&*path));
        let news = match (after, before) {
            (After::Nothing, _) => News::No,
            (After::Turn, _) if same => return,
            (After::Turn, None) => News::All,
            (After::Loss(since), _) if before.is_none() || before == Some(end) => {
                News::Since(since)
            }
            (After::Turn | After::Loss(_), _) => {
                self.drop_below(kernel, &path);
                self.changed(&path);
                News::No
            }
        };
        if end.is_folder {
            next.push(Step::Folder {
                path: path.into(),
                depth: 0,
                news,
            });
        } else if matches!(news, News::All) || is_since(&path, news) {
            self.changed(&path);
        }
    }

    /// Listens to the folders on the way to a base.
    fn turn(&mut self, kernel: &mut Kernel, index: usize, way: &way::Way) {
        for watch in std::mem::take(&mut self.turns[index]) {
            kernel.forget(
                watch,
                self.number,
                |why| matches!(why, Why::Turn { base, .. } if *base == index),
            );
        }
        let is_file = way.end.is_some_and(|end| !end.is_folder);
        for (folder, name) in &way.turns {
            let what = match is_file {
                true => kernel::FOLDER,
                false => kernel::NAMES,
            };
            let why = Why::Turn {
                name: OsStr::new(name).into(),
                base: index,
            };
            match kernel.watch(folder, what, self.number, why) {
                Ok(watch) => self.turns[index].push(watch),
                Err(error) => self.refused(folder, error),
            }
        }
    }

    fn folder(
        &mut self,
        kernel: &mut Kernel,
        path: Rc<Path>,
        depth: u32,
        news: News,
        next: &mut Vec<Step>,
    ) {
        let system = rustix::fs::statfs(&*path).map_or(0, |found| found.f_type as u32);
        if NO_FILES.contains(&system) {
            return;
        }
        if ELSEWHERE.contains(&system) {
            self.elsewhere.get_or_insert_with(|| path.to_path_buf());
        }
        if self.folders.len() >= MOST_FOLDERS {
            self.is_large = true;
            return;
        }
        let why = Why::Folder {
            path: path.clone(),
            depth,
        };
        let watch = match kernel.watch(&path, kernel::FOLDER, self.number, why) {
            Ok(watch) => watch,
            Err(error) => return self.refused(&path, error),
        };
        // Another way to the same folder: a link, perhaps one to a folder above.
        let known = kernel.wanted(watch).iter().any(|(tree, why)| {
            *tree == self.number
                && matches!(why, Why::Folder { path: other, .. } if **other != *path)
        });
        if known {
            return kernel.forget(watch, self.number, |why| is_folder(why, &path));
        }
        self.folders.insert(path.clone(), watch);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                self.closed.get_or_insert((path.to_path_buf(), error));
                return;
            }
        };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let below = entry.path();
            if kind.is_dir() {
                self.below(below, depth, news, next);
            } else if kind.is_symlink() {
                self.link(kernel, below, depth, news, next);
            } else if is_news(&below, news) && self.scope.counts(&below) {
                if matches!(news, News::All) {
                    self.burst.begun(&below);
                }
                self.changed(&below);
            }
        }
        if is_since(&path, news) && self.burst.due().is_none() {
            self.changed(&path);
        }
    }

    pub(super) fn below(&self, path: PathBuf, depth: u32, news: News, next: &mut Vec<Step>) {
        let deep = self.scope.depth.is_some_and(|most| depth >= most);
        if !deep && !self.scope.ignores(&path, true) {
            next.push(Step::Folder {
                path: path.into(),
                depth: depth + 1,
                news,
            });
        }
    }

    /// As [`Tree::link`], with the rights that a step has.
    pub(super) fn link_seen(
        &mut self,
        kernel: &mut Kernel,
        path: PathBuf,
        depth: u32,
        news: News,
        next: &mut Vec<Step>,
    ) {
        let scope = self.scope.clone();
        match scope.account.as_ref().map(Rights::take).transpose() {
            Ok(_rights) => self.link(kernel, path, depth, news, next),
            Err(error) => {
                self.closed.get_or_insert((path, error));
            }
        }
    }

    /// A link in the tree: to a folder, which is walked, or to a file, which is watched by itself.
    fn link(
        &mut self,
        kernel: &mut Kernel,
        path: PathBuf,
        depth: u32,
        news: News,
        next: &mut Vec<Step>,
    ) {
        let target = fs::metadata(&path);
        if target.as_ref().is_ok_and(Metadata::is_dir) {
            if self.scope.links {
                self.below(path, depth, news, next);
            }
            return;
        }
        if !self.scope.counts(&path) {
            return;
        }
        if is_news(&path, news) {
            self.changed(&path);
        }
        if self.scope.links && target.is_ok_and(|target| target.is_file()) {
            let path: Rc<Path> = path.into();
            let why = Why::Link { path: path.clone() };
            match kernel.watch(&path, kernel::FILE, self.number, why) {
                Ok(watch) => {
                    self.links.insert(path, watch);
                }
                Err(error) => self.refused(&path, error),
            }
        }
    }

    fn refused(&mut self, path: &Path, error: Errno) {
        match error {
            Errno::NOSPC => self.unwatched += 1,
            // Gone or another thing since it was seen.
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => {}
            error => {
                self.closed
                    .get_or_insert((path.to_path_buf(), error.into()));
            }
        }
    }
}

fn is_news(path: &Path, news: News) -> bool {
    matches!(news, News::All) || is_since(path, news)
}

/// By the time of the inode, which nobody can set.
fn is_since(path: &Path, news: News) -> bool {
    let News::Since(since) = news else {
        return false;
    };
    let since = since
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    fs::symlink_metadata(path).is_ok_and(|found| {
        let (seconds, nanos) = (found.ctime(), found.ctime_nsec());
        (seconds, nanos) >= (since.as_secs() as i64, i64::from(since.subsec_nanos()))
    })
}
