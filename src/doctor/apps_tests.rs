//! Each fault of an app has its finding.

use super::apps::*;
use super::directives::Known;
use super::finding::Finding;
use super::finding::{Level, worst};
use super::words::Words;
use crate::apply::view::Mark;
use std::path::PathBuf;

fn well() -> App {
    App {
        name: "api".into(),
        file: "/srv/e.toml".into(),
        instances: 2,
        online: 2,
        boots: true,
        ..App::default()
    }
}

#[test]
fn a_fault_a_finding() {
    assert_eq!(worst(&apps(&[well()], &Words::of(false, true))), Level::Ok);
    assert_eq!(apps(&[], &Words::of(false, true)), []);
    let node = || PathBuf::from("/opt/node/bin/node");
    let cases: Vec<(App, Level, &str)> = vec![
        (
            App {
                missing: vec![Missing::Program(node())],
                ..well()
            },
            Level::Broken,
            "/opt/node/bin/node is not there",
        ),
        (
            App {
                missing: vec![Missing::Folder("/srv/x".into())],
                ..well()
            },
            Level::Broken,
            "/srv/x",
        ),
        (
            App {
                missing: vec![Missing::Rpmctl(
                    "api-cron.service".into(),
                    "/opt/rpmctl".into(),
                )],
                ..well()
            },
            Level::Warning,
            "api-cron.service calls /opt/rpmctl",
        ),
        (
            App {
                missing: vec![Missing::Loaded("/l.so".into())],
                ..well()
            },
            Level::Broken,
            "/l.so",
        ),
        (
            App {
                missing: vec![Missing::Environment("/e".into())],
                ..well()
            },
            Level::Broken,
            "/e",
        ),
        (
            App {
                missing: vec![Missing::User("www".into())],
                ..well()
            },
            Level::Broken,
            "no user www",
        ),
        (
            App {
                missing: vec![Missing::Group("www".into())],
                ..well()
            },
            Level::Broken,
            "no group www",
        ),
        (
            App {
                taken: vec![(
                    "127.0.0.1:3000".into(),
                    Holder {
                        process: Some((7, "node".into())),
                    },
                )],
                ..well()
            },
            Level::Broken,
            "held by process 7 (node)",
        ),
        (
            App {
                taken: vec![("3000".into(), Holder::default())],
                ..well()
            },
            Level::Broken,
            "somebody else",
        ),
        (
            App {
                foreign: vec![("api@0.service".into(), "/run/x".into())],
                ..well()
            },
            Level::Broken,
            "/run/x",
        ),
        (
            App {
                down: vec![("api@1".into(), "errored".into(), Some("exit code 3".into()))],
                ..well()
            },
            Level::Broken,
            "api@1 is errored: exit code 3",
        ),
        (
            App {
                down: vec![
                    ("api@0".into(), "errored".into(), None),
                    ("api@1".into(), "errored".into(), None),
                ],
                ..well()
            },
            Level::Broken,
            "api@0 and 1 more are",
        ),
        (
            App {
                stopped: vec!["api@1".into()],
                ..well()
            },
            Level::Broken,
            "1 of 2 instances are stopped",
        ),
        (
            App {
                stopped: vec!["api@0".into(), "api@1".into()],
                boots: false,
                ..well()
            },
            Level::Ok,
            "",
        ),
        (
            App {
                unhealthy: vec![("api@0".into(), "answered 503".into())],
                ..well()
            },
            Level::Warning,
            "503",
        ),
        (
            App {
                marks: vec![Mark::Edited("/u".into())],
                ..well()
            },
            Level::Warning,
            "changed by hand",
        ),
        (
            App {
                marks: vec![Mark::DropIn("/u".into())],
                ..well()
            },
            Level::Note,
            "/u changes",
        ),
        (
            App {
                marks: vec![Mark::NeedsReload],
                ..well()
            },
            Level::Warning,
            "has not read",
        ),
        (
            App {
                marks: vec![Mark::Old(vec![0, 1])],
                ..well()
            },
            Level::Warning,
            "2 of 2 instances are older than its settings (0 1)",
        ),
        (
            App {
                unknown: vec![("api@.service".into(), "RestartMode", Known::From(254))],
                ..well()
            },
            Level::Warning,
            "254 and later",
        ),
        (
            App {
                unknown: vec![("api@.service".into(), "CPUShares", Known::Until(258))],
                ..well()
            },
            Level::Warning,
            "258 dropped it",
        ),
        (
            App {
                outdated: true,
                ..well()
            },
            Level::Warning,
            "another version",
        ),
        (
            App {
                forbidden: Some("/home/x/a".into()),
                ..well()
            },
            Level::Warning,
            "/home/x/a",
        ),
        (
            App {
                file_is: FileIs::Gone,
                ..well()
            },
            Level::Warning,
            "/srv/e.toml is gone",
        ),
        (
            App {
                file_is: FileIs::Newer,
                ..well()
            },
            Level::Note,
            "rpmctl plan /srv/e.toml",
        ),
        (
            App {
                file_is: FileIs::Unknown,
                ..well()
            },
            Level::Ok,
            "",
        ),
    ];
    for (app, level, part) in cases {
        let found = apps(&[app], &Words::of(false, true));
        assert_eq!(worst(&found), level, "{found:?}");
        assert!(found[0].what.contains(part), "{found:?}");
        let needs = |one: &&Finding| one.level <= Level::Warning;
        assert!(found.iter().filter(needs).all(|one| one.fix.is_some()));
    }
}

/// What one copies into a shell is one word there, and only the instance that is meant is touched.
#[test]
fn fixes_are_for_a_shell() {
    let odd = || App {
        name: "a b".into(),
        file: "/srv/a b/e.toml".into(),
        ..well()
    };
    let words = |app: App| {
        let found = apps(&[app], &Words::of(false, true));
        shlex::split(found[0].fix.as_deref().unwrap()).unwrap()
    };
    let loaded = App {
        missing: vec![Missing::Loaded("/l.so".into())],
        ..odd()
    };
    assert_eq!(words(loaded), ["rpmctl", "apply", "/srv/a b/e.toml"]);
    let gone = App {
        file_is: FileIs::Gone,
        ..odd()
    };
    assert!(words(gone).ends_with(&["delete".into(), "a b".into()]));
    let stopped = |instances: &[&str]| App {
        stopped: instances.iter().map(ToString::to_string).collect(),
        ..odd()
    };
    let one = words(stopped(&["a b@1"]));
    assert_eq!(one[..3], ["rpmctl", "start", "a b@1;"]);
    assert!(one.ends_with(&["scale".into(), "a b".into(), "1".into()]));
    let all = words(stopped(&["a b@0", "a b@1"]));
    assert_eq!(all[..3], ["rpmctl", "start", "a b;"]);
    assert!(all.ends_with(&["stop".into(), "a b".into()]));
}
