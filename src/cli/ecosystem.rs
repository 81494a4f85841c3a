//! Reading an ecosystem file with everything it asks of this machine: the way into the library for every command that takes a file.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::report::Stop;
use crate::config::{self, Checked, Options, Written};
use crate::host;
use crate::model::host::Questions;

/// The file a command works on when none is named.
pub const DEFAULT_FILE: &str = "ecosystem.toml";

/// A file of more bytes is not an ecosystem file.
const SIZE_MAX: u64 = 16 << 20;

/// Most rounds of questions: each follows one `#!` line further, and those end after four.
const ROUNDS: usize = 16;

/// A file with all that is known of it; it may have problems.
pub struct Loaded {
    pub written: Written,
    pub checked: Checked,
}

/// Reads and checks `file`, `-` for standard input: the text of `stdin_filename`, or else of an ecosystem.toml in the current folder. `options.home` is
/// filled in from HOME. Errors: the file cannot be read at all; its own mistakes are in `checked.problems`.
pub fn load(
    file: &Path,
    stdin_filename: Option<&Path>,
    options: Options,
) -> anyhow::Result<Loaded> {
    if stdin_filename.is_some() && file.as_os_str() != "-" {
        return Err(Stop::new(format!(
            "--stdin-filename goes with -, and {} is read here",
            file.display()
        ))
        .into());
    }
    let (text, path) = read(file, stdin_filename)?;
    let name = match (file.as_os_str() == "-", stdin_filename) {
        (true, None) => "<stdin>".to_owned(),
        (true, Some(name)) => name.display().to_string(),
        (false, _) => file.display().to_string(),
    };
    check(&text, &path, &name, options)
}

/// The same for a text that is not (yet) in a file.
pub fn check(text: &str, path: &Path, name: &str, mut options: Options) -> anyhow::Result<Loaded> {
    if options.home.is_none() {
        options.home = std::env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute());
    }
    let written = config::read(text, path, name);
    let search = std::env::var_os("PATH").unwrap_or_default();
    let mut machine = host::this_machine();
    for _ in 0..ROUNDS {
        let questions = config::questions(&written, &machine, &options);
        if questions == Questions::default() {
            break;
        }
        host::answer(&questions, &search, &mut machine)?;
    }
    let checked = config::check(&written, &machine, &options);
    Ok(Loaded { written, checked })
}

fn read(file: &Path, stdin_filename: Option<&Path>) -> anyhow::Result<(String, PathBuf)> {
    let here = working_folder()?;
    let (bytes, path) = if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .take(SIZE_MAX + 1)
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        let name = stdin_filename.unwrap_or(Path::new(DEFAULT_FILE));
        (bytes, here.join(name))
    } else {
        foreign(file)?;
        let path = here.join(file);
        let opened = match std::fs::File::open(&path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Stop::new(format!("there is no {}", file.display()))
                    .hint("write an ecosystem.toml for what is in a folder with: rpmctl init")
                    .into());
            }
            Err(error) => return Err(error).context(format!("cannot read {}", file.display())),
        };
        if opened.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Stop::new(format!("{} is a folder", file.display()))
                .hint(format!(
                    "name the file in it: {}",
                    file.join(DEFAULT_FILE).display()
                ))
                .into());
        }
        let mut bytes = Vec::new();
        opened
            .take(SIZE_MAX + 1)
            .read_to_end(&mut bytes)
            .with_context(|| format!("cannot read {}", file.display()))?;
        (bytes, path)
    };
    if bytes.len() as u64 > SIZE_MAX {
        bail!(
            "{} is larger than 16 MiB: that is no ecosystem file",
            file.display()
        );
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, config::normal(&path))),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(
                Stop::new(format!("{}:{line}: not UTF-8 text", file.display()))
                    .hint("save the file as UTF-8")
                    .into(),
            )
        }
    }
}

/// PM2's own formats are named as such.
fn foreign(file: &Path) -> anyhow::Result<()> {
    let ending = file
        .extension()
        .map(|ending| ending.to_string_lossy().to_lowercase());
    if let Some("js" | "cjs" | "mjs" | "json" | "yml" | "yaml") = ending.as_deref() {
        return Err(Stop::new(format!(
            "{} is a file of PM2's, and rpmctl reads TOML",
            file.display()
        ))
        .hint("write an ecosystem.toml with: rpmctl init")
        .hint("then carry the settings over; the keys have the same names")
        .into());
    }
    Ok(())
}

/// The current folder as the shell shows it: symlinks in $PWD stay, so that a release folder behind `current` is not pinned. getcwd(3) where $PWD is
/// not this folder.
fn working_folder() -> anyhow::Result<PathBuf> {
    let place = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    if let Some(shown) = std::env::var_os("PWD").map(PathBuf::from)
        && shown.is_absolute()
        && place(&shown).is_some()
        && place(&shown) == place(Path::new("."))
    {
        return Ok(shown);
    }
    std::env::current_dir().context("the current folder cannot be told")
}
