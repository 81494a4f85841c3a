//! `watch_options`: what PM2 hands to chokidar. Each is acted on, or said to have no meaning here.

use std::time::Duration;

use super::fields::{At, Fields};
use super::keys::{self, camel};
use super::problem::{Problem, Span};
use super::value::{Entry, Kind, Value};
use super::{defaults, suggest};

/// An option: its name, and why it has no meaning here, where it has none.
pub struct Choice {
    pub name: &'static str,
    pub meaningless: Option<&'static str>,
}

const fn acted(name: &'static str) -> Choice {
    Choice {
        name,
        meaningless: None,
    }
}

const fn meaningless(name: &'static str, why: &'static str) -> Choice {
    Choice {
        name,
        meaningless: Some(why),
    }
}

/// All of chokidar 3, which PM2 comes with; the camelCase form of each is accepted as well.
pub const OPTIONS: [Choice; 15] = [
    acted("follow_symlinks"),
    acted("use_polling"),
    acted("interval"),
    acted("depth"),
    acted("ignored"),
    acted("await_write_finish"),
    acted("cwd"),
    meaningless("persistent", "the watcher is a service of its own"),
    meaningless(
        "ignore_initial",
        "what is there when watching begins is no change",
    ),
    meaningless("atomic", "a file that is replaced is one change anyway"),
    meaningless("always_stat", "nothing is handed the file's state"),
    meaningless("binary_interval", "all files are looked at equally often"),
    meaningless("use_fs_events", "it is for macOS"),
    meaningless(
        "disable_globbing",
        "a path that is there as it stands is no glob anyway",
    ),
    meaningless(
        "ignore_permission_errors",
        "what cannot be read is told in the journal, and the rest is watched",
    ),
];

pub struct Options {
    pub ignored: Vec<At<String>>,
    pub cwd: Option<At<String>>,
    pub quiet: Option<Duration>,
    pub poll: Option<Duration>,
    pub depth: Option<u32>,
    pub links: bool,
}

pub fn read(fields: &mut Fields) -> Options {
    let mut options = Options {
        ignored: Vec::new(),
        cwd: None,
        quiet: None,
        poll: None,
        depth: None,
        links: true,
    };
    let Some(field) = fields.field("watch_options") else {
        return options;
    };
    let Kind::Table(entries) = &field.value.kind else {
        fields.wrong(field, &field.value);
        return options;
    };
    let watching = fields.field("watch").is_some_and(super::notes::on);
    let mut interval: Option<(Duration, Span)> = None;
    let mut polling = false;
    for entry in entries {
        let Some(option) = OPTIONS
            .iter()
            .find(|option| option.name == entry.key || camel(option.name) == entry.key)
        else {
            unknown(fields, entry);
            continue;
        };
        if let Some(why) = option.meaningless {
            if watching {
                let what = format!("`watch_options.{}` has no meaning here: {why}", entry.key);
                fields.note(entry.key_span.clone(), what);
            }
            continue;
        }
        match option.name {
            "follow_symlinks" => options.links = truth(fields, entry).unwrap_or(true),
            "use_polling" => polling = truth(fields, entry).unwrap_or(false),
            "interval" => {
                interval = number(fields, &entry.key, &entry.value, i64::from(u32::MAX))
                    .map(|ms| (Duration::from_millis(ms), entry.key_span.clone()));
            }
            "depth" => {
                options.depth = number(fields, &entry.key, &entry.value, 1000).map(|n| n as u32);
            }
            "await_write_finish" => options.quiet = quiet(fields, entry),
            "cwd" => options.cwd = texts(fields, entry).pop(),
            _ => options.ignored = texts(fields, entry),
        }
    }
    match interval {
        _ if polling => {
            let often = interval.map_or(defaults::POLL_INTERVAL, |(often, _)| often);
            options.poll = Some(often.max(Duration::from_millis(100)));
        }
        Some((_, span)) if watching => fields.note(
            span,
            "`watch_options.interval` has no meaning here without usePolling: the kernel tells of each change",
        ),
        _ => {}
    }
    options
}

fn unknown(fields: &mut Fields, entry: &Entry) {
    let names: Vec<String> = OPTIONS.iter().map(|option| camel(option.name)).collect();
    let hint = suggest::did_you_mean(&entry.key, names.iter().map(String::as_str))
        .or_else(|| keys::find(&entry.key).map(|_| "this stands beside watch_options".to_owned()))
        .unwrap_or_else(|| "chokidar, PM2's watcher, has no option of this name".to_owned());
    fields.problems.push(
        Problem::at(
            &entry.key_span,
            format!("unknown option `watch_options.{}`", entry.key),
        )
        .label(hint),
    );
}

fn wrong(fields: &mut Fields, key: &str, value: &Value, expects: &str) {
    fields.problems.push(
        Problem::at(
            &value.span,
            format!("`watch_options.{key}` is {}", value.noun()),
        )
        .label(format!("write {expects}")),
    );
}

fn truth(fields: &mut Fields, entry: &Entry) -> Option<bool> {
    match &entry.value.kind {
        Kind::Bool(value) => Some(*value),
        _ => {
            wrong(
                fields,
                &entry.key,
                &entry.value,
                "true or false, without quotes",
            );
            None
        }
    }
}

fn number(fields: &mut Fields, key: &str, value: &Value, most: i64) -> Option<u64> {
    match &value.kind {
        Kind::Integer(number) if (0..=most).contains(number) => u64::try_from(*number).ok(),
        _ => {
            wrong(
                fields,
                key,
                value,
                &format!("a whole number from 0 to {most}"),
            );
            None
        }
    }
}

fn texts(fields: &mut Fields, entry: &Entry) -> Vec<At<String>> {
    let values: Vec<&Value> = match &entry.value.kind {
        Kind::List(items) => items.iter().collect(),
        _ => vec![&entry.value],
    };
    let mut texts = Vec::new();
    for value in values {
        match &value.kind {
            Kind::Text(text) => texts.push((text.clone(), value.span.clone())),
            _ => wrong(
                fields,
                &entry.key,
                value,
                "text in quotes, or an array of them",
            ),
        }
    }
    texts
}

/// `true` is how it always is: a file has changed when whoever wrote it has closed it.
fn quiet(fields: &mut Fields, entry: &Entry) -> Option<Duration> {
    let Kind::Table(inner) = &entry.value.kind else {
        if !matches!(entry.value.kind, Kind::Bool(_)) {
            wrong(
                fields,
                &entry.key,
                &entry.value,
                "true, false, or { stabilityThreshold = 2000 }",
            );
        }
        return None;
    };
    let mut found = None;
    for one in inner {
        match one.key.as_str() {
            "stabilityThreshold" | "stability_threshold" => {
                let key = format!("{}.{}", entry.key, one.key);
                found = number(fields, &key, &one.value, 3_600_000).map(Duration::from_millis);
            }
            "pollInterval" | "poll_interval" => {}
            _ => unknown(fields, one),
        }
    }
    found
}
