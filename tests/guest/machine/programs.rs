//! The guest's second disk, mounted read-only at /opt/guest: rpmctl as it was built, the agent, and the programs that
//! the tests run as apps and as visitors.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::image::cache;

/// Each is tests/guest/programs/NAME.rs, built with rustc alone.
const PROGRAMS: [&str; 3] = ["agent", "leaky", "visitors"];

/// A file without a name, with the file system in it: gone with this process. `more` lies there as well, each file or
/// folder by its name.
pub fn disk(more: &[(PathBuf, &str)]) -> File {
    let folder = tempfile::tempdir_in(cache()).expect("a folder for the guest's programs");
    fs::copy(env!("CARGO_BIN_EXE_rpmctl"), folder.path().join("rpmctl")).expect("the built rpmctl");
    for name in PROGRAMS {
        fs::copy(built(name), folder.path().join(name)).expect("a program of the guest");
    }
    for (path, name) in more {
        let copied = Command::new("cp")
            .arg("-a")
            .arg(path)
            .arg(folder.path().join(name))
            .status();
        assert!(copied.expect("start cp").success(), "cp {}", path.display());
    }
    let disk = tempfile::tempfile_in(cache()).expect("a file for the guest's programs");
    disk.set_len(1 << 30).expect("the guest's second disk");
    let made = Command::new("mke2fs")
        .args([
            "-q",
            "-F",
            "-t",
            "ext4",
            "-O",
            "^has_journal",
            "-E",
            "root_owner=0:0",
            "-d",
        ])
        .arg(folder.path())
        .arg(path_of(&disk))
        .output()
        .expect("start mke2fs (package e2fsprogs)");
    assert!(
        made.status.success(),
        "mke2fs: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    disk
}

/// What other processes open it by.
pub fn path_of(file: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}

/// Built when the source is newer.
fn built(name: &str) -> PathBuf {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/guest/programs/{name}.rs"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("guest-{name}"));
    let written = |path: &Path| {
        fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    if written(&program).is_some_and(|built| Some(built) > written(&source)) {
        return program;
    }
    let partial = program.with_extension(std::process::id().to_string());
    let rustc = Path::new(env!("CARGO")).with_file_name("rustc");
    let output = Command::new(&rustc)
        .args(["--edition", "2024", "-O", "-C", "strip=symbols", "-o"])
        .arg(&partial)
        .arg(&source)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", rustc.display()));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&partial, &program).expect("a built program");
    program
}
