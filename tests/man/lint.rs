//! What reads the pages has no complaint: mandoc, down to its remarks on style, and groff with every warning.

use std::process::{Command, Output};

use super::pages;

/// Runs it on each page, in a file of the page's name.
fn each(program: &str, package: &str, args: &[&str]) -> Vec<(&'static str, Output)> {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |(name, text): (&'static str, String)| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("a file in it");
        let ran = Command::new(program).args(args).arg(&file).output();
        let ran = ran.unwrap_or_else(|error| panic!("{program} (package {package}): {error}"));
        (name, ran)
    };
    pages().into_iter().map(run).collect()
}

#[test]
fn mandoc_has_no_complaint() {
    for (name, ran) in each("mandoc", "mandoc", &["-Tlint", "-Wall"]) {
        let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        assert!(ran.status.success() && said.is_empty(), "{name}: {said}");
    }
}

#[test]
fn groff_has_no_complaint() {
    let args = ["-man", "-Tutf8", "-ww", "-rLL=80n", "-z"];
    for (name, ran) in each("groff", "groff-base", &args) {
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success() && said.is_empty(), "{name}: {said}");
    }
}
