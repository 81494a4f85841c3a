//! What the guest's journal has of an app's instances, with the time since the boot: what systemd did with them, and
//! what they said.

use std::time::Duration;

use serde_json::Value;

use crate::machine::{Guest, PATIENCE, Spawned};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// systemd begins with a stop, or with the first half of a restart.
    Stopping,
    /// The kernel ended it at MemoryMax=.
    OomKilled,
    /// It is up and ready.
    Started,
    /// The watcher says that it restarts it: RPMCTL_REASON.
    Restarting(String),
    /// A line of the app's own.
    Said(String),
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub at: Duration,
    pub instance: u32,
    pub what: What,
}

/// Of each line; its time comes with it.
// systemd's sd-messages.h
const FIELDS: &str = "--output-fields=_PID,MESSAGE_ID,UNIT,RPMCTL_APP,RPMCTL_REASON,RPMCTL_INSTANCE,_SYSTEMD_UNIT,MESSAGE";
const STOPPING: &str = "de5b426a63be47a7b6ac3eaac82e2f6f";
const STARTED: &str = "39f53479d3a045ac8e11786248231fbf";
const OOM_KILLED: &str = "fe6faa94e7774663a0da52717891d8ef";

impl Entry {
    /// Whether the app printed a line with this in it.
    pub fn says(&self, text: &str) -> bool {
        matches!(&self.what, What::Said(line) if line.contains(text))
    }
}

/// Follows the journal, which costs the guest less than asking it again and again.
pub struct Diary<'a> {
    journal: Spawned<'a>,
    app: String,
}

impl<'a> Diary<'a> {
    /// From now on.
    pub fn of(guest: &'a Guest, app: &str) -> Diary<'a> {
        let follow = [
            "journalctl",
            "--follow",
            "--lines=0",
            "-o",
            "json",
            "--quiet",
        ];
        let journal = guest.cmd(&[&follow[..], &[FIELDS]].concat()).spawn();
        guest.wait_until("the journal is followed", PATIENCE, || {
            guest.ok(&["logger", "-t", "diary", "begins"]);
            !journal.printed().is_empty()
        });
        Diary {
            journal,
            app: app.to_owned(),
        }
    }

    /// So far, in the order of time.
    pub fn entries(&self) -> Vec<Entry> {
        let text = self.journal.printed();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON of journalctl"));
        let mut entries: Vec<Entry> = lines
            .filter_map(|line: Value| entry(&line, &self.app))
            .collect();
        entries.sort_by_key(|entry| entry.at);
        entries
    }
}

fn entry(line: &Value, app: &str) -> Option<Entry> {
    let field = |name: &str| line[name].as_str().unwrap_or_default();
    let at = Duration::from_micros(field("__MONOTONIC_TIMESTAMP").parse().expect("a number"));
    let of_unit = |unit: &str| -> Option<u32> {
        let number = unit
            .strip_prefix(app)?
            .strip_prefix('@')?
            .strip_suffix(".service")?;
        number.parse().ok()
    };
    let (instance, what) = if field("_PID") == "1" {
        let what = match field("MESSAGE_ID") {
            STOPPING => What::Stopping,
            STARTED => What::Started,
            OOM_KILLED => What::OomKilled,
            _ => return None,
        };
        (of_unit(field("UNIT"))?, what)
    } else if field("RPMCTL_APP") == app && !field("RPMCTL_REASON").is_empty() {
        let instance = field("RPMCTL_INSTANCE").parse().ok()?;
        (
            instance,
            What::Restarting(field("RPMCTL_REASON").to_owned()),
        )
    } else {
        let instance = of_unit(field("_SYSTEMD_UNIT"))?;
        (instance, What::Said(field("MESSAGE").to_owned()))
    };
    Some(Entry { at, instance, what })
}
