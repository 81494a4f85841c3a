//! The mount namespace: fresh `/run/systemd` and `/run/log`, everything else the machine's own.
//!
//! Not a tmpfs over all of /run: apps keep what lies there (a database's socket, resolv.conf's target, docker.sock).

use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change, mount_move,
    mount_remount,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Gives the calling thread, and every process and thread it starts from here on, mounts of its own.
///
/// Later mounts of the machine still show up inside; none made inside ever shows outside.
pub fn enter() -> Result<()> {
    unshare(UnshareFlags::NEWNS)?;
    mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )
    .context("cannot cut this process's mounts off from the machine's")?;
    fresh("/run/log", "mode=0755")?;
    let resolve = Path::new("/run/systemd/resolve");
    if !resolve.is_dir() {
        return fresh("/run/systemd", "mode=0755");
    }
    // /etc/resolv.conf often points here: carried over, by way of the other fresh directory.
    let aside = Path::new("/run/log/resolve");
    std::fs::create_dir(aside).context("cannot create /run/log/resolve")?;
    mount_bind_recursive(resolve, aside).context("cannot keep /run/systemd/resolve")?;
    fresh("/run/systemd", "mode=0755")?;
    std::fs::create_dir(resolve).context("cannot create /run/systemd/resolve")?;
    mount_move(aside, resolve).context("cannot keep /run/systemd/resolve")?;
    std::fs::remove_dir(aside).context("cannot remove /run/log/resolve")
}

/// New namespaces for the calling thread (`NEWNS`) or its children (`NEWPID`); EPERM is explained, containers refuse it by default.
pub fn unshare(flags: UnshareFlags) -> Result<()> {
    // SAFETY: only namespace flags are passed; without CLONE_FILES no descriptor another part relies on changes owner.
    match unsafe { unshare_unsafe(flags) } {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::PERM) => bail!(
            "rpmctl run may not create namespaces here: CAP_SYS_ADMIN is missing or a security profile forbids it\n\
             in a container: --privileged, or --cap-add SYS_ADMIN --security-opt apparmor=unconfined"
        ),
        Err(error) => Err(io::Error::from(error)).context("cannot create namespaces"),
    }
}

/// pid 1's view of /proc, in a mount namespace of its own.
pub fn proc() -> Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None)
        .context("cannot mount /proc for the private service manager")
}

/// Makes /sys/fs/cgroup a writable cgroup v2 tree, for this mount namespace alone; `is_v2` when it is a read-only one.
pub fn cgroup2(is_v2: bool) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    if is_v2 {
        // The same file system cannot be mounted over itself; read-only is this mount's own setting in containers.
        mount_remount("/sys/fs/cgroup", MountFlags::BIND | flags, "")?;
    } else {
        mount("cgroup2", "/sys/fs/cgroup", "cgroup2", flags, None)?;
    }
    Ok(())
}

/// An empty tmpfs on `dir`; the directory itself is made where the machine lacks it, and stays (systemd machines have both).
fn fresh(dir: &str, options: &str) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| {
        format!(
            "cannot create {dir}: rpmctl run needs /run to be writable (a container's --tmpfs /run)"
        )
    })?;
    let options = std::ffi::CString::new(options).context("mount options")?;
    mount("tmpfs", dir, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, options.as_c_str()).with_context(|| {
        format!(
            "cannot mount a tmpfs on {dir} for the private service manager\n\
             in a container: --privileged, or --cap-add SYS_ADMIN --security-opt apparmor=unconfined"
        )
    })
}
