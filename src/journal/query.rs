//! Which lines of the journal are an app's, as arguments of journalctl(1).
//!
//! Measured on systemd 252, 600 runs of a program that ends within a millisecond, both processors busy:
//!
//! - System units: `LogExtraFields=RPMCTL_APP=name` finds every line of every instance with one term, provided that the unit's start-up script prints
//!   an empty line on the unit's own stdout first. systemd tells journald the unit of that connection, journald keeps it for the process and drops the
//!   empty line. Without it 165 of 600 runs were lost: systemd-cat's connections carry no unit, and the process is gone when journald looks.
//! - User units get no extra fields. They are found by the slice that systemd gives a template; the same script line brings the loss from 56 to 3 of 500
//!   (without systemd-cat: 15), so the tag, which the connection itself carries, makes up for the rest.
//! - What a child of the app writes, and is gone when journald looks, has no unit in either manager: 3,000 lines of a `seq` in a script were lost on a
//!   busy machine. Their tag finds them.
//! - The manager's own lines carry neither, only the unit's name.
//!
//! Tags and unit names are one term an instance in the past (300 terms: 44 ms instead of 24 ms for the last 100 lines). While following, all that the
//! manager says, and all stdout of a user, is read and sorted out here, so instances that come later are seen too; not all stdout of the system, which
//! may be far more than an app's: there an instance that comes later is followed without such children.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use super::entry::{Entry, FIELDS, Stream, split_instance};
use super::send;
use crate::model::Flushed;

/// An app whose lines are wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogApp {
    /// As written in the ecosystem file.
    pub name: String,
    /// Its unit names up to `@`: [`crate::model::Name::stem`].
    pub stem: String,
    /// Its sockets as they are now.
    pub sockets: Vec<String>,
    /// Only these; None for all, those of the past included.
    pub instances: Option<Vec<u32>>,
    /// `log_date_format`, or what `time = true` stands for.
    pub date_format: Option<String>,
    /// `log_namespace`: the journal that its own lines are in; None for the machine's.
    pub namespace: Option<String>,
    /// Lines from before this are not wanted.
    pub flushed: Flushed,
}

/// Whose units they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The system manager's, in the machine's journal.
    System,
    /// The user manager's, in the machine's journal.
    User { uid: u32 },
    /// Those of a manager with a journal of its own in this directory.
    Directory(PathBuf),
}

/// What to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    pub scope: Scope,
    pub apps: Vec<LogApp>,
    /// The last so many; None for all.
    pub lines: Option<u64>,
    /// Then whatever comes, until the receiver is dropped.
    pub follow: bool,
    /// Times as journalctl(1) takes them.
    pub since: Option<String>,
    pub until: Option<String>,
    /// A PCRE2 pattern; without capitals in it, case does not matter.
    pub grep: Option<String>,
    /// Only this stream; None for all three.
    pub stream: Option<Stream>,
    /// A boot as `journalctl -b` takes it.
    pub boot: Option<String>,
    /// The one journal namespace to read, instead of the machine's journal; [`Query::parts`] sets it.
    pub namespace: Option<String>,
}

impl Query {
    /// All there is of these apps.
    pub fn new(scope: Scope, apps: Vec<LogApp>) -> Query {
        Query {
            scope,
            apps,
            lines: None,
            follow: false,
            since: None,
            until: None,
            grep: None,
            stream: None,
            boot: None,
            namespace: None,
        }
    }

    /// Arguments that list the units the manager ever wrote about, one a line; feed the output to [`instances_seen`].
    pub fn units_args(&self) -> Vec<OsString> {
        let field = match self.scope {
            Scope::System => "UNIT",
            Scope::User { .. } | Scope::Directory(_) => "USER_UNIT",
        };
        let mut args = self.base();
        args.push(format!("--field={field}").into());
        args
    }

    /// Arguments for what the journal holds now: newest first when `lines` are asked for (take that many and stop), else oldest first.
    /// `seen`: for each app the instances that the journal knows.
    pub fn past_args(&self, seen: &[BTreeSet<u32>]) -> Vec<OsString> {
        let mut args = self.base();
        if let Some(lines) = self.lines {
            args.push("--reverse".into());
            // What is sorted out here would count: what was flushed, rpmctl's lines about other instances; and with a pattern, older versions
            // count before they match.
            let exact = |app: &LogApp| app.flushed.is_empty() && app.instances.is_none();
            if self.grep.is_none() && self.apps.iter().all(exact) {
                args.push(format!("--lines={lines}").into());
            }
        }
        match (&self.since, self.nothing_before()) {
            (Some(since), _) => args.push(format!("--since={since}").into()),
            (None, Some(at)) => args.push(since(at)),
            (None, None) => {}
        }
        if let Some(until) = &self.until {
            args.push(format!("--until={until}").into());
        }
        if let Some(boot) = &self.boot {
            args.push(format!("--boot={boot}").into());
        }
        self.filters(&mut args);
        push_terms(&mut args, self.terms(seen, false));
        args
    }

    /// Arguments for what comes after `cursor`, or after the time `now` (microseconds since the epoch) when nothing was read yet.
    pub fn follow_args(
        &self,
        seen: &[BTreeSet<u32>],
        cursor: Option<&str>,
        now: u64,
    ) -> Vec<OsString> {
        let mut args = self.base();
        args.extend(["--follow".into(), "--no-tail".into(), "--boot=all".into()]);
        args.push(match cursor {
            Some(cursor) => format!("--after-cursor={cursor}").into(),
            None => since(now),
        });
        self.filters(&mut args);
        push_terms(&mut args, self.terms(seen, true));
        args
    }

    /// Whether a line that journalctl gave is wanted: while following, the manager's lines are of all units.
    pub fn wants(&self, entry: &Entry) -> bool {
        let wanted_stream = match self.stream {
            Some(stream) => stream == entry.stream,
            None => true,
        };
        wanted_stream
            && self.apps.iter().any(|app| {
                entry.app.as_deref() == Some(&app.name)
                    && app.flushed.shows(entry.at, entry.instance)
                    && match (&app.instances, entry.instance) {
                        (None, _) => true,
                        (Some(wanted), Some(index)) => wanted.contains(&index),
                        (Some(_), None) => false,
                    }
            })
    }

    /// Before this none of the apps has a line that is wanted.
    fn nothing_before(&self) -> Option<u64> {
        let marks = self.apps.iter().map(|app| app.flushed.nothing_before());
        marks.collect::<Option<Vec<u64>>>()?.into_iter().min()
    }

    fn base(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["--no-pager".into()];
        if let Scope::Directory(directory) = &self.scope {
            args.push("--directory".into());
            args.push(directory.into());
        }
        if let Some(namespace) = &self.namespace {
            args.push(format!("--namespace={namespace}").into());
        }
        args
    }

    fn filters(&self, args: &mut Vec<OsString>) {
        args.extend(["--output=json".into(), "--all".into()]);
        args.push(format!("--output-fields={FIELDS}").into());
        match self.stream {
            Some(Stream::Err) => args.push("--priority=0..3".into()),
            Some(Stream::Out) => args.push("--priority=4..7".into()),
            Some(Stream::Manager) | None => {}
        }
        if let Some(pattern) = &self.grep {
            args.push(format!("--grep={pattern}").into());
        }
    }

    /// Alternatives, each a list of fields that must all be so.
    fn terms(&self, seen: &[BTreeSet<u32>], follow: bool) -> Vec<Vec<String>> {
        let mut terms = Vec::new();
        let (unit_field, about_field) = match self.scope {
            Scope::System => ("_SYSTEMD_UNIT", "UNIT"),
            _ => ("_SYSTEMD_USER_UNIT", "USER_UNIT"),
        };
        let manager = match self.scope {
            Scope::System => vec!["_PID=1".to_owned()],
            Scope::User { .. } => vec!["_SYSTEMD_USER_UNIT=init.scope".to_owned()],
            Scope::Directory(_) => vec!["SYSLOG_IDENTIFIER=systemd".to_owned()],
        };
        for (app, seen) in self.apps.iter().zip(seen) {
            let asked = app.instances.iter().flatten();
            let indexes: BTreeSet<u32> = match &app.instances {
                None => seen.clone(),
                Some(_) => asked.copied().collect(),
            };
            let unit = |index: &u32| format!("{}@{index}.service", app.stem);
            if self.stream != Some(Stream::Manager) {
                let mark = match self.scope {
                    Scope::System => format!("RPMCTL_APP={}", app.name),
                    _ => format!("_SYSTEMD_USER_SLICE={}", slice(&app.stem)),
                };
                match &app.instances {
                    None => terms.push(vec![mark]),
                    Some(_) => {
                        terms.extend(indexes.iter().map(|index| {
                            vec![mark.clone(), format!("{unit_field}={}", unit(index))]
                        }))
                    }
                }
                if !follow || self.scope == Scope::System {
                    terms.extend(indexes.iter().map(|index| {
                        let tag = format!("SYSLOG_IDENTIFIER={}@{index}", app.name);
                        vec![tag, "_TRANSPORT=stdout".to_owned()]
                    }));
                }
            }
            if matches!(self.stream, Some(Stream::Manager) | None) {
                let mut ours = vec![
                    format!("SYSLOG_IDENTIFIER={}", send::TAG),
                    format!("RPMCTL_APP={}", app.name),
                ];
                // Anybody can write such a line.
                if self.scope == Scope::System {
                    ours.push("_UID=0".to_owned());
                }
                terms.push(ours);
            }
            if !follow && matches!(self.stream, Some(Stream::Manager) | None) {
                let mut units: Vec<String> = indexes.iter().map(unit).collect();
                if app.instances.is_none() {
                    units.extend(app.sockets.iter().cloned());
                }
                for unit in units {
                    let mut term = manager.clone();
                    term.push(format!("{about_field}={unit}"));
                    terms.push(term);
                }
            }
        }
        if follow && matches!(self.stream, Some(Stream::Manager) | None) {
            terms.push(manager);
        }
        if follow && self.scope != Scope::System && self.stream != Some(Stream::Manager) {
            // By their tag, sorted out here: instances that are new from now on as well.
            terms.push(vec!["_TRANSPORT=stdout".to_owned()]);
        }
        if let Scope::User { uid } = self.scope {
            terms
                .iter_mut()
                .for_each(|term| term.push(format!("_UID={uid}")));
        }
        terms
    }
}

/// For each app the instances among these unit names, one a line.
pub fn instances_seen(apps: &[LogApp], units: &str) -> Vec<BTreeSet<u32>> {
    let mut seen = vec![BTreeSet::new(); apps.len()];
    for unit in units.lines() {
        let instance = unit.strip_suffix(".service").and_then(split_instance);
        if let Some((stem, index)) = instance {
            for (app, seen) in apps.iter().zip(&mut seen) {
                if app.stem == stem {
                    seen.insert(index);
                }
            }
        }
    }
    seen
}

/// The slice of a user manager's template: `app-` and the stem, escaped once more because '-' separates the levels of a slice (systemd.slice(5)).
fn slice(stem: &str) -> String {
    let stem = stem.replace('\\', "\\x5c").replace('-', "\\x2d");
    format!("app-{stem}.slice")
}

/// `at`: microseconds since the epoch.
fn since(at: u64) -> OsString {
    format!("--since=@{}.{:06}", at / 1_000_000, at % 1_000_000).into()
}

fn push_terms(args: &mut Vec<OsString>, terms: Vec<Vec<String>>) {
    for (number, term) in terms.into_iter().enumerate() {
        if number > 0 {
            args.push("+".into());
        }
        args.extend(term.into_iter().map(OsString::from));
    }
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
