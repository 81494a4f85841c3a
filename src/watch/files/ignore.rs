//! What of an app's files is looked at, and what never.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::host::accounts::Account;
use crate::model::pattern::Entry;
use crate::model::watch::{ALWAYS_IGNORED, NEVER_WATCHED};
use crate::model::{Glob, Pattern, Watch, glob};

/// The names that every app ignores.
static ALWAYS: LazyLock<Vec<Glob>> = LazyLock::new(|| {
    let parse = |name: &&str| Glob::parse(name).expect("a glob of ours");
    ALWAYS_IGNORED.iter().map(parse).collect()
});

/// A watched path.
#[derive(Debug)]
pub struct Base {
    /// Where watching begins: the path, or of a glob what stands before its first sign.
    pub path: PathBuf,
    /// Of globs: which files below it; none for all.
    only: Vec<Glob>,
}

/// Which files count.
#[derive(Debug)]
pub struct Scope {
    cwd: PathBuf,
    pub bases: Vec<Base>,
    patterns: Vec<Pattern>,
    /// The app's own log files, and the ecosystem file, which `apply` is for.
    logs: Vec<Pattern>,
    file: PathBuf,
    /// Folders below a base; None for all.
    pub depth: Option<u32>,
    pub links: bool,
    /// With whose rights folders are read; None: with ours.
    pub account: Option<Account>,
}

impl Scope {
    /// `is_there` says whether something is at a path as it stands: then it is no glob.
    pub fn new(cwd: &Path, file: &Path, watch: &Watch, is_there: impl Fn(&Path) -> bool) -> Scope {
        let parse = |text: &String| Pattern::parse(text, cwd).ok();
        let mut scope = Scope {
            cwd: cwd.to_path_buf(),
            bases: Vec::new(),
            patterns: watch.ignore.iter().filter_map(parse).collect(),
            logs: watch.logs.iter().filter_map(parse).collect(),
            file: file.to_path_buf(),
            depth: watch.depth,
            links: watch.links,
            account: None,
        };
        for path in &watch.paths {
            let text = path.to_string_lossy();
            let glob = match glob::is_glob(&text) && !is_there(path) {
                true => Glob::parse(&text).ok(),
                false => None,
            };
            scope.add(path, glob);
        }
        scope
    }

    fn add(&mut self, path: &Path, glob: Option<Glob>) {
        let whole =
            |part: &std::path::Component<'_>| !glob::is_glob(&part.as_os_str().to_string_lossy());
        let base: PathBuf = match glob {
            Some(_) => path.components().take_while(whole).collect(),
            None => path.to_path_buf(),
        };
        let only: Vec<Glob> = glob.into_iter().collect();
        match self.bases.iter_mut().find(|one| one.path == base) {
            Some(one) if one.only.is_empty() || only.is_empty() => one.only.clear(),
            Some(one) => one.only.extend(only),
            None => self.bases.push(Base { path: base, only }),
        }
    }

    /// Whether a change of this file counts.
    pub fn counts(&self, path: &Path) -> bool {
        let whole = path.to_string_lossy();
        let asked = |base: &Base| {
            path.starts_with(&base.path)
                && (base.only.is_empty() || base.only.iter().any(|glob| glob.matches(&whole)))
        };
        self.bases.iter().any(asked) && !self.ignores(path, false)
    }

    /// Whether this file, or this folder with all below it, is ignored. Only its own name and path are looked at: what is in an ignored folder is not asked
    /// for, and a path that `watch` names is watched wherever it is.
    pub fn ignores(&self, path: &Path, is_folder: bool) -> bool {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else {
            return false;
        };
        if self.bases.iter().any(|base| base.path == path) {
            return false;
        }
        let whole = path.to_string_lossy();
        let entry = Entry {
            whole: &whole,
            below: &self.below(path),
            is_folder,
        };
        let is = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(&entry));
        if NEVER_WATCHED.contains(&&*name) || path == self.file || is(&self.logs) {
            return true;
        }
        let kept = |pattern: &Pattern| pattern.keeps && pattern.matches(&entry);
        let ignored = |pattern: &Pattern| !pattern.keeps && pattern.matches(&entry);
        !self.patterns.iter().any(kept)
            && (self.patterns.iter().any(ignored)
                || ALWAYS.iter().any(|glob| glob.matches(&name))
                || (is_folder && name == "logs" && self.is_top(path)))
    }

    /// From the app's folder, or from the watched path where it is outside.
    fn below(&self, path: &Path) -> String {
        let bases = self.bases.iter().map(|base| base.path.as_path());
        std::iter::once(self.cwd.as_path())
            .chain(bases)
            .find_map(|base| path.strip_prefix(base).ok())
            .unwrap_or(path)
            .to_string_lossy()
            .into_owned()
    }

    /// Directly in the app's folder, or in a watched one.
    fn is_top(&self, path: &Path) -> bool {
        let parent = path.parent().unwrap_or(path);
        parent == self.cwd || self.bases.iter().any(|base| base.path == parent)
    }

    /// As it is shown: from the app's folder where it is in it.
    pub fn shown(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.cwd) {
            Ok(below) if !below.as_os_str().is_empty() => below.to_path_buf(),
            _ => path.to_path_buf(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(paths: &[&str], ignore: &[&str]) -> Scope {
        let mut watch = Watch::of(Path::new("/srv/.d/app"));
        if !paths.is_empty() {
            watch.paths = paths.iter().map(Into::into).collect();
        }
        watch.ignore = ignore.iter().map(|text| (*text).to_owned()).collect();
        watch.logs = vec!["/srv/.d/app/var/out{,-[0-9]*}.txt{,.*,-*}".to_owned()];
        let file = Path::new("/srv/.d/app/ecosystem.toml");
        Scope::new(Path::new("/srv/.d/app"), file, &watch, |path| {
            path.ends_with("[id]")
        })
    }

    fn counts(scope: &Scope, file: &str) -> bool {
        let path = Path::new("/srv/.d/app").join(file);
        let base = |folder: &Path| scope.bases.iter().any(|base| base.path == folder);
        scope.counts(&path)
            && !path
                .ancestors()
                .take_while(|folder| !base(folder))
                .skip(1)
                .any(|folder| scope.ignores(folder, true))
    }

    #[test]
    fn what_nobody_edits_is_ignored_and_names_above_the_app_do_not_matter() {
        let all = scope(&[], &[]);
        for file in [
            "app.js",
            "src/a.js",
            "src/logs/a.js",
            "login.js",
            "logs.js",
            "var/out.js",
            "package.json",
        ] {
            assert!(counts(&all, file), "{file}");
        }
        for file in [
            "node_modules/x/index.js",
            "a/node_modules/x.js",
            ".git/HEAD",
            ".env",
            "logs/out.txt",
            "src/debug.log",
            "app.js~",
            ".app.js.swp",
            "4913",
            "app.js___jb_tmp___",
            "ecosystem.toml",
            "var/out.txt",
            "var/out-3.txt",
            "var/out.txt.1.gz",
        ] {
            assert!(!counts(&all, file), "{file}");
        }
    }

    #[test]
    fn kept_and_ignored_by_the_user() {
        let own = scope(
            &[],
            &[
                "!.env",
                "!logs",
                "!node_modules",
                "!ecosystem.toml",
                "dist/",
                "\\.tmp$",
            ],
        );
        for file in [".env", "logs/a.js", "src/a.js"] {
            assert!(counts(&own, file), "{file}");
        }
        for file in [
            "node_modules/a.js",
            "ecosystem.toml",
            "dist/a.js",
            "a.tmp",
            ".other",
        ] {
            assert!(!counts(&own, file), "{file}");
        }
    }

    #[test]
    fn watched_paths_and_globs() {
        let named = scope(
            &[
                "/srv/.d/app/node_modules/mine",
                "/srv/.d/app/.env",
                "/srv/.d/app/src/**/*.js",
                "/srv/.d/app/src/*.css",
                "/srv/lib",
                "/srv/.d/app/pages/[id]",
            ],
            &["/srv/lib/old", "**/test/**"],
        );
        let bases: Vec<_> = named
            .bases
            .iter()
            .map(|base| base.path.to_str().unwrap())
            .collect();
        assert_eq!(
            bases,
            [
                "/srv/.d/app/node_modules/mine",
                "/srv/.d/app/.env",
                "/srv/.d/app/src",
                "/srv/lib",
                "/srv/.d/app/pages/[id]"
            ]
        );
        for file in [
            "node_modules/mine/a.js",
            ".env",
            "src/a.js",
            "src/x/b.js",
            "src/a.css",
            "/srv/lib/x",
            "pages/[id]/a.html",
        ] {
            assert!(counts(&named, file), "{file}");
        }
        for file in [
            "a.js",
            "node_modules/other/a.js",
            "src/x/a.css",
            "src/a.html",
            "/srv/lib/old/x",
            "src/test/a.js",
            "/srv/lib/test/a",
        ] {
            assert!(!counts(&named, file), "{file}");
        }
        assert_eq!(
            named.shown(Path::new("/srv/.d/app/src/a.js")),
            Path::new("src/a.js")
        );
        assert_eq!(
            named.shown(Path::new("/srv/lib/x")),
            Path::new("/srv/lib/x")
        );
    }
}
