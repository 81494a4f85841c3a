//! Which manager and which places a command works on.

use std::path::PathBuf;

use crate::apply::Machine;
use crate::journal::Scope;
use crate::systemd::{Bus, Manager};
use crate::unit_files::Places;

/// The system's, or with `--user` the user's own.
pub fn places(user: bool) -> Places {
    if !user {
        return Places::system();
    }
    let home = home().unwrap_or_else(|| PathBuf::from("/"));
    let folder = |variable: &str, default: &str| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| home.join(default))
    };
    let run = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .unwrap_or_else(|| format!("/run/user/{}", rustix::process::geteuid().as_raw()).into());
    Places::user(
        &folder("XDG_CONFIG_HOME", ".config"),
        &folder("XDG_STATE_HOME", ".local/state"),
        &run,
    )
}

pub fn home() -> Option<PathBuf> {
    std::env::var_os("HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from)
}

pub async fn connect(user: bool) -> anyhow::Result<Machine> {
    let manager = Manager::connect(if user { Bus::User } else { Bus::System }).await?;
    Ok(Machine {
        places: places(user),
        manager,
        journal: journal(user),
    })
}

/// Whose lines of the machine's journal.
pub fn journal(user: bool) -> Scope {
    if user {
        Scope::User {
            uid: rustix::process::geteuid().as_raw(),
        }
    } else {
        Scope::System
    }
}

/// systemd's version as a number: `257.13-1~deb13u1` is 257.
pub async fn version(manager: &Manager) -> anyhow::Result<u32> {
    let text = manager.version().await?;
    let digits: String = text
        .trim_start_matches(|c: char| !c.is_ascii_digit())
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits
        .parse()
        .map_err(|_| anyhow::anyhow!("systemd says it is version {text:?}, which is not a number"))
}
