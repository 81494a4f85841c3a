//! Files that are loaded into apps: units name them, so they lie in a folder of ours.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// `STEM-<first 12 hex digits of the content's sha256>.ENDING`: the name says the content, so a unit
/// keeps the version it was written for, and a running app's mapped file is never replaced.
pub fn file_name(stem: &str, ending: &str, content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let hex: String = digest.iter().take(6).map(|b| format!("{b:02x}")).collect();
    format!("{stem}-{hex}.{ending}")
}

/// Puts `content` into `dir`, which is made when missing, and returns its path. Readable by all
/// (0644, apps run as other users), whole or not at all; untouched when it is there already.
/// Other versions beside it stay.
///
/// # Errors
/// As of making the directory, reading the file there or writing a new one.
pub fn install(dir: &Path, name: &str, content: &[u8]) -> io::Result<PathBuf> {
    let path = dir.join(name);
    match fs::read(&path) {
        Ok(there) if there == content => return Ok(path),
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => fs::create_dir_all(dir)?,
        Err(e) => return Err(e),
    }
    let mut file = tempfile::Builder::new()
        .prefix(".loaded-")
        .tempfile_in(dir)?;
    file.write_all(content)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn is_written_once_and_mended() {
        let dir = tempfile::tempdir().unwrap();
        let lib = dir.path().join("lib/rpmctl");
        let name = file_name("a", "so", b"content");
        let path = install(&lib, &name, b"content").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"content");
        let first = fs::metadata(&path).unwrap();
        assert_eq!(first.mode() & 0o7777, 0o644);

        assert_eq!(install(&lib, &name, b"content").unwrap(), path);
        let again = fs::metadata(&path).unwrap();
        assert_eq!(again.ino(), first.ino(), "written again for nothing");

        fs::write(&path, "cut short").unwrap();
        install(&lib, &name, b"content").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"content");
        assert_eq!(fs::read_dir(&lib).unwrap().count(), 1, "left-overs");
        assert_ne!(name, file_name("a", "so", b"another"));
    }
}
