//! How a line stands in a file: as the app wrote it, with the date before it, or as PM2's JSON object.

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::journal::date;

/// The look of an app's lines.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Form {
    pub json: bool,
    /// dayjs tokens.
    pub date: Option<String>,
}

/// Who wrote a line, and when.
pub struct From<'a> {
    pub app: &'a str,
    pub instance: u32,
    pub err: bool,
    /// Microseconds since the epoch.
    pub at: u64,
}

#[derive(Serialize)]
struct Json<'a> {
    message: &'a str,
    timestamp: &'a str,
    r#type: &'static str,
    process_id: u32,
    app_name: &'a str,
}

/// Writes lines; keeps the last date, because many lines have the same.
pub struct Lines {
    zone: TimeZone,
    format: String,
    /// In units of the format's finest part.
    moment: u64,
    date: String,
}

impl Lines {
    pub fn new(zone: TimeZone) -> Lines {
        Lines {
            zone,
            format: String::new(),
            moment: u64::MAX,
            date: String::new(),
        }
    }

    /// Adds the line with its end.
    pub fn add(&mut self, into: &mut Vec<u8>, form: &Form, from: &From<'_>, message: &[u8]) {
        if form.json {
            let timestamp = match &form.date {
                Some(format) => self.date(format, from.at).to_owned(),
                None => date::iso(from.at),
            };
            let line = Json {
                message: &String::from_utf8_lossy(message),
                timestamp: &timestamp,
                r#type: if from.err { "err" } else { "out" },
                process_id: from.instance,
                app_name: from.app,
            };
            serde_json::to_writer(&mut *into, &line).expect("strings and numbers are JSON");
        } else {
            if let Some(format) = &form.date {
                into.extend_from_slice(self.date(format, from.at).as_bytes());
                into.extend_from_slice(b": ");
            }
            into.extend_from_slice(message);
        }
        into.push(b'\n');
    }

    fn date(&mut self, format: &str, at: u64) -> &str {
        let unit = if format.contains("SSS") {
            1_000
        } else {
            1_000_000
        };
        if self.moment != at / unit || self.format != format {
            self.moment = at / unit;
            format.clone_into(&mut self.format);
            self.date = date::format(at, &self.zone, format);
        }
        &self.date
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u64 = 1_795_381_509_042_000;

    fn line(lines: &mut Lines, form: &Form, at: u64, message: &[u8]) -> Vec<u8> {
        let from = From {
            app: "api",
            instance: 2,
            err: true,
            at,
        };
        let mut into = Vec::new();
        lines.add(&mut into, form, &from, message);
        into
    }

    #[test]
    fn raw_is_byte_for_byte_and_dates_stand_before_it() {
        let mut lines = Lines::new(TimeZone::UTC);
        assert_eq!(
            line(&mut lines, &Form::default(), AT, b" a\xff\0"),
            b" a\xff\0\n"
        );
        let date = |text: &str| Form {
            json: false,
            date: Some(text.into()),
        };
        let seconds = date("HH:mm:ss");
        assert_eq!(line(&mut lines, &seconds, AT, b"x"), b"21:05:09: x\n");
        assert_eq!(
            line(&mut lines, &seconds, AT + 1_000_000, b"x"),
            b"21:05:10: x\n"
        );
        let fine = date("ss.SSS");
        assert_eq!(line(&mut lines, &fine, AT, b"x"), b"09.042: x\n");
        assert_eq!(line(&mut lines, &fine, AT + 1_000, b"x"), b"09.043: x\n");
    }

    #[test]
    fn json_has_pm2s_keys() {
        let mut form = Form {
            json: true,
            date: None,
        };
        let mut lines = Lines::new(TimeZone::UTC);
        assert_eq!(
            String::from_utf8(line(&mut lines, &form, AT, b"a \"b\"\xff")).unwrap(),
            "{\"message\":\"a \\\"b\\\"\u{fffd}\",\"timestamp\":\"2026-11-22T21:05:09.042Z\",\"type\":\"err\",\"process_id\":2,\"app_name\":\"api\"}\n"
        );
        form.date = Some("YYYY".into());
        let dated = line(&mut lines, &form, AT, b"x");
        assert!(
            String::from_utf8(dated)
                .unwrap()
                .contains("\"timestamp\":\"2026\"")
        );
    }
}
