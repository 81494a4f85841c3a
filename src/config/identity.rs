//! What an app is called, and as whom it runs.

use std::path::Path;

use crate::model::Name;

use super::check::Options;
use super::fields::{At, Fields};
use super::lookup::{Failure, Lookup};
use super::problem::Problem;

/// The name with its prefix and profile, else what the script is called.
pub fn name(fields: &mut Fields, options: &Options) -> Option<At<Name>> {
    let prefix = fields.text("name_prefix");
    let append = fields.bool("append_env_to_name").unwrap_or(false);
    let (base, span) = match fields.field("name") {
        Some(_) => fields.text("name")?,
        None => {
            let script = fields.field("script")?;
            let super::value::Kind::Text(text) = &script.value.kind else {
                return None;
            };
            let word = super::shell::words(text)?.into_iter().next()?;
            let stem = Path::new(&word).file_stem()?.to_string_lossy().into_owned();
            (stem, script.value.span.clone())
        }
    };
    let mut whole = match prefix {
        Some((prefix, _)) if !prefix.is_empty() => format!("{prefix}:{base}"),
        _ => base,
    };
    if let (true, Some(profile)) = (append, &options.profile) {
        whole = format!("{whole}-{profile}");
    }
    match Name::new(&whole) {
        Ok(name) => Some((name, span)),
        Err(why) => {
            let shown: String = if whole.chars().count() > 40 {
                whole.chars().take(40).chain(['…']).collect()
            } else {
                whole
            };
            fields.problems.push(
                Problem::at(&span, format!("the name {shown:?} cannot be used"))
                    .label(format!("it {}", why.0)),
            );
            None
        }
    }
}

pub fn label(fields: &mut Fields, key: &str) -> Option<String> {
    let (text, span) = fields.text(key)?;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        fields.problems.push(
            Problem::at(&span, format!("`{key}` {text:?} is not a label"))
                .label("write a word without control characters"),
        );
        return None;
    }
    Some(text)
}

/// `user` or `group`: must be known to the machine, by name or number.
pub fn account(
    fields: &mut Fields,
    key: &str,
    options: &Options,
    lookup: &Lookup,
) -> Option<String> {
    let (text, span) = fields.id(key)?;
    if options.user_manager {
        fields.problems.push(
            Problem::at(&span, format!("`{key}` cannot be set under --user"))
                .label("a user's own manager runs everything as that user: leave it out, or apply without --user"),
        );
        return None;
    }
    let valid = |c: char| c.is_alphanumeric() || "._-$+@\\".contains(c);
    let known = if text.starts_with('-') || !text.chars().all(valid) {
        Ok(false)
    } else if key == "user" {
        lookup.user(&text)
    } else {
        lookup.group(&text)
    };
    match known {
        Ok(true) => Some(text),
        Err(Failure::Problem(problem)) => {
            fields.problems.push(*problem);
            None
        }
        Err(Failure::Unanswered) => None,
        Ok(false) => {
            let add = if key == "user" {
                "useradd --system"
            } else {
                "groupadd --system"
            };
            let hint = format!("no such {key} here; `{add} {text}` makes one");
            fields.problems.push(
                Problem::at(&span, format!("{key} {text:?} is not known"))
                    .label(if text.chars().all(valid) {
                        hint
                    } else {
                        format!("no {key} can have this name")
                    })
                    .on_this_machine(),
            );
            None
        }
    }
}
