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

/// An app whose lines are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
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
            // With a pattern, older versions count before they match.
            if self.grep.is_none() {
                args.push(format!("--lines={lines}").into());
            }
        }
        if let Some(since) = &self.since {
            args.push(format!("--since={since}").into());
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
            None => format!("--since=@{}.{:06}", now / 1_000_000, now % 1_000_000).into(),
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
                    && match (&app.instances, entry.instance) {
                        (None, _) => true,
                        (Some(wanted), Some(index)) => wanted.contains(&index),
                        (Some(_), None) => false,
                    }
            })
    }

    fn base(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["--no-pager".into()];
        if let Scope::Directory(directory) = &self.scope {
            args.push("--directory".into());
            args.push(directory.into());
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

fn push_terms(args: &mut Vec<OsString>, terms: Vec<Vec<String>>) {
    for (number, term) in terms.into_iter().enumerate() {
        if number > 0 {
            args.push("+".into());
        }
        args.extend(term.into_iter().map(OsString::from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(instances: Option<Vec<u32>>) -> LogApp {
        LogApp {
            name: "my api".into(),
            stem: "my\\x20api".into(),
            sockets: vec!["my\\x20api@tcp-3000.socket".into()],
            instances,
            date_format: None,
        }
    }

    fn terms(query: &Query, seen: &[u32], follow: bool) -> Vec<String> {
        let seen = vec![seen.iter().copied().collect(); query.apps.len()];
        let terms = query.terms(&seen, follow);
        terms.iter().map(|term| term.join(" & ")).collect()
    }

    #[test]
    fn system() {
        let mut query = Query::new(Scope::System, vec![app(None)]);
        assert_eq!(
            terms(&query, &[0, 3], false),
            [
                "RPMCTL_APP=my api",
                "SYSLOG_IDENTIFIER=my api@0 & _TRANSPORT=stdout",
                "SYSLOG_IDENTIFIER=my api@3 & _TRANSPORT=stdout",
                "SYSLOG_IDENTIFIER=rpmctl & RPMCTL_APP=my api & _UID=0",
                "_PID=1 & UNIT=my\\x20api@0.service",
                "_PID=1 & UNIT=my\\x20api@3.service",
                "_PID=1 & UNIT=my\\x20api@tcp-3000.socket",
            ]
        );
        assert_eq!(
            terms(&query, &[0, 3], true),
            [
                "RPMCTL_APP=my api",
                "SYSLOG_IDENTIFIER=my api@0 & _TRANSPORT=stdout",
                "SYSLOG_IDENTIFIER=my api@3 & _TRANSPORT=stdout",
                "SYSLOG_IDENTIFIER=rpmctl & RPMCTL_APP=my api & _UID=0",
                "_PID=1",
            ]
        );
        query.stream = Some(Stream::Err);
        assert_eq!(
            terms(&query, &[3], false),
            [
                "RPMCTL_APP=my api",
                "SYSLOG_IDENTIFIER=my api@3 & _TRANSPORT=stdout",
            ]
        );
        assert!(
            query
                .past_args(&[BTreeSet::new()])
                .contains(&"--priority=0..3".into())
        );
    }

    #[test]
    fn some_instances() {
        let query = Query::new(Scope::System, vec![app(Some(vec![2]))]);
        assert_eq!(
            terms(&query, &[0, 2], false),
            [
                "RPMCTL_APP=my api & _SYSTEMD_UNIT=my\\x20api@2.service",
                "SYSLOG_IDENTIFIER=my api@2 & _TRANSPORT=stdout",
                "SYSLOG_IDENTIFIER=rpmctl & RPMCTL_APP=my api & _UID=0",
                "_PID=1 & UNIT=my\\x20api@2.service",
            ]
        );
    }

    #[test]
    fn user() {
        let mut query = Query::new(Scope::User { uid: 1001 }, vec![app(None)]);
        query.apps[0].stem = "my-api".into();
        query.apps[0].sockets = vec!["my-api@tcp-3000.socket".into()];
        assert_eq!(
            terms(&query, &[1], false),
            [
                "_SYSTEMD_USER_SLICE=app-my\\x2dapi.slice & _UID=1001",
                "SYSLOG_IDENTIFIER=my api@1 & _TRANSPORT=stdout & _UID=1001",
                "SYSLOG_IDENTIFIER=rpmctl & RPMCTL_APP=my api & _UID=1001",
                "_SYSTEMD_USER_UNIT=init.scope & USER_UNIT=my-api@1.service & _UID=1001",
                "_SYSTEMD_USER_UNIT=init.scope & USER_UNIT=my-api@tcp-3000.socket & _UID=1001",
            ]
        );
        assert_eq!(
            terms(&query, &[1], true),
            [
                "_SYSTEMD_USER_SLICE=app-my\\x2dapi.slice & _UID=1001",
                "SYSLOG_IDENTIFIER=rpmctl & RPMCTL_APP=my api & _UID=1001",
                "_SYSTEMD_USER_UNIT=init.scope & _UID=1001",
                "_TRANSPORT=stdout & _UID=1001",
            ]
        );
        query.stream = Some(Stream::Manager);
        assert_eq!(
            terms(&query, &[1], true),
            [
                "SYSLOG_IDENTIFIER=rpmctl & RPMCTL_APP=my api & _UID=1001",
                "_SYSTEMD_USER_UNIT=init.scope & _UID=1001",
            ]
        );
    }

    #[test]
    fn lines_are_counted_by_the_reader_when_there_is_a_pattern() {
        let mut query = Query::new(Scope::Directory("/d".into()), vec![app(None)]);
        query.lines = Some(5);
        let has =
            |query: &Query, arg: &str| query.past_args(&[BTreeSet::new()]).contains(&arg.into());
        assert!(has(&query, "--lines=5") && has(&query, "--reverse") && has(&query, "/d"));
        query.grep = Some("x".into());
        assert!(!has(&query, "--lines=5") && has(&query, "--reverse") && has(&query, "--grep=x"));
    }

    #[test]
    fn follow_from_the_cursor_or_the_time() {
        let query = Query::new(Scope::System, vec![app(None)]);
        let from = |cursor, now| query.follow_args(&[BTreeSet::new()], cursor, now);
        assert!(from(Some("s=1"), 0).contains(&"--after-cursor=s=1".into()));
        assert!(from(None, 1_795_382_306_000_874).contains(&"--since=@1795382306.000874".into()));
    }

    #[test]
    fn seen() {
        let apps = [app(None)];
        let units = "my\\x20api@0.service\nmy\\x20api@11.service\nmy\\x20api@tcp-3000.socket\nssh@1.service\nmy\\x20api@x.service\n";
        assert_eq!(instances_seen(&apps, units), [BTreeSet::from([0, 11])]);
    }

    #[test]
    fn only_its_own() {
        let query = Query::new(Scope::System, vec![app(Some(vec![2]))]);
        let entry = |unit: &str| {
            let line = serde_json::json!({
                "__REALTIME_TIMESTAMP": "1", "__CURSOR": "c", "_TRANSPORT": "journal", "SYSLOG_IDENTIFIER": "systemd", "UNIT": unit,
            });
            super::super::entry::parse(line.to_string().as_bytes()).unwrap()
        };
        assert!(query.wants(&entry("my\\x20api@2.service")));
        assert!(!query.wants(&entry("my\\x20api@1.service")));
        assert!(!query.wants(&entry("my\\x20api@tcp-3000.socket")));
        assert!(!query.wants(&entry("other@2.service")));
    }
}
