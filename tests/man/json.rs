//! rpmctl(1) has the shape of whatever --json prints, and every variable that is read: what the sources write and ask for is looked up in it.

use std::collections::BTreeSet;
use std::path::Path;

use clap::CommandFactory;
use rpmctl::cli::args::Cli;

use super::{command_page, pages};

/// Where JSON is made, and the commands that print it: the page says each key under the first of them.
const MADE_IN: [(&str, &str); 16] = [
    ("src/cli/check.rs", "check"),
    ("src/plan/show.rs", "plan"),
    ("src/config/problem.rs", "plan"),
    ("src/cli/apply.rs", "apply"),
    ("src/cli/control.rs", "start"),
    ("src/cli/reload.rs", "reload"),
    ("src/cli/shape.rs", "status"),
    ("src/cli/own_metrics.rs", "status"),
    ("src/cli/show/mod.rs", "show"),
    ("src/cli/show/settings.rs", "show"),
    ("src/cli/trigger/mod.rs", "trigger"),
    ("src/cli/trigger/told.rs", "trigger"),
    ("src/journal/text.rs", "logs"),
    ("src/cli/flush.rs", "flush"),
    ("src/cli/rollback.rs", "rollback"),
    ("src/cli/doctor.rs", "CHECKS OF DOCTOR"),
];
/// Those that print what another one does.
const AS_ANOTHER: [(&str, &str); 5] = [
    ("delete", "as apply's"),
    ("scale", "as apply's"),
    ("stop", "as start's"),
    ("restart", "as start's"),
    ("list", "of the shape of rows under status"),
];
/// Read for what every program reads them for.
const COMMON: [&str; 4] = ["HOME", "PATH", "PWD", "TERM"];

fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    code.to_owned()
}

/// The words of a part of rpmctl(1): of a command, or a section.
fn words_of(part: &str) -> BTreeSet<String> {
    let page = command_page::text().replace("\\-", "-");
    let heads = [
        format!(".SS \"rpmctl {part} "),
        format!(".SS \"rpmctl {part}\""),
        format!(".SH {part}\n"),
    ];
    let at = heads.iter().find_map(|head| page.find(head));
    let from = &page[at.unwrap_or_else(|| panic!("no part {part}"))..];
    let end = from[1..].find("\n.S").map_or(from.len(), |end| end + 1);
    let shape = from[..end].split_once("--json: ");
    let shape = shape
        .unwrap_or_else(|| panic!("{part}: --json has no shape"))
        .1;
    shape
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .map(str::to_owned)
        .collect()
}

/// `"key": …` of json!, `value["key"] = …`, and the fields of what serde writes.
fn keys(code: &str) -> BTreeSet<String> {
    let word = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
    };
    let quoted: Vec<&str> = code.split('"').collect();
    let mut found: BTreeSet<String> = quoted
        .windows(3)
        .filter(|three| {
            three[2].starts_with(':') || three[0].ends_with('[') && three[2].starts_with("] =")
        })
        .map(|three| three[1].to_owned())
        .filter(|key| word(key))
        .collect();
    for written in code.split("#[derive(Serialize)]").skip(1) {
        let fields = written.split_once('{').map_or("", |(_, rest)| rest);
        let fields = fields.split_once("\n}").map_or("", |(fields, _)| fields);
        let names = fields.lines().filter_map(|line| line.split_once(':'));
        found.extend(
            names
                .map(|(name, _)| name.trim().trim_start_matches("r#").to_owned())
                .filter(|name| word(name)),
        );
    }
    found
}

#[test]
fn every_key_of_json_is_in_the_page() {
    let mut cli = Cli::command();
    cli.build();
    for command in cli
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        let name = command.get_name();
        if !command.get_arguments().any(|arg| arg.get_id() == "json") {
            continue;
        }
        let made = MADE_IN.iter().any(|(_, of)| *of == name) || name == "doctor";
        assert!(
            made || AS_ANOTHER.iter().any(|(of, _)| *of == name),
            "{name}"
        );
    }
    for (file, of) in MADE_IN {
        let mut told = words_of(of);
        if of == "show" {
            // "as status"
            told.extend(words_of("status"));
        }
        let made = keys(&source(file));
        assert!(!made.is_empty(), "{file}");
        let lacking: Vec<&String> = made.difference(&told).collect();
        assert!(lacking.is_empty(), "{file}: not under {of}: {lacking:?}");
    }
    for (name, shape) in AS_ANOTHER {
        let words = words_of(name);
        let all = shape.split([' ', '\'']).all(|word| words.contains(word));
        assert!(all, "{name}: {words:?}");
    }
}

fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, all);
        } else {
            all.push_str(&std::fs::read_to_string(&path).expect("a source"));
        }
    }
}

#[test]
fn every_variable_is_in_a_page() {
    let mut code = String::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut code,
    );
    let told: String = pages().map(|(_, text)| text).concat();
    let variable = |text: &str| -> String {
        let name = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
        name.into_iter().next().unwrap_or_default().to_owned()
    };
    let asked = ["env::var(\"", "env::var_os(\""];
    let asked = asked
        .iter()
        .flat_map(|call| code.split(*call).skip(1))
        .map(variable);
    let own = code
        .split("RPMCTL_")
        .skip(1)
        .map(|rest| format!("RPMCTL_{}", variable(rest)));
    // Names that are handed on before they are asked for; one that ends with _ is the beginning of names.
    let handed = ["\"XDG_", "\"DBUS_"].into_iter().flat_map(|start| {
        let named = code.split(start).skip(1).map(variable);
        let named = named.filter(|rest| !rest.ends_with('_'));
        named
            .map(|rest| format!("{}{rest}", &start[1..]))
            .collect::<Vec<_>>()
    });
    let read: BTreeSet<String> = asked
        .chain(own)
        .chain(handed)
        .filter(|name| !name.starts_with("RPMCTL_TEST_") && !COMMON.contains(&name.as_str()))
        .collect();
    let lacking: Vec<&String> = read
        .iter()
        .filter(|name| !told.contains(name.as_str()))
        .collect();
    assert!(lacking.is_empty(), "{lacking:?}");
    // And the other way: what ENVIRONMENT speaks of is read.
    let page = command_page::text();
    let section = page.split(".SH ENVIRONMENT\n").nth(1).expect("the section");
    let section = section.split(".SH ").next().unwrap_or_default();
    let terms = section.lines().filter_map(|line| line.strip_prefix(".B "));
    for name in terms.flat_map(|term| term.split(", ")) {
        assert!(code.contains(&format!("\"{name}\"")), "{name}");
    }
}
