//! When each app was flushed: a file an app in the state folder, for everybody to read who may read logs.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Places;
use crate::model::{Flushed, Name};

/// Nothing when it never was, or nobody may know. Moments that are still to come count as none.
pub fn read(places: &Places, app: &Name) -> Flushed {
    let text = std::fs::read_to_string(path(places, app)).unwrap_or_default();
    Flushed::read(&text).known_at(now())
}

/// Another time than before: an app was flushed since. None: none ever was.
pub fn changed(places: &Places) -> Option<SystemTime> {
    let folder = places.on_disk(&places.state).join("flushed");
    folder.metadata().and_then(|found| found.modified()).ok()
}

/// Microseconds since the epoch.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_micros() as u64
}

/// Puts it in the place of the old one at once. Errors name the file.
pub fn write(places: &Places, app: &Name, flushed: &Flushed) -> io::Result<()> {
    let path = path(places, app);
    let folder = path.parent().unwrap_or(Path::new("/"));
    let written = (|| {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(folder)?;
        let mut file = tempfile::Builder::new()
            .prefix(".flushed-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(folder)?;
        file.write_all(flushed.to_string().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    })();
    written.map_err(|error: io::Error| named(&path, error))
}

/// The app is gone. Errors name the file.
pub fn forget(places: &Places, app: &Name) -> io::Result<()> {
    let path = path(places, app);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(named(&path, error)),
        _ => Ok(()),
    }
}

fn path(places: &Places, app: &Name) -> PathBuf {
    places
        .on_disk(&places.state)
        .join("flushed")
        .join(app.stem())
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn comes_back_and_goes_with_the_app() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().into());
        let app = Name::new("my api").unwrap();
        assert_eq!(read(&places, &app), Flushed::default());
        let mut flushed = Flushed::default();
        flushed.flush(None, now());
        write(&places, &app, &flushed).unwrap();
        assert_eq!(read(&places, &app), flushed);
        let file = root.path().join("var/lib/rpmctl/flushed/my\\x20api");
        assert_eq!(std::fs::metadata(file).unwrap().mode() & 0o777, 0o644);
        flushed.flush(None, now() + 3_600_000_000);
        write(&places, &app, &flushed).unwrap();
        assert_eq!(read(&places, &app), Flushed::default());
        forget(&places, &app).unwrap();
        forget(&places, &app).unwrap();
        let left = std::fs::read_dir(root.path().join("var/lib/rpmctl/flushed")).unwrap();
        assert_eq!(left.count(), 0);
    }
}
