//! What a check found.

/// The worst first, as they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something does not work.
    Broken,
    /// It works, but not as it is meant to, or not for long.
    Warning,
    /// To be known; nothing is wrong.
    Note,
    Ok,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Broken => "broken",
            Level::Warning => "warning",
            Level::Note => "note",
            Level::Ok => "ok",
        }
    }
}

/// Every check, and what it looks at; rpmctl(1) lists them.
pub const CHECKS: [(&str, &str); 22] = [
    (
        "systemd",
        "process 1 is systemd, and of version 247 or later",
    ),
    ("bus", "systemd answers on the message bus"),
    ("rights", "what the user who asks may do"),
    (
        "polkit",
        "where the group rpmctl has members, polkit knows the rule for them",
    ),
    (
        "cgroup",
        "the controllers memory and cpu are there, and delegated to a user's manager",
    ),
    ("linger", "a user's manager outlives the session"),
    (
        "journal",
        "journald runs, keeps lines on disk, drops none by its settings, has room, and may be read",
    ),
    (
        "disk",
        "where units and generations are kept is writable and not full",
    ),
    (
        "limits",
        "net.core.somaxconn against the apps' queues, fs.inotify.* where files are watched, fs.file-max, fs.nr_open against LimitNOFILE=, the first port that a user's manager may have",
    ),
    ("pm2", "PM2 neither runs nor starts at boot"),
    ("apps", "no instance failed, and what starts at boot runs"),
    ("health", "probes are answered well"),
    (
        "programs",
        "interpreters, programs, scripts, folders, environment files and users of the units are there",
    ),
    (
        "selinux",
        "where SELinux enforces, no program of an app's has the label of a home",
    ),
    (
        "ports",
        "nobody else holds an address that an app is to listen on",
    ),
    (
        "units",
        "not changed by hand, read by systemd, no older instances, drop-ins, directives that this systemd does not know",
    ),
    ("files", "ecosystem files are there and were applied"),
    ("foreign", "no unit of another's has a name of an app's"),
    (
        "rpmctl",
        "what units call and load of rpmctl is there and of this version",
    ),
    (
        "watcher",
        "rpmctl-watch.service runs where an app needs it, and what it runs is the rpmctl that is installed",
    ),
    (
        "leftovers",
        "an apply that was cut off, instances, units and environment files without an app, who holds the lock",
    ),
    (
        "generations",
        "none is damaged, and no unit was removed without rpmctl",
    ),
];

/// One line of cause, one of remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check: `systemd`, `journal`, `ports`…
    pub check: &'static str,
    pub level: Level,
    /// App, unit or file that it is about; None: the machine.
    pub about: Option<String>,
    /// `what` names what it is about, so that nothing need stand before it.
    pub named: bool,
    pub what: String,
    /// Commands or settings that mend it; always there for what is broken and for warnings.
    pub fix: Option<String>,
}

impl Finding {
    pub fn ok(check: &'static str, what: impl Into<String>) -> Finding {
        debug_assert!(CHECKS.iter().any(|(name, _)| *name == check));
        Finding {
            check,
            level: Level::Ok,
            about: None,
            named: false,
            what: what.into(),
            fix: None,
        }
    }

    pub fn note(check: &'static str, what: impl Into<String>) -> Finding {
        Finding {
            level: Level::Note,
            ..Finding::ok(check, what)
        }
    }

    pub fn warning(
        check: &'static str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Finding {
        Finding {
            level: Level::Warning,
            fix: Some(fix.into()),
            ..Finding::ok(check, what)
        }
    }

    pub fn broken(check: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding {
            level: Level::Broken,
            ..Finding::warning(check, what, fix)
        }
    }

    pub fn about(self, about: impl Into<String>) -> Finding {
        Finding {
            about: Some(about.into()),
            ..self
        }
    }

    /// The same where `what` names it.
    pub fn naming(self, about: impl Into<String>) -> Finding {
        Finding {
            named: true,
            ..self.about(about)
        }
    }
}

/// Of all together; nothing found is well.
pub fn worst(findings: &[Finding]) -> Level {
    let levels = findings.iter().map(|one| one.level);
    levels.min().unwrap_or(Level::Ok)
}
