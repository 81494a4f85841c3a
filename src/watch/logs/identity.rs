//! Which file it is, whatever it is called.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{AtFlags, StatxFlags};
use serde::{Deserialize, Serialize};

/// Tells a file from another that has its number later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub dev: u64,
    pub ino: u64,
    /// Nanoseconds since the epoch; 0 where the file system does not know.
    pub born: u64,
}

impl Identity {
    pub fn of(file: &File) -> io::Result<Identity> {
        let found = rustix::fs::statx(
            file,
            "",
            AtFlags::EMPTY_PATH,
            StatxFlags::INO | StatxFlags::BTIME,
        )?;
        let metadata = file.metadata()?;
        let born = found.stx_btime;
        let known = found.stx_mask & StatxFlags::BTIME.bits() != 0;
        Ok(Identity {
            dev: metadata.dev(),
            ino: metadata.ino(),
            born: match known {
                true => (born.tv_sec as u64) * 1_000_000_000 + u64::from(born.tv_nsec),
                false => 0,
            },
        })
    }

    /// The number of the device may be another after a boot (btrfs, NFS, overlay): it counts only where the birth is not known.
    pub fn is(&self, other: &Identity) -> bool {
        self.ino == other.ino
            && self.born == other.born
            && (self.born != 0 || self.dev == other.dev)
    }

    /// Whether [`is`](Identity::is) may hold of a file that was not opened.
    pub fn may_be(&self, found: &Metadata) -> bool {
        self.ino == found.ino() && (self.born != 0 || self.dev == found.dev())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_counts_where_the_birth_is_not_known() {
        let file = Identity {
            dev: 1,
            ino: 2,
            born: 3,
        };
        assert!(file.is(&Identity { dev: 9, ..file }));
        assert!(!file.is(&Identity { ino: 9, ..file }) && !file.is(&Identity { born: 9, ..file }));
        let unborn = Identity { born: 0, ..file };
        assert!(unborn.is(&unborn) && !unborn.is(&Identity { dev: 9, ..unborn }));
    }
}
