//! `rpmctl render`, which needs no systemd.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const APPS: &str = r#"
[[apps]]
name = "api"
script = "/bin/sleep"
args = "1000"
exec_mode = "cluster"
listen = 3000
listen_fds = true
env = { SECRET = "x" }

[[apps]]
name = "worker"
script = "/bin/sleep"
args = "1000"
"#;

fn render(folder: &Path, before: &str, rest: &str) {
    let line = format!(
        "{before} && exec {} render ecosystem.toml --root image {rest}",
        env!("CARGO_BIN_EXE_rpmctl")
    );
    let output = Command::new("/bin/sh")
        .args(["-c", &line])
        .current_dir(folder)
        .output()
        .expect("sh");
    assert!(output.status.success(), "{output:?}");
}

fn ecosystem() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    fs::write(folder.path().join("ecosystem.toml"), APPS).expect("file");
    let image = folder.path().join("image");
    (folder, image)
}

/// Apps run as other users, which must read the shim whatever root's umask is.
#[test]
fn modes_do_not_depend_on_the_umask() {
    for umask in ["077", "000"] {
        let (folder, image) = ecosystem();
        render(folder.path(), &format!("umask {umask}"), "");
        let mode = |path: &str| {
            let found = fs::metadata(image.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
            found.permissions().mode() & 0o777
        };
        for open in [
            "var/lib/rpmctl",
            "var/lib/rpmctl/shim",
            "etc/systemd/system",
            "etc/systemd/system/multi-user.target.wants",
        ] {
            assert_eq!(mode(open), 0o755, "{open} under umask {umask}");
        }
        assert_eq!(mode("etc/systemd/system/api@.service"), 0o644);
        assert_eq!(mode("etc/rpmctl/env"), 0o700);
        assert_eq!(mode("etc/rpmctl/env/api.env"), 0o600);
    }
}

#[test]
fn what_only_leaves_out_stays() {
    let (folder, image) = ecosystem();
    render(folder.path(), "true", "");
    render(folder.path(), "true", "--only worker");
    assert!(image.join("etc/systemd/system/api.target").exists());
    fs::write(
        folder.path().join("ecosystem.toml"),
        APPS.split_once("[[apps]]\nname = \"worker\"")
            .expect("two apps")
            .0,
    )
    .expect("file");
    render(folder.path(), "true", "");
    assert!(!image.join("etc/systemd/system/worker.target").exists());
}
