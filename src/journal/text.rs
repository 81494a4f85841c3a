//! How a journal line is shown.
//!
//! For people, `api@2 | text`, with a time `api@2 | 2026-11-22 21:05:09 +00:00: text`; a message of several lines has the prefix on each. In colour the
//! prefix has the instance's own, stderr is red, systemd's lines are faint. Raw is the message alone.
//!
//! `--json` is one object a line. PM2's keys:
//!
//! | key | value |
//! |---|---|
//! | `message` | the text, bytes that are not UTF-8 replaced by U+FFFD |
//! | `timestamp` | by `--timestamp` or the app's `log_date_format`; else ISO 8601 in UTC with milliseconds |
//! | `type` | `out`, `err`; `process_event` for what systemd says of the unit |
//! | `process_id` | the instance's number (PM2: pm_id); null for the app's socket |
//! | `app_name` | as in the ecosystem file |
//!
//! ours, absent where unknown: `instance` (as process_id), `unit`, `pid`, `priority` (0–7), `invocation_id` (the run of the unit), `cursor` (for
//! `journalctl --after-cursor`), `time_us` (microseconds since the epoch), and of a process event `message_id`, `exit_code`
//! (`exited`, `killed`, `dumped`), `exit_status`, `result` (systemd's word for why the unit failed).

use jiff::tz::TimeZone;
use serde::Serialize;

use super::date;
use super::entry::{Entry, Stream};

/// The look of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Text { colour: bool },
    Raw,
    Json,
}

/// Readable on dark and light: cyan, yellow, green, magenta, blue, and their bright forms.
const COLOURS: [u8; 10] = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];
const RED: &str = "\x1b[31m";
const FAINT: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// The line or lines for an entry, each with its end. `format`: dayjs tokens ([`date`]); None for no time (in JSON: ISO 8601).
pub fn show(entry: &Entry, form: Form, format: Option<&str>, zone: &TimeZone) -> Vec<u8> {
    match form {
        Form::Raw => {
            let mut raw = entry.message.clone();
            raw.push(b'\n');
            raw
        }
        Form::Json => json(entry, format, zone),
        Form::Text { colour } => text(entry, colour, format, zone),
    }
}

/// `api@2`, or `api` for a line about no instance.
pub fn label(entry: &Entry) -> String {
    let app = entry
        .app
        .as_deref()
        .or(entry.unit.as_deref())
        .unwrap_or("?");
    match entry.instance {
        Some(index) => format!("{app}@{index}"),
        None => app.to_owned(),
    }
}

fn text(entry: &Entry, colour: bool, format: Option<&str>, zone: &TimeZone) -> Vec<u8> {
    let time = match format {
        Some(format) => format!("{}: ", date::format(entry.at, zone, format)),
        None => String::new(),
    };
    let label = label(entry);
    let (start, end) = match (colour, entry.stream) {
        (true, Stream::Err) => (RED, RESET),
        (true, Stream::Manager) => (FAINT, RESET),
        // The app may leave a colour of its own switched on.
        (true, Stream::Out) => ("", RESET),
        (false, _) => ("", ""),
    };
    let prefix = if colour {
        format!("\x1b[{}m{label} |{RESET} {start}{time}", own_colour(entry))
    } else {
        format!("{label} | {time}")
    };
    let mut shown = Vec::with_capacity(prefix.len() + entry.message.len() + 8);
    let message = entry.message.strip_suffix(b"\n").unwrap_or(&entry.message);
    for line in message.split(|byte| *byte == b'\n') {
        shown.extend_from_slice(prefix.as_bytes());
        shown.extend_from_slice(line);
        shown.extend_from_slice(end.as_bytes());
        shown.push(b'\n');
    }
    shown
}

/// Neighbouring instances differ; apps start at different colours.
fn own_colour(entry: &Entry) -> u8 {
    let app = entry.app.as_deref().unwrap_or_default();
    let start = app.bytes().fold(0usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    let index = entry.instance.unwrap_or(0) as usize;
    COLOURS[start.wrapping_add(index) % COLOURS.len()]
}

#[derive(Serialize)]
struct Line<'a> {
    message: &'a str,
    timestamp: String,
    r#type: &'static str,
    process_id: Option<u32>,
    app_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation_id: Option<&'a str>,
    cursor: &'a str,
    time_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a str>,
}

fn json(entry: &Entry, format: Option<&str>, zone: &TimeZone) -> Vec<u8> {
    let line = Line {
        message: &entry.text(),
        timestamp: match format {
            Some(format) => date::format(entry.at, zone, format),
            None => date::iso(entry.at),
        },
        r#type: match entry.stream {
            Stream::Out => "out",
            Stream::Err => "err",
            Stream::Manager => "process_event",
        },
        process_id: entry.instance,
        app_name: entry.app.as_deref(),
        instance: entry.instance,
        unit: entry.unit.as_deref(),
        pid: entry.pid,
        priority: entry.priority,
        invocation_id: entry.invocation.as_deref(),
        cursor: &entry.cursor,
        time_us: entry.at,
        message_id: entry.message_id.as_deref(),
        exit_code: entry.exit_code.as_deref(),
        exit_status: entry.exit_status.as_deref(),
        result: entry.result.as_deref(),
    };
    let mut line = serde_json::to_vec(&line).expect("strings and numbers are JSON");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(stream: Stream, message: &[u8]) -> Entry {
        Entry {
            at: 1_795_381_509_042_000,
            app: Some("api".into()),
            instance: Some(2),
            unit: Some("api@2.service".into()),
            stream,
            message: message.to_vec(),
            pid: Some(100),
            priority: Some(6),
            invocation: Some("18aa".into()),
            cursor: "s=1".into(),
            message_id: None,
            exit_code: None,
            exit_status: None,
            result: None,
        }
    }

    fn shown(entry: &Entry, form: Form, format: Option<&str>) -> String {
        String::from_utf8(show(entry, form, format, &TimeZone::UTC)).unwrap()
    }

    const PLAIN: Form = Form::Text { colour: false };
    const COLOUR: Form = Form::Text { colour: true };

    #[test]
    fn plain() {
        let out = entry(Stream::Out, b"hello");
        assert_eq!(shown(&out, PLAIN, None), "api@2 | hello\n");
        assert_eq!(
            shown(&out, PLAIN, Some("HH:mm:ss")),
            "api@2 | 21:05:09: hello\n"
        );
        assert_eq!(
            shown(&entry(Stream::Out, b"a\n\nb"), PLAIN, None),
            "api@2 | a\napi@2 | \napi@2 | b\n"
        );
        let socket = Entry {
            instance: None,
            ..entry(Stream::Manager, b"Listening")
        };
        assert_eq!(shown(&socket, PLAIN, None), "api | Listening\n");
    }

    #[test]
    fn colours_tell_streams_and_instances_apart() {
        let mut err = entry(Stream::Err, b"oops");
        let first = shown(&err, COLOUR, None);
        assert!(
            first.ends_with(" |\x1b[0m \x1b[31moops\x1b[0m\n"),
            "{first:?}"
        );
        assert!(shown(&entry(Stream::Manager, b"x"), COLOUR, None).contains("\x1b[2mx\x1b[0m"));
        err.instance = Some(3);
        assert_ne!(first.replace("@2", "@3"), shown(&err, COLOUR, None));
        assert!(!shown(&err, PLAIN, None).contains('\x1b'));
    }

    #[test]
    fn raw_is_byte_for_byte() {
        let raw = show(
            &entry(Stream::Err, b"\xff\n x"),
            Form::Raw,
            Some("YYYY"),
            &TimeZone::UTC,
        );
        assert_eq!(raw, b"\xff\n x\n");
    }

    #[test]
    fn json_has_pm2s_keys_and_ours() {
        let line = shown(&entry(Stream::Err, b"a\n\"b\"\xff"), Form::Json, None);
        assert_eq!(
            line,
            "{\"message\":\"a\\n\\\"b\\\"\u{fffd}\",\"timestamp\":\"2026-11-22T21:05:09.042Z\",\"type\":\"err\",\"process_id\":2,\
             \"app_name\":\"api\",\"instance\":2,\"unit\":\"api@2.service\",\"pid\":100,\"priority\":6,\"invocation_id\":\"18aa\",\
             \"cursor\":\"s=1\",\"time_us\":1795381509042000}\n"
        );
        let mut event = entry(Stream::Manager, b"Failed");
        event.result = Some("oom-kill".into());
        let line = shown(&event, Form::Json, Some("YYYY"));
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["type"], "process_event");
        assert_eq!(line["timestamp"], "2026");
        assert_eq!(line["result"], "oom-kill");
    }
}
