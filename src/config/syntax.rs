//! What is not TOML at all, in plain words: the parser's errors translated, those that only follow from an earlier one left out.

use toml::de::Error;

use super::problem::{Problem, Span};

/// What stands after it belongs to no table that could be told.
pub const HEADING: &str = "a bracket is missing";

/// One problem a line at most; the errors that an unclosed bracket or quote drags behind it are dropped.
pub fn problems(text: &str, errors: &[Error]) -> Vec<Problem> {
    let mut errors: Vec<(Span, &str)> = errors
        .iter()
        .map(|error| {
            let span = error.span().unwrap_or(text.len()..text.len());
            (
                span.start.min(text.len())..span.end.min(text.len()),
                error.message(),
            )
        })
        .collect();
    errors.sort_by_key(|(span, _)| span.start);
    if let (Some((span, _)), true) = (errors.first(), foreign(text)) {
        return vec![
            Problem::at(span, "this is not TOML")
                .label("it looks like one of PM2's files in JavaScript, JSON or YAML")
                .help("`rpmctl init` writes an ecosystem.toml to carry its settings over to; the keys have the same names"),
        ];
    }
    let mut problems: Vec<Problem> = Vec::new();
    let mut last_line = usize::MAX;
    let mut inside = false;
    for (span, message) in errors {
        let line = line_of(text, span.start);
        let nested = message.contains("array element")
            || message.contains("in array")
            || message.contains("unclosed array, ")
            || message.contains("inline table")
            || message.contains("key-value pairs");
        if line.0 == last_line || (nested && inside) {
            continue;
        }
        inside |= nested;
        last_line = line.0;
        problems.push(translate(text, line, span, message));
        if message.contains("multi-line") {
            break;
        }
    }
    problems
}

/// Start and end of the line that holds the offset.
fn line_of(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let start = text[..offset].rfind('\n').map_or(0, |i| i + 1);
    let end = text[start..].find('\n').map_or(text.len(), |i| start + i);
    (start, end)
}

fn translate(text: &str, (start, end): (usize, usize), span: Span, message: &str) -> Problem {
    let line = text[start..end].trim_end();
    let value = line.split_once('=').map(|(key, value)| {
        let offset = start + key.len() + 1 + (value.len() - value.trim_start().len());
        (
            key.trim(),
            value.trim(),
            offset..offset + value.trim().len(),
        )
    });
    let first = message.split(", expected").next().unwrap_or(message);
    if message.contains("duplicate key") {
        return Problem::at(&span, "a key stands here twice")
            .label("already set above in the same table");
    }
    if first.contains("key with no value")
        || (first.contains("missing assignment") && value.is_none())
    {
        let place = start + (line.len() - line.trim_start().len())..start + line.len();
        return Problem::at(&place, "this is not a setting").label("write `key = value`");
    }
    if let Some((key, value, place)) = value {
        if value.is_empty() || value.starts_with('#') {
            let after = start + line.len();
            return Problem::at(&(after..after), format!("`{key}` has no value"))
                .label("write a value after the `=`");
        }
        let word = value.split(['#', ',']).next().unwrap_or("").trim();
        let bare = !word.is_empty() && !word.starts_with(['"', '\'', '[', '{']);
        let numeric =
            first.contains("float") || first.contains("integer") || first.contains("number");
        if bare
            && (first.contains("must be quoted")
                || first.contains("invalid boolean")
                || numeric
                || first.contains("leading zero")
                || first.contains("date"))
        {
            let place = place.start..place.start + word.len();
            let label = match word.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => "write true".to_owned(),
                "false" | "no" | "off" => "write false".to_owned(),
                _ => match super::suggest::nearest(word, ["true", "false"]) {
                    Some(meant) => format!("did you mean {meant}?"),
                    None => format!("put it in quotes: \"{word}\""),
                },
            };
            return Problem::at(
                &place,
                format!("the value of `{key}` is neither text in quotes, a number, true nor false"),
            )
            .label(label);
        }
    }
    let (what, label) = if first.contains("invalid basic string")
        || first.contains("invalid literal string")
        || first.contains("invalid multi-line")
    {
        (
            "a quote is not closed".to_owned(),
            "the text that begins before this has no closing quote",
        )
    } else if first.contains("escape") {
        (
            "an escape is unknown".to_owned(),
            "double \\\\ for a backslash, or single quotes around text with backslashes",
        )
    } else if first.contains("missing comma") {
        ("a comma is missing".to_owned(), "write `,` before this")
    } else if first.contains("unclosed array table") || first.contains("unclosed table") {
        (HEADING.to_owned(), "the heading of a table ends here")
    } else if first.contains("unclosed array") || first.contains("unclosed inline") {
        (
            "a bracket is not closed".to_owned(),
            "closing bracket expected",
        )
    } else {
        (format!("this is not TOML: {first}"), "")
    };
    Problem::at(&span, what).label(label)
}

/// Whether the text is JavaScript, JSON or YAML.
pub fn foreign(text: &str) -> bool {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    start.starts_with('{')
        || text.contains("module.exports")
        || text.contains("export default")
        || text.lines().any(|line| line.trim_end() == "apps:")
}
