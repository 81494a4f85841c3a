//! `watch` and what belongs to it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::host::Found;
use crate::model::{LogFiles, Pattern, Watch, glob};

use super::fields::{At, Fields};
use super::lookup::Lookup;
use super::problem::{Problem, Span};
use super::value::Kind;
use super::{place, watch_options};

/// None when off; then the patterns need not be right. The text "true" is true, as it was in PM2's files.
pub fn read(
    fields: &mut Fields,
    cwd: &Path,
    home: Option<&Path>,
    lookup: &Lookup,
    logs: &LogFiles,
) -> Option<Watch> {
    let ignored = fields.texts("ignore_watch");
    let delay = fields.duration("watch_delay");
    let options = watch_options::read(fields);
    let paths = paths(fields)?;
    let mut watch = Watch::of(cwd);
    if let Some(paths) = paths {
        watch.paths = Vec::new();
        for (text, span) in paths {
            match text.strip_prefix('!') {
                Some(_) => ignore(fields, &mut watch, "watch", (text, span), cwd, home),
                None => watch
                    .paths
                    .extend(path(fields, (text, span), cwd, home, lookup)),
            }
        }
    }
    for at in ignored {
        ignore(fields, &mut watch, "ignore_watch", at, cwd, home);
    }
    for at in options.ignored {
        ignore(fields, &mut watch, "watch_options", at, cwd, home);
    }
    if let Some((text, span)) = options.cwd
        && fields
            .absolute(&text, &span, cwd, home)
            .is_some_and(|path| path != cwd)
    {
        fields.problems.push(
            Problem::at(
                &span,
                "`watch_options.cwd` is another folder than the app's",
            )
            .label(
                "paths and patterns start from the app's `cwd`: write them from there, or from /",
            ),
        );
    }
    watch.delay = delay.map_or(Duration::ZERO, |(wait, _)| wait);
    watch.quiet = options.quiet;
    watch.poll = options.poll;
    watch.depth = options.depth;
    watch.links = options.links;
    watch.logs = [&logs.out, &logs.error, &logs.combined]
        .into_iter()
        .flatten()
        .map(|path| log_file(path))
        .collect();
    watch.logs.dedup();
    (!watch.paths.is_empty()).then_some(watch)
}

/// What stands in `watch`: None when off, `Some(None)` for the app's folder.
#[expect(clippy::option_option, reason = "off, all, or some")]
fn paths(fields: &mut Fields) -> Option<Option<Vec<At<String>>>> {
    let field = fields.field("watch")?;
    match &field.value.kind {
        Kind::Bool(false) => None,
        Kind::Bool(true) => Some(None),
        Kind::Text(text) if text == "false" => None,
        Kind::Text(text) if text == "true" => Some(None),
        Kind::Text(_) | Kind::List(_) => {
            let texts = fields.texts("watch");
            let only_kept_out = texts.iter().all(|(text, _)| text.starts_with('!'));
            match (texts.is_empty(), only_kept_out) {
                (true, _) => None,
                (false, true) => {
                    fields.problems.push(
                        Problem::at(
                            &field.value.span,
                            "`watch` names only what is not to be watched",
                        )
                        .label("write that in ignore_watch"),
                    );
                    None
                }
                (false, false) => Some(Some(texts)),
            }
        }
        _ => {
            fields.wrong(field, &field.value);
            None
        }
    }
}

/// A path or a glob, absolute.
fn path(
    fields: &mut Fields,
    (text, span): At<String>,
    cwd: &Path,
    home: Option<&Path>,
    lookup: &Lookup,
) -> Option<PathBuf> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        refuse(
            fields,
            "watch",
            &(text, span),
            "is not a path: write paths in quotes",
        );
        return None;
    }
    let path = fields.absolute(&text, &span, cwd, home)?;
    let whole = path.to_string_lossy();
    if glob::is_glob(&whole) {
        if let Err(why) = crate::model::Glob::parse(&whole) {
            refuse(fields, "watch", &(text, span), &why);
            return None;
        }
    } else if let Ok(Found::Missing) = lookup.path(&path) {
        fields.note(
            span,
            format!("`watch` {text:?} is not there: it is watched as soon as it is"),
        );
    }
    Some(path)
}

fn ignore(
    fields: &mut Fields,
    watch: &mut Watch,
    key: &str,
    (text, span): At<String>,
    cwd: &Path,
    home: Option<&Path>,
) {
    let (sign, bare) = match text.strip_prefix('!') {
        Some(rest) if key != "watch" => ("!", rest),
        Some(rest) => ("", rest),
        None => ("", text.as_str()),
    };
    let mut pattern = bare.to_owned();
    if bare == "~" || bare.starts_with("~/") {
        let Some(path) = fields.absolute(bare, &span, cwd, home) else {
            return;
        };
        pattern = path.to_string_lossy().into_owned();
    }
    pattern.insert_str(0, sign);
    match Pattern::parse(&pattern, cwd) {
        Ok(_) => {
            if beside(&pattern, &watch.paths) {
                let hint = pattern.trim_start_matches('/');
                fields.note(
                    span,
                    format!("`{key}` {text:?} is a path from /, where nothing is watched: {hint:?} is one from the app's folder"),
                );
            }
            if !watch.ignore.contains(&pattern) {
                watch.ignore.push(pattern);
            }
        }
        Err(why) => refuse(fields, key, &(text, span), &why),
    }
}

/// A plain absolute path that has nothing to do with what is watched.
fn beside(pattern: &str, watched: &[PathBuf]) -> bool {
    let path = place::normal(Path::new(pattern));
    pattern.starts_with('/')
        && !glob::is_glob(pattern)
        && path.components().count() == 2
        && !pattern[1..].contains('/')
        && !watched
            .iter()
            .any(|one| one.starts_with(&path) || path.starts_with(one))
}

/// `why`: what is wrong, then after a colon what to write.
fn refuse(fields: &mut Fields, key: &str, (text, span): &(String, Span), why: &str) {
    let (what, label) = why.split_once(": ").unwrap_or((why, ""));
    fields
        .problems
        .push(Problem::at(span, format!("`{key}` {text:?} {what}")).label(label));
}

/// The file itself, those of the instances (`out-3.log`) and what rotation makes of them (`out.log.1.gz`, `out.log-20260101`).
fn log_file(path: &Path) -> String {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (stem, ending) = match name.rfind('.') {
        Some(at) if at > 0 => name.split_at(at),
        _ => (&*name, ""),
    };
    format!(
        "{}/{}{{,-[0-9]*}}{}{{,.*,-*}}",
        glob::literal(&folder.to_string_lossy()).trim_end_matches('/'),
        glob::literal(stem),
        glob::literal(ending)
    )
}

#[cfg(test)]
mod tests {
    use crate::model::pattern::Entry;

    use super::*;

    #[test]
    fn log_files_and_what_becomes_of_them() {
        for (path, yes, no) in [
            (
                "/srv/a/out.log",
                &[
                    "out.log",
                    "out-0.log",
                    "out-12.log",
                    "out.log.1",
                    "out-0.log.2.gz",
                    "out.log-20260101",
                ][..],
                &["out.js", "outer.log"][..],
            ),
            (
                "/srv/a/log",
                &["log", "log-3", "log.1"],
                &["login.js", "logs"],
            ),
            ("/srv/a/.out", &[".out", ".out.1"], &[".outer"]),
            (
                "/srv/a/o+u|t$.l\\og",
                &["o+u|t$.l\\og", "o+u|t$-1.l\\og"],
                &["oout.log"],
            ),
        ] {
            let pattern = Pattern::parse(&log_file(Path::new(path)), Path::new("/srv/a")).unwrap();
            let is = |name: &str| {
                pattern.matches(&Entry {
                    whole: &format!("/srv/a/{name}"),
                    below: name,
                    is_folder: false,
                })
            };
            for name in yes {
                assert!(is(name), "{path}: {name}");
            }
            for name in no {
                assert!(!is(name), "{path}: {name}");
            }
        }
    }
}
