//! What the ecosystem file says of an app, a row a key.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::model::{Bytes, Door, Health, Probe, Rotation, Span};
use crate::unit_files::Places;
use crate::units::Facts;
use crate::watch::logs;
use crate::watch::logs::place::Takes;

/// Names and values, in the order of the screen; what is not set is left out.
pub fn pairs(facts: &Facts, places: &Places) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("app", facts.app.to_string()),
        ("file", facts.file.display().to_string()),
        ("script", facts.script.clone()),
        ("interpreter", facts.interpreter.clone()),
        ("cwd", facts.cwd.display().to_string()),
        ("mode", facts.mode.as_str().to_owned()),
        ("instances", facts.instances.to_string()),
        ("namespace", facts.namespace.clone()),
    ];
    let mut optional = |name, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            pairs.push((name, value));
        }
    };
    let profile = facts.profile.as_ref();
    optional("env", profile.map(|profile| format!("env_{profile}")));
    optional("listen", Some(facts.listen.join(" ")));
    optional("user", facts.user.clone());
    if facts.autorestart {
        optional("min uptime", Some(Span(facts.min_uptime).to_string()));
    } else {
        optional(
            "autorestart",
            Some("no: a job, which ends by itself".to_owned()),
        );
    }
    let max = facts.max_restarts.filter(|_| facts.autorestart);
    optional("max restarts", max.map(|max| max.to_string()));
    optional(
        "growing restart delay",
        facts
            .backoff
            .map(|first| format!("from {} up to 15s", Span(first))),
    );
    optional("cron restart", facts.schedule.clone());
    let memory = facts.memory_restart.map(|max| Bytes(max).to_string());
    optional("max memory restart", memory);
    if let Some(watch) = &facts.watch {
        let paths = watch.paths.iter().map(|path| path.display().to_string());
        optional("watch", Some(paths.collect::<Vec<_>>().join(" ")));
        optional("ignore watch", Some(watch.ignore.join(" ")));
    }
    optional("health", facts.health.as_ref().map(health));
    for (label, path, trouble) in log_files(facts, places) {
        let path = path.display().to_string();
        optional(
            label,
            Some(match trouble {
                Some(why) => format!("{path} (cannot be written: {why})"),
                None => path,
            }),
        );
    }
    optional("log rotate", facts.logs.rotate.as_ref().map(rotation));
    pairs
}

/// `GET /healthz every 10s, for 5s at most; unhealthy after 3 failures in a row, then restarted`
fn health(health: &Health) -> String {
    let what = match &health.probe {
        Probe::Http { path, statuses, .. } if statuses.is_empty() => format!("GET {path}"),
        Probe::Http { path, statuses, .. } => {
            let codes: Vec<String> = statuses.iter().map(u16::to_string).collect();
            format!("GET {path} ({})", codes.join(", "))
        }
        Probe::Tcp { .. } => "a connection".to_owned(),
        Probe::Exec { command } => format!("`{command}`"),
    };
    let port = match health.door() {
        Some(Door::Address(at)) => format!(" on {at}"),
        Some(Door::Ports(base)) => format!(" on port {base} plus its number"),
        Some(Door::Shared(_)) | None => String::new(),
    };
    format!(
        "{what}{port} every {}, for {} at most; unhealthy after {} failures in a row{}",
        Span(health.interval),
        Span(health.timeout),
        health.threshold,
        if health.restart {
            ", then restarted"
        } else {
            ""
        }
    )
}

/// As written in the file: one of http, tcp and exec, and the rest.
pub fn health_json(health: &Health) -> Value {
    let (http, statuses, exec) = match &health.probe {
        Probe::Http { path, statuses, .. } => (Some(path), statuses.as_slice(), None),
        Probe::Tcp { .. } => (None, &[][..], None),
        Probe::Exec { command } => (None, &[][..], Some(command)),
    };
    json!({
        "http": http,
        "status": statuses,
        "tcp": matches!(health.probe, Probe::Tcp { .. }),
        "exec": exec,
        "interval_ms": health.interval.as_millis() as u64,
        "timeout_ms": health.timeout.as_millis() as u64,
        "threshold": health.threshold,
        "restart": health.restart,
    })
}

/// `at 10mb or every 1d, 14 kept, compressed, none older than 30d`
fn rotation(rule: &Rotation) -> String {
    let when = [
        rule.size.map(|size| format!("at {}", Bytes(size))),
        rule.every.map(|every| format!("every {}", Span(every))),
    ];
    let mut words = vec![when.into_iter().flatten().collect::<Vec<_>>().join(" or ")];
    words.push(match rule.keep {
        Some(keep) => format!("{keep} kept"),
        None => "all kept".to_owned(),
    });
    words.extend(rule.compress.then(|| "compressed".to_owned()));
    let age = rule
        .max_age
        .map(|age| format!("none older than {}", Span(age)));
    words.extend(age);
    words.join(", ")
}

/// Every log file of the app's instances: by what it takes, with what stands in its way.
pub fn log_files(facts: &Facts, places: &Places) -> Vec<(&'static str, PathBuf, Option<String>)> {
    if !facts.logs.any() {
        return vec![];
    }
    let mut troubles = logs::state::troubles(places, facts.app.as_str());
    let mut files: Vec<(&'static str, PathBuf, Option<String>)> = Vec::new();
    for instance in 0..facts.instances {
        for (takes, path) in logs::place::files(&facts.logs, instance) {
            let label = match takes {
                Takes::Out => "out file",
                Takes::Err => "error file",
                Takes::Both => "log file",
            };
            match files.iter_mut().find(|(_, known, _)| *known == path) {
                // One file of two keys takes all.
                Some(known) if known.0 != label => known.0 = "log file",
                Some(_) => {}
                None => {
                    let trouble = troubles.remove(&path);
                    files.push((label, path, trouble));
                }
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_rotation_in_words() {
        for (rule, words) in [
            (
                "size=10485760 every=86400 keep=14 max_age=2592000 compress",
                "at 10mb or every 1d, 14 kept, compressed, none older than 30d",
            ),
            ("every=5400", "every 90m, all kept"),
        ] {
            assert_eq!(rotation(&rule.parse().unwrap()), words);
        }
    }

    #[test]
    fn probes_in_words() {
        let door = |port| Door::Ports(port);
        let health = |probe| Health {
            probe,
            interval: std::time::Duration::from_secs(10),
            timeout: std::time::Duration::from_millis(1500),
            threshold: 3,
            restart: true,
        };
        for (probe, words) in [
            (
                Probe::Http {
                    path: "/healthz".to_owned(),
                    statuses: vec![200, 204],
                    at: door(3000),
                },
                "GET /healthz (200, 204) on port 3000 plus its number",
            ),
            (
                Probe::Tcp { at: door(4000) },
                "a connection on port 4000 plus its number",
            ),
            (
                Probe::Exec {
                    command: "pg_isready".to_owned(),
                },
                "`pg_isready`",
            ),
        ] {
            let rest = " every 10s, for 1500ms at most; unhealthy after 3 failures in a row, then restarted";
            assert_eq!(super::health(&health(probe)), format!("{words}{rest}"));
        }
    }

    #[test]
    fn files_by_what_they_take() {
        let facts = |more: &str| {
            Facts::read(&format!(
                "[X-Rpmctl]\nApp=api\nFile=/e.toml\nInstances=2\nMode=fork\nNamespace=default\nScript=a.js\nInterpreter=node\nCwd=/srv\n\
                 Autostart=true\nAutorestart=true\nNotifies=true\nSettleMs=1000\nReadyMs=30000\n{more}"
            ))
            .unwrap()
        };
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().into());
        let labels = |more: &str| -> Vec<(&str, String)> {
            let files = log_files(&facts(more), &places).into_iter();
            files
                .map(|(label, path, _)| (label, path.display().to_string()))
                .collect()
        };
        assert_eq!(
            labels("OutFile=/l/o.log\nErrorFile=/l/e.log\nMergeLogs=true\n"),
            [
                ("out file", "/l/o.log".into()),
                ("error file", "/l/e.log".into())
            ]
        );
        assert_eq!(
            labels("OutFile=/l/a.log\nErrorFile=/l/a.log\n"),
            [
                ("log file", "/l/a-0.log".into()),
                ("log file", "/l/a-1.log".into())
            ]
        );
    }
}
