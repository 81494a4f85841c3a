//! Where everything of ours lives. The README's table "what it writes where" is this file in words.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Paths as the units name them; with a root they lie below it on disk (`render --root`).
#[derive(Clone, Debug)]
pub struct Places {
    pub root: Option<PathBuf>,
    /// Units.
    pub units: PathBuf,
    /// Environment files, mode 0600 in a folder of mode 0700.
    pub env: PathBuf,
    /// Generations (0700) and the listen shim (0755).
    pub state: PathBuf,
    /// Lock and unfinished work; gone after a reboot.
    pub run: PathBuf,
    /// Templates of the site.
    pub templates: PathBuf,
    /// Other folders that the manager loads units from (systemd.unit(5)), the ones that win first.
    pub search: Vec<PathBuf>,
}

impl Places {
    pub fn system() -> Places {
        Places {
            root: None,
            units: "/etc/systemd/system".into(),
            env: "/etc/rpmctl/env".into(),
            state: "/var/lib/rpmctl".into(),
            run: "/run/rpmctl".into(),
            templates: "/etc/rpmctl/templates".into(),
            search: [
                "/etc/systemd/system.control",
                "/run/systemd/system.control",
                "/run/systemd/transient",
                "/run/systemd/generator.early",
                "/etc/systemd/system.attached",
                "/run/systemd/system",
                "/run/systemd/system.attached",
                "/run/systemd/generator",
                "/usr/local/lib/systemd/system",
                "/usr/lib/systemd/system",
                "/lib/systemd/system",
                "/run/systemd/generator.late",
            ]
            .map(PathBuf::from)
            .into(),
        }
    }

    /// Of the user manager. `config`, `data`, `state` and `run` are `$XDG_CONFIG_HOME`, `$XDG_DATA_HOME`, `$XDG_STATE_HOME` and `$XDG_RUNTIME_DIR`,
    /// or their defaults.
    pub fn user(config: &Path, data: &Path, state: &Path, run: &Path) -> Places {
        let below_run = |folder: &str| run.join("systemd").join(folder);
        let search = vec![
            config.join("systemd/user.control"),
            below_run("user.control"),
            below_run("transient"),
            below_run("generator.early"),
            // From 262 on.
            config.join("systemd/user.attached"),
            "/etc/xdg/systemd/user".into(),
            "/etc/systemd/user".into(),
            below_run("user"),
            below_run("user.attached"),
            "/run/systemd/user".into(),
            below_run("generator"),
            data.join("systemd/user"),
            "/usr/local/share/systemd/user".into(),
            "/usr/share/systemd/user".into(),
            "/usr/local/lib/systemd/user".into(),
            "/usr/lib/systemd/user".into(),
            below_run("generator.late"),
        ];
        Places {
            root: None,
            units: config.join("systemd/user"),
            env: config.join("rpmctl/env"),
            state: state.join("rpmctl"),
            run: run.join("rpmctl"),
            templates: config.join("rpmctl/templates"),
            search,
        }
    }

    /// The same below a folder that holds another system's files.
    pub fn below(mut self, root: PathBuf) -> Places {
        self.root = Some(root);
        self
    }

    /// Where a path of ours lies on disk.
    pub fn on_disk(&self, path: &Path) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }

    /// Who works here does not own what is here: it may order what systemd lets it (polkit), and change no file. Not so where nothing of ours has run yet.
    pub fn is_guest(&self) -> bool {
        let me = rustix::process::geteuid();
        let owner = std::fs::metadata(self.on_disk(&self.run)).map(|run| run.uid());
        !me.is_root() && owner.is_ok_and(|owner| owner != me.as_raw())
    }

    /// How far log files are written: for a watcher that was killed, and for a machine that was.
    pub fn log_checkpoints(&self) -> [PathBuf; 2] {
        [&self.run, &self.state]
            .map(|folder| self.on_disk(folder).join("log-files/checkpoint.json"))
    }

    /// Folder of the listen shim, readable by every app's user.
    pub fn shim(&self) -> PathBuf {
        self.state.join("shim")
    }
}
