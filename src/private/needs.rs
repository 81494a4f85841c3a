//! What the machine must have before a private manager can boot; each lack is an error naming the package or command.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The programs found, as absolute paths.
pub struct Programs {
    pub systemd: PathBuf,
    pub journald: PathBuf,
    pub dbus_daemon: PathBuf,
}

/// Root, the programs and a machine id; the first that is missing is the error.
pub fn check() -> Result<Programs> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "rpmctl run needs root where no service manager can be reached\n\
             run it as root (sudo rpmctl run …), or log in where systemd runs and use its user manager (--user)"
        );
    }
    let found = programs(Path::new("/"), &std::env::var("PATH").unwrap_or_default())?;
    machine_id(Path::new("/etc/machine-id"))?;
    Ok(found)
}

/// `root` is where the directories of [file-hierarchy(7)] begin, `path` a `PATH` value to look for dbus-daemon in first.
fn programs(root: &Path, path: &str) -> Result<Programs> {
    let systemd_dirs = ["usr/lib/systemd", "lib/systemd"].map(|dir| root.join(dir));
    let in_systemd = |name: &str| {
        systemd_dirs
            .iter()
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
    };
    let (Some(systemd), Some(journald)) = (in_systemd("systemd"), in_systemd("systemd-journald"))
    else {
        bail!(
            "systemd is not installed: neither {}/systemd nor systemd-journald beside it\n\
             apt install systemd (Debian, Ubuntu) or dnf install systemd (Fedora, RHEL)",
            systemd_dirs[0].display()
        );
    };
    let dbus_daemon = path
        .split(':')
        .filter(|dir| dir.starts_with('/'))
        .map(PathBuf::from)
        .chain([root.join("usr/bin"), root.join("bin")])
        .map(|dir| dir.join("dbus-daemon"))
        .find(|file| file.is_file());
    let Some(dbus_daemon) = dbus_daemon else {
        bail!(
            "dbus-daemon is not installed: not on PATH\n\
             apt install dbus (Debian, Ubuntu) or dnf install dbus-daemon (Fedora, RHEL)"
        );
    };
    Ok(Programs {
        systemd,
        journald,
        dbus_daemon,
    })
}

/// journald names its directory after the machine id: 32 hex digits, machine-id(5).
fn machine_id(file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let id = text.trim();
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!(
            "{} holds no machine id, which the journal needs\nsystemd-machine-id-setup writes one",
            file.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(root: &Path, files: &[&str]) {
        for file in files {
            let file = root.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
    }

    #[test]
    fn each_missing_program_names_its_package() {
        let root = tempfile::tempdir().unwrap();
        let error = |path: &str| {
            programs(root.path(), path)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        assert!(error("").contains("apt install systemd"), "{}", error(""));
        install(root.path(), &["usr/lib/systemd/systemd"]);
        assert!(
            error("").contains("apt install systemd"),
            "journald is missing: {}",
            error("")
        );
        install(root.path(), &["usr/lib/systemd/systemd-journald"]);
        assert!(
            error("/nowhere::relative").contains("apt install dbus"),
            "{}",
            error("")
        );
        install(root.path(), &["opt/dbus-daemon"]);
        let found = programs(
            root.path(),
            &format!("/nowhere:{}", root.path().join("opt").display()),
        )
        .unwrap();
        assert_eq!(found.dbus_daemon, root.path().join("opt/dbus-daemon"));
        assert_eq!(found.systemd, root.path().join("usr/lib/systemd/systemd"));
    }

    #[test]
    fn a_machine_id_is_32_hex_digits() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("machine-id");
        for bad in [
            "",
            "uninitialized\n",
            "3d1219c7c4c5404aaa1f6d2a48adfda\n",
            "zd1219c7c4c5404aaa1f6d2a48adfda4\n",
        ] {
            std::fs::write(&file, bad).unwrap();
            let error = machine_id(&file).unwrap_err().to_string();
            assert!(
                error.contains("systemd-machine-id-setup"),
                "{bad:?}: {error}"
            );
        }
        std::fs::write(&file, "3d1219c7c4c5404aaa1f6d2a48adfda4\n").unwrap();
        machine_id(&file).unwrap();
    }
}
