//! A package of the program as it was just built, and a repository that has it: what installs rpmctl needs one to install.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bed::Bed;

/// A .deb of this version in `folder`.
pub fn deb(folder: &Path, version: &str) -> PathBuf {
    let root = folder.join(version);
    fs::create_dir_all(root.join("usr/bin")).expect("folders");
    fs::create_dir_all(root.join("DEBIAN")).expect("folders");
    fs::write(root.join("DEBIAN/control"), control(version)).expect("control");
    let archive = folder.join(format!("rpmctl_{version}.deb"));
    for command in [
        Command::new("objcopy")
            .args(["--strip-all", env!("CARGO_BIN_EXE_rpmctl")])
            .arg(root.join("usr/bin/rpmctl")),
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Znone", "--build"])
            .arg(&root)
            .arg(&archive),
    ] {
        let ran = command
            .output()
            .expect("start objcopy (package binutils), dpkg-deb");
        assert!(ran.status.success(), "{ran:?}");
    }
    archive
}

fn control(version: &str) -> String {
    format!(
        "Package: rpmctl\nVersion: {version}\nArchitecture: all\nMaintainer: rpmctl <rpmctl@localhost>\nDescription: as it was built\n"
    )
}

/// The bed's only repository from then on: /srv/repository, with these versions of it. Nothing is told to apt.
pub fn repository(bed: &Bed, folder: &Path, versions: &[&str]) {
    bed.sh_ok("mkdir -p /srv/repository && rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*");
    let mut packages = String::new();
    for version in versions {
        let name = format!("rpmctl_{version}.deb");
        let there = format!("/srv/repository/{name}");
        bed.write(
            &there,
            0o644,
            fs::read(folder.join(&name)).expect("a package"),
        );
        let sum = bed.ok(&["sha256sum", &there]);
        let sum = sum.split(' ').next().expect("a sum");
        let size = bed.ok(&["stat", "-c", "%s", &there]);
        packages += &control(version);
        packages += &format!("Filename: ./{name}\nSize: {size}SHA256: {sum}\n\n");
    }
    bed.write("/srv/repository/Packages", 0o644, packages);
}
