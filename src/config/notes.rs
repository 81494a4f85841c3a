//! What is right in the file and still worth saying: settings that are acted on later, or have no meaning here.

use super::file::{Field, WrittenApp};
use super::keys::Status;
use super::problem::Span;
use super::value::Kind;

/// Something to know; nothing is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// Name of the app, where one is meant.
    pub app: Option<String>,
    pub span: Option<Span>,
    /// 1-based line of the span.
    pub line: Option<usize>,
    pub what: String,
}

impl Note {
    /// `ecosystem.toml:12: api: …` without the word 'note'.
    pub fn to_text(&self, file: &str) -> String {
        let place = self
            .line
            .map_or(String::new(), |line| format!("{file}:{line}: "));
        let app = self
            .app
            .as_ref()
            .map_or(String::new(), |app| format!("{app}: "));
        super::excerpt::printable(&format!("{place}{app}{}", self.what))
    }
}

/// Notes on the keys of an app that are written and switched on.
pub fn of_keys(app: &WrittenApp) -> Vec<(Span, String)> {
    app.fields
        .iter()
        .filter_map(|field| {
            let name = field.key.name;
            let what = match field.key.status {
                Status::Now => return None,
                Status::Later(_) if !on(field) => return None,
                Status::Later(meanwhile) => {
                    format!("`{name}` is for a later version of rpmctl; until then {meanwhile}")
                }
                Status::Meaningless(why) => format!("`{name}` has no meaning here: {why}"),
            };
            Some((field.key_span.clone(), what))
        })
        .collect()
}

/// Whether the value switches the setting on.
pub(super) fn on(field: &Field) -> bool {
    match &field.value.kind {
        Kind::Bool(value) => *value,
        Kind::Integer(number) => *number != 0,
        Kind::Text(text) => !matches!(
            text.trim(),
            "" | "0" | "false" | "NULL" | "/dev/null" | "raw"
        ),
        Kind::List(items) => !items.is_empty(),
        _ => true,
    }
}
