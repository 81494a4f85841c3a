//! What there is to run in a folder.

use std::path::Path;

use anyhow::bail;

use super::{find_node, find_python};
use crate::model::Name;

/// An app to write down.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct App {
    pub name: String,
    pub script: String,
    pub args: Vec<String>,
    pub interpreter: Option<String>,
    /// A server whose instances can share its port.
    pub cluster: bool,
    pub env: Vec<(String, String)>,
    /// What was found, in a few words.
    pub why: String,
}

impl App {
    pub fn new(name: &str, script: impl Into<String>, why: impl Into<String>) -> App {
        App {
            name: name.to_owned(),
            script: script.into(),
            why: why.into(),
            ..App::default()
        }
    }

    pub fn args(mut self, args: &[&str]) -> App {
        self.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        self
    }

    pub fn interpreter(mut self, interpreter: &str) -> App {
        self.interpreter = Some(interpreter.to_owned());
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> App {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// At least one app. A Procfile says all by itself; else the first language that something is found for. Errors: nothing was found, saying what was
/// looked for.
pub fn apps(folder: &Path) -> anyhow::Result<Vec<App>> {
    let name = usable(
        &folder
            .file_name()
            .map_or(String::new(), |name| name.to_string_lossy().into_owned()),
    );
    let procfile = procfile(folder);
    if !procfile.is_empty() {
        return Ok(procfile);
    }
    let finders: [fn(&Path, &str) -> Option<App>; 5] =
        [find_node::app, find_python::app, ruby, php, compiled];
    if let Some(app) = finders.iter().find_map(|finder| finder(folder, &name)) {
        return Ok(vec![app]);
    }
    if has(folder, "go.mod") || has(folder, "Cargo.toml") {
        bail!(
            "the program in {} is not built yet: build it (go build -o {name} . or cargo build --release), then run `rpmctl init` again",
            folder.display()
        );
    }
    bail!(
        "nothing to run was found in {}: looked for Procfile, package.json, app.js, server.js, index.js, bin/www, requirements.txt, pyproject.toml, \
         manage.py, app.py, main.py, config.ru, artisan, index.php, and programs built by Go and Cargo",
        folder.display()
    );
}

pub fn has(folder: &Path, file: &str) -> bool {
    folder.join(file).is_file()
}

pub fn read(folder: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(folder.join(file)).ok()
}

/// Whether a program of that name is on PATH.
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path)
            .any(|folder| folder.is_absolute() && folder.join(program).is_file())
    })
}

/// A name that units can have, as near to the wanted one as goes.
pub fn usable(wanted: &str) -> String {
    let short: String = wanted
        .rsplit('/')
        .next()
        .unwrap_or("")
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(60)
        .collect();
    let short = short.trim_matches(['-', '.']).to_owned();
    match Name::new(&short) {
        Ok(_) => short,
        Err(_) => "app".to_owned(),
    }
}

/// `web: command` lines; `release` runs once at a deployment and is left out.
fn procfile(folder: &Path) -> Vec<App> {
    let text = read(folder, "Procfile").unwrap_or_default();
    let mut apps: Vec<App> = Vec::new();
    for line in text.lines() {
        let Some((name, command)) = line.split_once(':') else {
            continue;
        };
        let (name, command) = (name.trim(), command.trim());
        let plain = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        if !plain || command.is_empty() || name == "release" {
            continue;
        }
        let name = usable(name);
        if apps.iter().any(|app| app.name == name) {
            continue;
        }
        let mut app = App::new(&name, command, format!("Procfile: {name}"));
        if name == "web" || command.contains("$PORT") || command.contains("${PORT") {
            app = app.env("PORT", "5000");
        }
        apps.push(app);
    }
    apps
}

fn ruby(folder: &Path, name: &str) -> Option<App> {
    if !has(folder, "config.ru") {
        return None;
    }
    let gems = read(folder, "Gemfile").unwrap_or_default();
    let server = if gems.contains("puma") {
        "puma"
    } else {
        "rackup"
    };
    let env = |app: App| app.env("RACK_ENV", "production");
    Some(env(match has(folder, "Gemfile") {
        true => App::new(name, "bundle", format!("config.ru, with {server}"))
            .args(&["exec", server, "-p", "3000"]),
        false => App::new(name, server, "config.ru").args(&["-p", "3000"]),
    }))
}

fn php(folder: &Path, name: &str) -> Option<App> {
    if has(folder, "artisan") {
        return Some(
            App::new(name, "artisan", "Laravel")
                .interpreter("php")
                .args(&["serve", "--host=0.0.0.0", "--port=8000"]),
        );
    }
    let root = ["public", "web", "."]
        .into_iter()
        .find(|root| has(folder, &format!("{root}/index.php")))?;
    Some(
        App::new(
            name,
            "php",
            format!("{}/index.php under PHP's own server", root),
        )
        .args(&["-S", "0.0.0.0:8000", "-t", root]),
    )
}

/// A program that go build or cargo build has left.
fn compiled(folder: &Path, name: &str) -> Option<App> {
    if let Some(module) = read(folder, "go.mod").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("module "))?;
        Some(usable(line.trim().trim_matches('"')))
    }) {
        let script = [
            format!("./{module}"),
            format!("./bin/{module}"),
            format!("./{name}"),
        ]
        .into_iter()
        .find(|file| has(folder, file))?;
        return Some(App::new(&module, script, "Go program"));
    }
    let manifest: toml::Table = read(folder, "Cargo.toml")?.parse().ok()?;
    let mut names: Vec<String> = manifest
        .get("bin")
        .and_then(|bins| bins.as_array())
        .into_iter()
        .flatten()
        .filter_map(|bin| Some(bin.get("name")?.as_str()?.to_owned()))
        .collect();
    names.extend(
        manifest
            .get("package")
            .and_then(|p| Some(p.get("name")?.as_str()?.to_owned())),
    );
    names.into_iter().find_map(|program| {
        let script = format!("./target/release/{program}");
        has(folder, &script).then(|| App::new(&usable(&program), script, "Rust program"))
    })
}
