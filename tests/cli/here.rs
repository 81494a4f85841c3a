//! rpmctl in a folder of its own, with an environment of its own: nothing of the machine's units, home or service manager is in reach.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub const RPMCTL: &str = env!("CARGO_BIN_EXE_rpmctl");

/// What a command did, whole. The folder is written `DIR`.
#[derive(Clone, PartialEq, Eq)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "code {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

impl Output {
    /// # Panics
    /// When anything differs, with both whole.
    #[track_caller]
    pub fn is(&self, code: i32, stdout: &str, stderr: &str) {
        let expected = Output {
            code: Some(code),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        assert!(*self == expected, "\ngot {self:?}\nexpected {expected:?}");
    }
}

pub struct Here {
    dir: TempDir,
}

impl Here {
    pub fn new() -> Here {
        let here = Here {
            dir: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(here.path("home")).unwrap();
        here
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Every file and link below a folder, sorted, without the folder itself.
    pub fn tree(&self, name: &str) -> Vec<String> {
        fn walk(base: &Path, folder: &Path, found: &mut Vec<String>) {
            let Ok(entries) = std::fs::read_dir(folder) else {
                return;
            };
            for entry in entries.map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => walk(base, &entry.path(), found),
                    false => {
                        let path = entry.path();
                        found.push(
                            path.strip_prefix(base)
                                .unwrap()
                                .to_str()
                                .unwrap()
                                .to_owned(),
                        );
                    }
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path(name), &self.path(name), &mut found);
        found.sort();
        found
    }

    /// In namespaces whose /run is empty, so that no service manager is reached even where one runs.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "/bin/sh", "-c"]);
        command.arg("mount -t tmpfs none /run && exec env -i PATH=/usr/bin:/bin HOME=\"$0/home\" LC_ALL=C.UTF-8 \"$@\"");
        command.arg(self.dir.path()).arg(RPMCTL).args(args);
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.output(&mut self.command(args))
    }

    pub fn output(&self, command: &mut Command) -> Output {
        let output = command
            .output()
            .expect("start unshare (package util-linux)");
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).expect("UTF-8");
            assert!(!text.contains("panicked"), "{text}");
            text.replace(self.dir.path().to_str().unwrap(), "DIR")
        };
        Output {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// `script` of a shell, in which `$RPMCTL` is the program.
    pub fn shell(&self, script: &str) -> Output {
        let mut command = Command::new("/bin/bash");
        command.args(["-c", script]).env_clear();
        command.envs([
            ("PATH", "/usr/bin:/bin"),
            ("RPMCTL", RPMCTL),
            ("LC_ALL", "C.UTF-8"),
        ]);
        command.env("HOME", self.path("home"));
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        self.output(&mut command)
    }
}
