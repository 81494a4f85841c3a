//! The packages that `tests/packages/run` has just made: what is in them, what lintian and rpmlint say of them, that they come out the same again,
//! and their life on a machine.

#[path = "../bed/mod.rs"]
mod bed;
#[path = "../guest/machine/mod.rs"]
mod guest;
mod life;
#[path = "../nodes/mod.rs"]
mod nodes;
mod reboot;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where packaging/build leaves them.
fn made() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/packages")
}

/// The one package of this kind there.
#[track_caller]
fn package(folder: &Path, ending: &str) -> PathBuf {
    let entries = fs::read_dir(folder).expect("packages: run tests/packages/run");
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|it| it == ending))
        .collect();
    assert_eq!(found.len(), 1, "{found:?} in {}", folder.display());
    found.remove(0)
}

/// What it prints on stdout. Panics when it fails.
#[track_caller]
fn printed(command: &mut Command) -> String {
    let ran = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8(ran.stdout).expect("text");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{command:?}\n{text}{said}");
    text
}

/// As the file of tests/packages of this name says. `UPDATE_EXPECTED=1` writes it.
#[track_caller]
fn as_expected(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/packages")
        .join(name);
    if std::env::var_os("UPDATE_EXPECTED").is_some_and(|value| value == "1") {
        fs::write(&path, text).expect("the expected file");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{}", path.display());
}

#[test]
fn contents_of_the_deb() {
    let deb = package(&made(), "deb");
    let listed = printed(Command::new("dpkg-deb").arg("--contents").arg(&deb));
    let mut files: Vec<String> = Vec::new();
    for line in listed.lines().filter(|line| !line.ends_with('/')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        files.push(format!("{} {} {}\n", &words[5][1..], words[0], words[1]));
    }
    files.sort_unstable();
    let control = [
        "Package",
        "Section",
        "Priority",
        "Architecture",
        "Depends",
        "Suggests",
    ];
    let control = printed(
        Command::new("dpkg-deb")
            .arg("--field")
            .arg(&deb)
            .args(control),
    );
    as_expected("deb.txt", &format!("{control}\n{}", files.concat()));
}

#[test]
fn contents_of_the_rpm() {
    let format = "[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\n]";
    let mut ask = Command::new("rpm");
    let asked = ask
        .args([
            "--query",
            "--requires",
            "--suggests",
            "--queryformat",
            format,
            "--package",
        ])
        .arg(package(&made(), "rpm"));
    as_expected("rpm.txt", &printed(asked));
}

/// Nothing at all: what is said of overrides stands with its reason beside them, in packaging/deb/lintian-overrides and packaging/rpm/rpmlint.toml.
#[test]
fn lint_says_nothing() {
    let lintian = printed(
        Command::new("lintian")
            .args(["--allow-root", "--tag-display-limit=0"])
            .arg(package(&made(), "deb")),
    );
    println!("lintian: {lintian}");
    assert_eq!(lintian, "");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/rpm/rpmlint.toml");
    let rpmlint = printed(
        Command::new("rpmlint")
            .arg("--config")
            .arg(config)
            .arg(package(&made(), "rpm")),
    );
    println!("rpmlint: {rpmlint}");
    assert!(rpmlint.contains(" 0 errors, 0 warnings"), "{rpmlint}");
}

#[test]
fn nothing_of_this_machine_is_in_the_program() {
    let program = fs::read(made().join("cargo/release/rpmctl")).expect("the program");
    println!("{} bytes", program.len());
    assert!(program.len() <= 8_000_000, "{} bytes", program.len());
    let cargo = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .expect("CARGO_HOME or HOME");
    for folder in [env!("CARGO_MANIFEST_DIR"), &cargo] {
        let there = program
            .windows(folder.len())
            .any(|part| part == folder.as_bytes());
        assert!(!there, "{folder} is in it");
    }
}

/// Another time, umask and language, the files laid out anew: the same bytes.
#[test]
fn packed_again_they_are_the_same() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copy = tempfile::tempdir().expect("a folder");
    let there = copy.path().join("elsewhere");
    let mut list = Command::new("git");
    let tracked = printed(list.args(["ls-files", "-z"]).current_dir(source));
    for file in tracked.split_terminator('\0') {
        let to = there.join(file);
        fs::create_dir_all(to.parent().expect("a folder")).expect("folders");
        fs::copy(source.join(file), to).expect("a copy");
    }
    let target = there.join("target/packages");
    fs::create_dir_all(target.join("cargo/release")).expect("folders");
    let program = "cargo/release/rpmctl";
    fs::copy(made().join(program), target.join(program)).expect("the program");
    std::os::unix::fs::symlink(made().join("tools"), target.join("tools")).expect("a link");
    let epoch = printed(
        Command::new("git")
            .args(["log", "-1", "--format=%ct"])
            .current_dir(source),
    );
    printed(
        Command::new("sh")
            .args(["-c", "umask 077 && exec packaging/build --pack"])
            .env("SOURCE_DATE_EPOCH", epoch.trim())
            .env("LC_ALL", "C")
            .env("TZ", "Asia/Tokyo")
            .current_dir(&there),
    );
    let sums = |folder: &Path| fs::read_to_string(folder.join("SHA256SUMS")).expect("sums");
    assert_eq!(sums(&made()), sums(&target));
}
