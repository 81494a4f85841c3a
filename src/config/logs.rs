//! Log files and how lines are shown.

use std::path::{Path, PathBuf};

use crate::model::LogFiles;

use super::defaults;
use super::fields::Fields;
use super::problem::Problem;
use super::value::Kind;

/// `alone`: the app has one instance in fork mode, whose files PM2 gives no number.
pub fn read(fields: &mut Fields, cwd: &Path, home: Option<&Path>, alone: bool) -> LogFiles {
    let format = date_format(fields);
    let time = fields.bool("time").unwrap_or(false);
    let mut logs = LogFiles {
        out: file(fields, "out_file", cwd, home),
        error: file(fields, "error_file", cwd, home),
        combined: file(fields, "log_file", cwd, home),
        merge: false,
        date_format: if time {
            Some(defaults::TIME_FORMAT.to_owned())
        } else {
            format
        },
        json: fields.choice("log_type").as_deref() == Some("json"),
        disabled: fields.bool("disable_logs").unwrap_or(false),
    };
    logs.merge = fields.bool("merge_logs").unwrap_or(alone && logs.any());
    logs
}

fn date_format(fields: &mut Fields) -> Option<String> {
    let field = fields.field("log_date_format")?;
    match &field.value.kind {
        Kind::Bool(false) => None,
        Kind::Text(text) if text.trim().is_empty() => None,
        Kind::Text(text) if text.chars().any(char::is_control) => {
            fields.bad(field, &field.value, "has a control character");
            None
        }
        Kind::Text(text) => Some(text.trim().to_owned()),
        _ => {
            fields.wrong(field, &field.value);
            None
        }
    }
}

/// None for false, `NULL` and `/dev/null`.
fn file(fields: &mut Fields, key: &str, cwd: &Path, home: Option<&Path>) -> Option<PathBuf> {
    let field = fields.field(key)?;
    match &field.value.kind {
        Kind::Bool(false) => None,
        Kind::Bool(true) => {
            fields.problems.push(
                Problem::at(
                    &field.value.span,
                    format!("`{key}` has no path that true could stand for"),
                )
                .label("write a path in quotes; without one the journal has the lines"),
            );
            None
        }
        Kind::Text(text) => {
            if text.trim().is_empty() || text.chars().any(char::is_control) {
                fields.bad(field, &field.value, "is not a path");
                return None;
            }
            if matches!(text.as_str(), "NULL" | "null" | "/dev/null") {
                return None;
            }
            fields.absolute(text, &field.value.span, cwd, home)
        }
        _ => {
            fields.wrong(field, &field.value);
            None
        }
    }
}
