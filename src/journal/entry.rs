//! One line of `journalctl -o json --all` as a value.
//!
//! A field is a string, an array of byte values when it is not UTF-8 text, an array of those when the field occurs more than once, or null when
//! journalctl left it out for its size (systemd's "Journal JSON Format").

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The fields that [`parse`] reads, for `--output-fields=`; the `__` ones come anyway.
pub const FIELDS: &str = "MESSAGE,MESSAGE_ID,PRIORITY,SYSLOG_IDENTIFIER,_TRANSPORT,_PID,UNIT,USER_UNIT,_SYSTEMD_UNIT,_SYSTEMD_USER_UNIT,\
_SYSTEMD_INVOCATION_ID,INVOCATION_ID,USER_INVOCATION_ID,RPMCTL_APP,RPMCTL_INSTANCE,EXIT_CODE,EXIT_STATUS,UNIT_RESULT";

/// Where a line came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// The app: its stdout, or anything else it logged below priority err.
    Out,
    /// The app: its stderr, or anything else it logged at priority err (3) or more urgent.
    Err,
    /// systemd about the unit, and rpmctl about the app.
    Manager,
}

/// A journal line about an app.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Microseconds since the epoch at which journald received it.
    pub at: u64,
    /// The app's name as written in the ecosystem file.
    pub app: Option<String>,
    /// None for lines about the app's socket.
    pub instance: Option<u32>,
    /// The unit it is from or about; None when the process was gone before journald looked (then `app` and `instance` come from the line's tag).
    pub unit: Option<String>,
    pub stream: Stream,
    /// Byte for byte, without the line's end.
    pub message: Vec<u8>,
    pub pid: Option<u32>,
    /// 0 (emerg) to 7 (debug).
    pub priority: Option<u8>,
    /// The run of the unit, 32 hex digits.
    pub invocation: Option<String>,
    /// The line's place in the journal, for `--after-cursor=`.
    pub cursor: String,
    pub message_id: Option<String>,
    /// `exited`, `killed` or `dumped`, in the manager's lines about a process that ended.
    pub exit_code: Option<String>,
    /// The exit code or the signal's name, beside `exit_code`.
    pub exit_status: Option<String>,
    /// `exit-code`, `oom-kill`…, in the manager's line about a unit that failed.
    pub result: Option<String>,
}

impl Entry {
    /// The message as text, bytes that are not UTF-8 replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.message)
    }
}

/// Reads one line. Errors: what is wrong with it, in words.
pub fn parse(line: &[u8]) -> Result<Entry, String> {
    let fields: Map<String, Value> =
        serde_json::from_slice(line).map_err(|error| format!("not a journal line: {error}"))?;
    let text = |name: &str| {
        let bytes = bytes(fields.get(name)?)?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let at = text("__REALTIME_TIMESTAMP")
        .and_then(|time| time.parse().ok())
        .ok_or("a journal line without a time")?;
    let cursor = text("__CURSOR").ok_or("a journal line without a cursor")?;
    let transport = text("_TRANSPORT");
    let tag = text("SYSLOG_IDENTIFIER");
    let priority: Option<u8> = text("PRIORITY").and_then(|priority| priority.parse().ok());

    let about = text("UNIT").or_else(|| text("USER_UNIT"));
    let by_manager = transport.as_deref() == Some("journal") && tag.as_deref() == Some("systemd");
    let (unit, stream) = match about {
        Some(unit) if by_manager => (Some(unit), Stream::Manager),
        _ => {
            let unit = text("_SYSTEMD_USER_UNIT").or_else(|| {
                // The user manager itself: all that journald saw of a user unit whose process was gone.
                text("_SYSTEMD_UNIT").filter(|unit| !unit.starts_with("user@"))
            });
            let urgent = priority.is_some_and(|priority| priority <= 3);
            (unit, if urgent { Stream::Err } else { Stream::Out })
        }
    };
    // Ours (`send`): the app itself cannot say so, what it writes has its unit.
    let ours = transport.as_deref() == Some("journal")
        && tag.as_deref() == Some(super::send::TAG)
        && unit.as_deref().and_then(owner).is_none();
    let (unit, stream) = match ours {
        true => (None, Stream::Manager),
        false => (unit, stream),
    };
    let of_unit = unit.as_deref().and_then(owner);
    let of_tag = (transport.as_deref() == Some("stdout"))
        .then(|| tag.as_deref().and_then(split_instance))
        .flatten()
        .map(|(name, index)| (name.to_owned(), Some(index)));
    // A tag never names more than the process claims, so what journald saw itself goes first.
    let written = text("RPMCTL_APP");
    let (owner, instance) = match (of_unit, of_tag) {
        (Some((name, Some(index))), _) => (Some(name), Some(index)),
        (_, Some((name, index))) => (Some(name), index),
        (Some((name, None)), None) => (Some(name), None),
        (None, None) => (None, None),
    };
    let instance = match ours {
        true => text("RPMCTL_INSTANCE").and_then(|number| number.parse().ok()),
        false => instance,
    };
    Ok(Entry {
        at,
        app: written.or(owner),
        instance,
        unit,
        stream,
        message: fields.get("MESSAGE").and_then(bytes).unwrap_or_default(),
        pid: text("_PID").and_then(|pid| pid.parse().ok()),
        priority,
        invocation: text("_SYSTEMD_INVOCATION_ID")
            .filter(|_| stream != Stream::Manager)
            .or_else(|| text("INVOCATION_ID"))
            .or_else(|| text("USER_INVOCATION_ID")),
        cursor,
        message_id: text("MESSAGE_ID"),
        exit_code: text("EXIT_CODE"),
        exit_status: text("EXIT_STATUS"),
        result: text("UNIT_RESULT"),
    })
}

/// The bytes of a field; of its first value when it occurs more than once; None for null.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Array(items) if items.iter().all(Value::is_number) => items
            .iter()
            .map(|item| u8::try_from(item.as_u64()?).ok())
            .collect(),
        Value::Array(items) => items.iter().find_map(bytes),
        _ => None,
    }
}

/// The app's name and instance in one of its unit names: `api@2.service`, `api@2.socket`, `api@tcp-3000.socket`.
fn owner(unit: &str) -> Option<(String, Option<u32>)> {
    let (stem, kind) = unit.rsplit_once('.')?;
    match kind {
        "service" | "socket" => match split_instance(stem) {
            Some((stem, index)) => Some((unescape(stem), Some(index))),
            None if kind == "socket" => {
                stem.split_once('@').map(|(stem, _)| (unescape(stem), None))
            }
            None => None,
        },
        _ => None,
    }
}

/// `api@2` is `api` and 2.
pub fn split_instance(text: &str) -> Option<(&str, u32)> {
    let (name, index) = text.rsplit_once('@')?;
    let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !name.is_empty())
        .then(|| index.parse().ok())
        .flatten()
        .map(|index| (name, index))
}

/// The name whose unit-name stem this is: `\xHH` back to the byte (systemd-escape(1)).
fn unescape(stem: &str) -> String {
    let mut bytes = Vec::with_capacity(stem.len());
    let mut rest = stem.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = stem_hex(rest);
        bytes.push(hex.unwrap_or(first));
        rest = if hex.is_some() { &rest[4..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn stem_hex(at: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(at.strip_prefix(b"\\x")?.get(..2)?).ok()?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::Name;

    /// A line that the app wrote to stdout, with `fields` on top.
    fn line(fields: Value) -> Entry {
        let mut all = json!({
            "__REALTIME_TIMESTAMP": "1795382306208874",
            "__CURSOR": "s=6e;i=71",
            "_TRANSPORT": "stdout",
            "SYSLOG_IDENTIFIER": "api@7",
            "PRIORITY": "6",
            "_PID": "100",
            "_SYSTEMD_UNIT": "api@7.service",
            "_SYSTEMD_INVOCATION_ID": "18aaf658ae37472d88a6f52cd5306791",
            "RPMCTL_APP": "api",
            "MESSAGE": "hello",
        });
        for (name, value) in fields.as_object().unwrap() {
            all[name] = value.clone();
        }
        parse(all.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn stdout_of_an_instance() {
        assert_eq!(
            line(json!({})),
            Entry {
                at: 1_795_382_306_208_874,
                app: Some("api".into()),
                instance: Some(7),
                unit: Some("api@7.service".into()),
                stream: Stream::Out,
                message: b"hello".to_vec(),
                pid: Some(100),
                priority: Some(6),
                invocation: Some("18aaf658ae37472d88a6f52cd5306791".into()),
                cursor: "s=6e;i=71".into(),
                message_id: None,
                exit_code: None,
                exit_status: None,
                result: None,
            }
        );
    }

    #[test]
    fn stderr_and_the_manager() {
        assert_eq!(line(json!({"PRIORITY": "3"})).stream, Stream::Err);
        let failed = line(json!({
            "_TRANSPORT": "journal", "SYSLOG_IDENTIFIER": "systemd", "_PID": "1", "PRIORITY": "4",
            "UNIT": "api@7.service", "_SYSTEMD_UNIT": "init.scope", "RPMCTL_APP": null,
            "_SYSTEMD_INVOCATION_ID": "ffff", "INVOCATION_ID": "aaaa", "UNIT_RESULT": "oom-kill",
        }));
        assert_eq!(failed.stream, Stream::Manager);
        assert_eq!(failed.app.as_deref(), Some("api"));
        assert_eq!(failed.instance, Some(7));
        assert_eq!(failed.invocation.as_deref(), Some("aaaa"));
        assert_eq!(failed.result.as_deref(), Some("oom-kill"));
        let exited = line(json!({
            "_TRANSPORT": "journal", "SYSLOG_IDENTIFIER": "systemd", "USER_UNIT": "api@tcp-3000.socket",
            "_SYSTEMD_USER_UNIT": "init.scope", "RPMCTL_APP": null, "EXIT_CODE": "killed", "EXIT_STATUS": "KILL",
        }));
        assert_eq!(
            (exited.app.as_deref(), exited.instance),
            (Some("api"), None)
        );
        assert_eq!(exited.exit_code.as_deref(), Some("killed"));
        assert_eq!(exited.exit_status.as_deref(), Some("KILL"));
    }

    #[test]
    fn an_app_that_sets_a_unit_field_is_not_the_manager() {
        let own = line(json!({"_TRANSPORT": "journal", "UNIT": "ssh.service"}));
        assert_eq!(own.stream, Stream::Out);
        assert_eq!(own.unit.as_deref(), Some("api@7.service"));
    }

    #[test]
    fn a_user_unit_has_no_extra_field() {
        let name = Name::new("SHOP - é").unwrap();
        let user = line(json!({
            "RPMCTL_APP": null, "_SYSTEMD_UNIT": "user@1001.service",
            "_SYSTEMD_USER_UNIT": name.instance(2), "SYSLOG_IDENTIFIER": "SHOP - é@2",
        }));
        assert_eq!(user.app.as_deref(), Some("SHOP - é"));
        assert_eq!(user.instance, Some(2));
    }

    #[test]
    fn the_tag_stands_in_for_a_unit_that_journald_missed() {
        for unit in [json!(null), json!("user@1001.service")] {
            let lost = line(json!({"RPMCTL_APP": null, "_SYSTEMD_UNIT": unit}));
            assert_eq!((lost.app.as_deref(), lost.instance), (Some("api"), Some(7)));
        }
        let other = line(
            json!({"RPMCTL_APP": null, "_SYSTEMD_UNIT": "ssh.service", "SYSLOG_IDENTIFIER": "sshd"}),
        );
        assert_eq!((other.app, other.instance), (None, None));
    }

    #[test]
    fn repeated_missing_and_bad() {
        let twice = line(json!({"MESSAGE": [[104, 255], "second"], "_PID": null}));
        assert_eq!(twice.message, b"h\xff");
        assert_eq!(twice.text(), "h\u{fffd}");
        assert_eq!(twice.pid, None);
        assert_eq!(line(json!({"MESSAGE": null})).message, b"");
        assert!(parse(b"-- No entries --").is_err());
        assert!(parse(br#"{"MESSAGE":"x"}"#).is_err());
    }

    /// As journalctl writes a field: text when it is UTF-8 without control characters, else byte values.
    fn as_journalctl(bytes: &[u8]) -> Value {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.chars().any(|c| c < ' ' && c != '\t' && c != '\n') => json!(text),
            _ => json!(bytes),
        }
    }

    proptest! {
        #[test]
        fn message_bytes_survive(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            prop_assert_eq!(&line(json!({"MESSAGE": as_journalctl(&bytes)})).message, &bytes);
        }

        #[test]
        fn text_survives(text in "\\PC{1,80}") {
            let entry = line(json!({"MESSAGE": text}));
            prop_assert_eq!(entry.text(), text);
        }

        #[test]
        fn every_name_comes_back_from_its_unit(written in "\\PC{1,30}", index in any::<u32>()) {
            if let Ok(name) = Name::new(&written) {
                prop_assert_eq!(owner(&name.instance(index)), Some((written.clone(), Some(index))));
                let address = crate::model::Listen::Port(3000);
                prop_assert_eq!(owner(&name.socket(&address)), Some((written, None)));
            }
        }

        #[test]
        fn any_line_is_read_or_refused(line in "\\PC{0,60}") {
            let _ = parse(line.as_bytes());
        }
    }
}
