//! The `[X-Rpmctl]` section at the end of each unit: whose it is, and in the target the facts of the app. systemd ignores sections that begin with `X-`
//! (systemd.unit(5)), so the units themselves are the only record of what is ours.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::facts::Facts;
use super::section::Sections;
use super::{quote, watcher};
use crate::model::Name;

pub(super) const SECTION: &str = "X-Rpmctl";
const HEADING: &str = "[X-Rpmctl]";

/// The unit's text with our section at its end.
pub fn mark(body: &str, facts: &Facts, of_target: bool) -> String {
    let body = body.trim_end();
    let mut text = format!("{body}\n\n{HEADING}\n");
    let mut lines = vec![
        ("App", facts.app.to_string()),
        ("File", facts.file.display().to_string()),
    ];
    if of_target {
        lines.extend(facts.pairs());
    }
    for (key, value) in lines {
        writeln!(text, "{key}={}", quote::fact(&value)).expect("writing to a string");
    }
    let hash = hash(&text);
    writeln!(text, "Hash={hash}").expect("writing to a string");
    text
}

/// The watcher's text, with our section at its end.
pub fn mark_watcher(body: &str) -> String {
    mark_own(watcher::UNIT, body)
}

/// The text of a unit that is rpmctl's own, with our section at its end. It says the version, so that an update of rpmctl restarts it.
pub fn mark_own(unit: &str, body: &str) -> String {
    let body = body.trim_end();
    let version = env!("CARGO_PKG_VERSION");
    let text = format!("{body}\n\n{HEADING}\nUnit={unit}\nVersion={version}\n");
    let hash = hash(&text);
    format!("{text}Hash={hash}\n")
}

/// Whether the text is that of a watcher of ours.
pub fn is_watcher(text: &str) -> bool {
    is_own(watcher::UNIT, text)
}

/// Whether the text is that of rpmctl's own unit of this name.
pub fn is_own(unit: &str, text: &str) -> bool {
    heading(text).is_some_and(|at| {
        let sections = Sections::parse(&text[at..]);
        sections.get(SECTION, "Unit") == Some(unit)
    })
}

/// The app that the text was compiled for; None when it is not ours.
pub fn owner(text: &str) -> Option<String> {
    let section = &text[heading(text)?..];
    Sections::parse(section)
        .get(SECTION, "App")
        .map(quote::read_fact)
}

/// Whether the unit of this name is ours: a copy of one of ours under another name is its maker's.
pub fn is_ours(unit: &str, text: &str) -> bool {
    owner(text)
        .and_then(|app| Name::new(&app).ok())
        .is_some_and(|app| app.owns(unit))
}

/// The unit's text without our section.
pub fn body(text: &str) -> &str {
    &text[..heading(text).unwrap_or(text.len())]
}

/// Where our section begins: the last line that is its heading, for an argument may hold the same text.
fn heading(text: &str) -> Option<usize> {
    let line = format!("\n{HEADING}\n");
    text.rfind(&line).map(|at| at + 1)
}

/// Whether anything in the text, our section included, is not what we wrote there.
pub fn edited(text: &str) -> bool {
    let Some((rest, written)) = text
        .strip_suffix('\n')
        .and_then(|text| text.rsplit_once("\nHash="))
    else {
        return true;
    };
    written != hash(&format!("{rest}\n"))
}

fn hash(body: &str) -> String {
    Sha256::digest(body.as_bytes())
        .iter()
        .take(8)
        .fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to a string");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::facts;
    use super::*;

    #[test]
    fn the_watcher_is_known_and_no_apps() {
        let text = mark_watcher("[Service]\nType=notify\n");
        assert!(is_watcher(&text) && !edited(&text));
        assert!(owner(&text).is_none() && !is_ours(watcher::UNIT, &text));
        assert!(!is_watcher("[Service]\nType=notify\n"));
        assert!(!is_watcher(&mark("[Unit]\n", &facts(), false)));
    }

    #[test]
    fn an_edit_shows() {
        let text = mark("[Unit]\nDescription=x\n", &facts(), false);
        assert!(!edited(&text));
        assert!(edited(&text.replace("=x", "=y")));
        assert!(edited(&format!("{text}# appended\n")));
        assert!(edited(&format!("{text}[Service]\nNice=1\n")));
        assert_eq!(owner("[Unit]\nDescription=x\n"), None);
        let quoting = mark("[Service]\nExecStart=[X-Rpmctl]\n", &facts(), false);
        assert!(!edited(&quoting));
        assert_eq!(owner(&quoting).as_deref(), Some("api server"));
    }

    #[test]
    fn a_copy_is_not_ours() {
        let text = mark("[Unit]\nDescription=x\n", &facts(), false);
        assert!(is_ours("api\\x20server@.service", &text));
        assert!(!is_ours("copy@.service", &text));
    }
}
