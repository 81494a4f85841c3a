//! Leads to a log file's folder, and says with whose rights one works there.
//!
//! The path lies where the app's user may write, so it may be a trap: a link to a file of root's. While every folder from `/` on is root's and nobody
//! else may write to it, root walks, links and all. A folder of root's that a group may write to, but not the app's user, as Ubuntu's /var/log, would end
//! there for that user: root goes on, by descriptors, from folder to folder of root's without links, makes what is missing, and nothing else. From the
//! first other folder on this thread works with the app's user's rights, so that the kernel itself refuses what that user may not do. An app of root's in
//! a folder of somebody else's gets no link followed at all.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use super::super::rights::Rights;
use crate::host::accounts::Account;

/// Of folders that are made.
pub const FOLDER: Mode = Mode::from_raw_mode(0o755);
/// As the kernel's own limit, path_resolution(7).
const LINKS: u32 = 40;
const ENTER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Where a file is, and how one may work there.
pub enum Way {
    /// With the rights that last as long as `rights`, links and all.
    Theirs { path: PathBuf, rights: Rights },
    /// A name that is no link, or is free, in a folder of root's. `shared`: others than root may have laid it.
    Roots {
        folder: OwnedFd,
        name: OsString,
        shared: bool,
    },
    /// An app of root's, below a folder that is not root's alone: no links.
    Foreign { base: OwnedFd, below: PathBuf },
}

enum Whose {
    /// Only root could have laid what is in it.
    Roots,
    /// Root's, and so is what is made there, but a group that the app's user is not in may do the same.
    Shared,
    Others,
}

fn whose(folder: &Stat, account: &Account) -> Whose {
    let others = if folder.st_gid == 0 { 0o002 } else { 0o022 };
    if folder.st_uid != 0 {
        Whose::Others
    } else if folder.st_mode & others == 0 {
        Whose::Roots
    } else if folder.st_mode & 0o002 == 0
        && account.uid != 0
        && !account.groups.contains(&folder.st_gid)
    {
        Whose::Shared
    } else {
        Whose::Others
    }
}

/// Goes to the folder of the file at an absolute path; as root. `make`: missing folders are made, for the account. Errors: what the kernel says.
pub fn descend(path: &Path, account: &Account, make: bool) -> io::Result<Way> {
    let top = || rustix::fs::open("/", ENTER, Mode::empty());
    let mut folder = top()?;
    let mut at = PathBuf::from("/");
    let mut rest = parts(path)?;
    let mut links = 0;
    let mut shared = false;
    while let Some(name) = rest.pop_front() {
        let last = rest.is_empty();
        let look = || rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW);
        let found = match look() {
            Err(Errno::NOENT) if last => {
                return Ok(Way::Roots {
                    folder,
                    name,
                    shared,
                });
            }
            Err(Errno::NOENT) if make => {
                mkdir(&folder, &name, account, shared)?;
                look()?
            }
            other => other?,
        };
        let kind = FileType::from_raw_mode(found.st_mode);
        let theirs = |rest: &VecDeque<OsString>| {
            let below: PathBuf = rest.iter().collect();
            // Without a slash at its end.
            let path = at.join(&name);
            let path = if last { path } else { path.join(below) };
            let rights = Rights::take(account)?;
            Ok(Way::Theirs { path, rights })
        };
        if kind == FileType::Symlink {
            if shared {
                return theirs(&rest);
            }
            links += 1;
            if links > LINKS {
                return Err(Errno::LOOP.into());
            }
            let target = rustix::fs::readlinkat(&folder, &name, Vec::new())?;
            let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
            if target.is_absolute() {
                at = PathBuf::from("/");
                folder = top()?;
            }
            let mut more = parts(&target)?;
            more.append(&mut rest);
            rest = more;
            continue;
        }
        if last {
            return Ok(Way::Roots {
                folder,
                name,
                shared,
            });
        }
        if kind != FileType::Directory {
            return Err(Errno::NOTDIR.into());
        }
        if let Whose::Others = whose(&found, account) {
            if account.uid != 0 {
                return theirs(&rest);
            }
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::PATH;
            return Ok(Way::Foreign {
                base: rustix::fs::openat(&folder, &name, flags, Mode::empty())?,
                below: rest.iter().collect(),
            });
        }
        let next = rustix::fs::openat(&folder, &name, ENTER, Mode::empty())?;
        // As it is now that nobody can replace it.
        match whose(&rustix::fs::fstat(&next)?, account) {
            Whose::Roots => {}
            Whose::Shared => shared = true,
            Whose::Others => return Err(Errno::AGAIN.into()),
        }
        folder = next;
        at.push(&name);
    }
    Err(Errno::ISDIR.into())
}

/// A folder of the account's in a folder of root's.
fn mkdir(folder: &OwnedFd, name: &OsStr, account: &Account, shared: bool) -> io::Result<()> {
    if shared {
        // Not as root and given away then: somebody could put another folder of root's in its place between.
        let _rights = Rights::take_anywhere(account)?;
        return Ok(rustix::fs::mkdirat(folder, name, FOLDER)?);
    }
    rustix::fs::mkdirat(folder, name, FOLDER)?;
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    let links = AtFlags::SYMLINK_NOFOLLOW;
    Ok(rustix::fs::chownat(
        folder,
        name,
        Some(uid),
        Some(gid),
        links,
    )?)
}

/// Names of a path; `..` is refused, because it means another folder after a link.
fn parts(path: &Path) -> io::Result<VecDeque<OsString>> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(Ok(OsStr::to_owned(name))),
            Component::ParentDir => Some(Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the path goes through \"..\"",
            ))),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

    use super::super::{folder, open, rotate};
    use super::*;

    const USER: u32 = 54_324;
    /// Ubuntu's syslog, say.
    const GROUP: u32 = 54_325;

    fn account(groups: &[u32]) -> Account {
        Account {
            uid: USER,
            gid: USER,
            groups: groups.to_vec(),
        }
    }

    /// As Ubuntu's /var/log.
    fn shared() -> tempfile::TempDir {
        let folder = tempfile::tempdir_in("/var/lib").expect("these tests need root");
        chown(folder.path(), Some(0), Some(GROUP)).unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o775)).unwrap();
        folder
    }

    fn look(path: &Path) -> (u32, u32, u32) {
        let found = path.symlink_metadata().unwrap();
        (found.uid(), found.gid(), found.mode() & 0o7777)
    }

    #[test]
    fn what_is_missing_is_made_in_a_folder_of_roots_that_a_group_writes_to() {
        let log = shared();
        let own = account(&[USER]);
        for path in ["out.log", "app/deep/out.log"] {
            let path = log.path().join(path);
            for line in ["1\n", "2\n"] {
                let mut file = open::append(&path, Some(&own)).unwrap();
                file.write_all(line.as_bytes()).unwrap();
            }
            assert_eq!(std::fs::read(&path).unwrap(), b"1\n2\n");
            assert_eq!(look(&path), (USER, USER, 0o640));
        }
        assert_eq!(look(&log.path().join("app")), (USER, USER, 0o755));
        assert_eq!(look(&log.path().join("app/deep")), (USER, USER, 0o755));
        assert_eq!(look(log.path()), (0, GROUP, 0o775));
        // A folder of root's in it, too.
        std::fs::create_dir(log.path().join("roots")).unwrap();
        let path = log.path().join("roots/out.log");
        open::append(&path, Some(&own)).unwrap();
        assert_eq!(look(&path), (USER, USER, 0o640));
        // Of that group itself: nothing but its own rights.
        let member = account(&[USER, GROUP]);
        open::append(&log.path().join("theirs/out.log"), Some(&member)).unwrap();
        assert!(open::append(&log.path().join("roots/new.log"), Some(&member)).is_err());
        // Set aside by root, packed as the user's.
        let path = log.path().join("out.log");
        let found = path.metadata().unwrap();
        let utc = jiff::tz::TimeZone::UTC;
        folder::within(&path, Some(&own), |folder, name| {
            let inode = (found.dev(), found.ino());
            rotate::set_aside(folder.as_fd(), name, inode, 0, &utc)?.unwrap();
            rotate::tidy(folder, name, &"size=1 compress".parse().unwrap(), 0, &utc)
        })
        .unwrap();
        let packed = log.path().join("out.log-19700101-000000.gz");
        assert_eq!(look(&packed), (USER, USER, 0o640));
        assert!(rustix::process::geteuid().is_root());
        // Nothing is left of the rights that made the folders.
        let sets = rustix::thread::capabilities(None).unwrap();
        assert_eq!(sets.effective, sets.permitted);
    }

    #[test]
    fn what_a_group_laid_leads_root_nowhere() {
        let log = shared();
        let root = tempfile::tempdir_in("/var/lib").unwrap();
        std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let secret = root.path().join("secret");
        std::fs::write(&secret, "root's\n").unwrap();
        let others = log.path().join("others.log");
        std::fs::write(&others, "another's\n").unwrap();
        chown(&others, Some(USER + 9), Some(USER + 9)).unwrap();
        std::fs::hard_link(&secret, log.path().join("name.log")).unwrap();
        symlink(&secret, log.path().join("link.log")).unwrap();
        symlink(root.path(), log.path().join("up")).unwrap();
        symlink(root.path().join("new"), log.path().join("new.log")).unwrap();
        std::fs::create_dir(log.path().join("roots")).unwrap();
        symlink(&secret, log.path().join("roots/link.log")).unwrap();
        for path in [
            "others.log",
            "name.log",
            "link.log",
            "up/secret",
            "up/new",
            "up/new/out.log",
            "new.log",
            "roots/link.log",
        ] {
            let refused = open::append(&log.path().join(path), Some(&account(&[USER])));
            assert_eq!(
                refused.map_err(|error| error.kind()).err(),
                Some(io::ErrorKind::PermissionDenied),
                "{path}"
            );
        }
        assert_eq!(std::fs::read(&secret).unwrap(), b"root's\n");
        assert_eq!(look(&others).0, USER + 9);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
        // Where everybody may write, nobody is helped.
        std::fs::set_permissions(log.path(), PermissionsExt::from_mode(0o777)).unwrap();
        std::fs::create_dir(log.path().join("open")).unwrap();
        assert!(open::append(&log.path().join("open/out.log"), Some(&account(&[USER]))).is_err());
    }
}
