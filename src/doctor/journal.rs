//! Whether what apps write is kept, and for how long.

use std::collections::BTreeMap;

use super::finding::Finding;
use crate::model::Bytes;
use crate::units::section::Sections;

/// What is there of journald.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// It takes lines.
    pub runs: bool,
    /// journald.conf(5), with its drop-ins.
    pub conf: BTreeMap<String, String>,
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
    let get = |key: &str| seen.conf.get(key).map(String::as_str);
    if !seen.runs {
        return vec![Finding::broken(
            "journal",
            "journald does not run: what apps write is lost",
            "sudo systemctl start systemd-journald.socket systemd-journald.service",
        )];
    }
    let mut found = Vec::new();
    let restart = "then: sudo systemctl restart systemd-journald";
    let volatile = match get("Storage").unwrap_or("auto") {
        "none" => {
            found.push(Finding::broken(
                "journal",
                "Storage=none in journald.conf: nothing that apps write is kept",
                format!("Storage=persistent in /etc/systemd/journald.conf; {restart}"),
            ));
            false
        }
        "volatile" => {
            found.push(Finding::warning(
                "journal",
                "Storage=volatile in journald.conf: lines are kept in memory and gone after a boot",
                format!("Storage=persistent in /etc/systemd/journald.conf; {restart}"),
            ));
            true
        }
        "persistent" => false,
        _ if !seen.folder => {
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
            format!(
                "MaxLevelStore={level} in journald.conf: what apps write to stdout is not kept"
            ),
            format!("MaxLevelStore=debug in /etc/systemd/journald.conf; {restart}"),
        ));
    }
    let key = if volatile {
        "RuntimeMaxUse"
    } else {
        "SystemMaxUse"
    };
    let limit = get(key).and_then(bytes);
    if let Some(limit) = limit.filter(|limit| *limit < SMALL) {
        found.push(Finding::warning(
            "journal",
            format!(
                "{key}={} in journald.conf holds little: the oldest lines of all services go soon",
                Bytes(limit)
            ),
            format!("{key}=1G in /etc/systemd/journald.conf; {restart}"),
        ));
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
