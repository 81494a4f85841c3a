//! journald, polkit: their settings on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::doctor::journal::{Journal, conf};
use crate::doctor::machine::{GROUP, Rights};
use crate::host::accounts;

/// Where distributions have it.
const POLKITD: [&str; 2] = ["/usr/lib/polkit-1/polkitd", "/usr/libexec/polkit-1/polkitd"];
/// 0.105 of Debian 11 and Ubuntu 22.04.
const WITHOUT_RULES: [&str; 2] = ["/usr/lib/policykit-1/polkitd", "/usr/libexec/polkitd"];

const JOURNAL: &str = "/var/log/journal";

/// `namespaces`: those that apps have.
pub fn journal(user: bool, namespaces: BTreeSet<String>) -> Journal {
    let me = rustix::process::getuid();
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let folder = Path::new(JOURNAL).join(id.trim());
    let file = match user {
        true => folder.join(format!("user-{}.journal", me.as_raw())),
        false => folder.join("system.journal"),
    };
    let readable = match fs::File::open(&file) {
        Ok(_) => Some(true),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Some(false),
        Err(_) => None,
    };
    let read = |file: &str| conf(journald_conf(file).iter().map(String::as_str));
    Journal {
        runs: Path::new("/run/systemd/journal/stdout").exists(),
        conf: read("journald.conf"),
        namespaces: namespaces
            .into_iter()
            .map(|name| {
                let conf = read(&format!("journald@{name}.conf"));
                (name, conf)
            })
            .collect(),
        folder: Path::new(JOURNAL).is_dir(),
        used: used(),
        disk: rustix::fs::statvfs(JOURNAL)
            .ok()
            .map(|disk| (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)),
        readable,
        user,
    }
}

/// The main file first, then the drop-ins by name; of those of one name the one that wins (journald.conf(5)).
fn journald_conf(file: &str) -> Vec<String> {
    let folders = ["/usr/lib", "/usr/local/lib", "/run", "/etc"];
    let main = folders
        .iter()
        .rev()
        .map(|folder| format!("{folder}/systemd/{file}"))
        .find_map(|path| fs::read_to_string(path).ok());
    let mut drop_ins: BTreeMap<String, PathBuf> = BTreeMap::new();
    for folder in folders {
        let entries = fs::read_dir(format!("{folder}/systemd/{file}.d"));
        for entry in entries.into_iter().flatten().flatten() {
            if let Ok(name) = entry.file_name().into_string()
                && name.ends_with(".conf")
            {
                drop_ins.insert(name, entry.path());
            }
        }
    }
    let drop_ins = drop_ins
        .values()
        .filter_map(|path| fs::read_to_string(path).ok());
    main.into_iter().chain(drop_ins).collect()
}

/// Of all journals, those of namespaces too.
fn used() -> Option<u64> {
    let mut sum = 0;
    for folder in fs::read_dir(JOURNAL).ok()?.flatten() {
        for file in fs::read_dir(folder.path()).ok()?.flatten() {
            sum += file.metadata().map_or(0, |file| file.len());
        }
    }
    Some(sum)
}

pub fn rights() -> Rights {
    let group = accounts::group(GROUP);
    let (joined, listed) = group.as_ref().map_or((false, false), |(gid, members)| {
        accounts::is_in(*gid, members)
    });
    let (rule, asks) = rule();
    let there = |paths: &[&str; 2]| paths.iter().any(|path| Path::new(path).exists());
    let polkitd = there(&POLKITD);
    Rights {
        root: rustix::process::geteuid().is_root(),
        group: group.is_some(),
        members: group.is_some_and(|(_, members)| !members.is_empty()),
        joined,
        listed,
        polkitd,
        too_old: !polkitd && there(&WITHOUT_RULES),
        rule,
        asks_in_vain: asks.filter(|path| !path.exists()),
    }
}

/// Whether one of the rules is ours, and which program it asks. None: who is not root may not look.
fn rule() -> (Option<bool>, Option<PathBuf>) {
    let mut hidden = false;
    for folder in [
        "/etc/polkit-1/rules.d",
        "/run/polkit-1/rules.d",
        "/usr/local/share/polkit-1/rules.d",
        "/usr/share/polkit-1/rules.d",
    ] {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                hidden |= error.kind() == std::io::ErrorKind::PermissionDenied;
                continue;
            }
        };
        for entry in entries.flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            if text.contains("__polkit-check") {
                let program = text.lines().find_map(|line| {
                    let value = line.trim().strip_prefix("var RPMCTL = \"")?;
                    value.split('"').next().map(PathBuf::from)
                });
                return (Some(true), program);
            }
        }
    }
    (if hidden { None } else { Some(false) }, None)
}
