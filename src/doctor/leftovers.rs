//! What is left of work that was cut off, and of apps that are gone.

use std::path::PathBuf;
use std::time::Duration;

use super::apps::Words;
use super::finding::Finding;

#[derive(Clone, Debug, Default)]
pub struct Leftovers {
    /// Files beside their place, of an apply that was killed.
    pub staged: Vec<PathBuf>,
    /// What an apply still had to restart, and whether systemd was still to read the units.
    pub pending: Option<(usize, bool)>,
    /// Units of instances that no app has any more, and whether they run.
    pub orphans: Vec<(String, bool)>,
    /// Units without an app: their target is gone.
    pub units: Vec<PathBuf>,
    /// Environment files without an app.
    pub env: Vec<PathBuf>,
    /// Who holds the machine's lock, and for how long that process has run.
    pub lock: Option<(u32, String, Duration)>,
    /// Generations that cannot be read.
    pub damaged: Vec<u64>,
    /// Units of the newest generation that are not on disk.
    pub removed: Vec<String>,
}

/// An apply of many instances in turns takes minutes.
const LONG: Duration = Duration::from_secs(600);

pub fn leftovers(seen: &Leftovers, words: &Words<'_>) -> Vec<Finding> {
    let Words { rpmctl, systemctl } = words;
    let mut found = Vec::new();
    if let Some((instances, reload)) = seen.pending {
        let reload = if reload {
            ", and systemd has not read their units"
        } else {
            ""
        };
        found.push(Finding::warning(
            "leftovers",
            format!(
                "an apply was cut off: {instances} instances are still to be restarted{reload}"
            ),
            format!("{rpmctl} apply FILE again carries on"),
        ));
    }
    for (unit, runs) in &seen.orphans {
        let (what, fix) = match runs {
            true => (
                format!("{unit} runs, but no app has it"),
                format!("{systemctl} stop {unit}"),
            ),
            false => (
                format!("{unit} failed and is remembered, but no app has it"),
                format!("{systemctl} reset-failed {unit}"),
            ),
        };
        found.push(Finding::warning("leftovers", what, fix).about(unit));
    }
    if let Some(first) = seen.units.first() {
        found.push(Finding::warning(
            "leftovers",
            format!("{}: no target of theirs, so rpmctl does not know their app", some(&seen.units, "unit")),
            format!("{rpmctl} apply FILE writes the app anew; if it is gone: sudo rm {}; {systemctl} daemon-reload", first.display()),
        ));
    }
    if let Some(first) = seen.env.first() {
        found.push(Finding::warning(
            "leftovers",
            format!(
                "{} of no app, with what may be secrets",
                some(&seen.env, "environment file")
            ),
            format!("sudo rm {}", first.display()),
        ));
    }
    if let Some(first) = seen.staged.first() {
        found.push(Finding::warning(
            "leftovers",
            format!("{} of an apply that was killed", some(&seen.staged, "file")),
            format!(
                "the next {rpmctl} apply that changes something removes them; or: sudo rm {}",
                first.display()
            ),
        ));
    }
    if let Some((pid, program, age)) = &seen.lock {
        let what = format!(
            "process {pid} ({program}) is at work, begun {} s ago: whoever changes something waits for it",
            age.as_secs()
        );
        found.push(match *age > LONG {
            true => Finding::warning(
                "leftovers",
                what,
                format!("if it hangs: sudo kill {pid}; the same command again carries on"),
            ),
            false => Finding::note("leftovers", what),
        });
    }
    if !seen.damaged.is_empty() {
        let numbers: Vec<String> = seen.damaged.iter().map(ToString::to_string).collect();
        found.push(Finding::warning(
            "generations",
            format!(
                "generation {} is damaged: rollback cannot go back to it",
                numbers.join(", ")
            ),
            format!("sudo rm -r /var/lib/rpmctl/generations/{}", numbers[0]),
        ));
    }
    if let Some(first) = seen.removed.first() {
        found.push(Finding::warning(
            "generations",
            match seen.removed.len() {
                1 => format!("{first} was removed without rpmctl since the last change"),
                all => format!("{first} and {} more units were removed without rpmctl since the last change", all - 1),
            },
            format!("{rpmctl} apply FILE brings them back; {rpmctl} delete APP makes an app go as a whole"),
        ));
    }
    if found.is_empty() {
        found.push(Finding::ok("leftovers", "nothing is left of earlier work"));
    }
    found
}

fn some(paths: &[PathBuf], word: &str) -> String {
    let first = paths[0].display();
    match paths.len() {
        1 => format!("{word} {first}"),
        all => format!("{first} and {} more {word}s", all - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Level, worst};
    use super::*;

    #[test]
    fn each_is_told() {
        let words = Words {
            rpmctl: "rpmctl",
            systemctl: "systemctl",
        };
        let of = |seen: &Leftovers| leftovers(seen, &words);
        let none = Leftovers::default();
        assert_eq!(worst(&of(&none)), Level::Ok);
        let lock = |seconds| Some((7, "rpmctl".to_owned(), Duration::from_secs(seconds)));
        let all = Leftovers {
            staged: vec!["/etc/systemd/system/.rpmctl-x".into()],
            pending: Some((3, true)),
            orphans: vec![
                ("old@0.service".into(), true),
                ("old@1.service".into(), false),
            ],
            units: vec!["/etc/systemd/system/old@.service".into(), "/b".into()],
            env: vec!["/etc/rpmctl/env/old.env".into()],
            lock: lock(7000),
            damaged: vec![4],
            removed: vec!["api.target".into()],
        };
        let found = of(&all);
        assert_eq!(found.len(), 9, "{found:#?}");
        assert!(
            found
                .iter()
                .all(|one| one.level == Level::Warning && one.fix.is_some())
        );
        assert!(found[0].what.contains("3 instances"));
        let working = Leftovers {
            lock: lock(3),
            ..none
        };
        assert_eq!(worst(&of(&working)), Level::Note);
    }
}
