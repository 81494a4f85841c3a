//! The manager, who may talk to it, its control groups, its disks.

use std::path::PathBuf;

use super::finding::Finding;
use crate::systemd::ConnectError;

/// The oldest systemd that rpmctl is made for.
const OLDEST: u32 = 247;
/// The first that does not boot with control groups of version 1.
const NO_V1: u32 = 258;
/// Who may order apps about without being root: packaging/polkit.
pub const GROUP: &str = "rpmctl";

/// systemd's version, or why it cannot be reached.
pub fn manager(reached: &Result<String, ConnectError>) -> Vec<Finding> {
    let text = match reached {
        Ok(text) => text,
        Err(error) => {
            let check = match error.why {
                crate::systemd::Unreachable::NoSystemd => "systemd",
                _ => "bus",
            };
            let fix = match error.hints.is_empty() {
                true => "see: systemctl status dbus.socket dbus.service".to_owned(),
                false => error.hints.join("; "),
            };
            return vec![Finding::broken(check, error.what.clone(), fix)];
        }
    };
    let version = number(text);
    let systemd = match version {
        Some(version) if version < OLDEST => Finding::broken(
            "systemd",
            format!("systemd {version} is too old: rpmctl is made for {OLDEST} and later"),
            "upgrade the distribution: Debian 11, Ubuntu 22.04, RHEL 9 and later have one",
        ),
        Some(_) => Finding::ok("systemd", format!("systemd {text}")),
        None => Finding::note("systemd", format!("systemd says it is version {text:?}")),
    };
    vec![systemd, Finding::ok("bus", "systemd answers on the bus")]
}

/// `252.39-1~deb12u2` is 252.
pub fn number(text: &str) -> Option<u32> {
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit());
    digits[..end.unwrap_or(digits.len())].parse().ok()
}

/// Who asks, and what polkit lets the group do. What only root can see is none for others.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    pub root: bool,
    /// The group is there; has members; this process is in it; its user is listed in it.
    pub group: bool,
    pub members: bool,
    pub joined: bool,
    pub listed: bool,
    /// polkitd is installed; and only one that has no rules (0.105).
    pub polkitd: bool,
    pub too_old: bool,
    /// Whether there is a rule; the program that it asks, if that is not there.
    pub rule: Option<bool>,
    pub asks_in_vain: Option<PathBuf>,
}

pub fn rights(seen: &Rights) -> Vec<Finding> {
    let mut found = Vec::new();
    if seen.root {
        found.push(Finding::ok("rights", "root may do everything"));
    } else if seen.joined {
        found.push(Finding::ok(
            "rights",
            format!("in the group {GROUP}: start, stop, restart and reload need no sudo"),
        ));
    } else if seen.listed {
        found.push(Finding::warning(
            "rights",
            format!("you are in the group {GROUP}, but this session began before that"),
            format!("log in again, or: newgrp {GROUP}"),
        ));
    } else {
        let who = match seen.group {
            true => format!(
                "; members of the group {GROUP} start, stop, restart and reload apps (sudo usermod -aG {GROUP} $USER)"
            ),
            false => String::new(),
        };
        found.push(Finding::note(
            "rights",
            format!("not root: apply and whatever changes apps needs sudo{who}"),
        ));
    }
    if !seen.root {
        found.push(Finding::note(
            "rights",
            "not looked at, for root alone may: environment files, generations, polkit's rules, who holds a port",
        ));
    }
    if !(seen.group && seen.members) {
        return found;
    }
    if seen.too_old {
        found.push(Finding::warning(
            "polkit",
            format!("the group {GROUP} has members, but polkit 0.105 cannot tell units apart: systemd refuses them"),
            "sudo, or a distribution with polkit 0.106 or later: Debian 12, Ubuntu 24.04",
        ));
    } else if !seen.polkitd {
        found.push(Finding::warning(
            "polkit",
            format!(
                "the group {GROUP} has members, but polkit is not installed: systemd refuses them"
            ),
            "apt install polkitd (Fedora: dnf install polkit)",
        ));
    } else if seen.rule == Some(false) {
        found.push(Finding::warning(
            "polkit",
            format!("the group {GROUP} has members, but no rule of polkit's lets them order apps about"),
            "put 50-rpmctl.rules of rpmctl's package into /usr/share/polkit-1/rules.d (polkit 0.106 and later)",
        ));
    } else if let Some(program) = &seen.asks_in_vain {
        found.push(Finding::warning(
            "polkit",
            format!(
                "polkit's rule asks {}, which is not there: members of {GROUP} are refused",
                program.display()
            ),
            "set RPMCTL in 50-rpmctl.rules to where rpmctl is",
        ));
    } else if seen.rule == Some(true) {
        found.push(Finding::ok(
            "polkit",
            format!("the group {GROUP} may order apps about"),
        ));
    }
    found
}

/// Where units are counted and limited.
#[derive(Clone, Debug, Default)]
pub struct Cgroup {
    /// Version 2 alone.
    pub unified: bool,
    /// Controllers that the manager has.
    pub controllers: Vec<String>,
    pub user: bool,
}

/// What a controller is needed for.
const CONTROLLERS: [(&str, &str); 2] = [
    (
        "memory",
        "MemoryMax= does nothing, so nothing stands behind max_memory_restart",
    ),
    ("cpu", "CPUQuota= and CPUWeight= do nothing"),
];

pub fn cgroup(seen: &Cgroup, version: Option<u32>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (controller, without) in CONTROLLERS {
        if seen.controllers.iter().any(|one| one == controller) {
            continue;
        }
        let (what, fix) = match (seen.user, seen.unified) {
            (true, true) => (
                format!("the {controller} controller is not delegated to your manager: {without}"),
                "sudo systemctl edit user@.service: [Service] Delegate=cpu memory pids; then log in again",
            ),
            (true, false) => (
                format!("control groups of version 1 are not delegated to users: {without}"),
                "boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line",
            ),
            (false, _) if controller == "memory" => (
                format!("the kernel has no memory controller for systemd: {without}"),
                "boot with cgroup_enable=memory on the kernel's command line (Raspberry Pi: cmdline.txt); a container gets it from its host",
            ),
            (false, _) => (
                format!("the kernel has no {controller} controller for systemd: {without}"),
                "a kernel with CONFIG_CGROUP_SCHED; a container gets it from its host",
            ),
        };
        found.push(Finding::warning("cgroup", what, fix));
    }
    if !seen.unified && version.is_none_or(|version| version < NO_V1) {
        found.push(Finding::note(
            "cgroup",
            format!("control groups of version 1: systemd {NO_V1} and later do not boot with them (systemd.unified_cgroup_hierarchy=1 changes it)"),
        ));
    }
    if found.is_empty() {
        found.push(Finding::ok(
            "cgroup",
            format!("version 2 with {}", seen.controllers.join(" ")),
        ));
    }
    found
}

/// Of a user's own manager. `linger`: it outlives the session.
pub fn linger(linger: bool) -> Finding {
    match linger {
        true => Finding::ok(
            "linger",
            "your manager starts at boot and outlives your sessions",
        ),
        false => Finding::warning(
            "linger",
            "your apps end when you log out, and do not start at boot",
            "sudo loginctl enable-linger $USER",
        ),
    }
}

/// A folder that rpmctl writes to.
#[derive(Clone, Debug)]
pub struct Disk {
    pub folder: PathBuf,
    pub read_only: bool,
    /// Bytes and files that may still come.
    pub free: u64,
    pub files_free: Option<u64>,
}

/// A set of units and its generations are some 100 KiB.
const ROOM: u64 = 16 << 20;
const FILES: u64 = 1000;

impl Disk {
    /// What there is too little of.
    fn almost_nothing(&self) -> Option<String> {
        match self.files_free {
            _ if self.free < ROOM => Some(format!("{} KiB are left", self.free >> 10)),
            Some(files) if files < FILES => Some(format!("room for {files} files is left")),
            _ => None,
        }
    }
}

pub fn disks(seen: &[Disk]) -> Vec<Finding> {
    let mut found = Vec::new();
    for disk in seen {
        let folder = disk.folder.display().to_string();
        if disk.read_only {
            found.push(
                Finding::broken(
                    "disk",
                    format!("{folder} is read-only: no apply can write there"),
                    "mount it writable: mount -o remount,rw MOUNTPOINT; dmesg says whether its disk is faulty",
                )
                .naming(folder),
            );
        } else if let Some(left) = disk.almost_nothing() {
            found.push(
                Finding::broken(
                    "disk",
                    format!("{folder} is full: {left}"),
                    "make room: journalctl --vacuum-size=200M; df -h; df -i",
                )
                .naming(folder),
            );
        }
    }
    if found.is_empty() && !seen.is_empty() {
        found.push(Finding::ok(
            "disk",
            "there is room for units and generations",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Level, worst};
    use super::*;
    use crate::systemd::Unreachable;

    #[test]
    fn versions() {
        for (text, level) in [
            ("252.39-1~deb12u2", Level::Ok),
            ("v262.1", Level::Ok),
            ("247", Level::Ok),
            ("246.5", Level::Broken),
            ("239 (239-78.el8)", Level::Broken),
            ("unknown", Level::Note),
        ] {
            assert_eq!(worst(&manager(&Ok(text.to_owned()))), level, "{text}");
        }
        let error = ConnectError {
            why: Unreachable::NoSystemd,
            what: "not here".to_owned(),
            hints: vec!["a".to_owned(), "b".to_owned()],
        };
        let found = manager(&Err(error));
        assert_eq!(found, [Finding::broken("systemd", "not here", "a; b")]);
    }

    #[test]
    fn the_group_and_its_rule() {
        let root = Rights {
            root: true,
            ..Rights::default()
        };
        let level = |seen: &Rights| worst(&rights(seen));
        assert_eq!(level(&root), Level::Ok);
        let with = Rights {
            group: true,
            members: true,
            ..root.clone()
        };
        assert!(rights(&with)[1].what.contains("not installed"));
        let old = Rights {
            too_old: true,
            rule: Some(true),
            ..with.clone()
        };
        assert!(rights(&old)[1].what.contains("0.105"));
        let with = Rights {
            polkitd: true,
            rule: Some(false),
            ..with
        };
        assert!(rights(&with)[1].what.contains("no rule"));
        let with = Rights {
            rule: Some(true),
            asks_in_vain: Some("/usr/bin/rpmctl".into()),
            ..with
        };
        assert!(rights(&with)[1].what.contains("/usr/bin/rpmctl"));
        let with = Rights {
            asks_in_vain: None,
            ..with
        };
        assert_eq!(level(&with), Level::Ok);
        // Others cannot look into the folder of rules.
        let user = Rights {
            root: false,
            rule: None,
            ..with
        };
        assert_eq!(level(&user), Level::Note);
        let listed = Rights {
            listed: true,
            ..user
        };
        assert!(
            rights(&listed)[0]
                .fix
                .as_deref()
                .unwrap()
                .contains("newgrp")
        );
        let joined = Rights {
            joined: true,
            ..listed
        };
        assert_eq!(rights(&joined)[0].level, Level::Ok);
    }

    #[test]
    fn controllers() {
        let with = |controllers: &[&str], unified, user| Cgroup {
            unified,
            controllers: controllers.iter().map(ToString::to_string).collect(),
            user,
        };
        let level = |seen| worst(&cgroup(&seen, Some(252)));
        assert_eq!(
            level(with(&["cpu", "memory", "pids"], true, false)),
            Level::Ok
        );
        assert_eq!(level(with(&["cpu", "memory"], false, false)), Level::Note);
        let found = cgroup(&with(&["memory", "pids"], true, true), Some(247));
        assert_eq!(found.len(), 1);
        assert!(
            found[0]
                .what
                .starts_with("the cpu controller is not delegated")
        );
        assert!(found[0].fix.as_deref().unwrap().contains("Delegate="));
        assert_eq!(cgroup(&with(&[], true, false), Some(252)).len(), 2);
        assert!(
            cgroup(&with(&[], false, true), None)[0]
                .fix
                .as_deref()
                .unwrap()
                .contains("unified")
        );
    }

    #[test]
    fn disks_that_are_full_or_closed() {
        let disk = Disk {
            folder: "/etc".into(),
            read_only: false,
            free: 1 << 30,
            files_free: None,
        };
        assert_eq!(worst(&disks(std::slice::from_ref(&disk))), Level::Ok);
        for (other, what) in [
            (
                Disk {
                    read_only: true,
                    ..disk.clone()
                },
                "/etc is read-only",
            ),
            (
                Disk {
                    free: 1 << 20,
                    ..disk.clone()
                },
                "/etc is full: 1024 KiB are left",
            ),
            (
                Disk {
                    files_free: Some(3),
                    ..disk.clone()
                },
                "/etc is full: room for 3 files is left",
            ),
        ] {
            let found = disks(&[disk.clone(), other]);
            assert_eq!(worst(&found), Level::Broken);
            assert!(found[0].what.starts_with(what), "{found:?}");
        }
    }
}
