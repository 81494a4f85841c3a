//! `env`, `env_<profile>`, `port`, and what an app's interpreter needs in its environment.

use std::path::{Path, PathBuf};

use crate::model::{EnvName, Environment};

use super::defaults;
use super::fields::{At, Fields};
use super::problem::{Problem, Span};
use super::value::{Kind, Value};

/// The environment, and where PORT was written.
pub struct Written {
    pub env: Environment,
    pub port: Option<At<String>>,
}

/// `env`, then `port`, then the table of the profile over both, as in PM2. Every profile's table is checked.
pub fn read(fields: &mut Fields, profile: Option<&str>) -> Written {
    let mut pairs = Vec::new();
    if let Some(field) = fields.field("env") {
        pairs.extend(table(fields, "env", &field.value));
    }
    if let Some(port) = port(fields) {
        pairs.push((EnvName::new("PORT").expect("a valid name"), port.0, port.1));
    }
    let app = fields.app;
    for overlay in &app.profiles {
        let found = table(fields, &format!("env_{}", overlay.name), &overlay.value);
        if profile == Some(overlay.name.as_str()) {
            pairs.extend(found);
        }
    }
    let mut written = Written {
        env: Environment::new(),
        port: None,
    };
    for (name, value, span) in pairs {
        if name.as_str() == "PORT" {
            written.port = Some((value.clone(), span));
        }
        written.env.insert(name, value);
    }
    written
}

fn port(fields: &mut Fields) -> Option<At<String>> {
    let field = fields.field("port")?;
    let number = match &field.value.kind {
        Kind::Integer(number) => u16::try_from(*number).ok(),
        Kind::Text(text) => text.trim().parse().ok(),
        _ => {
            fields.wrong(field, &field.value);
            return None;
        }
    };
    match number {
        Some(port) if port > 0 => Some((port.to_string(), field.value.span.clone())),
        _ => {
            fields.bad(field, &field.value, "is not a port");
            None
        }
    }
}

/// Values become text as in PM2: `3000`, `true`; a table or an array becomes JSON.
fn table(fields: &mut Fields, key: &str, value: &Value) -> Vec<(EnvName, String, Span)> {
    let Kind::Table(entries) = &value.kind else {
        fields.problems.push(
            Problem::at(&value.span, format!("`{key}` is {}", value.noun()))
                .label("write a table: { NAME = \"value\" }"),
        );
        return Vec::new();
    };
    let mut pairs = Vec::new();
    for entry in entries {
        let Some(name) = EnvName::new(&entry.key) else {
            fields.problems.push(
                Problem::at(
                    &entry.key_span,
                    format!("{:?} is not a name that systemd passes on: it drops such a variable without a word", entry.key),
                )
                .label("letters, digits and `_`, the first not a digit"),
            );
            continue;
        };
        let text = entry
            .value
            .scalar()
            .unwrap_or_else(|| entry.value.to_json().to_string());
        if text.contains('\0') {
            fields.problems.push(
                Problem::at(
                    &entry.value.span,
                    format!("the value of `{name}` has a NUL character"),
                )
                .label("no process can be given one"),
            );
            continue;
        }
        pairs.push((name, text, entry.value.span.clone()));
    }
    pairs
}

/// `increment_var`, whose base value must be a number where there is one.
pub fn increment(fields: &mut Fields, env: &Environment) -> Option<EnvName> {
    let (name, span) = fields.env_name("increment_var")?;
    if let Some(value) = env.get(&name)
        && value.trim().parse::<i64>().is_err()
    {
        fields.problems.push(
            Problem::at(
                &span,
                format!("`increment_var` counts `{name}` up, whose value is not a whole number"),
            )
            .label("give it a number in `env`"),
        );
        return None;
    }
    Some(name)
}

/// PYTHONUNBUFFERED for Python, as PM2 sets it; PATH where the programs lie outside of systemd's own, so that what the app starts is found (nvm, a
/// virtualenv). What the file sets itself stays.
pub fn complete(env: &mut Environment, program: &Path, interpreter: &str, folders: &[PathBuf]) {
    let python = |name: &str| name.contains("python");
    if python(interpreter)
        || program
            .file_name()
            .is_some_and(|name| python(&name.to_string_lossy()))
    {
        let name = EnvName::new("PYTHONUNBUFFERED").expect("a valid name");
        env.entry(name).or_insert_with(|| "1".to_owned());
    }
    let mut parts: Vec<String> = Vec::new();
    for folder in folders {
        let folder = folder.to_string_lossy().into_owned();
        let known = defaults::PATH.split(':').any(|part| part == folder);
        if !known && !folder.contains(':') && !parts.contains(&folder) {
            parts.push(folder);
        }
    }
    if !parts.is_empty() {
        parts.push(defaults::PATH.to_owned());
        let name = EnvName::new("PATH").expect("a valid name");
        env.entry(name).or_insert_with(|| parts.join(":"));
    }
}
