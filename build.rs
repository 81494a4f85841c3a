//! Builds the listen shim (src/shim) as a library of its own and leaves it in OUT_DIR, where
//! src/unit_files/shim.rs embeds it. So it is there from `cargo build`, `cargo install` and in
//! packages alike.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// Where src/shim/sys.rs knows the system calls; elsewhere an empty file says there is no shim.
const ARCHITECTURES: [&str; 4] = ["x86_64", "aarch64", "riscv64", "loongarch64"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/shim");
    let library = PathBuf::from(variable("OUT_DIR")).join("librpmctl_listen.so");
    if !ARCHITECTURES.contains(&variable("CARGO_CFG_TARGET_ARCH").as_str())
        || variable("CARGO_CFG_TARGET_OS") != "linux"
    {
        return std::fs::write(&library, "").expect("OUT_DIR can be written");
    }
    let mut rustc = Command::new(variable("RUSTC"));
    rustc
        .arg("src/shim/lib.rs")
        .args(["--crate-name", "rpmctl_listen", "--crate-type", "cdylib"])
        .args(["--edition", "2024", "--cfg", "preloaded"])
        .args(["--target", &variable("TARGET")])
        .args(["-C", "panic=abort", "-C", "opt-level=s", "-C", "lto=fat"])
        .args(["-C", "codegen-units=1", "-C", "strip=symbols"])
        // No start files and no libraries: nothing runs but its constructor, and undefined symbols
        // carry no versions, so the file loads with any libc of the architecture.
        .args(["-C", "link-arg=-nostartfiles", "-C", "link-arg=-nostdlib"])
        .arg("-o")
        .arg(&library);
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "musl") {
        rustc.args(["-C", "target-feature=-crt-static"]);
    }
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut flag = std::ffi::OsString::from("linker=");
        flag.push(linker);
        rustc.arg("-C").arg(flag);
    }
    let status = rustc.status();
    assert!(
        status.as_ref().is_ok_and(|status| status.success()),
        "the listen shim could not be built: {rustc:?}: {status:?}"
    );
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|e| panic!("{name}, which cargo sets for build scripts: {e}"))
}
