//! The watcher's part of a plan, for people and for programs.

use serde_json::{Value, json};

use super::action::Change;
use super::show::{add_texts, sign_of, unified};
use super::watch::WatchPlan;
use crate::units::watcher::UNIT;

/// As an app's part, under its unit's name; nothing where nothing happens to it.
pub fn text(out: &mut String, watch: &WatchPlan, diff: bool) {
    let sign = match watch.change {
        Change::Keep => return,
        Change::Create => '+',
        Change::Update => '~',
        Change::Remove => '-',
    };
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("{sign} {UNIT} ({})", watch.change.as_str()));
    if let Some(change) = &watch.unit {
        line(format!("    {} {}", sign_of(change), change.name));
        if diff {
            for text in unified(change).lines() {
                line(format!("        {text}"));
            }
        }
    }
    for (sign, folders) in [('+', &watch.link), ('-', &watch.unlink)] {
        for folder in folders {
            line(format!("    {sign} starts at boot ({folder})"));
        }
    }
    for (verb, does) in [
        ("stop", watch.stop),
        ("start", watch.start),
        ("restart", watch.restart),
    ] {
        if does {
            line(format!("    {verb} {}", UNIT.trim_end_matches(".service")));
        }
    }
    if watch.change == Change::Remove {
        line("    note: no app needs it any more".to_owned());
    }
}

/// `change`, `boot` and with `diff` the texts as of an app's unit; `stop`, `start`, `restart` (bool). Null where nothing happens to it.
pub fn json(watch: &WatchPlan, diff: bool) -> Value {
    if watch.change == Change::Keep {
        return Value::Null;
    }
    let boot = match (watch.link.is_empty(), watch.unlink.is_empty()) {
        (false, _) => Some(true),
        (true, false) => Some(false),
        (true, true) => None,
    };
    let mut value = json!({
        "unit": UNIT,
        "change": watch.change.as_str(),
        "boot": boot,
        "stop": watch.stop,
        "start": watch.start,
        "restart": watch.restart,
    });
    if let Some(change) = watch.unit.as_ref().filter(|_| diff) {
        add_texts(&mut value, change);
    }
    value
}
