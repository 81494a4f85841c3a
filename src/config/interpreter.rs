//! What runs a script: the interpreter that is named, the `#!` line, or the file's ending as PM2 has it.

use std::path::{Path, PathBuf};

use crate::model::host::{Found, Kind, Program};

use super::lookup::{Lookup, Outcome};
use super::place;
use super::problem::{Problem, Span};
use super::shell;

/// A program that is there, ready to be put before a script.
#[derive(Clone, Debug)]
pub struct Runner {
    pub program: PathBuf,
    /// Arguments that come with it: those of the `#!` line.
    pub args: Vec<String>,
    /// File name of the program: `node`.
    pub name: String,
    /// Linked dynamically, at the end of any chain of `#!` lines.
    pub preloadable: bool,
    /// Folders its programs lie in.
    pub folders: Vec<PathBuf>,
}

/// Where a program is found that is missing from PATH, for messages.
const PATH_HINT: &str = "PATH is the one rpmctl was started with; sudo replaces it, `sudo env \"PATH=$PATH\" rpmctl …` keeps yours";

impl Runner {
    pub fn new(lookup: &Lookup, program: &Program) -> Outcome<Runner> {
        let mut folders = Vec::new();
        let preloadable = preloadable(lookup, program, &mut folders, 0)?;
        Ok(Runner {
            program: program.path.clone(),
            args: Vec::new(),
            name: file_name(&program.path),
            preloadable,
            folders,
        })
    }

    pub fn is_node(&self) -> bool {
        matches!(self.name.as_str(), "node" | "nodejs" | "bun")
    }
}

pub fn file_name(path: &Path) -> String {
    path.file_name()
        .map_or(String::new(), |name| name.to_string_lossy().into_owned())
}

/// Follows `#!` lines to the program that the kernel loads in the end, at most four deep (the kernel's own limit is about that).
fn preloadable(
    lookup: &Lookup,
    program: &Program,
    folders: &mut Vec<PathBuf>,
    depth: u8,
) -> Outcome<bool> {
    if let Some(folder) = program.path.parent() {
        folders.push(folder.to_path_buf());
    }
    match &program.kind {
        Kind::Dynamic => Ok(true),
        Kind::Script(words) if depth < 4 => match shebang_program(lookup, words)? {
            Some((inner, _)) => preloadable(lookup, &inner, folders, depth + 1),
            None => Ok(false),
        },
        _ => Ok(false),
    }
}

/// The program of a `#!` line and its arguments; `/usr/bin/env NAME` is looked up on PATH now. None when it is not on this machine.
fn shebang_program(lookup: &Lookup, words: &[String]) -> Outcome<Option<(Program, Vec<String>)>> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(None);
    };
    if Path::new(first)
        .file_name()
        .is_some_and(|name| name == "env")
    {
        let split = rest.first().is_some_and(|word| word == "-S");
        let rest = if split { &rest[1..] } else { rest };
        // `env -i x` and `env A=1 x` are env's own business: it runs itself.
        if let Some((name, args)) = rest.split_first()
            && !name.starts_with('-')
            && !name.contains(['=', '/'])
        {
            let args = match (split, args.is_empty()) {
                (_, true) => Vec::new(),
                (true, _) => args.to_vec(),
                // Without -S the kernel hands env one word with blanks, which no program is called.
                (false, _) => return Ok(None),
            };
            return Ok(lookup.program(name)?.map(|program| (program.clone(), args)));
        }
    }
    if !first.starts_with('/') {
        return Ok(None);
    }
    Ok(match lookup.path(Path::new(first))? {
        // The kernel hands over the rest of the line as one argument (execve(2)).
        Found::File(program) => Some((
            program.clone(),
            (!rest.is_empty())
                .then(|| rest.join(" "))
                .into_iter()
                .collect(),
        )),
        _ => None,
    })
}

pub fn from_shebang(lookup: &Lookup, words: &[String]) -> Outcome<Option<Runner>> {
    let Some((program, args)) = shebang_program(lookup, words)? else {
        return Ok(None);
    };
    let mut runner = Runner::new(lookup, &program)?;
    runner.args = args;
    Ok(Some(runner))
}

/// The interpreter as the file names it: on PATH, or a path relative to `cwd`.
pub fn named(
    lookup: &Lookup,
    written: &str,
    span: &Span,
    cwd: &Path,
    home: Option<&Path>,
) -> Outcome<Runner> {
    let what = |why: &str| Problem::at(span, format!("`interpreter` {written:?} {why}"));
    if let Some((name, version)) = written.split_once('@')
        && matches!(name, "node" | "bun" | "python")
        && !written.contains('/')
    {
        let folder = home.map_or("~".into(), |home| home.display().to_string());
        return Err(what("names a version: PM2 would ask nvm for it")
            .label(format!(
                "write its path: \"{folder}/.nvm/versions/node/v{}/bin/node\"",
                if version.contains('.') {
                    version.to_owned()
                } else {
                    format!("{version}.…")
                }
            ))
            .help("`nvm which VERSION` prints the path")
            .into());
    }
    let parts = match shell::words(written) {
        Some(parts) if !parts.is_empty() => parts,
        Some(_) => {
            return Err(what("is empty")
                .label("write a program, its path, or \"none\"")
                .into());
        }
        None => return Err(what("has a quote that is not closed").into()),
    };
    let (name, args) = (&parts[0], &parts[1..]);
    let program = if name.contains('/') || name.starts_with('~') {
        let Some(path) = place::absolute(name, cwd, home) else {
            return Err(what("starts with `~`, and HOME is not set")
                .label("write the whole path")
                .into());
        };
        match lookup.path(&path)? {
            Found::File(program) if program.executable => program,
            Found::File(_) => {
                return Err(what("is not executable")
                    .label(format!("chmod +x {}", path.display()))
                    .on_this_machine()
                    .into());
            }
            Found::Missing => {
                return Err(what("is not there")
                    .label(format!("no file {}", path.display()))
                    .on_this_machine()
                    .into());
            }
            Found::Directory => {
                return Err(what("is a folder")
                    .label("write the program's path")
                    .on_this_machine()
                    .into());
            }
            Found::Other(why) => return Err(what(why).on_this_machine().into()),
        }
    } else {
        let found = match lookup.program(name)? {
            None if name == "python" => lookup.program("python3")?,
            found => found,
        };
        match found {
            Some(program) => program,
            None => {
                return Err(what("is not on PATH")
                    .label(format!("install {name}, or write its path"))
                    .help(PATH_HINT)
                    .on_this_machine()
                    .into());
            }
        }
    };
    let mut runner = Runner::new(lookup, program)?;
    runner.args = args.to_vec();
    Ok(runner)
}

/// By PM2's table of endings. Python is looked for as `python3` first: where `python` is something else, it is Python 2. TypeScript runs under bun as
/// in PM2. A file without an ending that this table has is given to node, as in PM2.
pub fn by_ending(lookup: &Lookup, file: &Path, span: &Span) -> Outcome<Runner> {
    let ending = file.extension().map_or(String::new(), |ending| {
        ending.to_string_lossy().to_lowercase()
    });
    let names: &[&str] = match ending.as_str() {
        "sh" => &["bash", "sh"],
        "py" => &["python3", "python"],
        "rb" => &["ruby"],
        "php" => &["php"],
        "pl" => &["perl"],
        "coffee" => &["coffee"],
        "ls" => &["lsc"],
        "ts" | "tsx" => &["bun"],
        _ => &["node", "nodejs"],
    };
    for name in names {
        if let Some(program) = lookup.program(name)? {
            return Runner::new(lookup, program);
        }
    }
    let script = file_name(file);
    let problem = Problem::at(
        span,
        format!("{script:?} needs {}, which is not on PATH", names[0]),
    );
    Err(match ending.as_str() {
        "ts" | "tsx" => problem
            .label("write interpreter = \"bun\", \"tsx\" or, from Node 22.18, \"node\"")
            .on_this_machine(),
        _ => problem
            .label(format!(
                "install {}, or write interpreter = \"/path/of/{0}\"",
                names[0]
            ))
            .help(PATH_HINT)
            .on_this_machine(),
    }
    .into())
}
