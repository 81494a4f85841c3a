//! Metrics that an app gives of itself: the file `metrics` in the instance's runtime folder, in Prometheus' text form (ecosystem.toml(5)).
//!
//! The folder belongs to the app's user, who may put anything there: no link is followed, nothing but a regular file is read, and little of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::OFlags;

/// What more there is of a file is not read.
const LONGEST: u64 = 1 << 18;
/// Metrics of one instance.
const MOST: usize = 1024;
/// Labels of one metric.
const MOST_LABELS: usize = 32;

/// One value that an app gives of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Custom {
    /// A name of Prometheus': letters, digits, `_`, `:`.
    pub name: String,
    /// Their values may hold anything.
    pub labels: Vec<(String, String)>,
    pub value: f64,
    /// Of `# UNIT`.
    pub unit: Option<String>,
    pub kind: Kind,
    /// Of `# HELP`: what it is, in words; of `@pm2/io` the name as written there.
    pub help: Option<String>,
}

/// A value as a person reads it: with all of its digits, from 10¹⁵ on by its exponent.
pub fn number(value: f64) -> String {
    match value.is_finite() && value.abs() >= 1e15 {
        true => format!("{value:e}"),
        false => value.to_string(),
    }
}

/// Of `# TYPE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    /// The value is 1, what it tells is in a label.
    Info,
    #[default]
    Unknown,
}

impl Kind {
    /// The word of `# TYPE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
            Kind::Info => "info",
            Kind::Unknown => "unknown",
        }
    }

    fn of(word: &str) -> Kind {
        let kinds = [
            Kind::Counter,
            Kind::Gauge,
            Kind::Histogram,
            Kind::Summary,
            Kind::Info,
        ];
        let named = kinds.into_iter().find(|kind| kind.as_str() == word);
        named.unwrap_or_default()
    }
}

/// What a file of metrics says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// In the file's order.
    pub all: Vec<Custom>,
    /// Of what was not understood, the first, in words.
    pub trouble: Option<String>,
}

/// Of the instance whose runtime folder this is; none where its app gives none. `since`: a file last written before is of an earlier run, which
/// automatic restarts leave behind. A clock that was set meanwhile makes no file old: then it is one of before the start that is in `run`, too, which the
/// start script writes.
pub fn read(folder: &Path, since: Option<SystemTime>) -> Option<Metrics> {
    let (bytes, at) = beginning(&folder.join("metrics"), LONGEST).ok()?;
    let begun = || folder.join("run").symlink_metadata()?.modified();
    if since.is_some_and(|since| at < since) && begun().map_or(true, |begun| at < begun) {
        return None;
    }
    let whole = (bytes.len() as u64) < LONGEST;
    let text = String::from_utf8_lossy(&bytes);
    let text = match text.rfind('\n') {
        Some(end) if !whole => &text[..end],
        _ => &text,
    };
    let mut metrics = parse(text);
    if !whole && metrics.trouble.is_none() {
        metrics.trouble = Some(format!("read only as far as {} KiB", LONGEST >> 10));
    }
    Some(metrics)
}

/// The beginning of a file that somebody else may have put there, and when it was written. Never blocks.
fn beginning(path: &Path, longest: u64) -> io::Result<(Vec<u8>, SystemTime)> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    file.take(longest).read_to_end(&mut bytes)?;
    Ok((bytes, about.modified()?))
}

/// What is said of a family of metrics.
#[derive(Default)]
struct Family<'t> {
    kind: Kind,
    unit: Option<&'t str>,
    help: Option<String>,
}

/// Prometheus' text format 0.0.4, and of OpenMetrics `# UNIT`, `info`, exemplars. A line that is neither is left out and told.
pub fn parse(text: &str) -> Metrics {
    let mut families: BTreeMap<&str, Family<'_>> = BTreeMap::new();
    let mut metrics = Metrics::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_matches([' ', '\t', '\r']);
        if let Some(comment) = line.strip_prefix('#') {
            describe(&mut families, comment);
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let read = match metrics.all.len() {
            MOST => Err(format!("there are more than {MOST} metrics")),
            _ => sample(line),
        };
        match read {
            Ok(metric) => metrics.all.push(metric),
            Err(why) => {
                let told = || format!("line {number}: {why}");
                metrics.trouble.get_or_insert_with(told);
                if metrics.all.len() == MOST {
                    break;
                }
            }
        }
    }
    for metric in &mut metrics.all {
        if let Some(family) = family(&families, &metric.name) {
            metric.kind = family.kind;
            metric.unit = family.unit.map(str::to_owned);
            metric.help = family.help.clone();
        }
    }
    metrics
}

/// `HELP name words`, `TYPE name word`, `UNIT name word`; other comments say nothing.
fn describe<'t>(families: &mut BTreeMap<&'t str, Family<'t>>, comment: &'t str) {
    let mut words = comment.trim_start().splitn(3, [' ', '\t']);
    let (Some(what), Some(name)) = (words.next(), words.next()) else {
        return;
    };
    if !matches!(what, "HELP" | "TYPE" | "UNIT") {
        return;
    }
    let said = words.next().unwrap_or_default().trim();
    let family = families.entry(name).or_default();
    match what {
        "TYPE" => family.kind = Kind::of(said),
        "UNIT" => family.unit = Some(said).filter(|unit| !unit.is_empty()),
        _ => family.help = Some(unescape(said).into_owned()).filter(|help| !help.is_empty()),
    }
}

/// That of the name itself, or without what samples of a family end with.
fn family<'f, 't>(
    families: &'f BTreeMap<&'t str, Family<'t>>,
    name: &str,
) -> Option<&'f Family<'t>> {
    let endings = ["_total", "_info", "_bucket", "_sum", "_count", "_created"];
    let stem = || endings.iter().find_map(|end| name.strip_suffix(end));
    families.get(name).or_else(|| families.get(stem()?))
}

/// `name value`, `name{label="text",…} value`; a time and an exemplar after it say nothing.
fn sample(line: &str) -> Result<Custom, String> {
    let end = line
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("{} is no name of a metric", word(line)));
    }
    let (labels, rest) = match rest.trim_start().strip_prefix('{') {
        Some(rest) => labels(rest).ok_or_else(|| format!("the labels of {name} do not end"))?,
        None if rest.is_empty() || rest.starts_with([' ', '\t']) => (vec![], rest),
        None => return Err(format!("{} is no name of a metric", word(line))),
    };
    let value = rest.split_ascii_whitespace().next();
    let value = value.ok_or_else(|| format!("{name} has no value"))?;
    Ok(Custom {
        name: name.to_owned(),
        labels,
        value: value
            .parse()
            .map_err(|_| format!("{}, the value of {name}, is no number", word(value)))?,
        unit: None,
        kind: Kind::Unknown,
        help: None,
    })
}

type Labels = Vec<(String, String)>;

/// What stands between the braces, and what follows them.
fn labels(mut text: &str) -> Option<(Labels, &str)> {
    let mut labels = Vec::new();
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once('=')?;
        let name = name.trim_end();
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(valid) || labels.len() == MOST_LABELS {
            return None;
        }
        let quoted = rest.trim_start().strip_prefix('"')?;
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        labels.push((name.to_owned(), unescape(&quoted[..end]).into_owned()));
        text = &quoted[end + 1..];
    }
}

/// `\\`, `\"` and `\n`.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => plain.push('\n'),
                Some(c) => plain.push(c),
                None => {}
            },
            c => plain.push(c),
        }
    }
    plain.into()
}

/// The first word, as an error may show it.
fn word(text: &str) -> String {
    let word = text.split_ascii_whitespace().next().unwrap_or_default();
    format!("{:?}", word.chars().take(40).collect::<String>())
}

#[cfg(test)]
#[path = "custom_tests.rs"]
mod tests;
