//! `watch` and what belongs to it.

use std::path::Path;
use std::time::Duration;

use crate::model::Watch;

use super::defaults;
use super::fields::Fields;
use super::value::Kind;

/// None when off. The text "true" is true, as it was in PM2's files.
pub fn read(fields: &mut Fields, cwd: &Path, home: Option<&Path>) -> Option<Watch> {
    let ignored = fields.texts("ignore_watch");
    let delay = fields.duration("watch_delay");
    let field = fields.field("watch")?;
    let paths = match &field.value.kind {
        Kind::Bool(false) => return None,
        Kind::Bool(true) => vec![cwd.to_path_buf()],
        Kind::Text(text) if text == "false" => return None,
        Kind::Text(text) if text == "true" => vec![cwd.to_path_buf()],
        Kind::Text(_) | Kind::List(_) => fields
            .texts("watch")
            .into_iter()
            .filter_map(|(text, span)| fields.absolute(&text, &span, cwd, home))
            .collect(),
        _ => {
            fields.wrong(field, &field.value);
            return None;
        }
    };
    if paths.is_empty() {
        return None;
    }
    let mut ignore: Vec<String> = defaults::IGNORE_WATCH.map(str::to_owned).to_vec();
    for (pattern, _) in ignored {
        if !ignore.contains(&pattern) {
            ignore.push(pattern);
        }
    }
    Some(Watch {
        paths,
        ignore,
        delay: delay.map_or(Duration::ZERO, |(wait, _)| wait),
    })
}
