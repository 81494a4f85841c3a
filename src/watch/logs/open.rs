//! Opens a log file for appending, and makes the folders above it, where `descend` leads. What is made belongs to the app's user and group: folders 0755,
//! files 0640.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

use super::super::rights::Rights;
use super::descend::{self, FOLDER, Way};
use crate::host::accounts::Account;

const FILE: Mode = Mode::from_raw_mode(0o640);
/// Never waits for the other end of a pipe, never becomes our terminal.
const APPEND: OFlags = OFlags::WRONLY
    .union(OFlags::APPEND)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// The file at an absolute path, made where it is missing. `account`: whose it is to be; None: our own, with our rights.
/// Errors: what the kernel says, or it is no regular file.
pub fn append(path: &Path, account: Option<&Account>) -> io::Result<File> {
    open(path, account, true)
}

/// The same for a file that is there; nothing is made.
pub fn existing(path: &Path, account: Option<&Account>) -> io::Result<File> {
    open(path, account, false)
}

fn open(path: &Path, account: Option<&Account>, make: bool) -> io::Result<File> {
    let file = match account.filter(|_| rustix::process::geteuid().is_root()) {
        None => plain(path, make)?,
        Some(account) => match descend::descend(path, account, make)? {
            Way::Theirs { path, rights } => {
                let file = plain(&path, make)?;
                drop(rights);
                file
            }
            Way::Roots {
                folder,
                name,
                shared,
            } => roots(&folder, &name, account, shared, make)?,
            Way::Foreign { base, below } => foreign(&base, &below, make)?,
        },
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    Ok(file)
}

fn plain(path: &Path, make: bool) -> io::Result<File> {
    let mut flags = APPEND;
    if make {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        flags |= OFlags::CREATE;
    }
    Ok(rustix::fs::open(path, flags, FILE)?.into())
}

/// In a folder of root's. `shared`: what is there may be anybody's, so only its owner's rights open it.
fn roots(
    folder: &OwnedFd,
    name: &OsStr,
    account: &Account,
    shared: bool,
    make: bool,
) -> io::Result<File> {
    let flags = APPEND | OFlags::NOFOLLOW;
    let there = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    if make && !there {
        let flags = flags | OFlags::CREATE | OFlags::EXCL;
        let file = File::from(rustix::fs::openat(folder, name, flags, FILE)?);
        fchown(&file, Some(account.uid), Some(account.gid))?;
        return Ok(file);
    }
    let rights = shared.then(|| Rights::take(account)).transpose()?;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    drop(rights);
    Ok(file.into())
}

/// For an app of root's, below a folder that others may write to.
fn foreign(base: &OwnedFd, below: &Path, make: bool) -> io::Result<File> {
    let no_links = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    let mut flags = APPEND | OFlags::NOFOLLOW;
    if make {
        flags |= OFlags::CREATE;
        let mut above: Vec<&Path> = below.ancestors().skip(1).collect();
        above.retain(|path| !path.as_os_str().is_empty());
        let mut parent = base.try_clone()?;
        for path in above.into_iter().rev() {
            let name = path.file_name().unwrap_or_default();
            match rustix::fs::mkdirat(&parent, name, FOLDER) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let folder = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::PATH;
            parent = rustix::fs::openat2(&parent, name, folder, Mode::empty(), no_links)?;
        }
    }
    let mode = if make { FILE } else { Mode::empty() };
    let file = File::from(rustix::fs::openat2(base, below, flags, mode, no_links)?);
    if file.metadata()?.nlink() > 1 {
        return Err(io::Error::other(
            "is a second name of another file, in a folder that is not root's",
        ));
    }
    Ok(file)
}

/// What the kernel says, without its number.
pub fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    const USER: u32 = 54_321;

    fn account(uid: u32) -> Account {
        Account {
            uid,
            gid: uid,
            groups: vec![uid],
        }
    }

    /// A folder of root's below a chain of root's; /tmp is not one.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir_in("/var/lib").expect("these tests need root");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        folder
    }

    fn look(path: &Path) -> (u32, u32, u32) {
        let found = path.symlink_metadata().unwrap();
        (found.uid(), found.gid(), found.mode() & 0o777)
    }

    #[test]
    fn folders_and_files_are_made_for_the_user() {
        let root = folder();
        let path = root.path().join("a/b/out.log");
        let mut file = append(&path, Some(&account(USER))).unwrap();
        file.write_all(b"1\n").unwrap();
        assert_eq!(look(&root.path().join("a")), (USER, USER, 0o755));
        assert_eq!(look(&root.path().join("a/b")), (USER, USER, 0o755));
        assert_eq!(look(&path), (USER, USER, 0o640));
        let direct = root.path().join("direct.log");
        append(&direct, Some(&account(USER))).unwrap();
        assert_eq!(look(&direct), (USER, USER, 0o640));
        append(&path, Some(&account(USER)))
            .unwrap()
            .write_all(b"2\n")
            .unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"1\n2\n");
        assert!(rustix::process::geteuid().is_root());
    }

    #[test]
    fn a_link_that_the_user_laid_leads_root_nowhere() {
        let root = folder();
        let secret = root.path().join("secret");
        std::fs::write(&secret, "root's\n").unwrap();
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o644)).unwrap();
        let theirs = root.path().join("theirs");
        std::fs::create_dir(&theirs).unwrap();
        symlink(&secret, theirs.join("out.log")).unwrap();
        symlink(root.path(), theirs.join("up")).unwrap();
        chown(&theirs, Some(USER), Some(USER)).unwrap();
        for path in ["out.log", "up/secret", "up/new.log"] {
            let refused = append(&theirs.join(path), Some(&account(USER))).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{path}");
            let refused = append(&theirs.join(path), Some(&account(0))).unwrap_err();
            let code = refused.raw_os_error();
            // A link where a folder should be is no folder.
            let link = [rustix::io::Errno::LOOP, rustix::io::Errno::NOTDIR];
            assert!(
                link.iter().any(|one| code == Some(one.raw_os_error())),
                "{path}: {refused}"
            );
        }
        std::fs::hard_link(&secret, theirs.join("name.log")).unwrap();
        let refused = append(&theirs.join("name.log"), Some(&account(0))).unwrap_err();
        assert!(refused.to_string().contains("second name"), "{refused}");
        assert!(append(&theirs.join("name.log"), Some(&account(USER))).is_err());
        assert_eq!(std::fs::read(&secret).unwrap(), b"root's\n");
        assert!(!root.path().join("new.log").exists());
        // An app of root's may write there, in folders of its own.
        append(&theirs.join("deep/er/out.log"), Some(&account(0))).unwrap();
        assert_eq!(look(&theirs.join("deep/er/out.log")), (0, 0, 0o640));
    }

    #[test]
    fn links_of_roots_are_followed() {
        let root = folder();
        std::fs::create_dir(root.path().join("real")).unwrap();
        symlink("real", root.path().join("log")).unwrap();
        append(&root.path().join("log/x/out.log"), Some(&account(USER))).unwrap();
        assert_eq!(
            look(&root.path().join("real/x/out.log")),
            (USER, USER, 0o640)
        );
        symlink("b", root.path().join("a")).unwrap();
        symlink("a", root.path().join("b")).unwrap();
        assert!(append(&root.path().join("a/out.log"), Some(&account(USER))).is_err());
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let root = folder();
        std::fs::create_dir(root.path().join("out.log")).unwrap();
        assert!(append(&root.path().join("out.log"), Some(&account(USER))).is_err());
        let missing =
            existing(&root.path().join("none/out.log"), Some(&account(USER))).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let dev = append(Path::new("/dev/full"), Some(&account(0))).unwrap_err();
        assert!(dev.to_string().contains("regular"), "{dev}");
        assert!(append(&root.path().join("../x.log"), Some(&account(0))).is_err());
    }
}
