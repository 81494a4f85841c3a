//! Log files and how lines are shown.

use std::path::{Path, PathBuf};

use crate::model::{LogFiles, Name};

use super::check::Options;
use super::fields::Fields;
use super::problem::Problem;
use super::value::Kind;
use super::{defaults, rotate};

/// The longest namespace whose sockets systemd can make: `/run/systemd/journal.NAME/io.systemd.journal` within the 107 bytes of unix(7).
const NAMESPACE_MAX: usize = 67;

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
        rotate: rotate::read(fields),
        namespace: None,
        disabled: fields.bool("disable_logs").unwrap_or(false),
    };
    logs.merge = fields.bool("merge_logs").unwrap_or(alone && logs.any());
    if logs.rotate.is_some() && !logs.any() {
        fields.note(
            fields.span("log_rotate"),
            "`log_rotate` has nothing to rotate: out_file, error_file or log_file names a file; the journal has limits of its own, journald.conf(5)",
        );
    }
    logs
}

/// `log_namespace`; `name` is what true stands for. A user manager has none (systemd.exec(5)).
pub fn namespace(fields: &mut Fields, name: Option<&Name>, options: &Options) -> Option<String> {
    let field = fields.field("log_namespace")?;
    let namespace = match &field.value.kind {
        Kind::Bool(false) => return None,
        Kind::Bool(true) => {
            // systemd takes no backslash in it (252), and says so in its own log alone.
            let stem = name?.stem().replace("\\x", "_");
            if stem.len() > NAMESPACE_MAX {
                fields.problems.push(
                    Problem::at(
                        &field.value.span,
                        "the app's name is too long for a journal namespace",
                    )
                    .label(format!(
                        "write a name of at most {NAMESPACE_MAX} bytes instead of true"
                    )),
                );
                return None;
            }
            stem
        }
        Kind::Text(text) => {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if text.is_empty()
                || text.starts_with('.')
                || text.len() > NAMESPACE_MAX
                || !text.chars().all(allowed)
            {
                fields.bad(
                    field,
                    &field.value,
                    &format!("is not a journal namespace: write letters, digits, `-`, `_` and `.`, at most {NAMESPACE_MAX}"),
                );
                return None;
            }
            text.clone()
        }
        _ => {
            fields.wrong(field, &field.value);
            return None;
        }
    };
    if options.user_manager {
        fields.note(
            field.key_span.clone(),
            "`log_namespace` is left out: only the system's manager gives a service a journal of its own (systemd.exec(5))",
        );
        return None;
    }
    Some(namespace)
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
