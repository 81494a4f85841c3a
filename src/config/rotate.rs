//! `log_rotate`: true, or a table under logrotate's ideas and pm2-logrotate's names.

use std::time::Duration;

use crate::model::{Bytes, Rotation, parse_duration};

use super::defaults;
use super::fields::Fields;
use super::keys::Form;
use super::problem::{Problem, Span};
use super::suggest;
use super::value::{Entry, Kind, Value};

/// Each key of the table, pm2-logrotate's names for it, and its form in the schema.
pub const KEYS: &[(&str, &[&str], Form)] = &[
    ("size", &["max_size", "maxSize"], Form::Size),
    (
        "every",
        &["rotate_interval", "rotateInterval", "interval"],
        Form::Any,
    ),
    ("keep", &["retain"], Form::Any),
    ("compress", &[], Form::Bool),
    ("max_age", &["maxAge"], Form::Duration),
];

/// pm2-logrotate's keys without a meaning here.
const MEANINGLESS: [(&str, &str); 5] = [
    (
        "dateFormat",
        "the date in a name is local time, YYYYMMDD-HHMMSS",
    ),
    ("workerInterval", "the size is known after each line"),
    ("rotateModule", "there are no modules"),
    ("TZ", "times are the machine's local ones"),
    ("date_format", "names end in local time, YYYYMMDD-HHMMSS"),
];

/// None when off.
pub fn read(fields: &mut Fields) -> Option<Rotation> {
    let field = fields.field("log_rotate")?;
    match &field.value.kind {
        Kind::Bool(false) => None,
        Kind::Bool(true) => Some(table(&[], &mut vec![], &mut vec![])),
        Kind::Table(entries) => {
            let before = fields.problems.len();
            let rotation = table(entries, &mut fields.problems, &mut fields.notes);
            (fields.problems.len() == before).then_some(rotation)
        }
        _ => {
            fields.wrong(field, &field.value);
            None
        }
    }
}

fn table(
    entries: &[Entry],
    problems: &mut Vec<Problem>,
    notes: &mut Vec<(Option<Span>, String)>,
) -> Rotation {
    let mut rotation = Rotation {
        size: None,
        every: None,
        keep: Some(defaults::ROTATE_KEEP),
        compress: true,
        max_age: None,
    };
    let mut seen: Vec<(&str, &Span)> = Vec::new();
    for entry in entries {
        let written = entry.key.as_str();
        let known = KEYS
            .iter()
            .find(|(name, aliases, _)| *name == written || aliases.contains(&written));
        let Some((name, _, _)) = known else {
            match MEANINGLESS.iter().find(|(name, _)| *name == written) {
                Some((_, why)) => notes.push((
                    Some(entry.key_span.clone()),
                    format!("`{written}` has no meaning here: {why}"),
                )),
                None => problems.push(unknown(entry)),
            }
            continue;
        };
        if let Some((_, first)) = seen.iter().find(|(other, _)| other == name) {
            problems.push(
                Problem::at(&entry.key_span, format!("`{name}` is set twice"))
                    .label("keep one of them")
                    .also(first, "the first is here"),
            );
            continue;
        }
        seen.push((name, &entry.key_span));
        let set = match *name {
            "size" => size(&entry.value).map(|size| rotation.size = size),
            "every" => every(&entry.value).map(|every| rotation.every = every),
            "keep" => keep(&entry.value).map(|keep| rotation.keep = keep),
            "compress" => compress(&entry.value).map(|on| rotation.compress = on),
            _ => age(&entry.value).map(|age| rotation.max_age = age),
        };
        if let Err((what, hint)) = set {
            let shown = match &entry.value.kind {
                Kind::Text(text) => format!("{text:?}"),
                _ => entry
                    .value
                    .scalar()
                    .unwrap_or_else(|| entry.value.noun().to_owned()),
            };
            problems.push(
                Problem::at(
                    &entry.value.span,
                    format!("`{written}` of `log_rotate` {shown} {what}"),
                )
                .label(hint),
            );
        }
    }
    if rotation.size.is_none() && rotation.every.is_none() {
        rotation.size = Some(defaults::ROTATE_SIZE);
    }
    rotation
}

fn unknown(entry: &Entry) -> Problem {
    let names = KEYS.iter().map(|(name, _, _)| *name);
    let label = suggest::did_you_mean(&entry.key, names.clone()).unwrap_or_else(|| {
        let names: Vec<&str> = names.collect();
        format!("there are: {}", names.join(", "))
    });
    Problem::at(
        &entry.key_span,
        format!("`log_rotate` has no key `{}`", entry.key),
    )
    .label(label)
}

/// What is wrong, and what to write.
type Bad = (&'static str, String);

/// False and 0 are off.
fn size(value: &Value) -> Result<Option<u64>, Bad> {
    const HINT: &str = "write a size: \"10M\", \"1G\" or a number of bytes";
    let text = match &value.kind {
        Kind::Bool(false) | Kind::Integer(0) => return Ok(None),
        Kind::Text(_) | Kind::Integer(_) => value.scalar().unwrap_or_default(),
        _ => return Err(("is not a size", HINT.into())),
    };
    match Bytes::parse(&text) {
        Ok(Bytes(0)) => Ok(None),
        Ok(Bytes(size)) if size < defaults::ROTATE_MIN => Err((
            "is less than a few lines",
            format!("did you mean \"{size}M\"?"),
        )),
        Ok(Bytes(size)) => Ok(Some(size)),
        Err(_) => Err(("is not a size", HINT.into())),
    }
}

/// Words as logrotate has them, spans, and of pm2-logrotate's cron patterns those that are one of the words.
fn every(value: &Value) -> Result<Option<Duration>, Bad> {
    const HINT: &str = "write \"hourly\", \"daily\", \"weekly\" or a time such as \"12h\"";
    const HOUR: Duration = Duration::from_secs(3600);
    if matches!(value.kind, Kind::Bool(false) | Kind::Integer(0)) {
        return Ok(None);
    }
    let Some(text) = value.scalar() else {
        return Err(("is not a time", HINT.into()));
    };
    let fields: Vec<&str> = text.split_whitespace().collect();
    Ok(Some(match fields.as_slice() {
        ["hourly"] | ["0", "*", "*", "*", "*"] => HOUR,
        ["daily"] | ["0", "0", "*", "*", "*"] => HOUR * 24,
        ["weekly"] | ["0", "0", "*", "*", "1"] => HOUR * 24 * 7,
        [_, _, _, _, _] | [_, _, _, _, _, _] => {
            return Err(("is a clock that files are not rotated by", HINT.into()));
        }
        _ => match parse_duration(&text) {
            Ok(span) if span.is_zero() => return Ok(None),
            Ok(span) if span.as_secs() % 60 != 0 || span.subsec_millis() != 0 => {
                return Err(("is not in whole minutes", HINT.into()));
            }
            Ok(span) => span,
            Err(_) => return Err(("is not a time", HINT.into())),
        },
    }))
}

fn keep(value: &Value) -> Result<Option<u32>, Bad> {
    const MAX: i64 = 100_000;
    let number = match &value.kind {
        Kind::Text(text) if text == "all" => return Ok(None),
        Kind::Text(text) => text.trim().parse().ok(),
        Kind::Integer(number) => Some(*number),
        _ => None,
    };
    match number {
        Some(number) if (0..=MAX).contains(&number) => Ok(Some(number as u32)),
        _ => Err((
            "is not a number of files",
            format!("write a whole number from 0 to {MAX}, or \"all\""),
        )),
    }
}

fn compress(value: &Value) -> Result<bool, Bad> {
    match &value.kind {
        Kind::Bool(on) => Ok(*on),
        Kind::Text(text) if text == "true" || text == "false" => Ok(text == "true"),
        _ => Err(("is neither true nor false", "write true or false".into())),
    }
}

fn age(value: &Value) -> Result<Option<Duration>, Bad> {
    const HINT: &str = "write a time: \"30d\", \"12h\"";
    let text = match &value.kind {
        Kind::Bool(false) | Kind::Integer(0) => return Ok(None),
        _ => value.scalar().ok_or(("is not a time", HINT.to_owned()))?,
    };
    match parse_duration(&text) {
        Ok(age) if age.is_zero() => Ok(None),
        Ok(age) if age < Duration::from_secs(60) => Err(("is less than a minute", HINT.to_owned())),
        Ok(age) => Ok(Some(age)),
        Err(_) => Err(("is not a time", HINT.to_owned())),
    }
}
