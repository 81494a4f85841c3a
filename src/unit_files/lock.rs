//! Who may work now. Two locks, and both end with the process, however that ends:
//!
//! - the machine's: a reload shares it with reloads of other apps, everything else that changes something holds it alone and waits for it;
//! - one an app: held by a reload of it, so that a second one is refused at once.
//!
//! A group may be let in to the machine's (packaging/tmpfiles/rpmctl.conf), which its members then hold alone whatever they do.

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};

use super::Places;

pub struct Lock(#[expect(dead_code, reason = "held, not read")] File);

/// The process that has an app's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// None in the moment before it has said so.
    pub pid: Option<u32>,
    pub since: SystemTime,
    /// It is done soon: an instance or a few, and nobody typed it.
    pub is_watcher: bool,
}

/// Who takes an app's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Command,
    Watcher,
}

/// Behind the process id.
const WATCHER: &str = "watcher";

/// The machine's lock, alone: waits until it is free; `waiting` is called once if it is not. Errors name the file.
pub fn lock(places: &Places, waiting: impl FnOnce()) -> io::Result<Lock> {
    take(places, FlockOperation::LockExclusive, waiting)
}

/// The machine's lock, beside others that share it. Errors name the file.
pub fn lock_shared(places: &Places, waiting: impl FnOnce()) -> io::Result<Lock> {
    take(places, FlockOperation::LockShared, waiting)
}

/// The same without waiting: None while another has it alone.
pub fn try_lock_shared(places: &Places) -> io::Result<Option<Lock>> {
    let path = places.on_disk(&places.run).join("lock");
    let file = open(&path)?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Some(Lock(file))),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(named(&path, error.into())),
    }
}

fn take(places: &Places, how: FlockOperation, waiting: impl FnOnce()) -> io::Result<Lock> {
    let path = places.on_disk(&places.run).join("lock");
    let file = open(&path)?;
    let at_once = match how {
        FlockOperation::LockShared => FlockOperation::NonBlockingLockShared,
        _ => FlockOperation::NonBlockingLockExclusive,
    };
    if let Err(error) = flock(&file, at_once) {
        if error != rustix::io::Errno::WOULDBLOCK {
            return Err(named(&path, error.into()));
        }
        waiting();
        flock(&file, how).map_err(|error| named(&path, error.into()))?;
    }
    Ok(Lock(file))
}

/// The lock of the app with this stem; the one who has it, when another has.
/// Errors name the file.
pub fn lock_app(places: &Places, stem: &str, by: By) -> io::Result<Result<Lock, Holder>> {
    let path = app_path(places, stem);
    let mut file = open(&path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            file.set_len(0)?;
            let pid = std::process::id();
            match by {
                By::Command => writeln!(file, "{pid}")?,
                By::Watcher => writeln!(file, "{pid} {WATCHER}")?,
            }
            Ok(Ok(Lock(file)))
        }
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok(Err(Holder {
                pid: text
                    .split_whitespace()
                    .next()
                    .and_then(|pid| pid.parse().ok()),
                is_watcher: text.trim_end().ends_with(WATCHER),
                since: file.metadata()?.modified()?,
            }))
        }
        Err(error) => Err(named(&path, error.into())),
    }
}

/// A file of which one at a time may be the holder: waits. Errors name the file.
pub fn lock_file(path: &Path) -> io::Result<Lock> {
    let file = open(path)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| named(path, error.into()))?;
    Ok(Lock(file))
}

fn app_path(places: &Places, stem: &str) -> PathBuf {
    places.on_disk(&places.run).join("reload").join(stem)
}

fn open(path: &Path) -> io::Result<File> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)
        .map_err(|error| named(path, error))?;
    // flock(2) needs no more than to read: for the owner alone, and a group that it let in, else anybody could keep rpmctl waiting.
    let mut options = File::options();
    options.read(true);
    let opened = match belongs_to_another(folder) {
        true => options.open(path),
        false => options.create(true).write(true).mode(0o600).open(path),
    };
    let file = opened.map_err(|error| named(path, error))?;
    let mode = file.metadata().map_err(|error| named(path, error))?.mode();
    if mode & 0o137 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))
            .map_err(|error| named(path, error))?;
    }
    Ok(file)
}

/// Of a guest: a lock that is not there is not made.
fn belongs_to_another(folder: &Path) -> bool {
    let me = rustix::process::geteuid();
    let owner = folder.metadata().map(|folder| folder.uid());
    !me.is_root() && owner.is_ok_and(|owner| owner != me.as_raw())
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_has_one_holder_and_the_others_their_own() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().into());
        let begun = SystemTime::now();
        let held = lock_app(&places, "api", By::Command).unwrap().ok().unwrap();
        let Err(holder) = lock_app(&places, "api", By::Command).unwrap() else {
            panic!("taken twice");
        };
        assert_eq!(holder.pid, Some(std::process::id()));
        let mode = std::fs::metadata(app_path(&places, "api")).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        let early = begun.duration_since(holder.since).unwrap_or_default();
        assert!(early.as_secs() < 1, "{early:?}");
        assert!(!holder.is_watcher);
        let _web = lock_app(&places, "web", By::Watcher).unwrap().ok().unwrap();
        let second = lock_app(&places, "web", By::Command).unwrap().err();
        assert!(second.is_some_and(|holder| holder.is_watcher && holder.pid.is_some()));
        drop(held);
        assert!(lock_app(&places, "api", By::Command).unwrap().is_ok());
    }

    #[test]
    fn two_share_the_machine_and_who_wants_it_alone_waits() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().into());
        let never = || panic!("waits");
        let two = [(); 2].map(|()| lock_shared(&places, never).unwrap());
        std::thread::scope(|scope| {
            let (said, says) = std::sync::mpsc::channel();
            let places = &places;
            let alone = scope.spawn(move || lock(places, || said.send(()).unwrap()).map(drop));
            says.recv().unwrap();
            drop(two);
            alone.join().unwrap().unwrap();
        });
        let alone = lock(&places, never).unwrap();
        assert!(try_lock_shared(&places).unwrap().is_none());
        drop(alone);
        assert!(try_lock_shared(&places).unwrap().is_some());
    }
}
