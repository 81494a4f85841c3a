//! The file as written: apps with their fields and places, aliases folded, unknown keys reported.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::keys::{self, KEYS, Key};
use super::problem::{self, Problem, Report, Span};
use super::suggest;
use super::value::{self, Entry, Kind, Value};
use super::{excerpt, syntax};

/// A file's text and what stands in it, unchecked but for its keys.
#[derive(Clone, Debug)]
pub struct Written {
    /// Absolute path of the file; relative paths in it start from its folder.
    pub path: PathBuf,
    /// As the user named it.
    pub name: String,
    pub text: String,
    pub(super) apps: Vec<WrittenApp>,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<(Span, String)>,
    /// Part of the text could not be read, so what is missing may stand there.
    pub(super) torn: bool,
}

#[derive(Clone, Debug)]
pub struct WrittenApp {
    /// The `[[apps]]` heading, or the inline table.
    pub span: Span,
    pub fields: Vec<Field>,
    /// `env_<name>` tables.
    pub profiles: Vec<Profile>,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub key: &'static Key,
    pub key_span: Span,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub struct Profile {
    pub name: String,
    pub key_span: Span,
    pub value: Value,
}

impl WrittenApp {
    pub fn field(&self, name: &str) -> Option<&Field> {
        debug_assert_eq!(keys::named(name).name, name);
        self.fields.iter().find(|field| field.key.name == name)
    }
}

impl Written {
    /// The problems in a form to print.
    pub fn report<'a>(&'a self, problems: &'a [Problem]) -> Report<'a> {
        Report {
            name: &self.name,
            text: &self.text,
            problems,
        }
    }

    /// 1-based line of a place.
    pub fn line(&self, span: &Span) -> usize {
        excerpt::position(&self.text, span.start).line
    }
}

/// Takes the text apart. `path` is the file's absolute path, `name` what the user called it. Never fails: problems come with `config::check`.
pub fn read(text: &str, path: &Path, name: &str) -> Written {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut problems = syntax::problems(text, &errors);
    let torn = !problems.is_empty();
    let broken: Vec<usize> = problems.iter().map(|p| line(text, p)).collect();

    let mut found = Vec::new();
    let top = value::from_table(document.get_ref(), &mut found);
    let mut written = Written {
        path: path.to_path_buf(),
        name: name.to_owned(),
        text: text.to_owned(),
        apps: Vec::new(),
        problems: found,
        notes: Vec::new(),
        torn,
    };
    if torn && syntax::foreign(text) {
        written.problems = problems;
        return written;
    }
    for entry in top {
        written.top_level(entry);
    }
    if written.apps.is_empty() && !torn && written.problems.is_empty() {
        written.problems.push(
            Problem::at(&(text.len()..text.len()), "the file has no apps")
                .label("write [[apps]] and below it name = \"…\" and script = \"…\""),
        );
    }
    // A line that is broken says nothing else that can be relied on; nor does what a broken heading is above of.
    let lost = problems
        .iter()
        .find(|p| p.what == syntax::HEADING)
        .map_or(usize::MAX, |p| line(text, p));
    written
        .problems
        .retain(|p| !broken.contains(&line(text, p)) && line(text, p) < lost);
    for app in &mut written.apps {
        let whole = |span: &Span| !broken.contains(&excerpt::position(text, span.start).line);
        app.fields
            .retain(|field| whole(&field.key_span) && whole(&field.value.span));
        app.profiles.retain(|profile| whole(&profile.key_span));
    }
    problems.append(&mut written.problems);
    problem::sort(&mut problems);
    written.problems = problems;
    written
}

fn line(text: &str, problem: &Problem) -> usize {
    problem
        .span
        .as_ref()
        .map_or(0, |span| excerpt::position(text, span.start).line)
}

impl Written {
    fn top_level(&mut self, entry: Entry) {
        match entry.key.as_str() {
            "apps" => match entry.value.kind {
                Kind::List(items) => {
                    for item in items {
                        self.app(item);
                    }
                }
                Kind::Table(_) => self.app(entry.value),
                _ => self.problems.push(
                    Problem::at(&entry.value.span, format!("`apps` is {}", entry.value.noun()))
                        .label("write each app under its own [[apps]]"),
                ),
            },
            "deploy" => self.notes.push((
                entry.key_span,
                "`deploy` is not read: rpmctl does not copy releases; run `rpmctl apply` after your deployment".into(),
            )),
            "static" => self.notes.push((
                entry.key_span,
                "`static` is not read: rpmctl serves no files; a web server does".into(),
            )),
            other => {
                let mut problem = Problem::at(&entry.key_span, format!("unknown key `{other}` at the top of the file"));
                problem = match suggest::did_you_mean(other, ["apps"]) {
                    _ if keys::find(other).is_some() || other.starts_with("env_") => {
                        problem.label("this belongs to an app: write [[apps]] above it")
                    }
                    Some(hint) => problem.label(hint),
                    None => problem.label("only [[apps]] stands here"),
                };
                self.problems.push(problem);
            }
        }
    }

    fn app(&mut self, value: Value) {
        let noun = value.noun();
        let Kind::Table(entries) = value.kind else {
            self.problems.push(
                Problem::at(&value.span, format!("an app is {noun}"))
                    .label("write a table: [[apps]]"),
            );
            return;
        };
        let mut app = WrittenApp {
            span: value.span,
            fields: Vec::new(),
            profiles: Vec::new(),
        };
        for entry in entries {
            self.app_entry(&mut app, entry);
        }
        self.apps.push(app);
    }

    fn app_entry(&mut self, app: &mut WrittenApp, entry: Entry) {
        let Some(key) = keys::find(&entry.key) else {
            if let Some(profile) = entry.key.strip_prefix("env_") {
                if matches!(entry.value.kind, Kind::Table(_)) && !profile.is_empty() {
                    app.profiles.push(Profile {
                        name: profile.to_owned(),
                        key_span: entry.key_span,
                        value: entry.value,
                    });
                    return;
                }
                let problem = Problem::at(
                    &entry.value.span,
                    format!("`{}` is {}", entry.key, entry.value.noun()),
                )
                .label("`env_<profile>` is a table of variables");
                self.problems.push(if profile == "file" {
                    problem.help("for a file of variables write under [apps.systemd.Service]: EnvironmentFile = \"/path/of/.env\"")
                } else {
                    problem
                });
                return;
            }
            let all: Vec<String> = KEYS.iter().flat_map(Key::spellings).collect();
            let names = KEYS.iter().map(|key| key.name);
            let hint = special(&entry.key)
                .map(str::to_owned)
                .or_else(|| suggest::did_you_mean(&entry.key, names))
                .or_else(|| suggest::did_you_mean(&entry.key, all.iter().map(String::as_str)))
                .unwrap_or_else(|| "no setting of an app has this name".into());
            self.problems.push(
                Problem::at(&entry.key_span, format!("unknown key `{}`", entry.key)).label(hint),
            );
            return;
        };
        if let Some(first) = app.fields.iter().find(|field| field.key.name == key.name) {
            let (first, second) = if first.key_span.start < entry.key_span.start {
                (first.key_span.clone(), entry.key_span)
            } else {
                (entry.key_span, first.key_span.clone())
            };
            self.problems.push(
                Problem::at(&second, format!("`{}` stands here twice", key.name))
                    .label(format!(
                        "`{}` is another way to write it",
                        &self.text[second.clone()]
                    ))
                    .also(&first, "first set here"),
            );
            return;
        }
        app.fields.push(Field {
            key,
            key_span: entry.key_span,
            value: entry.value,
        });
    }
}

/// Keys of other tools that have a way of their own here.
fn special(key: &str) -> Option<&'static str> {
    Some(match key {
        "max_size" | "retain" | "compress" | "log_rotate" => {
            "the journal keeps its size by itself: SystemMaxUse= in journald.conf(5)"
        }
        key if key.starts_with("health") => {
            "did you mean `health`? It is a path, or a table: { http = \"/healthz\", interval = \"10s\" }"
        }
        "environment" => "did you mean `env`?",
        "after" | "requires" | "wants" => "did you mean `depends_on`?",
        "directory" | "working_directory" | "dir" => "did you mean `cwd`?",
        "service" | "Service" | "unit" | "Unit" => {
            "write it as [apps.systemd.Service] or [apps.systemd.Unit]"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn messages(text: &str) -> Vec<String> {
        let written = read(text, Path::new("/srv/ecosystem.toml"), "ecosystem.toml");
        written
            .problems
            .iter()
            .map(|p| format!("{} | {}", p.what, p.label))
            .collect()
    }

    #[test]
    fn unknown_and_doubled_keys() {
        assert_eq!(
            messages("[[apps]]\nscript = \"a.js\"\ninstnaces = 2\nexec = \"b.js\"\n"),
            [
                "unknown key `instnaces` | did you mean `instances`?",
                "`script` stands here twice | `exec` is another way to write it"
            ]
        );
    }

    #[test]
    fn several_syntax_errors_at_once() {
        let found = messages(
            "[[apps]]\nname = \"api\nscript = \nmax_memory_restart = 1.5G\nwatch = flase\ntime = True\n",
        );
        assert_eq!(found.len(), 5, "{found:#?}");
        assert!(found[0].contains("quote is not closed"), "{found:#?}");
        assert!(found[1].contains("`script` has no value"), "{found:#?}");
        assert!(
            found[2].contains("put it in quotes: \"1.5G\""),
            "{found:#?}"
        );
        assert!(found[3].contains("did you mean false?"), "{found:#?}");
        assert!(found[4].contains("write true"), "{found:#?}");
    }

    #[test]
    fn a_pm2_file_is_named_as_one() {
        let written = read(
            "module.exports = {\n  apps: [{ name: 'a' }]\n}\n",
            Path::new("/e"),
            "e",
        );
        assert!(
            written
                .problems
                .iter()
                .any(|p| p.help.as_ref().is_some_and(|h| h.contains("rpmctl init")))
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]
        #[test]
        fn any_text_is_read(text in "(?s).{0,200}") {
            let written = read(&text, Path::new("/e.toml"), "e.toml");
            for problem in &written.problems {
                let span = problem.span.clone().unwrap();
                prop_assert!(span.start <= span.end && span.end <= text.len());
            }
            written.report(&written.problems).to_text(true);
        }
    }
}
