//! The folder of a log file, to rename and remove in: found and worked in where `descend` leads.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::descend::{self, Way};
use crate::host::accounts::Account;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Does `work` with the folder and the file's name in it, links to the file followed. Errors: what the kernel says, or `work`.
pub fn within<T>(
    path: &Path,
    account: Option<&Account>,
    work: impl FnOnce(BorrowedFd<'_>, &OsStr) -> io::Result<T>,
) -> io::Result<T> {
    match account.filter(|_| rustix::process::geteuid().is_root()) {
        None => plain(path, work),
        Some(account) => match descend::descend(path, account, false)? {
            Way::Theirs { path, rights } => {
                let done = plain(&path, work);
                drop(rights);
                done
            }
            // Where others may have laid what is there, names change within their own folder, and nothing is followed.
            Way::Roots { folder, name, .. } => work(folder.as_fd(), &name),
            Way::Foreign { base, mut below } => {
                let name = below.file_name().unwrap_or_default().to_owned();
                below.set_file_name(".");
                let no_links = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
                let folder = rustix::fs::openat2(base, below, FOLDER, Mode::empty(), no_links)?;
                work(folder.as_fd(), &name)
            }
        },
    }
}

fn plain<T>(
    path: &Path,
    work: impl FnOnce(BorrowedFd<'_>, &OsStr) -> io::Result<T>,
) -> io::Result<T> {
    let path = path.canonicalize()?;
    let name = path.file_name().unwrap_or_default();
    let folder = open(path.parent().unwrap_or(Path::new("/")))?;
    work(folder.as_fd(), name)
}

fn open(folder: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(
        folder,
        FOLDER | OFlags::NOFOLLOW,
        Mode::empty(),
    )?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

    use super::*;

    const USER: u32 = 54_322;

    fn account(uid: u32) -> Account {
        Account {
            uid,
            gid: uid,
            groups: vec![uid],
        }
    }

    /// Names of the folder that holds the file, and who we are in it.
    fn look(path: &Path, uid: u32) -> io::Result<(u64, String, u32)> {
        within(path, Some(&account(uid)), |folder, name| {
            let stat = rustix::fs::fstat(folder)?;
            let probe = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::WRONLY;
            let made = rustix::fs::openat(folder, "probe", probe, Mode::RUSR)?;
            let owner = rustix::fs::fstat(&made)?.st_uid;
            rustix::fs::unlinkat(folder, "probe", rustix::fs::AtFlags::empty())?;
            Ok((stat.st_ino, name.to_string_lossy().into_owned(), owner))
        })
    }

    #[test]
    fn works_with_the_rights_that_made_the_folder() {
        let root = tempfile::tempdir_in("/var/lib").expect("these tests need root");
        std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let ino = |path: &Path| path.metadata().unwrap().ino();
        let own = root.path().join("own");
        let theirs = root.path().join("theirs");
        for folder in [&own, &theirs] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("out.log"), "").unwrap();
        }
        chown(&theirs, Some(USER), Some(USER)).unwrap();
        let found = |folder: &Path, owner| (ino(folder), "out.log".to_owned(), owner);
        assert_eq!(look(&own.join("out.log"), USER).unwrap(), found(&own, 0));
        assert_eq!(
            look(&theirs.join("out.log"), USER).unwrap(),
            found(&theirs, USER)
        );
        assert_eq!(look(&theirs.join("out.log"), 0).unwrap(), found(&theirs, 0));
        // A link of root's is followed; one of theirs leads no further than they could go, and root nowhere.
        symlink(own.join("out.log"), root.path().join("link.log")).unwrap();
        assert_eq!(
            look(&root.path().join("link.log"), USER).unwrap(),
            found(&own, 0)
        );
        symlink(&own, theirs.join("up")).unwrap();
        assert!(look(&theirs.join("up/out.log"), USER).is_err());
        assert!(look(&theirs.join("up/out.log"), 0).is_err());
        assert!(look(&root.path().join("none/out.log"), USER).is_err());
        assert!(rustix::process::geteuid().is_root());
    }
}
