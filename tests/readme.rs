//! What the README says is so: its files pass `check`, its commands parse, its tables are the code's.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use clap::{CommandFactory, Parser};
use rpmctl::cli::args::Cli;
use rpmctl::config::keys::{self, KEYS, Status};
use rpmctl::unit_files::Places;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md")
}

/// Texts of the code blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let text = readme();
    let blocks: Vec<String> = text
        .split(&format!("```{language}\n"))
        .skip(1)
        .map(|rest| rest.split("```").next().expect("its text").to_owned())
        .collect();
    assert!(!blocks.is_empty(), "no block of {language}");
    blocks
}

/// Rows of the table below a heading, without its head; cells as written.
fn table(heading: &str) -> Vec<Vec<String>> {
    let text = readme();
    let section = text
        .split(&format!("\n## {heading}\n"))
        .nth(1)
        .unwrap_or_else(|| panic!("no section {heading}"));
    let section = section.split("\n## ").next().expect("the section");
    let rows: Vec<Vec<String>> = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect();
    assert!(rows.len() > 2, "no table in {heading}");
    rows
}

/// What stands between backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn parses(line: &str) {
    let words = shlex::split(line).unwrap_or_else(|| panic!("{line}"));
    if let Err(error) = Cli::try_parse_from(words) {
        panic!("`{line}` of the README: {error}");
    }
}

#[test]
fn its_ecosystem_files_pass_check_without_a_note() {
    for text in blocks("toml") {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("ecosystem.toml"), &text).expect("a file");
        fs::write(folder.path().join("app.js"), "").expect("a file");
        let gateway = folder.path().join("gateway");
        fs::write(&gateway, "#!/bin/sh\n").expect("a file");
        fs::set_permissions(&gateway, fs::Permissions::from_mode(0o755)).expect("its mode");
        Command::cargo_bin("rpmctl")
            .expect("the built rpmctl")
            .arg("check")
            .current_dir(folder.path())
            .assert()
            .success()
            .stdout("ok: 1 app\n")
            .stderr("");
    }
}

#[test]
fn its_commands_parse_and_its_scripts_are_there() {
    let mut scripts = BTreeSet::new();
    for line in blocks("console").iter().flat_map(|block| block.lines()) {
        let line = line.strip_prefix("$ ").expect("a command");
        let line = line.strip_prefix("sudo ").unwrap_or(line);
        match line.split(' ').next().expect("a word") {
            "rpmctl" => parses(line),
            "apt" | "cp" | "curl" | "cargo" | "rm" | "sed" | "usermod" | "systemd-sysusers"
            | "systemd-tmpfiles" => {}
            script => {
                let path = root().join(script);
                let mode = fs::metadata(&path).map(|data| data.permissions().mode());
                assert!(mode.is_ok_and(|mode| mode & 0o111 != 0), "{script}");
                scripts.insert(script.to_owned());
            }
        }
    }
    let all = [
        "packaging/build",
        "packaging/examples/run",
        "tests/bench/cluster",
        "tests/run",
    ]
    .map(str::to_owned);
    assert_eq!(scripts, BTreeSet::from(all));
    for code in quoted(&readme().replace("```", "")) {
        if code.starts_with("rpmctl ") {
            parses(&code.replace('\n', " "));
        }
    }
}

#[test]
fn every_command_stands_in_the_table_of_commands() {
    let rows = table("From PM2's commands");
    let mut said = BTreeSet::new();
    for code in rows.iter().flat_map(|row| quoted(&row[1])) {
        if let Some(rest) = code.strip_prefix("rpmctl ") {
            said.insert(rest.split(' ').next().expect("a command").to_owned());
        }
    }
    let cli = Cli::command();
    let all: BTreeSet<String> = cli
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| command.get_name().to_owned())
        .collect();
    assert_eq!(said, all);
}

#[test]
fn every_key_stands_in_the_table_of_keys_on_the_right_side() {
    let mut said = BTreeSet::new();
    for row in table("From PM2's keys") {
        for name in quoted(&row[0]) {
            if name == "env_<profile>" {
                continue;
            }
            let key = keys::find(name).unwrap_or_else(|| panic!("there is no key {name}"));
            let later = row[1].contains("not yet");
            assert_eq!(matches!(key.status, Status::Later(_)), later, "{name}");
            assert!(said.insert(key.name), "{name} twice");
        }
    }
    let meant: BTreeSet<&str> = KEYS
        .iter()
        .filter(|key| !matches!(key.status, Status::Meaningless(_)))
        .map(|key| key.name)
        .collect();
    assert_eq!(said, meant);
}

#[test]
fn its_places_are_where_things_are_written() {
    let system = Places::system();
    let user = Places::user(
        "~/.config".as_ref(),
        "~/.local/share".as_ref(),
        "~/.local/state".as_ref(),
        "$XDG_RUNTIME_DIR".as_ref(),
    );
    let of = |places: Places| {
        [
            places.units,
            places.env,
            places.state,
            places.run,
            places.templates,
        ]
    };
    let said = |column: usize| -> Vec<PathBuf> {
        table("What it writes where")
            .iter()
            .map(|row| quoted(&row[column])[0].into())
            .collect()
    };
    assert_eq!(said(1), of(system));
    assert_eq!(said(2), of(user));
    assert_eq!(rpmctl::unit_files::generations::KEPT, 10, "the last ten");
}

#[test]
fn its_links_lead_somewhere() {
    let text = readme();
    for target in text.split("](").skip(1) {
        let target = target.split(')').next().expect("the end of a link");
        if !target.starts_with("https://") {
            assert!(root().join(target).exists(), "{target}");
        }
    }
}

/// The systemd versions, defaults and the like that the README names.
#[test]
fn its_defaults_are_the_code_s() {
    use rpmctl::config::defaults;
    use std::time::Duration;
    assert_eq!(defaults::KILL_TIMEOUT, Duration::from_secs(10));
    assert_eq!(defaults::LISTEN_TIMEOUT, Duration::from_secs(30));
    assert_eq!(defaults::MIN_UPTIME, Duration::from_secs(1));
}

#[test]
fn the_shells_it_names_get_completions_of_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = Command::cargo_bin("rpmctl")
            .expect("the built rpmctl")
            .args(["completions", shell])
            .assert()
            .success()
            .stderr("");
        let script = String::from_utf8_lossy(&ran.get_output().stdout).into_owned();
        for command in Cli::command().get_subcommands() {
            let hidden = command.is_hide_set();
            if !hidden {
                assert!(script.contains(command.get_name()), "{shell}: {command}");
            }
        }
        if shell == "bash" {
            let parsed = Command::new("bash").arg("-n").write_stdin(script).assert();
            parsed.success().stderr("");
        }
    }
}
