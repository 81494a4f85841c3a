//! The listen shim (src/shim) as a file that units name in `LD_PRELOAD`.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The library, as built by build.rs; empty on an architecture it is not made for (32 bits).
pub const SHIM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/librpmctl_listen.so"));

/// `listen-<first 12 hex digits of its sha256>.so`: the name says the content, so a unit keeps the
/// version it was written for, and a running app's mapped file is never replaced.
pub fn file_name() -> String {
    let digest = Sha256::digest(SHIM);
    let hex: String = digest.iter().take(6).map(|b| format!("{b:02x}")).collect();
    format!("listen-{hex}.so")
}

/// Puts the shim into `dir`, which is made when missing, and returns its path. Readable by all
/// (0644, apps run as other users), whole or not at all; untouched when it is there already.
/// Other versions beside it stay.
///
/// # Errors
/// `Unsupported` on an architecture without a shim; else as of making the directory, reading the
/// file there or writing a new one.
pub fn install(dir: &Path) -> io::Result<PathBuf> {
    if SHIM.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "there is no listen shim for this processor; \
             set listen_fds = true if the app takes LISTEN_FDS itself",
        ));
    }
    let path = dir.join(file_name());
    match fs::read(&path) {
        Ok(there) if there == SHIM => return Ok(path),
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => fs::create_dir_all(dir)?,
        Err(e) => return Err(e),
    }
    let mut file = tempfile::Builder::new()
        .prefix(".listen-")
        .tempfile_in(dir)?;
    file.write_all(SHIM)?;
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
        let path = install(&lib).unwrap();
        assert_eq!(fs::read(&path).unwrap(), SHIM);
        let first = fs::metadata(&path).unwrap();
        assert_eq!(first.mode() & 0o7777, 0o644);

        assert_eq!(install(&lib).unwrap(), path);
        let again = fs::metadata(&path).unwrap();
        assert_eq!(again.ino(), first.ino(), "written again for nothing");

        fs::write(&path, "cut short").unwrap();
        install(&lib).unwrap();
        assert_eq!(fs::read(&path).unwrap(), SHIM);
        assert_eq!(fs::read_dir(&lib).unwrap().count(), 1, "left-overs");
    }

    #[test]
    fn is_a_small_library_that_needs_no_other() {
        assert!(SHIM.starts_with(b"\x7fELF"));
        assert!(SHIM.len() < 32 * 1024, "{} bytes", SHIM.len());
        let contains = |text: &[u8]| SHIM.windows(text.len()).any(|w| w == text);
        assert!(!contains(b"libc.so"), "it would bring symbol versions");
        assert!(!contains(b"GLIBC_"), "a versioned symbol");
    }
}
