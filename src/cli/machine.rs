//! Which manager and which places a command works on.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anyhow::Context;

use super::out;
use super::report::Stop;
use crate::apply::Machine;
use crate::journal::Scope;
use crate::systemd::{Bus, Manager};
use crate::unit_files::{Places, preload, shim};
use crate::units::{AppUnits, UnitSet};

/// The system's, or with `--user` the user's own.
/// Errors: with `--user`, no folder is known to be the user's.
pub fn places(user: bool) -> anyhow::Result<Places> {
    if !user {
        return Ok(Places::system());
    }
    let home = home();
    let folder = |variable: &str, default: &str| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| Some(home.as_ref()?.join(default)))
            .ok_or_else(|| {
                Stop::new("HOME is not set, so the folder of your units is not known")
                    .hint(format!("set HOME, or {variable}"))
            })
    };
    let run = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .unwrap_or_else(|| format!("/run/user/{}", rustix::process::geteuid().as_raw()).into());
    Ok(Places::user(
        &folder("XDG_CONFIG_HOME", ".config")?,
        &folder("XDG_DATA_HOME", ".local/share")?,
        &folder("XDG_STATE_HOME", ".local/state")?,
        &run,
    ))
}

/// The running program, as units are to run it. Errors: /proc is not there.
pub fn rpmctl() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe().context("where rpmctl itself is cannot be read")?;
    // An update has replaced it while it runs.
    let bytes = path.as_os_str().as_bytes();
    let path = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
    Ok(OsStr::from_bytes(path).into())
}

pub fn home() -> Option<PathBuf> {
    std::env::var_os("HOME")
        .map(PathBuf::from)
        .filter(|home| home.is_absolute())
}

pub async fn connect(user: bool) -> anyhow::Result<Machine> {
    let manager = Manager::connect(if user { Bus::User } else { Bus::System }).await?;
    Ok(Machine {
        places: places(user)?,
        manager,
        journal: journal(user),
    })
}

/// The same for a command that changes something: it goes on waiting for a manager that is busy, and says so. Where polkit may ask for a password
/// meanwhile, nothing is written over its question.
pub async fn connect_to_change(user: bool) -> anyhow::Result<Machine> {
    let machine = connect(user).await?;
    if !user && !rustix::process::geteuid().is_root() {
        return Ok(machine);
    }
    machine.manager.on_wait(|silence| {
        let seconds = silence.as_secs();
        out::say(&format!(
            "systemd has not answered for {seconds} s; waiting for it as long as it is at work"
        ));
    });
    Ok(machine)
}

/// What the apps of these units load: the listen shim, the Node preload.
pub fn install_loaded(places: &Places, set: &UnitSet) -> anyhow::Result<()> {
    let named = |name: &str| {
        let mut files = set.apps.iter().flat_map(|app| &app.env);
        files.any(|file| file.text.contains(name))
    };
    let folder = places.on_disk(&places.shim());
    let failed = |what| format!("cannot put the {what} into {}", folder.display());
    // The preload does without the shim where there is none for the processor.
    let shared = set.apps.iter().any(AppUnits::has_socket);
    if shared || !shim::SHIM.is_empty() && named(&shim::file_name()) {
        shim::install(&folder).with_context(|| failed("listen shim"))?;
    }
    if named(&preload::file_name()) {
        preload::install(&folder).with_context(|| failed("Node preload"))?;
    }
    Ok(())
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
