//! One entry of `ignore_watch`, read as it is meant: a name, a glob, or a regular expression in quotes, which TOML and JSON have no other way to write.

use std::path::{Component, Path, PathBuf};

use regex::bytes::{Regex, RegexBuilder};

use super::glob::{self, Glob};

#[derive(Clone, Debug)]
pub struct Pattern {
    /// Begins with `!`: stays watched whatever the others say.
    pub keeps: bool,
    /// Ends with `/`.
    folders_only: bool,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Without a slash: the name of a file or folder at any depth.
    Name(Glob),
    /// With one: a path from the app's folder.
    Below(Glob),
    /// The whole path, from `/`.
    Whole(Glob),
    Regex(Regex),
}

/// A file or folder to hold against patterns.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// From `/`.
    pub whole: &'a str,
    /// From the app's folder, or from the watched one where it is outside.
    pub below: &'a str,
    pub is_folder: bool,
}

impl Pattern {
    /// `cwd` is what `..` starts from. Errors: what is wrong, then after a colon what to write.
    pub fn parse(text: &str, cwd: &Path) -> Result<Pattern, String> {
        let (keeps, text) = match text.strip_prefix('!') {
            Some(rest) if !rest.starts_with('(') => (true, rest),
            _ => (false, text),
        };
        if let Some((inner, flags)) = regex(text) {
            return Ok(Pattern {
                keeps,
                folders_only: false,
                kind: Kind::Regex(compile(inner, flags)?),
            });
        }
        let folders_only = text.ends_with('/');
        let bare = text.trim_end_matches('/');
        if matches!(bare, "" | "." | "**" | "**/*" | "./**") {
            return Err("ignores everything: write which files, or watch = false".into());
        }
        let kind = if bare.starts_with('/') {
            Kind::Whole(Glob::parse(bare)?)
        } else if bare.split('/').any(|name| name == "..") {
            Kind::Whole(Glob::parse(&from(cwd, bare))?)
        } else if bare.contains('/') {
            Kind::Below(Glob::parse(bare)?)
        } else {
            Kind::Name(Glob::parse(bare)?)
        };
        Ok(Pattern {
            keeps,
            folders_only,
            kind,
        })
    }

    pub fn matches(&self, entry: &Entry<'_>) -> bool {
        if self.folders_only && !entry.is_folder {
            return false;
        }
        match &self.kind {
            Kind::Name(glob) => glob.matches(entry.below.rsplit('/').next().unwrap_or_default()),
            Kind::Below(glob) => glob.matches(entry.below),
            Kind::Whole(glob) => glob.matches(entry.whole),
            // People write `^logs/` and `[\/\\]\.git` and `node_modules/`: all three forms are tried.
            Kind::Regex(regex) => {
                let slash = if entry.is_folder { "/" } else { "" };
                let is = |text: String| regex.is_match(text.as_bytes());
                is(format!("{}{slash}", entry.below))
                    || is(format!("/{}{slash}", entry.below))
                    || (regex.as_str().starts_with("^/") && is(format!("{}{slash}", entry.whole)))
            }
        }
    }
}

/// The expression and its flags, where the text is one: `/…/i`, a backslash, `^…`, `…$`, `.+`, or a `|` outside brackets.
fn regex(text: &str) -> Option<(&str, &str)> {
    if let Some((inner, flags)) = text
        .strip_prefix('/')
        .and_then(|rest| rest.rsplit_once('/'))
        && !inner.is_empty()
        && flags.chars().all(|c| "gimsuy".contains(c))
        && (!inner.contains('/') || inner.contains(['\\', '^', '$', '|']))
    {
        return Some((inner, flags));
    }
    let signs = text.contains('\\')
        || text.starts_with('^')
        || text.ends_with('$')
        || text.contains(".+")
        || text.contains("(?")
        || text.contains('|') && !text.contains('(');
    signs.then_some((text, ""))
}

fn compile(text: &str, flags: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .unicode(false)
        .case_insensitive(flags.contains('i'))
        .size_limit(1 << 20)
        .build()
        .map_err(|error| {
            let said = error.to_string();
            let last = said.lines().last().unwrap_or_default();
            let why = last.strip_prefix("error: ").unwrap_or(last);
            format!(
                "is read as a regular expression, and is none ({}): write a glob, such as \"*.log\" or \"tmp/**\"",
                why.split(',').next().unwrap_or(why)
            )
        })
}

/// The glob from `/`; what `cwd` is called means itself.
fn from(cwd: &Path, glob: &str) -> String {
    let mut path = PathBuf::from(glob::literal(&cwd.to_string_lossy()));
    for part in Path::new(glob).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignores(pattern: &str, below: &str) -> bool {
        let is_folder = below.ends_with('/');
        let below = below.trim_end_matches('/');
        Pattern::parse(pattern, Path::new("/srv/.x/app"))
            .unwrap_or_else(|why| panic!("{pattern}: {why}"))
            .matches(&Entry {
                whole: &format!("/srv/.x/app/{below}"),
                below,
                is_folder,
            })
    }

    #[test]
    fn as_people_write_them() {
        for (pattern, yes, no) in [
            (
                "node_modules",
                &["node_modules/", "a/node_modules/"][..],
                &["node_modules2/"][..],
            ),
            ("*.log", &["a.log", "x/y.log"], &["log"]),
            ("./tmp/**", &["tmp/", "tmp/a"], &["a/tmp/"]),
            ("./tmp", &["tmp/"], &["a/tmp/"]),
            ("tmp/", &["tmp/", "a/tmp/"], &["tmp"]),
            ("public/uploads", &["public/uploads/"], &["uploads/"]),
            ("**/*.test.js", &["a.test.js", "a/b.test.js"], &["a.js"]),
            ("**/.x/**", &["a/.x/"], &["src/"]),
            ("/srv/.x/app/data", &["data/"], &["a/data/"]),
            ("../app/data", &["data/"], &["a/data/"]),
            (".*", &[".git/", "a/.env"], &["a.b"]),
            // Regular expressions: as texts, as JavaScript has them, and PM2's own.
            ("\\.git", &[".git/", "a/.git/", ".gitignore"], &["git/"]),
            ("[\\/\\\\]\\.", &[".git/", "a/.env"], &["a.b"]),
            ("node_modules[\\\\/]", &["node_modules/"], &["node_modules"]),
            ("^.*\\.log$", &["a.log", "x/y.log"], &["a.logs"]),
            ("^logs/", &["logs/"], &["a/logs/"]),
            ("^/srv/.x/app/logs", &["logs/"], &["a/logs/"]),
            ("/\\.LOG$/i", &["a.log"], &["alog"]),
            (
                "/node_modules/",
                &["node_modules/", "a/node_modules/"],
                &["src/"],
            ),
            ("logs|tmp", &["logs/", "a/tmp/"], &["src/"]),
            ("pages/\\[id\\]", &["pages/[id]/"], &["pages/i/"]),
        ] {
            for path in yes {
                assert!(ignores(pattern, path), "{pattern} is to match {path}");
            }
            for path in no {
                assert!(!ignores(pattern, path), "{pattern} is not to match {path}");
            }
        }
        assert!(Pattern::parse("!.env", Path::new("/srv")).unwrap().keeps);
    }

    #[test]
    fn mistakes() {
        for (pattern, why) in [
            ("", "ignores everything: "),
            ("./", "ignores everything: "),
            (
                "^(?!src).*",
                "is read as a regular expression, and is none (look-around",
            ),
            (
                "\\d[",
                "is read as a regular expression, and is none (unclosed",
            ),
            ("[ab", "has `[` without `]`: "),
        ] {
            let said = Pattern::parse(pattern, Path::new("/srv")).unwrap_err();
            assert!(said.starts_with(why), "{pattern}: {said}");
        }
    }
}
