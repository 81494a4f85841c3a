//! The Express app, and what npm has to bring for it: kept under target/tmp between runs.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bed::Bed;

/// The app as its authors wrote it.
pub const APP: &str = include_str!("express/app.js");
/// With routes and releases for the tests.
pub const VARIANT: &str = include_str!("express/variant.js");

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/examples/express");

/// Puts app.js and variant.js with their node_modules into a folder of the bed.
pub fn copy_in(bed: &Bed, to: &str) {
    bed.copy_in(express(), to);
    bed.write(&format!("{to}/app.js"), 0o644, APP);
    bed.write(&format!("{to}/variant.js"), 0o644, VARIANT);
}

fn express() -> PathBuf {
    let lock = std::fs::read_to_string(format!("{EXAMPLE}/package-lock.json")).expect("its lock");
    kept("express", &lock, |folder| {
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(Path::new(EXAMPLE).join(name), folder.join(name)).expect("a copy");
        }
        npm(folder, &["ci"]);
    })
}

/// A folder whose node_modules has this package.
pub fn npm_package(name: &str, version: &str) -> PathBuf {
    let wanted = format!("{name}@{version}");
    kept(name, version, |folder| {
        npm(folder, &["install", "--prefix", ".", &wanted]);
    })
}

/// `target/tmp/NAME-HASH`, made at first use: by whoever is first, for all.
fn kept(name: &str, content: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let mut hash = DefaultHasher::new();
    content.hash(&mut hash);
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = root.join(format!("{name}-{:016x}", hash.finish()));
    if !path.exists() {
        let made = tempfile::tempdir_in(root).expect("a folder in target/tmp");
        make(made.path());
        let done = std::fs::rename(made.path(), &path);
        assert!(
            done.is_ok() || path.exists(),
            "{}: {done:?}",
            path.display()
        );
    }
    path
}

fn npm(folder: &Path, args: &[&str]) {
    let ran = Command::new("npm")
        .args(args)
        .args(["--no-audit", "--no-fund", "--prefer-offline"])
        .current_dir(folder)
        .output()
        .expect("start npm (package npm)");
    assert!(
        ran.status.success(),
        "npm {}\n{}",
        args.join(" "),
        String::from_utf8_lossy(&ran.stderr)
    );
}
