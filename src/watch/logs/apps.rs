//! The apps that have log files: whose a line is, and which lines to ask journalctl for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::follow::{DRIVER, DROPPED, NAMESPACE};
use super::line::Form;
use crate::journal::Scope;
use crate::journal::entry::split_instance;
use crate::journal::export::Line;
use crate::model::LogFiles;
use crate::units::Facts;

/// More alternatives than this cost journalctl more than reading all stdout of the machine.
const TERMS: usize = 40;

#[derive(Clone, Debug, PartialEq)]
pub struct App {
    pub name: String,
    pub stem: String,
    pub target: String,
    pub instances: u32,
    pub user: Option<String>,
    pub group: Option<String>,
    pub logs: LogFiles,
    pub form: Form,
    /// Of its user, where that is known.
    pub uid: Option<u32>,
    /// It has no log files any more since then, in microseconds since the epoch; what it wrote before is still under way.
    pub gone: Option<u64>,
}

impl App {
    /// None for one without log files.
    pub fn of(facts: &Facts) -> Option<App> {
        facts.logs.any().then(|| App {
            name: facts.app.as_str().to_owned(),
            stem: facts.app.stem().to_owned(),
            target: facts.app.target(),
            instances: facts.instances,
            user: facts.user.clone(),
            group: facts.group.clone(),
            logs: facts.logs.clone(),
            form: Form {
                json: facts.logs.json,
                date: facts.date_format.clone(),
            },
            uid: None,
            gone: None,
        })
    }

    /// The source that has its lines: journald keeps those of system users, of dynamic ones and of nobody with root's.
    pub fn source(&self, scope: &Scope) -> String {
        let own = match (scope, self.uid) {
            (Scope::System, Some(uid))
                if uid >= 1000 && !(61184..=65519).contains(&uid) && uid != 65534 =>
            {
                format!("uid-{uid}")
            }
            _ => "all".to_owned(),
        };
        match (scope, &self.logs.namespace) {
            (Scope::System, Some(namespace)) => format!("{namespace}:{own}"),
            _ => own,
        }
    }
}

#[derive(Default)]
pub struct Apps {
    pub list: Vec<App>,
    by_name: HashMap<Vec<u8>, usize>,
    by_stem: HashMap<Vec<u8>, usize>,
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// Place in [`Apps::list`].
    pub app: usize,
    pub instance: u32,
    pub err: bool,
}

impl Apps {
    pub fn new(list: Vec<App>) -> Apps {
        let keys = |of: fn(&App) -> &str| {
            let each = list.iter().enumerate();
            each.map(|(index, app)| (of(app).as_bytes().to_vec(), index))
                .collect()
        };
        Apps {
            by_name: keys(|app| &app.name),
            by_stem: keys(|app| &app.stem),
            list,
        }
    }

    /// None for what no app of ours wrote to its stdout or stderr: those two reach journald by systemd-cat, at priority info and err alone. What the
    /// units' own scripts say has other priorities, what the manager and rpmctl say comes another way.
    pub fn whose(&self, scope: &Scope, line: &Line<'_>) -> Option<Writer> {
        if line.transport != b"stdout" {
            return None;
        }
        let err = match line.priority {
            b"6" => false,
            b"3" => true,
            _ => return None,
        };
        let unit = match scope {
            Scope::System => line.unit,
            _ => line.user_unit,
        };
        let of_unit = unit_instance(unit);
        let of_tag = std::str::from_utf8(line.tag).ok().and_then(split_instance);
        if !line.app.is_empty() {
            let app = *self.by_name.get(line.app)?;
            let instance = of_unit.map(|(_, instance)| instance);
            let instance = instance.or(of_tag.map(|(_, instance)| instance))?;
            return Some(Writer { app, instance, err });
        }
        if let Some((stem, instance)) = of_unit {
            let app = *self.by_stem.get(stem)?;
            return Some(Writer { app, instance, err });
        }
        // Its process was gone when journald looked. A tag is what a process says of itself: only the app's own user is believed.
        let unknown = unit.is_empty();
        let (name, instance) = of_tag.filter(|_| unknown)?;
        let app = *self.by_name.get(name.as_bytes())?;
        let uid = std::str::from_utf8(line.uid).ok()?.parse::<u32>().ok()?;
        let believed = match (scope, self.list[app].uid) {
            (_, Some(known)) => known == uid,
            // Looking it up failed.
            (Scope::System, None) => false,
            (_, None) => true,
        };
        believed.then_some(Writer { app, instance, err })
    }

    /// For each source, what to ask journalctl for.
    pub fn terms(&self, scope: &Scope) -> BTreeMap<String, Vec<String>> {
        let mut sources: BTreeMap<String, Vec<&App>> = BTreeMap::new();
        for app in &self.list {
            sources.entry(app.source(scope)).or_default().push(app);
        }
        let stdout = "_TRANSPORT=stdout".to_owned();
        let mut begun: BTreeSet<Option<String>> = BTreeSet::new();
        let each = sources.into_iter().map(|(source, apps)| {
            let (namespace, own) = match source.split_once(':') {
                Some((namespace, own)) => (Some(namespace.to_owned()), own),
                None => (None, source.as_str()),
            };
            let mut alternatives: Vec<Vec<String>> = match scope {
                Scope::User { uid } => vec![vec![stdout.clone(), format!("_UID={uid}")]],
                Scope::Directory(_) => vec![vec![stdout.clone()]],
                Scope::System => {
                    // A unit's LogExtraFields= are with what comes over its stdout as well; by the native protocol anybody may send any such field.
                    let mark =
                        |app: &&App| vec![format!("RPMCTL_APP={}", app.name), stdout.clone()];
                    let tags = |app: &&App| {
                        let (name, stdout) = (app.name.clone(), stdout.clone());
                        (0..app.instances).map(move |instance| {
                            vec![
                                format!("SYSLOG_IDENTIFIER={name}@{instance}"),
                                stdout.clone(),
                            ]
                        })
                    };
                    let wanted: usize = apps.iter().map(|app| 1 + app.instances as usize).sum();
                    if wanted <= TERMS {
                        apps.iter()
                            .map(mark)
                            .chain(apps.iter().flat_map(tags))
                            .collect()
                    } else {
                        let uids: BTreeSet<u32> = apps.iter().filter_map(|app| app.uid).collect();
                        match own.starts_with("uid-") {
                            true => uids
                                .iter()
                                .map(|uid| vec![stdout.clone(), format!("_UID={uid}")])
                                .collect(),
                            false => vec![vec![stdout.clone()]],
                        }
                    }
                }
            };
            if begun.insert(namespace.clone()) && *scope == Scope::System {
                let driver = format!("_TRANSPORT={DRIVER}");
                alternatives.push(vec![format!("MESSAGE_ID={DROPPED}"), driver]);
            }
            let terms = namespace.map(|name| format!("{NAMESPACE}{name}"));
            let terms = terms.into_iter().chain(alternatives.join(&"+".to_owned()));
            (source.clone(), terms.collect())
        });
        each.collect()
    }
}

/// `api@2.service` is `api` and 2.
fn unit_instance(unit: &[u8]) -> Option<(&[u8], u32)> {
    let unit = std::str::from_utf8(unit).ok()?;
    let (stem, instance) = split_instance(unit.strip_suffix(".service")?)?;
    Some((stem.as_bytes(), instance))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str, instances: u32, uid: u32) -> App {
        App {
            name: name.into(),
            stem: name.replace(' ', "\\x20"),
            target: format!("{name}.target"),
            instances,
            user: None,
            group: None,
            logs: LogFiles::default(),
            form: Form::default(),
            uid: Some(uid),
            gone: None,
        }
    }

    fn apps() -> Apps {
        Apps::new(vec![app("api", 2, 33), app("my web", 1, 1000)])
    }

    const STDOUT: Line<'static> = Line {
        cursor: "c",
        at: 1,
        message: b"x",
        message_id: b"",
        dropped: b"",
        priority: b"6",
        app: b"",
        tag: b"api@1",
        line_break: b"",
        stream: b"s",
        unit: b"",
        user_unit: b"",
        transport: b"stdout",
        uid: b"33",
        machine: b"",
    };

    fn whose(line: Line<'_>) -> Option<(usize, u32, bool)> {
        let found = apps().whose(&Scope::System, &line)?;
        Some((found.app, found.instance, found.err))
    }

    #[test]
    fn by_the_units_field_then_by_the_tag() {
        let marked = Line {
            app: b"api",
            unit: b"api@0.service",
            ..STDOUT
        };
        assert_eq!(whose(marked), Some((0, 0, false)));
        let err = Line {
            priority: b"3",
            ..marked
        };
        assert_eq!(whose(err), Some((0, 0, true)));
        assert_eq!(whose(STDOUT), Some((0, 1, false)));
    }

    #[test]
    fn nobody_else_gets_a_line_in() {
        for other in [
            Line {
                uid: b"1000",
                ..STDOUT
            },
            Line {
                unit: b"session-3.scope",
                ..STDOUT
            },
            Line {
                transport: b"journal",
                app: b"api",
                ..STDOUT
            },
            Line {
                priority: b"2",
                app: b"api",
                ..STDOUT
            },
            Line {
                tag: b"sshd",
                ..STDOUT
            },
        ] {
            assert_eq!(whose(other), None, "{other:?}");
        }
        let mut unknown = app("api", 2, 33);
        unknown.uid = None;
        let unknown = Apps::new(vec![unknown]);
        assert_eq!(unknown.whose(&Scope::System, &STDOUT), None);
        assert!(unknown.whose(&Scope::User { uid: 33 }, &STDOUT).is_some());
    }

    #[test]
    fn a_user_unit_is_known_by_its_name() {
        let line = Line {
            unit: b"user@1000.service",
            user_unit: b"my\\x20web@3.service",
            tag: b"other@1",
            ..STDOUT
        };
        let found = apps().whose(&Scope::User { uid: 1000 }, &line).unwrap();
        assert_eq!((found.app, found.instance), (1, 3));
    }

    #[test]
    fn one_source_for_each_file_of_the_journal() {
        let terms = apps().terms(&Scope::System);
        assert_eq!(
            terms["all"].join(" "),
            "RPMCTL_APP=api _TRANSPORT=stdout + SYSLOG_IDENTIFIER=api@0 _TRANSPORT=stdout + \
             SYSLOG_IDENTIFIER=api@1 _TRANSPORT=stdout + MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e _TRANSPORT=driver"
        );
        assert_eq!(
            terms["uid-1000"].join(" "),
            "RPMCTL_APP=my web _TRANSPORT=stdout + SYSLOG_IDENTIFIER=my web@0 _TRANSPORT=stdout"
        );
        let many = Apps::new(vec![app("a", 100, 1000), app("b", 100, 0)]).terms(&Scope::System);
        assert_eq!(many["uid-1000"].join(" "), "_TRANSPORT=stdout _UID=1000");
        assert!(many["all"].join(" ").starts_with("_TRANSPORT=stdout + "));
        let user = apps().terms(&Scope::User { uid: 7 });
        assert_eq!(user["all"].join(" "), "_TRANSPORT=stdout _UID=7");
    }
}
