//! `script`, `interpreter`, `node_args` and `args` → an argument vector with an absolute program.

use std::path::{Path, PathBuf};

use crate::model::Command;
use crate::model::host::{Found, Kind, Program};

use super::fields::Fields;
use super::interpreter::{self, Runner, file_name};
use super::lookup::{Failure, Lookup, Outcome};
use super::place;
use super::problem::{Problem, Span};
use super::shell;

pub struct Resolved {
    pub command: Command,
    /// Folders of programs that were found on PATH or named as interpreters: what the app starts lies there too (nvm, virtualenv).
    pub folders: Vec<PathBuf>,
    /// A JavaScript file under node or bun: PM2's condition for cluster mode by default.
    pub javascript: bool,
}

/// What surrounds a script.
struct Setting<'a> {
    lookup: &'a Lookup<'a>,
    cwd: &'a Path,
    home: Option<&'a Path>,
    script: &'a str,
    span: &'a Span,
    node_args: Vec<String>,
    args: Vec<String>,
}

/// None when something is missing or wrong; problems are with the fields.
pub fn resolve(
    fields: &mut Fields,
    lookup: &Lookup,
    cwd: &Path,
    home: Option<&Path>,
) -> Option<Resolved> {
    let node_args = fields.words("node_args");
    let args = fields.words("args");
    let interpreter = fields.text("interpreter");
    let (script, span) = fields.text("script")?;
    if script.trim().is_empty() {
        fields.problems.push(
            Problem::at(&span, "`script` is empty").label("write the file or program to run"),
        );
        return None;
    }
    if fields.field("interpreter").is_some() && interpreter.is_none() {
        return None;
    }
    let setting = Setting {
        lookup,
        cwd,
        home,
        script: &script,
        span: &span,
        node_args,
        args,
    };
    // A missing interpreter must not hide that the script is missing too; told twice it is one problem.
    let named = interpreter
        .as_ref()
        .is_some_and(|(name, _)| name.trim() != "none");
    if named
        && !script.trim().contains(char::is_whitespace)
        && let Err(Failure::Problem(problem)) = setting.name().and_then(|name| setting.find(name))
    {
        fields.problems.push(*problem);
    }
    let had_node_args = !setting.node_args.is_empty();
    match setting.resolve(interpreter.as_ref()) {
        Ok((resolved, interpreted)) => {
            if had_node_args && !interpreted {
                let place = fields
                    .field("node_args")
                    .map(|field| field.key_span.clone());
                fields.note(
                    place.unwrap_or(span),
                    "`node_args` is not used: no interpreter runs this script",
                );
            }
            Some(resolved)
        }
        Err(Failure::Problem(problem)) => {
            fields.problems.push(*problem);
            None
        }
        Err(Failure::Unanswered) => None,
    }
}

impl Setting<'_> {
    /// The command, and whether an interpreter takes `node_args`.
    fn resolve(self, interpreter: Option<&(String, Span)>) -> Outcome<(Resolved, bool)> {
        let named = interpreter.filter(|(name, _)| name.trim() != "none");
        let runner = match named {
            Some((name, span)) => Some(interpreter::named(
                self.lookup,
                name.trim(),
                span,
                self.cwd,
                self.home,
            )?),
            None => None,
        };
        let blank = self.script.trim().contains(char::is_whitespace);
        if blank && !self.is_file()? {
            return match runner {
                None => Ok((self.line()?, false)),
                Some(runner) if matches!(runner.name.as_str(), "sh" | "bash" | "dash" | "zsh") => {
                    let line = self.whole_line();
                    let args = vec!["-c".to_owned(), line];
                    let mut runner = runner;
                    runner.args.extend(self.node_args.clone());
                    Ok((self.finish(runner, args, false), true))
                }
                Some(runner) => {
                    let words = self.words()?;
                    let file = self.file(&words[0])?;
                    let mut args = vec![text(&file.path)];
                    args.extend(words[1..].to_vec());
                    Ok((self.interpreted(runner, args, false), true))
                }
            };
        }
        let script = self.name()?;
        let direct = interpreter.is_some() && named.is_none();
        let (program, by_path) = self.find(script)?;
        if let Some(runner) = runner {
            let javascript = by_path && runner.is_node();
            return Ok((
                self.interpreted(runner, vec![text(&program.path)], javascript),
                true,
            ));
        }
        if direct {
            self.executable(&program)?;
            let runner = self.own(&program, by_path)?;
            return Ok((self.finish(runner, Vec::new(), false), false));
        }
        self.inferred(&program, by_path)
    }

    /// Without a named interpreter: ELF programs run themselves, then the `#!` line counts, then the ending.
    fn inferred(self, program: &Program, by_path: bool) -> Outcome<(Resolved, bool)> {
        let runner = match &program.kind {
            Kind::Dynamic | Kind::Static | Kind::Privileged => {
                self.executable(program)?;
                let runner = self.own(program, by_path)?;
                return Ok((self.finish(runner, Vec::new(), false), false));
            }
            Kind::Script(words) => match interpreter::from_shebang(self.lookup, words)? {
                Some(runner) => runner,
                None if program.path.extension().is_some() => {
                    interpreter::by_ending(self.lookup, &program.path, self.span)?
                }
                None => {
                    return Err(Problem::at(
                        self.span,
                        format!(
                            "{} starts with `#!{}`, which is not on this machine",
                            program.path.display(),
                            words.join(" ")
                        ),
                    )
                    .label("install it, or write interpreter = \"…\"")
                    .on_this_machine()
                    .into());
                }
            },
            Kind::Plain => interpreter::by_ending(self.lookup, &program.path, self.span)?,
        };
        let mut runner = runner;
        if !by_path && let Some(folder) = program.path.parent() {
            runner.folders.push(folder.to_path_buf());
        }
        let javascript = by_path && runner.is_node();
        Ok((
            self.interpreted(runner, vec![text(&program.path)], javascript),
            true,
        ))
    }

    /// The program as its own runner; the folder of one that lies in the app's own tree is nothing for PATH.
    fn own(&self, program: &Program, by_path: bool) -> Outcome<Runner> {
        let mut runner = Runner::new(self.lookup, program)?;
        if by_path {
            runner
                .folders
                .retain(|folder| Some(folder.as_path()) != program.path.parent());
        }
        Ok(runner)
    }

    fn executable(&self, program: &Program) -> Outcome<()> {
        if program.executable {
            return Ok(());
        }
        Err(Problem::at(
            self.span,
            format!("{} is not executable", program.path.display()),
        )
        .label(format!(
            "chmod +x {}, or name what runs it: interpreter = \"…\"",
            file_name(&program.path)
        ))
        .on_this_machine()
        .into())
    }

    /// A script with blanks in it: program and arguments, under a shell only where it has a shell's syntax.
    fn line(self) -> Outcome<Resolved> {
        if shell::needs_shell(self.script) {
            return self.shell_line();
        }
        let words = self.words()?;
        let (first, rest) = (&words[0], &words[1..]);
        let program = match first.contains('/') || first.starts_with('~') {
            true => self.file(first)?.clone(),
            false => match self.lookup.program(first)? {
                Some(program) => program.clone(),
                None => self.file(first)?.clone(),
            },
        };
        let by_path = first.contains('/');
        let args: Vec<String> = rest.iter().cloned().chain(self.args.clone()).collect();
        let setting = Setting {
            args,
            node_args: Vec::new(),
            ..self
        };
        let (mut resolved, _) = setting.inferred(&program, by_path)?;
        resolved.javascript = false;
        Ok(resolved)
    }

    fn shell_line(self) -> Outcome<Resolved> {
        let shell = Path::new("/bin/sh");
        let Found::File(program) = self.lookup.path(shell)? else {
            return Err(
                Problem::at(self.span, "`script` needs a shell, and there is no /bin/sh")
                    .on_this_machine()
                    .into(),
            );
        };
        if shell::words(self.script).is_none() {
            return Err(self.open_quote());
        }
        let mut runner = Runner::new(self.lookup, program)?;
        for name in shell::programs(self.script) {
            if let Some(program) = self.lookup.program(&name)? {
                runner
                    .folders
                    .extend(Runner::new(self.lookup, program)?.folders);
            }
        }
        let line = self.whole_line();
        Ok(self.finish(runner, vec!["-c".to_owned(), line], false))
    }

    fn whole_line(&self) -> String {
        let mut line = self.script.trim().to_owned();
        for arg in &self.args {
            line.push(' ');
            line.push_str(&shell::quote(arg));
        }
        line
    }

    fn words(&self) -> Outcome<Vec<String>> {
        match shell::words(self.script) {
            Some(words) if words.first().is_some_and(|word| !word.is_empty()) => Ok(words),
            Some(_) => Err(Problem::at(self.span, "`script` starts with an empty word").into()),
            None => Err(self.open_quote()),
        }
    }

    fn open_quote(&self) -> Failure {
        Problem::at(self.span, "`script` has a quote that is not closed")
            .label("close it, or put the arguments into `args`")
            .into()
    }

    /// Blanks around a name are a slip, unless a file is called so.
    fn name(&self) -> Outcome<&str> {
        match self.script.trim() {
            trimmed if trimmed == self.script || self.is_file()? => Ok(self.script),
            trimmed => Ok(trimmed),
        }
    }

    fn is_file(&self) -> Outcome<bool> {
        let Some(path) = place::absolute(self.script, self.cwd, self.home) else {
            return Ok(false);
        };
        Ok(path.as_os_str().len() < 4096 && matches!(self.lookup.path(&path)?, Found::File(_)))
    }

    /// In `cwd`, else on PATH; and whether it was the former.
    fn find(&self, script: &str) -> Outcome<(Program, bool)> {
        let path = self.absolute(script)?;
        match self.lookup.path(&path)? {
            Found::File(program) => Ok((program.clone(), true)),
            _ if script.contains('/') => Ok((self.file(script)?.clone(), true)),
            found => match self.lookup.program(script)? {
                Some(program) => Ok((program.clone(), false)),
                None => Err(self.missing(script, &path, found)),
            },
        }
    }

    fn file(&self, script: &str) -> Outcome<&Program> {
        let path = self.absolute(script)?;
        match self.lookup.path(&path)? {
            Found::File(program) => Ok(program),
            found => Err(self.missing(script, &path, found)),
        }
    }

    fn absolute(&self, script: &str) -> Outcome<PathBuf> {
        place::absolute(script, self.cwd, self.home).ok_or_else(|| {
            Problem::at(
                self.span,
                "`~` stands for a home folder, and HOME is not set",
            )
            .label("write the whole path")
            .into()
        })
    }

    fn missing(&self, script: &str, path: &Path, found: &Found) -> Failure {
        let problem = match found {
            Found::Directory => Problem::at(self.span, format!("`script` {script:?} is a folder"))
                .label("write the file in it that is to run"),
            Found::Other(why) => Problem::at(self.span, format!("`script` {script:?} {why}")),
            _ => Problem::at(self.span, format!("`script` {script:?} is not there")).label(
                match script.contains('/') {
                    true => format!("no file {}", path.display()),
                    false => format!("no file {}, and no such program on PATH", path.display()),
                },
            ),
        };
        problem.on_this_machine().into()
    }

    fn interpreted(self, mut runner: Runner, script: Vec<String>, javascript: bool) -> Resolved {
        runner.args.extend(self.node_args.iter().cloned());
        let mut rest = script;
        rest.extend(self.args.iter().cloned());
        self.finish_with(runner, rest, javascript, false)
    }

    /// `rest` after the runner's own arguments; `args` only where the line has not taken them up.
    fn finish(self, runner: Runner, rest: Vec<String>, javascript: bool) -> Resolved {
        let own = rest.is_empty();
        let rest = if own { self.args.clone() } else { rest };
        self.finish_with(runner, rest, javascript, own)
    }

    fn finish_with(
        self,
        runner: Runner,
        rest: Vec<String>,
        javascript: bool,
        own: bool,
    ) -> Resolved {
        let mut args = runner.args;
        args.extend(rest);
        Resolved {
            command: Command {
                program: runner.program,
                args,
                script: self.script.to_owned(),
                interpreter: if own { "none".to_owned() } else { runner.name },
                preloadable: runner.preloadable,
            },
            folders: runner.folders,
            javascript,
        }
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
