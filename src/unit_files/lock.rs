//! One apply at a time. The lock ends with the process, however that ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;

use rustix::fs::{FlockOperation, flock};

use super::Places;

pub struct Lock(#[expect(dead_code, reason = "held, not read")] File);

/// Errors: `WouldBlock` when another rpmctl holds it, with the file's name otherwise.
pub fn try_lock(places: &Places) -> io::Result<Lock> {
    let folder = places.on_disk(&places.run);
    let path = folder.join("lock");
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&folder)
        .map_err(named)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(named)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(Lock(file))
}

/// Waits until the lock is free; `waiting` is called once if it is not.
pub fn lock(places: &Places, waiting: impl FnOnce()) -> io::Result<Lock> {
    match try_lock(places) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            waiting();
            let file = File::options()
                .write(true)
                .open(places.on_disk(&places.run).join("lock"))?;
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(Lock(file))
        }
        result => result,
    }
}
