//! Whether what apps write is kept, and for how long.

use std::collections::BTreeMap;

use super::finding::Finding;
use super::words::word;
use crate::model::Bytes;
use crate::units::section::Sections;

/// What is there of journald.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// It takes lines.
    pub runs: bool,
    /// journald.conf(5), with its drop-ins.
    pub conf: BTreeMap<String, String>,
    /// The same of the namespaces that apps have (`log_namespace`), by their names.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// /var/log/journal is there.
    pub folder: bool,
    /// Bytes of its files; none where they may not be counted.
    pub used: Option<u64>,
    /// Bytes that are free, and all, of the disk that has them.
    pub disk: Option<(u64, u64)>,
    /// Whether this user may read it; none where it has no file yet.
    pub readable: Option<bool>,
    pub user: bool,
}

/// Less than this is soon written by one app.
const SMALL: u64 = 64 << 20;

/// The settings of these texts; those that come later win.
pub fn conf<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for text in texts {
        let sections = Sections::parse(text);
        for (key, value) in sections.section("Journal") {
            match value.is_empty() {
                true => all.remove(key),
                false => all.insert(key.to_owned(), value.to_owned()),
            };
        }
    }
    all
}

pub fn journal(seen: &Journal) -> Vec<Finding> {
    if !seen.runs {
        return vec![Finding::broken(
            "journal",
            "journald does not run: what apps write is lost",
            "sudo systemctl start systemd-journald.socket systemd-journald.service",
        )];
    }
    let Settings {
        mut found,
        volatile,
        limit,
    } = settings(None, &seen.conf, seen.folder);
    for (namespace, conf) in &seen.namespaces {
        // Of a namespace's own the default is to keep lines on disk (journald.conf(5)).
        found.extend(settings(Some(namespace), conf, true).found);
    }
    if let Some((free, all)) = seen
        .disk
        .filter(|(free, all)| *free < all / 20 && !volatile)
    {
        found.push(Finding::warning(
            "journal",
            format!("the disk of /var/log/journal has {} of {} left: journald drops old lines to keep 15 % free", Bytes(free), Bytes(all)),
            "make room; sudo journalctl --vacuum-size=200M gives back what the journal has",
        ));
    }
    if seen.readable == Some(false) {
        let what = match seen.user {
            true => "you may not read your journal, so `rpmctl --user logs` shows nothing",
            false => "you may not read the system's journal, so `rpmctl logs` shows nothing",
        };
        found.push(Finding::warning(
            "journal",
            what,
            "sudo usermod -aG systemd-journal $USER, then log in again (Debian, Ubuntu: adm does as well)",
        ));
    }
    if found.is_empty() {
        let used = seen
            .used
            .map_or_else(String::new, |used| format!(", {} now", Bytes(used)));
        let most = limit.map_or_else(String::new, |limit| format!(", {} at most", Bytes(limit)));
        found.push(Finding::ok(
            "journal",
            format!("kept on disk{used}{most}; its rate limit does not hold for apps"),
        ));
    }
    found
}

/// What a journald's settings are worth.
struct Settings {
    found: Vec<Finding>,
    /// Lines are kept in memory.
    volatile: bool,
    /// What its journal may take.
    limit: Option<u64>,
}

/// Of the machine's journald, or of a namespace's (`log_namespace`).
fn settings(namespace: Option<&str>, conf: &BTreeMap<String, String>, folder: bool) -> Settings {
    let get = |key: &str| conf.get(key).map(String::as_str);
    let (file, unit) = match namespace {
        Some(name) => (
            format!("journald@{name}.conf"),
            format!("systemd-journald@{name}"),
        ),
        None => ("journald.conf".to_owned(), "systemd-journald".to_owned()),
    };
    let mend = |setting: &str| {
        format!(
            "{setting} in /etc/systemd/{file}; then: sudo systemctl restart {}",
            word(&unit)
        )
    };
    let mut found = Vec::new();
    let volatile = match get("Storage").unwrap_or("auto") {
        "none" => {
            found.push(Finding::broken(
                "journal",
                format!("Storage=none in {file}: nothing that apps write is kept"),
                mend("Storage=persistent"),
            ));
            false
        }
        "volatile" => {
            found.push(Finding::warning(
                "journal",
                format!(
                    "Storage=volatile in {file}: lines are kept in memory and gone after a boot"
                ),
                mend("Storage=persistent"),
            ));
            true
        }
        "persistent" => false,
        _ if !folder => {
            found.push(Finding::warning(
                "journal",
                "there is no /var/log/journal: lines are kept in memory and gone after a boot",
                "sudo mkdir -p /var/log/journal; sudo systemd-tmpfiles --create --prefix /var/log/journal; sudo journalctl --flush",
            ));
            true
        }
        _ => false,
    };
    if let Some(level) = get("MaxLevelStore").filter(|level| drops_info(level)) {
        found.push(Finding::warning(
            "journal",
            format!("MaxLevelStore={level} in {file}: what apps write to stdout is not kept"),
            mend("MaxLevelStore=debug"),
        ));
    }
    let key = if volatile {
        "RuntimeMaxUse"
    } else {
        "SystemMaxUse"
    };
    let limit = get(key).and_then(bytes);
    // A namespace's limit is its app's alone, and was chosen for it.
    if let Some(limit) = limit.filter(|limit| *limit < SMALL && namespace.is_none()) {
        found.push(Finding::warning(
            "journal",
            format!(
                "{key}={} in {file} holds little: the oldest lines of all services go soon",
                Bytes(limit)
            ),
            mend(&format!("{key}=1G")),
        ));
    }
    Settings {
        found,
        volatile,
        limit,
    }
}

/// Of syslog(3)'s levels, those below which lines are dropped that have `info`.
fn drops_info(level: &str) -> bool {
    matches!(
        level,
        "emerg"
            | "alert"
            | "crit"
            | "err"
            | "warning"
            | "notice"
            | "0"
            | "1"
            | "2"
            | "3"
            | "4"
            | "5"
    )
}

/// Sizes of journald.conf(5): to the base of 1024.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Level, worst};
    use super::*;

    fn seen(text: &str) -> Journal {
        Journal {
            runs: true,
            conf: conf([text]),
            namespaces: BTreeMap::new(),
            folder: true,
            used: Some(1 << 20),
            disk: Some((50, 100)),
            readable: Some(true),
            user: false,
        }
    }

    #[test]
    fn settings() {
        for (text, level, part) in [
            ("", Level::Ok, "1mb now"),
            ("[Journal]\nSystemMaxUse=2G\n", Level::Ok, "at most"),
            ("[Journal]\n#Storage=none\n", Level::Ok, ""),
            (
                "[Journal]\nStorage=none\n",
                Level::Broken,
                "nothing that apps write",
            ),
            (
                "[Journal]\nStorage=volatile\n",
                Level::Warning,
                "gone after a boot",
            ),
            ("[Journal]\nStorage=volatile\nStorage=\n", Level::Ok, ""),
            ("[Journal]\nMaxLevelStore=err\n", Level::Warning, "stdout"),
            ("[Journal]\nMaxLevelStore=info\n", Level::Ok, ""),
            (
                "[Journal]\nSystemMaxUse=16M\n",
                Level::Warning,
                "SystemMaxUse=16",
            ),
        ] {
            let found = journal(&seen(text));
            assert_eq!(worst(&found), level, "{text}: {found:?}");
            assert!(found[0].what.contains(part), "{text}: {found:?}");
        }
        let later = conf(["[Journal]\nStorage=none\n", "[Journal]\nStorage=auto\n"]);
        assert_eq!(later["Storage"], "auto");
    }

    #[test]
    fn namespaces_have_settings_of_their_own() {
        let of = |machine, own| Journal {
            namespaces: BTreeMap::from([("shop".to_owned(), conf([own]))]),
            ..seen(machine)
        };
        let small = "[Journal]\nSystemMaxUse=16M\n";
        assert_eq!(worst(&journal(&of("", small))), Level::Ok);
        // Without a folder for the machine's, its own goes to the disk all the same.
        let none = Journal {
            folder: false,
            ..of("[Journal]\nStorage=persistent\n", "")
        };
        assert_eq!(worst(&journal(&none)), Level::Ok);
        let found = journal(&of("", "[Journal]\nStorage=none\n"));
        assert_eq!((found.len(), found[0].level), (1, Level::Broken));
        assert!(found[0].what.contains("in journald@shop.conf"), "{found:?}");
        let fix = found[0].fix.as_deref().unwrap();
        assert!(fix.contains("/etc/systemd/journald@shop.conf"), "{fix}");
        assert!(fix.ends_with("restart systemd-journald@shop"), "{fix}");
    }

    #[test]
    fn surroundings() {
        let level = |seen: Journal| worst(&journal(&seen));
        let well = || seen("");
        assert_eq!(
            level(Journal {
                runs: false,
                ..well()
            }),
            Level::Broken
        );
        assert_eq!(
            level(Journal {
                folder: false,
                ..well()
            }),
            Level::Warning
        );
        assert_eq!(
            level(Journal {
                readable: Some(false),
                ..well()
            }),
            Level::Warning
        );
        assert_eq!(
            level(Journal {
                readable: None,
                used: None,
                ..well()
            }),
            Level::Ok
        );
        assert_eq!(
            level(Journal {
                disk: Some((4, 100)),
                ..well()
            }),
            Level::Warning
        );
    }
}
