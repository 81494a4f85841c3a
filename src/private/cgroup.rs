//! The cgroup the private manager lives in: made beside rpmctl, so that its limits hold, and removed with all below it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::mounts;

const ROOT: &str = "/sys/fs/cgroup";
/// `CGROUP2_SUPER_MAGIC`, statfs(2).
const CGROUP2_MAGIC: u64 = 0x6367_7270;

/// Makes the cgroup and returns its directory, `…/rpmctl-run-<pid>.slice` with the pid of rpmctl.
///
/// Called inside the mount namespace: where /sys/fs/cgroup is not a writable v2 tree (v1, hybrid, absent, or read-only as
/// in containers), it becomes one for this namespace alone.
/// A slice by name, because journald finds a process's unit in its cgroup path only below slices.
pub fn create(pid: u32) -> Result<PathBuf> {
    let is_v2 = rustix::fs::statfs(ROOT).is_ok_and(|fs| fs.f_type as u64 == CGROUP2_MAGIC);
    let first = if is_v2 {
        create_in(&parent()?, pid)
    } else {
        Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem))
    };
    let leaf = match first {
        Ok(leaf) => leaf,
        Err(_) => {
            if let Err(error) = mounts::cgroup2(is_v2) {
                bail!(
                    "rpmctl run needs a writable cgroup v2 tree: {ROOT} {}, and making it one failed: {error}\n\
                     in a container: --privileged, or --cap-add SYS_ADMIN --security-opt apparmor=unconfined --cgroupns=private",
                    if is_v2 {
                        "is not writable"
                    } else {
                        "is not one"
                    }
                );
            }
            create_in(&parent()?, pid)
                .with_context(|| format!("cannot create a cgroup under {ROOT}"))?
        }
    };
    // Memory accounting of the units, where this kernel and the cgroups above allow it; without it they run all the same.
    for dir in [leaf.parent().unwrap_or(&leaf), &leaf] {
        for controller in ["+cpu", "+memory", "+pids"] {
            let _ = fs::write(dir.join("cgroup.subtree_control"), controller);
        }
    }
    Ok(leaf)
}

/// Moves the calling process into `dir`.
pub fn move_self(dir: &Path) -> io::Result<()> {
    fs::write(dir.join("cgroup.procs"), "0")
}

/// Removes `dir` and the cgroups below it; one that is gone is no error, one with processes in it is.
pub fn remove(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    match fs::remove_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn create_in(parent: &Path, pid: u32) -> io::Result<PathBuf> {
    // A process of the same number in another pid namespace may share the tree.
    let names = (0..100).map(|n| match n {
        0 => format!("rpmctl-run-{pid}.slice"),
        n => format!("rpmctl-run-{pid}-{n}.slice"),
    });
    for name in names {
        let leaf = parent.join(name);
        match fs::create_dir(&leaf) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            result => return result.map(|()| leaf),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// rpmctl's own cgroup as a directory; the tree's root where that path does not exist in this view of the tree.
fn parent() -> Result<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").context("cannot read /proc/self/cgroup")?;
    let Some(own) = own_v2(&text) else {
        bail!(
            "this kernel has no cgroup v2, which rpmctl run needs: /proc/self/cgroup has no line 0::"
        );
    };
    let dir = Path::new(ROOT).join(own.trim_start_matches('/'));
    Ok(if dir.is_dir() && !own.contains("/..") {
        dir
    } else {
        PathBuf::from(ROOT)
    })
}

/// The v2 line of /proc/PID/cgroup, cgroups(7).
fn own_v2(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_v2_line_is_found_among_v1_lines() {
        assert_eq!(
            own_v2("4:memory:/x/0::y\n1:cpu:/\n0::/a b/c\n"),
            Some("/a b/c")
        );
        assert_eq!(own_v2("0::/\n"), Some("/"));
        assert_eq!(own_v2("4:memory:/\n"), None);
    }

    #[test]
    fn removing_takes_the_deepest_first_and_accepts_what_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::create_dir_all(top.join("c")).unwrap();
        remove(&top).unwrap();
        assert!(!top.exists());
        remove(&top).unwrap();
    }
}
