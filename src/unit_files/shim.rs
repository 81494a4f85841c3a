//! The listen shim (src/shim) as a file that units name in `LD_PRELOAD`.

use std::io;
use std::path::{Path, PathBuf};

use super::loaded;

/// The library, as built by build.rs; empty on an architecture it is not made for (32 bits).
pub const SHIM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/librpmctl_listen.so"));

/// `listen-<hash>.so`.
pub fn file_name() -> String {
    loaded::file_name("listen", "so", SHIM)
}

/// Puts the shim into `dir` and returns its path, as [`loaded::install`] does.
///
/// # Errors
/// `Unsupported` on an architecture without a shim; else as of [`loaded::install`].
pub fn install(dir: &Path) -> io::Result<PathBuf> {
    if SHIM.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "there is no listen shim for this processor; \
             set listen_fds = true if the app takes LISTEN_FDS itself",
        ));
    }
    loaded::install(dir, &file_name(), SHIM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_small_library_that_needs_no_other() {
        assert!(SHIM.starts_with(b"\x7fELF"));
        assert!(SHIM.len() < 64 * 1024, "{} bytes", SHIM.len());
        let contains = |text: &[u8]| SHIM.windows(text.len()).any(|w| w == text);
        assert!(!contains(b"libc.so"), "it would bring symbol versions");
        assert!(!contains(b"GLIBC_"), "a versioned symbol");
    }
}
