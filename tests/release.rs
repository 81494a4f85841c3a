//! What a release says of itself is one thing: the version, the Rust it needs, the crates it is made of, the changelog's form.

use std::collections::{BTreeMap, BTreeSet};
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

/// The crates of Cargo.lock that are linked into the program, without what runs at build time alone; `without`: not what rpmctl has by it.
fn linked<'a>(metadata: &'a Value, without: Option<&str>) -> BTreeSet<&'a str> {
    let list = |value: &'a Value| value.as_array().expect("a list").iter();
    let text = |value: &'a Value| value.as_str().expect("text");
    let packages: BTreeMap<&str, &Value> = list(&metadata["packages"])
        .map(|it| (text(&it["id"]), it))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .map(|it| (text(&it["id"]), it))
        .collect();
    let root = text(&metadata["resolve"]["root"]);
    let is_macro = |package: &'a Value| {
        list(&package["targets"]).any(|target| list(&target["kind"]).any(|it| it == "proc-macro"))
    };
    let mut seen = BTreeSet::new();
    let mut waiting = vec![root];
    while let Some(at) = waiting.pop() {
        if !seen.insert(at) {
            continue;
        }
        for dependency in list(&nodes[at]["deps"]) {
            let package = packages[text(&dependency["pkg"])];
            let left_out = at == root && without.is_some_and(|it| package["name"] == it);
            let used = list(&dependency["dep_kinds"]).any(|it| it["kind"].is_null());
            if used && !left_out && !is_macro(package) {
                waiting.push(text(&package["id"]));
            }
        }
    }
    seen.remove(root);
    seen
}

fn metadata() -> Value {
    let ran = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            TARGET,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    serde_json::from_slice(&ran.stdout).expect("cargo's JSON")
}

#[test]
fn every_crate_is_there_for_a_reason() {
    let metadata = metadata();
    let all = linked(&metadata, None);
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
        let alone = all.len() - linked(&metadata, Some(name)).len();
        let starts = format!("| {name} | {alone} | ");
        assert!(
            row.starts_with(&starts) && row.len() > starts.len() + 2,
            "{row}, not {starts}"
        );
    }
}

/// clippy sees to our own code (incompatible_msrv); what others need is in their manifests.
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
