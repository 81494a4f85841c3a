//! What a release says of itself is one thing: the version, the Rust it needs, the crates it is made of, the changelog's form.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const RUST: &str = env!("CARGO_PKG_RUST_VERSION");
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// `1.89` or `1.2.3` by its numbers.
fn numbers(version: &str) -> Vec<u64> {
    let number = |part: &str| {
        part.parse()
            .unwrap_or_else(|_| panic!("{version} is no version"))
    };
    version.split('.').map(number).collect()
}

#[test]
fn the_version_is_the_same_everywhere() {
    let galaxy = read("packaging/ansible/galaxy.yml");
    assert!(
        galaxy.contains(&format!("\nversion: {VERSION}\n")),
        "{galaxy}"
    );
    for page in ["rpmctl.1", "ecosystem.toml.5", "rpmctl-watch.8"] {
        let text = read(&format!("man/{page}"));
        assert!(text.contains(&format!(" \"rpmctl {VERSION}\" ")), "{page}");
    }
    let ansible = read("packaging/ansible/README.md");
    for name in [
        format!("rpmctl-rpmctl-{VERSION}.tar.gz"),
        format!("rpmctl_{VERSION}-1_amd64.deb"),
    ] {
        assert!(
            ansible.contains(&name),
            "packaging/ansible/README.md: {name}"
        );
    }
}

/// Keep a Changelog: Unreleased first, then versions with their day, newest first, and none newer than this one; sections by their six names.
#[test]
fn the_changelog_has_its_form() {
    let text = read("CHANGELOG.md");
    assert!(text.starts_with("# Changelog\n"), "its title");
    let mut versions = Vec::new();
    let mut unreleased = false;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            if heading == "[Unreleased]" {
                assert!(
                    versions.is_empty() && !unreleased,
                    "{line}: it comes first, once"
                );
                unreleased = true;
                continue;
            }
            let parts = heading
                .strip_prefix('[')
                .and_then(|it| it.split_once("] - "));
            let (version, day) = parts.unwrap_or_else(|| panic!("{line}: [VERSION] - YYYY-MM-DD"));
            assert!(day.parse::<jiff::civil::Date>().is_ok(), "{line}: no day");
            versions.push(numbers(version));
        } else if let Some(section) = line.strip_prefix("### ") {
            let known = [
                "Added",
                "Changed",
                "Deprecated",
                "Removed",
                "Fixed",
                "Security",
            ];
            assert!(known.contains(&section), "{line}");
        }
    }
    assert!(unreleased, "no [Unreleased]");
    assert!(
        versions.is_sorted_by(|newer, older| newer > older),
        "{versions:?}"
    );
    assert!(
        versions
            .first()
            .is_none_or(|newest| *newest <= numbers(VERSION)),
        "{versions:?}"
    );
}

/// The crates that are linked into the program as it is built: `cargo tree` leaves out what only an option would bring, and what runs
/// at build time. `without`: not what rpmctl has by it alone.
fn linked(tree: &str, without: Option<&str>) -> BTreeSet<String> {
    let mut crates = BTreeSet::new();
    let mut left_out = false;
    for line in tree.lines() {
        let named = line.trim_start_matches(|c: char| c.is_ascii_digit());
        let depth = &line[..line.len() - named.len()];
        let (name, _) = named.split_once(' ').expect("a crate and its version");
        match depth {
            "0" => continue,
            "1" => left_out = without == Some(name),
            _ => {}
        }
        if !left_out {
            crates.insert(named.to_owned());
        }
    }
    crates
}

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let ran = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    ran.stdout
}

fn tree() -> String {
    let tree = cargo(&[
        "tree",
        "--locked",
        "--target",
        TARGET,
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "depth",
        "--no-dedupe",
        "--format",
        "{p}",
    ]);
    String::from_utf8(tree).expect("text")
}

fn metadata() -> Value {
    let metadata = cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        TARGET,
    ]);
    serde_json::from_slice(&metadata).expect("cargo's JSON")
}

#[test]
fn every_crate_is_there_for_a_reason() {
    let tree = tree();
    let all = linked(&tree, None);
    let manifest: toml::Table = read("Cargo.toml").parse().expect("Cargo.toml");
    let direct: Vec<&String> = manifest["dependencies"]
        .as_table()
        .expect("a table")
        .keys()
        .collect();
    let page = read("docs/dependencies.md");
    let first = format!(
        "\n{} crates are linked into rpmctl on x86-64 Linux, {} of them named in `Cargo.toml`.",
        all.len(),
        direct.len()
    );
    assert!(
        page.contains(&first),
        "docs/dependencies.md does not say: {first}"
    );
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect();
    assert_eq!(rows.len(), direct.len());
    for (row, name) in rows.iter().zip(direct) {
        let alone = all.len() - linked(&tree, Some(name)).len();
        let starts = format!("| {name} | {alone} | ");
        assert!(
            row.starts_with(&starts) && row.len() > starts.len() + 2,
            "{row}, not {starts}"
        );
    }
}

/// What goes with the packages, and the notices of the standard library with it.
#[test]
fn every_licence_is_named() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/third-party");
    let ran = Command::new(program).output().expect("python3");
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let text = String::from_utf8(ran.stdout).expect("text");
    let (named, texts) = text.split_once("\n\n").expect("a list, then texts");
    let mut named: Vec<&str> = named.lines().collect();
    let rust = named.pop().unwrap_or_default();
    assert!(rust.starts_with("Rust's standard library "), "{rust}");
    assert!(texts.contains("\nRust's standard library "));
    let named: BTreeSet<String> = named
        .iter()
        .map(|line| {
            let (one, licence) = line.split_once(": ").expect("a crate and its licence");
            assert_ne!(licence, "");
            one.replace(' ', " v")
        })
        .collect();
    assert_eq!(named, linked(&tree(), None));
}

/// What others need is in their manifests; our own code is checked by that Rust itself, by packaging/release.
#[test]
fn no_crate_needs_a_newer_rust() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let newer: Vec<String> = packages
        .iter()
        .filter(|package| {
            let needs = package["rust_version"].as_str().map(numbers);
            needs.is_some_and(|needs| needs[..2] > numbers(RUST)[..2])
        })
        .map(|package| format!("{} {}", package["name"], package["rust_version"]))
        .collect();
    assert_eq!(newer, Vec::<String>::new(), "rust-version is {RUST}");
    assert!(read("README.md").contains(&format!("It needs Rust {RUST} or later")));
}

/// docs/systemd-versions.md is of tests/versions/run: it has each directive that doctor knows, and says the same of each version.
#[test]
fn the_table_of_systemd_versions_is_of_these_directives() {
    use rpmctl::doctor::directives::{FROM, UNTIL, unknown};
    let table = read("docs/systemd-versions.md");
    let cells = |first: &str| -> Vec<String> {
        let row = table
            .lines()
            .find(|line| line.starts_with(&format!("| {first} |")));
        let row = row.unwrap_or_else(|| panic!("no row {first}: tests/versions/run writes it"));
        let cells = row
            .trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().to_owned());
        cells.skip(1).collect()
    };
    let versions: Vec<u32> = cells("systemd")
        .iter()
        .map(|cell| cell.parse().expect("a version"))
        .collect();
    assert_eq!(versions, [247, 252, 257, 262]);
    for (directive, _) in FROM.iter().chain(&UNTIL) {
        for (version, cell) in versions.iter().zip(cells(&format!("{directive}="))) {
            let known = unknown(directive, *version).is_none();
            assert_eq!(
                cell.split(':').next(),
                Some(if known { "yes" } else { "no" }),
                "{directive}= on {version}"
            );
        }
    }
}
