//! What tests take from npm, where the builds of Node, Deno and Bun are packages too: fetched once into target/, by whichever test process
//! comes first.
#![allow(dead_code)] // each program that includes this uses a part of it

use std::env::consts::ARCH;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each release of Node that is supported, with the npm it came with.
const RELEASES: [(u32, u32); 6] = [(14, 6), (16, 8), (18, 10), (20, 10), (22, 10), (24, 11)];

/// The program `node` of a release.
pub fn node(major: u32) -> PathBuf {
    bin(major).join("node")
}

/// The folder with `node` and `npm` of a release: what to put first on PATH.
///
/// # Panics
/// For another release, and when npm cannot fetch it.
pub fn bin(major: u32) -> PathBuf {
    let (_, npm) = RELEASES
        .iter()
        .find(|(node, _)| *node == major)
        .unwrap_or_else(|| panic!("Node {major} is none that is tested"));
    let package = format!("node-linux-{}", machine(["x64", "arm64"]));
    let wanted = [format!("{package}@{major}"), format!("npm@{npm}")];
    let folder = fetched(&major.to_string(), &wanted, |folder| {
        let headers = folder.join("node_modules").join(&package).join("include");
        fs::remove_dir_all(headers).expect("its header files");
        let bin = folder.join("bin");
        fs::create_dir(&bin).expect("a folder");
        let node = format!("../node_modules/{package}/bin/node");
        symlink(node, bin.join("node")).expect("a link");
        symlink("../node_modules/npm/bin/npm-cli.js", bin.join("npm")).expect("a link");
    });
    folder.join("bin")
}

/// The program `deno`.
pub fn deno() -> PathBuf {
    let package = machine(["@deno/linux-x64-glibc", "@deno/linux-arm64-glibc"]);
    let folder = fetched("deno", &[package.to_owned()], |_| {});
    folder.join("node_modules").join(package).join("deno")
}

/// The program `bun`, in the build that runs on any processor of the kind.
pub fn bun() -> PathBuf {
    let package = machine(["@oven/bun-linux-x64-baseline", "@oven/bun-linux-aarch64"]);
    let folder = fetched("bun", &[package.to_owned()], |_| {});
    folder.join("node_modules").join(package).join("bin/bun")
}

/// What npm calls this machine.
fn machine([x86, arm]: [&'static str; 2]) -> &'static str {
    match ARCH {
        "x86_64" => x86,
        "aarch64" => arm,
        other => panic!("npm has none of these programs for {other}"),
    }
}

/// A folder whose `node_modules` has Express, in the release that runs on every Node from 14 on.
pub fn express() -> PathBuf {
    fetched("express", &["express@4".to_owned()], |_| {})
}

/// A folder with these packages of npm in its `node_modules`, to which `finish` adds what else belongs there.
///
/// # Panics
/// When npm cannot fetch them.
pub fn fetched(name: &str, packages: &[String], finish: impl FnOnce(&Path)) -> PathBuf {
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nodes");
    let folder = all.join(name);
    if folder.exists() {
        return folder;
    }
    fs::create_dir_all(&all).expect("target/tmp/nodes");
    give_to_owner_of_target(&all);
    // Held until the folder is complete and has its name; other processes wait here.
    let lock = File::open(&all).expect("target/tmp/nodes");
    lock.lock().expect("the lock on target/tmp/nodes");
    if folder.exists() {
        return folder;
    }
    let staged = tempfile::tempdir_in(&all).expect("a folder");
    let complete = staged.path().join("complete");
    fs::create_dir(&complete).expect("a folder");
    // No scripts: none of these needs one, and npm may be told not to run them.
    let installed = Command::new("npm")
        .args(["install", "--no-save", "--no-package-lock"])
        .args(["--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
        .arg(&complete)
        .args(packages)
        .output()
        .expect("start npm (package npm)");
    assert!(
        installed.status.success(),
        "npm cannot fetch {packages:?}:\n{}",
        String::from_utf8_lossy(&installed.stderr)
    );
    finish(&complete);
    fs::rename(&complete, &folder).expect("rename");
    folder
}

/// Some test programs run as root, some do not: all fetch here.
fn give_to_owner_of_target(folder: &Path) {
    let target = fs::metadata(env!("CARGO_TARGET_TMPDIR")).expect("target/tmp");
    chown(folder, Some(target.uid()), Some(target.gid())).expect("chown");
}
