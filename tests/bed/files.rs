//! Files of the bed, through a process inside it: its links must lead to its own files, not to this machine's.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Bed;

impl Bed {
    /// Writes a file, with the folders above it. Owner is root.
    pub fn write(&self, path: &str, mode: u32, text: impl AsRef<[u8]>) {
        let script = r#"mkdir -p -- "$(dirname -- "$2")" && cat >"$2" && chmod "$1" "$2""#;
        self.cmd(&["sh", "-ec", script, "write", &format!("{mode:o}"), path])
            .stdin(text)
            .ok();
    }

    /// The same as [`Bed::write`], with the folders and the file `user`'s own.
    pub fn write_as(&self, user: &str, path: &str, mode: u32, text: impl AsRef<[u8]>) {
        let script = r#"mkdir -p -- "$(dirname -- "$2")" && cat >"$2" && chmod "$1" "$2""#;
        self.cmd(&["sh", "-ec", script, "write", &format!("{mode:o}"), path])
            .user(user)
            .stdin(text)
            .ok();
    }

    pub fn read(&self, path: &str) -> String {
        self.ok(&["cat", "--", path])
    }

    pub fn exists(&self, path: &str) -> bool {
        self.run(&["test", "-e", path]).status == 0
    }

    /// Copies a folder of this machine, with everything in it, to the folder `to` of the bed. Owner is root.
    pub fn copy_in(&self, from: impl AsRef<Path>, to: &str) {
        let from = from.as_ref();
        let packed = Command::new("tar")
            .arg("-C")
            .arg(from)
            .args(["-c", "."])
            .stderr(Stdio::inherit())
            .output()
            .expect("start tar");
        assert!(packed.status.success(), "cannot read {}", from.display());
        let script = r#"mkdir -p -- "$1" && tar -C "$1" -x --no-same-owner"#;
        self.cmd(&["sh", "-ec", script, "copy", to])
            .stdin(packed.stdout)
            .ok();
    }
}
