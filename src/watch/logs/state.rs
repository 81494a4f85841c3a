//! What has been written: a place in the journal, and how long each file was then. After a crash the files are cut back to that length and the journal is
//! read again from that place, so each line is there once.
//!
//! Two copies: one in /run after every batch, for a watcher that is killed; one in /var/lib after the files have been synced, at least every ten seconds
//! while lines come, for a machine that is. Syncing every batch would stop the watcher for each of them, and on a slow disk for long.
//!
//! Who changes the files or these copies holds the lock ([`Held`]); the watcher does for each batch, some milliseconds long.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use super::identity::Identity;
use super::open;
use super::owners::{Owner, Owners};
use super::position::Position;
use crate::host::accounts::Account;
use crate::unit_files::Places;
use crate::unit_files::lock::{Lock, lock_file};

/// By the names of sources and paths of files.
#[derive(Clone, Default, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The watcher ended in order: the files have what stands here, and what is beyond that is somebody else's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
    pub sources: BTreeMap<String, Position>,
    pub files: BTreeMap<PathBuf, Kept>,
    /// Beginnings of lines whose end had not come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<KeptPart>,
}

/// A file at the time of the checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub app: String,
    pub user: Option<String>,
    pub group: Option<String>,
    pub source: String,
    pub identity: Option<Identity>,
    pub size: u64,
    /// When its first line was received, in microseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<u64>,
    /// Where it is when it is not as far as its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Position>,
    /// Why nothing is written to it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptPart {
    pub source: String,
    pub stream: String,
    /// Of the app.
    #[serde(default)]
    pub app: String,
    #[serde(default)]
    pub instance: u32,
    #[serde(default)]
    pub err: bool,
    pub at: u64,
    /// Each byte as the character of that number.
    pub bytes: String,
}

impl Kept {
    /// Whose the file is.
    pub fn owner(&self, owners: &mut Owners) -> Owner {
        owners.of(self.user.as_deref(), self.group.as_deref())
    }

    /// A file was truncated: maybe this one.
    fn emptied(&mut self, identity: &Identity) {
        if self.identity.is_some_and(|own| own.is(identity)) {
            self.size = 0;
        }
    }

    /// The file, also when it was renamed within its folder meanwhile.
    pub fn find(&self, path: &Path, account: Option<&Account>) -> Option<File> {
        let identity = self.identity?;
        let is_it = |path: &Path| {
            // Looked at before it is opened: opening must not touch what is not ours.
            let found = path.symlink_metadata().ok()?;
            if !identity.may_be(&found) {
                return None;
            }
            let file = open::existing(path, account).ok()?;
            Identity::of(&file).ok()?.is(&identity).then_some(file)
        };
        let through_link = || {
            let file = open::existing(path, account).ok()?;
            Identity::of(&file).ok()?.is(&identity).then_some(file)
        };
        is_it(path).or_else(through_link).or_else(|| {
            std::fs::read_dir(path.parent()?)
                .ok()?
                .filter_map(Result::ok)
                .find_map(|entry| is_it(&entry.path()))
        })
    }
}

/// The state, locked until this is dropped.
pub struct Held {
    pub checkpoint: Checkpoint,
    _lock: Lock,
}

impl Held {
    /// Waits for the watcher's batch, or another command. Errors name the file.
    pub fn take(places: &Places) -> io::Result<Held> {
        let lock = lock(places)?;
        Ok(Held {
            checkpoint: load(places)?,
            _lock: lock,
        })
    }
}

/// Truncates the log files that `wanted` takes, by the app and the path: each path with the bytes it had, or why it could not be done. A file that was moved away
/// since is left alone. Errors: the state cannot be read or written.
pub fn flush(
    places: &Places,
    wanted: impl Fn(&str, &Path) -> bool,
) -> io::Result<Vec<(PathBuf, Result<u64, String>)>> {
    let mut held = Held::take(places)?;
    let mut owners = Owners::default();
    let mut done = Vec::new();
    let mut emptied = Vec::new();
    for (path, kept) in &mut held.checkpoint.files {
        if !wanted(&kept.app, path) {
            continue;
        }
        let truncated = kept.owner(&mut owners).and_then(|account| {
            let file =
                open::existing(path, account.as_ref()).map_err(|error| open::words(&error))?;
            let size = file.metadata().map_err(|error| open::words(&error))?.len();
            file.set_len(0).map_err(|error| open::words(&error))?;
            if let Ok(identity) = Identity::of(&file) {
                emptied.push((path.clone(), identity));
                kept.emptied(&identity);
            }
            Ok(size)
        });
        done.push((path.clone(), truncated));
    }
    save_quick(places, &held.checkpoint)?;
    // The other copy says how far files are that were synced: of the others it must not say more.
    if let Some(mut checkpoint) = read(&durable(places))? {
        for (path, identity) in &emptied {
            if let Some(kept) = checkpoint.files.get_mut(path) {
                kept.emptied(identity);
            }
        }
        save_durable(places, &checkpoint)?;
    }
    Ok(done)
}

/// What stands in the way of the files of this app. Without the state there is nothing to tell.
pub fn troubles(places: &Places, app: &str) -> BTreeMap<PathBuf, String> {
    let files = load(places).unwrap_or_default().files;
    files
        .into_iter()
        .filter(|(_, kept)| kept.app == app)
        .filter_map(|(path, kept)| Some((path, kept.trouble?)))
        .collect()
}

/// Files that are not what the watcher has open.
pub struct Moved {
    pub paths: Vec<PathBuf>,
    /// Of so many files in all.
    pub of: usize,
}

/// Waits for the watcher's batch: while nothing is moved, every later one goes to the files as they are called now. Files that cannot be written to do not
/// count. Errors: the state cannot be read.
pub fn moved(places: &Places) -> io::Result<Moved> {
    let files = Held::take(places)?.checkpoint.files;
    let is_it = |path: &Path, kept: &Kept| {
        let is_it = |identity: Identity| {
            std::fs::metadata(path)
                .is_ok_and(|found| (found.dev(), found.ino()) == (identity.dev, identity.ino))
        };
        kept.trouble.is_some() || kept.identity.is_some_and(is_it)
    };
    Ok(Moved {
        of: files.len(),
        paths: files
            .into_iter()
            .filter(|(path, kept)| !is_it(path, kept))
            .map(|(path, _)| path)
            .collect(),
    })
}

pub(super) fn lock(places: &Places) -> io::Result<Lock> {
    lock_file(&quick(places).with_file_name("lock"))
}

/// Held by the one process that writes: waits for another to end.
pub(super) fn only_writer(places: &Places) -> io::Result<Lock> {
    lock_file(&quick(places).with_file_name("writer"))
}

/// The newest copy there is; an empty one at first.
pub(super) fn load(places: &Places) -> io::Result<Checkpoint> {
    for path in [quick(places), durable(places)] {
        if let Some(checkpoint) = read(&path)? {
            return Ok(checkpoint);
        }
    }
    Ok(Checkpoint::default())
}

fn read(path: &Path) -> io::Result<Option<Checkpoint>> {
    match std::fs::read(path) {
        // Renamed into its place when it was whole: what cannot be read is of another version.
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named(path, error)),
    }
}

pub(super) fn save_quick(places: &Places, checkpoint: &Checkpoint) -> io::Result<()> {
    store(checkpoint, &quick(places), false)
}

/// The files must have been synced before.
pub(super) fn save_durable(places: &Places, checkpoint: &Checkpoint) -> io::Result<()> {
    store(checkpoint, &durable(places), true)
}

fn quick(places: &Places) -> PathBuf {
    let [quick, _] = places.log_checkpoints();
    quick
}

fn durable(places: &Places) -> PathBuf {
    let [_, durable] = places.log_checkpoints();
    durable
}

fn store(checkpoint: &Checkpoint, path: &Path, sync: bool) -> io::Result<()> {
    let staged = path.with_extension("new");
    let write = || {
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder)?;
        let mut file = rustix::fs::open(
            &staged,
            rustix::fs::OFlags::WRONLY
                | rustix::fs::OFlags::CREATE
                | rustix::fs::OFlags::TRUNC
                | rustix::fs::OFlags::CLOEXEC,
            // It may hold parts of lines.
            rustix::fs::Mode::from_raw_mode(0o600),
        )
        .map(File::from)?;
        file.write_all(&serde_json::to_vec(checkpoint)?)?;
        if sync {
            file.sync_data()?;
        }
        std::fs::rename(&staged, path)
    };
    write().map_err(|error: io::Error| named(path, error))
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(path: &Path) -> Kept {
        let file = File::open(path).unwrap();
        Kept {
            app: "api".into(),
            user: None,
            group: None,
            source: "all".into(),
            identity: Some(Identity::of(&file).unwrap()),
            size: file.metadata().unwrap().len(),
            begun: None,
            behind: None,
            trouble: None,
        }
    }

    /// A machine with two log files on record, of which the second has been moved away.
    fn machine() -> (tempfile::TempDir, Places, [PathBuf; 2]) {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().to_owned());
        let paths = ["one.log", "two.log"].map(|name| root.path().join(name));
        let mut held = Held::take(&places).unwrap();
        for path in &paths {
            std::fs::write(path, "line\n").unwrap();
            held.checkpoint.files.insert(path.clone(), kept(path));
        }
        held.checkpoint
            .sources
            .insert("all".into(), Position::time(7));
        save_quick(&places, &held.checkpoint).unwrap();
        save_durable(&places, &held.checkpoint).unwrap();
        drop(held);
        std::fs::rename(&paths[1], root.path().join("two.log.1")).unwrap();
        std::fs::write(&paths[1], "").unwrap();
        (root, places, paths)
    }

    #[test]
    fn a_file_is_found_under_another_name_and_no_other_is_taken_for_it() {
        let (root, places, paths) = machine();
        let files = load(&places).unwrap().files;
        let account = |kept: &Kept| kept.owner(&mut Owners::default()).unwrap();
        for path in &paths {
            let kept = &files[path];
            let found = kept.find(path, account(kept).as_ref()).unwrap();
            assert_eq!(Identity::of(&found).ok(), kept.identity);
        }
        assert_eq!(moved(&places).unwrap().paths, [paths[1].clone()]);
        std::fs::remove_file(root.path().join("two.log.1")).unwrap();
        let kept = &files[&paths[1]];
        assert!(kept.find(&paths[1], account(kept).as_ref()).is_none());
    }

    #[test]
    fn flush_empties_the_files_of_an_app_and_puts_that_on_record() {
        let (root, places, paths) = machine();
        assert_eq!(flush(&places, |app, _| app == "other").unwrap(), []);
        std::fs::write(&paths[1], "new\n").unwrap();
        // Written since the files were synced.
        let mut newer = load(&places).unwrap();
        newer.sources.insert("all".into(), Position::time(8));
        newer.files.get_mut(&paths[1]).unwrap().size = 9;
        save_quick(&places, &newer).unwrap();
        let done = flush(&places, |app, _| app == "api").unwrap();
        assert_eq!(done, [(paths[0].clone(), Ok(5)), (paths[1].clone(), Ok(4))]);
        for (copy, at, size) in [(quick(&places), 8, 9), (durable(&places), 7, 5)] {
            let copy = read(&copy).unwrap().unwrap();
            assert_eq!(copy.files[&paths[0]].size, 0);
            // The one that was moved away has its lines still.
            assert_eq!(copy.files[&paths[1]].size, size);
            assert_eq!(copy.sources["all"], Position::time(at));
        }
        let moved = std::fs::read_to_string(root.path().join("two.log.1")).unwrap();
        assert_eq!(moved, "line\n");
    }

    #[test]
    fn a_copy_that_cannot_be_read_stands_back_behind_the_other() {
        let (_root, places, paths) = machine();
        std::fs::write(quick(&places), "{").unwrap();
        assert_eq!(load(&places).unwrap().files.len(), paths.len());
        std::fs::write(durable(&places), "").unwrap();
        assert_eq!(load(&places).unwrap(), Checkpoint::default());
    }
}
