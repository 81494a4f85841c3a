//! /proc and /sys: limits, control groups, processes of PM2, who holds the lock.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::doctor::leftovers::AtWork;
use crate::doctor::limits::Limits;
use crate::doctor::machine::{Cgroup, Disk};
use crate::doctor::pm2::{Pm2, daemon};
use crate::process::taken;
use crate::units::watcher;

fn number(name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

pub fn limits() -> Limits {
    let files = || {
        let text = fs::read_to_string("/proc/sys/fs/file-nr").ok()?;
        let mut words = text.split_ascii_whitespace();
        let open = words.next()?.parse().ok()?;
        Some((open, words.nth(1)?.parse().ok()?))
    };
    Limits {
        somaxconn: number("net/core/somaxconn"),
        inotify_watches: number("fs/inotify/max_user_watches"),
        inotify_instances: number("fs/inotify/max_user_instances"),
        files: files(),
        nr_open: number("fs/nr_open"),
        free_ports: number("net/ipv4/ip_unprivileged_port_start"),
    }
}

pub fn cgroup(user: bool) -> Cgroup {
    let root = Path::new("/sys/fs/cgroup");
    let unified = root.join("cgroup.controllers").exists();
    let words = |text: String| text.split_ascii_whitespace().map(str::to_owned).collect();
    let uid = rustix::process::geteuid().as_raw();
    let own = format!("user.slice/user-{uid}.slice/user@{uid}.service/cgroup.controllers");
    let file = if user {
        own
    } else {
        "cgroup.controllers".to_owned()
    };
    let controllers = match (unified, user) {
        (true, _) => words(fs::read_to_string(root.join(file)).unwrap_or_default()),
        (false, true) => vec![],
        (false, false) => ["memory", "cpu"]
            .into_iter()
            .filter(|name| root.join(name).is_dir())
            .map(str::to_owned)
            .collect(),
    };
    Cgroup {
        unified,
        controllers,
        user,
    }
}

/// The nearest folder that is there stands for one that is not.
pub fn disk(folder: &Path) -> Option<Disk> {
    let there = folder.ancestors().find(|folder| folder.is_dir())?;
    let of = rustix::fs::statvfs(there).ok()?;
    Some(Disk {
        folder: folder.to_owned(),
        read_only: of.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        free: of.f_bavail.saturating_mul(of.f_frsize),
        // Where the file system counts none, as btrfs.
        files_free: (of.f_files > 0).then_some(of.f_favail),
    })
}

pub fn enforces_selinux() -> bool {
    fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1")
}

/// Whether SELinux takes a file for one of a home, by its label; where that cannot be read, by its path.
pub fn is_of_home(path: &Path) -> bool {
    let mut label = [0; 1024];
    match rustix::fs::getxattr(path, "security.selinux", &mut label[..]) {
        Ok(length) => is_homes(&String::from_utf8_lossy(&label[..length])),
        Err(_) => path.starts_with("/home") || path.starts_with("/root"),
    }
}

/// Of a label `USER:ROLE:TYPE:LEVEL`.
fn is_homes(label: &str) -> bool {
    let label = label.trim_end_matches('\0');
    matches!(
        label.split(':').nth(2),
        Some("user_home_t" | "admin_home_t")
    )
}

pub fn pm2(home: Option<&Path>) -> Pm2 {
    let mut found = Pm2::default();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some(home) = title(pid).as_deref().and_then(daemon) {
            found.daemons.push((pid, home));
        }
    }
    let mut homes: Vec<PathBuf> = found.daemons.iter().map(|(_, home)| home.into()).collect();
    homes.extend(
        [Some(Path::new("/root")), home]
            .into_iter()
            .flatten()
            .map(|home| home.join(".pm2")),
    );
    let system = Path::new("/etc/systemd/system");
    for wants in ["multi-user.target.wants", "default.target.wants"] {
        for entry in fs::read_dir(system.join(wants))
            .into_iter()
            .flatten()
            .flatten()
        {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if !(name.starts_with("pm2-") || name == "pm2.service") {
                continue;
            }
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let own = text
                .lines()
                .find_map(|line| line.split_once("PM2_HOME=").map(|(_, home)| home));
            homes.extend(own.map(|home| PathBuf::from(home.trim_matches(['"', ' ']))));
            found.units.push(name);
        }
    }
    homes.sort();
    homes.dedup();
    let dumps = homes.into_iter().map(|home| home.join("dump.pm2"));
    found.dumps = dumps.filter(|dump| dump.is_file()).collect();
    found
}

/// The beginning of a process's command line.
fn title(pid: u32) -> Option<String> {
    let mut bytes = [0; 256];
    let mut file = fs::File::open(format!("/proc/{pid}/cmdline")).ok()?;
    let length = file.read(&mut bytes).ok()?;
    bytes
        .starts_with(b"PM2 v")
        .then(|| String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// The process that has this file locked; of several, one that is not the watcher, which works for a moment only. None where the kernel and stat(2) do
/// not name the file system by the same number, as with btrfs and overlays: a file of another with the same inode would be taken for it.
pub fn holder(lock: &Path) -> Option<AtWork> {
    let file = fs::metadata(lock).ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let mut all = holders(&locks, file.dev(), file.ino())
        .into_iter()
        .filter_map(|pid| {
            Some(AtWork {
                pid,
                program: taken::name(pid),
                runs: age(pid)?,
                is_watcher: is_watcher(pid),
            })
        });
    let first = all.next()?;
    match first.is_watcher {
        true => Some(all.find(|one| !one.is_watcher).unwrap_or(first)),
        false => Some(first),
    }
}

/// Of proc_locks(5), who has a lock of flock(2) on this file.
fn holders(locks: &str, device: u64, inode: u64) -> Vec<u32> {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    locks
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            // Who waits for it has `->` behind the number.
            let [_, "FLOCK", _, _, pid, its, ..] = words[..] else {
                return None;
            };
            // 0: a process of another PID namespace.
            pid.parse().ok().filter(|pid| its == file && *pid != 0)
        })
        .collect()
}

fn is_watcher(pid: u32) -> bool {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let of_watcher = |line: &str| line.rsplit('/').next() == Some(watcher::UNIT);
    groups.lines().any(of_watcher)
}

/// USER_HZ is 100 on every architecture of Linux's that Rust's std has.
fn age(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let started: f64 = rest.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_ascii_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(uptime - started / 100.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_homes() {
        for (label, homes) in [
            ("unconfined_u:object_r:user_home_t:s0\0", true),
            ("system_u:object_r:admin_home_t:s0:c1,c2\0", true),
            ("system_u:object_r:bin_t:s0\0", false),
            ("", false),
        ] {
            assert_eq!(is_homes(label), homes, "{label}");
        }
        // Nothing there has a label.
        for (path, homes) in [("/home/none/x", true), ("/srv/none/x", false)] {
            assert_eq!(is_of_home(Path::new(path)), homes, "{path}");
        }
    }

    #[test]
    fn who_has_this_very_file() {
        let locks = "\
1: FLOCK  ADVISORY  WRITE 11 fe:00:42 0 EOF
2: FLOCK  ADVISORY  READ 12 00:1a:42 0 EOF
2: -> FLOCK  ADVISORY  WRITE 13 00:1a:42 0 EOF
3: POSIX  ADVISORY  WRITE 14 00:1a:42 0 EOF
4: FLOCK  ADVISORY  READ 15 00:1a:42 0 EOF
5: FLOCK  ADVISORY  READ 0 00:1a:42 0 EOF
6: FLOCK  ADVISORY  WRITE 16 103:100:42 0 EOF
7: FLOCK  ADVISORY  WRITE 17 00:1a:43 0 EOF
";
        let of = |major, minor| holders(locks, rustix::fs::makedev(major, minor), 42);
        assert_eq!(of(0, 0x1a), [12, 15]);
        assert_eq!(of(0xfe, 0), [11]);
        assert_eq!(of(0x103, 0x100), [16]);
        assert_eq!(of(0, 0x1b), [0; 0]);
    }
}
