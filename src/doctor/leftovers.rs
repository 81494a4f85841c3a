//! What is left of work that was cut off, and of apps that are gone.

use std::path::PathBuf;
use std::time::Duration;

use super::finding::Finding;
use super::words::{self, Words, word};

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
    /// Who holds the machine's lock.
    pub lock: Option<AtWork>,
    /// Generations that cannot be read: their numbers and folders.
    pub damaged: Vec<(u64, PathBuf)>,
    /// Units of the newest generation that are not on disk.
    pub removed: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct AtWork {
    pub pid: u32,
    pub program: String,
    /// How long the process has run; what it does may have begun later.
    pub runs: Duration,
    /// It runs for as long as the machine, and works for a moment now and then.
    pub is_watcher: bool,
}

/// An apply of many instances in turns takes minutes.
const LONG: Duration = Duration::from_secs(600);

pub fn leftovers(seen: &Leftovers, words: &Words<'_>) -> Vec<Finding> {
    let Words {
        rpmctl,
        systemctl,
        sudo,
    } = words;
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
                format!("{systemctl} stop {}", word(unit)),
            ),
            false => (
                format!("{unit} failed and is remembered, but no app has it"),
                format!("{systemctl} reset-failed {}", word(unit)),
            ),
        };
        found.push(Finding::warning("leftovers", what, fix).naming(unit));
    }
    let rm = |paths: &[PathBuf]| {
        let paths = words::paths(paths.iter().map(PathBuf::as_path));
        format!("{sudo}rm {paths}")
    };
    if !seen.units.is_empty() {
        found.push(Finding::warning(
            "leftovers",
            format!("{}: no target of theirs, so rpmctl does not know their app", some(&seen.units, "unit")),
            format!("{rpmctl} apply FILE writes the app anew; if it is gone: {}; {systemctl} daemon-reload", rm(&seen.units)),
        ));
    }
    if !seen.env.is_empty() {
        found.push(Finding::warning(
            "leftovers",
            format!(
                "{} of no app, with what may be secrets",
                some(&seen.env, "environment file")
            ),
            rm(&seen.env),
        ));
    }
    if !seen.staged.is_empty() {
        found.push(Finding::warning(
            "leftovers",
            format!("{} of an apply that was killed", some(&seen.staged, "file")),
            format!(
                "the next {rpmctl} apply that changes something removes them; or: {}",
                rm(&seen.staged)
            ),
        ));
    }
    if let Some(AtWork {
        pid,
        program,
        runs,
        is_watcher,
    }) = &seen.lock
    {
        let what =
            format!("process {pid} ({program}) is at work: whoever changes something waits for it");
        let runs_for = format!("{what}; the process has run for {} s", runs.as_secs());
        found.push(match *runs > LONG {
            _ if *is_watcher => Finding::note("leftovers", what),
            true => Finding::warning(
                "leftovers",
                runs_for,
                format!("if it hangs: {sudo}kill {pid}; the same command again carries on"),
            ),
            false => Finding::note("leftovers", runs_for),
        });
    }
    if !seen.damaged.is_empty() {
        let numbers: Vec<String> = seen
            .damaged
            .iter()
            .map(|(number, _)| number.to_string())
            .collect();
        let (word, be, them) = match numbers.len() {
            1 => ("generation", "is", "it"),
            _ => ("generations", "are", "them"),
        };
        let folders = words::paths(seen.damaged.iter().map(|(_, folder)| folder.as_path()));
        found.push(Finding::warning(
            "generations",
            format!(
                "{word} {} {be} damaged: rollback cannot go back to {them}",
                numbers.join(", ")
            ),
            format!("{sudo}rm -r {folders}"),
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
        let of = |seen: &Leftovers| leftovers(seen, &Words::of(false, false));
        let none = Leftovers::default();
        assert_eq!(worst(&of(&none)), Level::Ok);
        let lock = |seconds, is_watcher| {
            Some(AtWork {
                pid: 7,
                program: "rpmctl".to_owned(),
                runs: Duration::from_secs(seconds),
                is_watcher,
            })
        };
        let all = Leftovers {
            staged: vec!["/etc/systemd/system/.rpmctl-x".into()],
            pending: Some((3, true)),
            orphans: vec![
                ("old@0.service".into(), true),
                ("old@1.service".into(), false),
            ],
            units: vec!["/etc/systemd/system/old@.service".into(), "/b".into()],
            env: vec!["/etc/rpmctl/env/old.env".into()],
            lock: lock(7000, false),
            damaged: vec![(4, "/var/lib/rpmctl/generations/4".into())],
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
        for (lock, what) in [
            (lock(3, false), "the process has run for 3 s"),
            // It has run since the boot, and works for a moment.
            (lock(7000, true), "process 7 (rpmctl) is at work"),
        ] {
            let working = Leftovers {
                lock,
                ..Leftovers::default()
            };
            let found = of(&working);
            assert_eq!(worst(&found), Level::Note);
            assert!(
                found[0].what.contains(what) && found[0].fix.is_none(),
                "{found:?}"
            );
        }
    }

    /// A shell takes each fix as it stands, and what it removes is what was found.
    #[test]
    fn fixes_are_for_a_shell() {
        let all = Leftovers {
            staged: vec!["/home/a b/x".into(), "/home/a b/y".into()],
            orphans: vec![
                (r"a\x20b@0.service".into(), true),
                (r"a\x20b@1.service".into(), false),
            ],
            units: vec![r"/etc/systemd/system/a\x20b@.service".into()],
            env: vec![r"/etc/rpmctl/env/a\x20b.env".into()],
            damaged: vec![
                (4, "/home/a b/rpmctl/generations/4".into()),
                (7, "/home/a b/rpmctl/generations/7".into()),
            ],
            ..Leftovers::default()
        };
        let fixes = |words| -> Vec<Vec<String>> {
            leftovers(&all, &words)
                .iter()
                .map(|one| shlex::split(one.fix.as_deref().unwrap()).unwrap())
                .collect()
        };
        let [runs, failed, unit, env, staged, damaged] = &fixes(Words::of(true, false))[..] else {
            panic!("{:?}", fixes(Words::of(true, false)));
        };
        assert_eq!(runs[3..], [r"a\x20b@0.service"]);
        assert_eq!(failed[3..], [r"a\x20b@1.service"]);
        assert!(
            unit.contains(&r"/etc/systemd/system/a\x20b@.service;".to_owned()),
            "{unit:?}"
        );
        assert_eq!(env[..], ["rm", r"/etc/rpmctl/env/a\x20b.env"]);
        assert!(
            staged.ends_with(&["rm".into(), "/home/a b/x".into(), "/home/a b/y".into()]),
            "{staged:?}"
        );
        assert_eq!(
            damaged[..],
            [
                "rm",
                "-r",
                "/home/a b/rpmctl/generations/4",
                "/home/a b/rpmctl/generations/7"
            ]
        );
        assert_eq!(fixes(Words::of(false, false))[3][0], "sudo");
        let is_sudo = |word: &&String| *word == "sudo";
        assert_eq!(
            fixes(Words::of(true, false)).iter().flatten().find(is_sudo),
            None
        );
    }
}
