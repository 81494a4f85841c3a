//! Both ways: every command, flag and key of the program is in its page, and the pages name none that the program does not have.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, Command, CommandFactory};
use rpmctl::cli::args::Cli;
use rpmctl::config::keys::{Form, KEYS, Status};
use rpmctl::config::{health, rotate, watch_options};
use rpmctl::doctor::CHECKS;
use rpmctl::metrics::FAMILIES;

use super::{command_page, file_page, pages};

/// For rpmctl itself, or PM2's habits; told of nowhere.
const HIDDEN_COMMANDS: [&str; 8] = [
    "__at",
    "__monit-guard",
    "__packaged-units",
    "__polkit-check",
    "__private-init",
    "__targets",
    "__tidy-log",
    "jlist",
];
const HIDDEN_FLAGS: [&str; 3] = ["logs --nostream", "metrics --serve", "reload --by-clock"];
const HIDDEN_ALIASES: [&str; 3] = ["desc", "imonit", "l"];
/// Long flags of others that the pages speak of.
const OTHERS_FLAGS: [(&str, &str); 6] = [
    ("--require", "node"),
    ("--enable-source-maps", "node"),
    ("--after-cursor", "journalctl"),
    ("--namespace", "journalctl"),
    ("--failed", "systemctl"),
    ("--job-mode", "systemctl"),
];

/// What a page says, without roff: by section and part, each tag with its text.
struct Read {
    parts: BTreeMap<String, Vec<(String, String)>>,
    sections: BTreeMap<String, Vec<(String, String)>>,
}

fn plain(line: &str) -> String {
    line.replace("\\-", "-")
        .replace("\\e", "\\")
        .replace("\\&", "")
}

fn read(page: &str) -> Read {
    let mut read = Read {
        parts: BTreeMap::new(),
        sections: BTreeMap::new(),
    };
    let (mut section, mut part) = (String::new(), None);
    for line in page.lines() {
        if let Some(title) = line.strip_prefix(".SH ") {
            (section, part) = (plain(title), None);
            read.sections.entry(section.clone()).or_default();
            continue;
        }
        if let Some(title) = line.strip_prefix(".SS ") {
            let title = plain(title.trim_matches('"'));
            assert!(
                read.parts.insert(title.clone(), vec![]).is_none(),
                "{title} twice"
            );
            part = Some(title);
            continue;
        }
        let tags = match &part {
            Some(part) => read.parts.get_mut(part),
            None => read.sections.get_mut(&section),
        };
        let Some(tags) = tags else { continue };
        if let Some(term) = line.strip_prefix(".B ") {
            tags.push((plain(term), String::new()));
        } else if let Some((_, text)) = tags.last_mut()
            && !line.starts_with('.')
        {
            text.push_str(&plain(line));
            text.push('\n');
        }
    }
    read
}

fn tags(read: &Read, section: &str) -> Vec<String> {
    let tags = read.sections.get(section);
    let tags = tags.unwrap_or_else(|| panic!("no section {section}"));
    tags.iter().map(|(term, _)| term.clone()).collect()
}

/// Every command with the words that lead to it, those within others too.
fn commands(of: &Command, before: &str) -> Vec<(String, Command)> {
    of.get_subcommands()
        .flat_map(|command| {
            let words = format!("{before}{}", command.get_name());
            let within = commands(command, &format!("{words} "));
            [(words, command.clone())].into_iter().chain(within)
        })
        .collect()
}

fn built() -> Command {
    let mut cli = Cli::command();
    cli.build();
    cli
}

fn own(arg: &Arg) -> bool {
    !matches!(arg.get_id().as_str(), "help" | "version")
}

/// As a page may write it: `-n, --lines` and `TARGET`, without what it takes.
fn names(arg: &Arg) -> BTreeSet<String> {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names: BTreeSet<String> = short.into_iter().chain(long).collect();
    if !names.is_empty() {
        return names;
    }
    let value = arg.get_value_names().expect("a positional has a name");
    value.iter().map(ToString::to_string).collect()
}

fn written(term: &str) -> BTreeSet<String> {
    term.split(", ")
        .map(|form| form.split(' ').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn rpmctl_1_has_every_command_and_flag_and_no_other() {
    let read = read(&command_page::text());
    let all = commands(&built(), "");
    let hidden: BTreeSet<&str> = all
        .iter()
        .filter(|(_, command)| command.is_hide_set())
        .map(|(words, _)| words.as_str())
        .collect();
    assert_eq!(hidden, BTreeSet::from(HIDDEN_COMMANDS));
    let mut hidden_flags = BTreeSet::new();
    let mut hidden_aliases = BTreeSet::new();
    let mut told = BTreeSet::new();
    for (words, command) in all.iter().filter(|(_, command)| !command.is_hide_set()) {
        let title = format!("rpmctl {words} ");
        let part = read
            .parts
            .keys()
            .find(|part| format!("{part} ").starts_with(&title))
            .unwrap_or_else(|| panic!("no part for {words}"));
        told.insert(part.clone());
        let wanted: Vec<BTreeSet<String>> = command
            .get_arguments()
            .filter(|arg| own(arg) && !arg.is_global_set() && !arg.is_hide_set())
            .map(names)
            .collect();
        let there: Vec<BTreeSet<String>> = read.parts[part]
            .iter()
            .map(|(term, _)| written(term))
            .collect();
        assert_eq!(there, wanted, "{words}");
        for arg in command.get_arguments().filter(|arg| arg.is_hide_set()) {
            hidden_flags.extend(names(arg).iter().map(|name| format!("{words} {name}")));
        }
        let visible: BTreeSet<&str> = command.get_visible_aliases().collect();
        hidden_aliases.extend(
            command
                .get_all_aliases()
                .filter(|alias| !visible.contains(alias))
                .map(str::to_owned),
        );
    }
    let parts: BTreeSet<String> = read.parts.keys().cloned().collect();
    assert_eq!(parts, told);
    assert_eq!(hidden_flags, HIDDEN_FLAGS.map(str::to_owned).into());
    assert_eq!(hidden_aliases, HIDDEN_ALIASES.map(str::to_owned).into());
    let wanted: Vec<_> = built()
        .get_arguments()
        .filter(|arg| own(arg))
        .map(names)
        .collect();
    let there: Vec<_> = tags(&read, "OPTIONS").iter().map(|t| written(t)).collect();
    assert_eq!(there, wanted);
    let checks: Vec<&str> = CHECKS.iter().map(|(check, _)| *check).collect();
    assert_eq!(tags(&read, "CHECKS OF DOCTOR"), checks);
    let families = FAMILIES.iter().map(|family| family.name);
    let metrics = tags(&read, "METRICS");
    let metrics = metrics.iter().filter_map(|term| term.split(' ').next());
    assert!(families.chain(["rpmctl_custom_NAME"]).eq(metrics));
}

#[test]
fn no_page_speaks_of_a_flag_that_is_none() {
    let cli = built();
    let mut known: BTreeSet<String> = cli.get_arguments().flat_map(names).collect();
    for (_, command) in commands(&cli, "") {
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        known.extend(shown.flat_map(names));
    }
    let others = OTHERS_FLAGS.map(|(flag, _)| flag);
    let mut seen = BTreeSet::new();
    for (name, text) in pages() {
        for word in plain(&text).split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
            let flag = word.trim_end_matches('-');
            if !flag.starts_with("--") {
                continue;
            }
            let others = others.iter().find(|other| **other == flag);
            assert!(known.contains(flag) || others.is_some(), "{name}: {flag}");
            seen.extend(others);
        }
    }
    assert_eq!(seen, others.into(), "no longer spoken of");
}

#[test]
fn ecosystem_toml_5_has_every_key_and_no_other() {
    let read = read(&file_page::text());
    for (section, wanted) in [
        ("KEYS", [true, false]),
        ("KEYS WITHOUT A MEANING", [false, true]),
    ] {
        let keys = KEYS.iter().filter(|key| match key.status {
            Status::Now => wanted[0],
            Status::Meaningless(_) => wanted[1],
            Status::Later(_) => false,
        });
        let there = &read.sections[section];
        assert!(
            keys.clone()
                .map(|key| key.name)
                .eq(there.iter().map(|(term, _)| term.as_str())),
            "{section}"
        );
        for (key, (_, text)) in keys.zip(there) {
            let also = text.rsplit_once("Also: ").map_or("", |(_, also)| also);
            let also: Vec<String> = also
                .split([',', ' ', '\n'])
                .map(|word| word.trim_end_matches('.').to_owned())
                .filter(|word| !word.is_empty())
                .collect();
            assert_eq!(also, key.spellings()[1..], "{}", key.name);
        }
    }
    let later = KEYS
        .iter()
        .any(|key| matches!(key.status, Status::Later(_)));
    assert_eq!(
        read.sections.contains_key("KEYS FOR A LATER VERSION"),
        later
    );
    let table = |keys: &[(&str, &[&str], Form)]| -> BTreeSet<String> {
        keys.iter()
            .map(|(name, others, _)| [&[*name], *others].concat().join(", "))
            .collect()
    };
    for (section, keys) in [("HEALTH", health::KEYS), ("ROTATION", rotate::KEYS)] {
        let told = tags(&read, section);
        assert_eq!(told.len(), keys.len(), "{section}");
        assert_eq!(BTreeSet::from_iter(told), table(keys));
    }
    let acted: BTreeSet<String> = watch_options::OPTIONS
        .iter()
        .filter(|option| option.meaningless.is_none())
        .map(|option| rpmctl::config::keys::camel(option.name))
        .collect();
    let (patterns, options) = read.sections["WATCHING FILES"].split_at(5);
    let told: BTreeSet<String> = options.iter().flat_map(|(term, _)| written(term)).collect();
    assert_eq!(told, acted);
    assert!(patterns.iter().all(|(term, _)| !acted.contains(term)));
}
