//! Why rpmctl restarted an instance. What systemd restarts by itself, after a crash, it counts itself (`NRestarts=`).

use std::fmt;
use std::path::PathBuf;

use super::Bytes;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// `max_memory_restart`: what it used, and the limit.
    Memory { bytes: u64, limit: u64 },
    /// `watch`: the first file that changed, and how many did.
    Files { path: PathBuf, count: u32 },
    /// `health`: what its probe said, and how often in a row.
    Health { said: String, times: u32 },
    /// `cron_restart`.
    Schedule,
    /// A new release.
    Deploy,
    /// `rpmctl reload`.
    Reload,
}

impl Reason {
    /// The word for it in JSON and in the journal's `RPMCTL_REASON=`; it never changes.
    pub fn as_str(&self) -> &'static str {
        match self {
            Reason::Memory { .. } => "memory",
            Reason::Files { .. } => "files",
            Reason::Health { .. } => "health",
            Reason::Schedule => "schedule",
            Reason::Deploy => "deploy",
            Reason::Reload => "reload",
        }
    }
}

/// Half a sentence: `uses 312mb, more than max_memory_restart = 300mb`.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Memory { bytes, limit } => write!(
                f,
                "uses {}, more than max_memory_restart = {}",
                Bytes(*bytes),
                Bytes(*limit)
            ),
            Reason::Files { path, count } => match count {
                0 | 1 => write!(f, "{} changed", path.display()),
                2 => write!(f, "{} and another file changed", path.display()),
                _ => write!(f, "{} and {} more changed", path.display(), count - 1),
            },
            Reason::Health { said, times } => match times {
                0 | 1 => f.write_str(said),
                _ => write!(f, "{said}, {times} times"),
            },
            Reason::Schedule => f.write_str("cron_restart"),
            Reason::Deploy => f.write_str("a new release"),
            Reason::Reload => f.write_str("rpmctl reload"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_words() {
        let memory = Reason::Memory {
            bytes: 312 << 20,
            limit: 300 << 20,
        };
        assert_eq!(
            memory.to_string(),
            "uses 312mb, more than max_memory_restart = 300mb"
        );
        let files = |count| Reason::Files {
            path: "/srv/app.js".into(),
            count,
        };
        assert_eq!(files(1).to_string(), "/srv/app.js changed");
        assert_eq!(files(2).to_string(), "/srv/app.js and another file changed");
        let health = |times| Reason::Health {
            said: "GET /healthz answered 503".into(),
            times,
        };
        assert_eq!(health(1).to_string(), "GET /healthz answered 503");
        assert_eq!(health(4).to_string(), "GET /healthz answered 503, 4 times");
        assert_eq!(files(9).to_string(), "/srv/app.js and 8 more changed");
    }
}
