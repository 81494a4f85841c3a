//! `rpmctl init`: a commented ecosystem.toml for what is in a folder.

mod compose;
mod find;
mod find_node;
mod find_python;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::ecosystem::{self, DEFAULT_FILE};
use super::{out, table};
use crate::config::Options;

/// Write a commented ecosystem.toml for what is in a folder
#[derive(clap::Args, Debug)]
pub struct InitArgs {
    /// The folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Replace the file if there is one
    #[arg(long)]
    force: bool,
    /// Print it instead of writing it
    #[arg(long)]
    stdout: bool,
}

/// Errors: nothing to run was found, or the file is there already.
pub fn run(args: InitArgs) -> anyhow::Result<ExitCode> {
    let folder = args
        .dir
        .canonicalize()
        .with_context(|| format!("there is no folder {}", args.dir.display()))?;
    if !folder.is_dir() {
        bail!("{} is not a folder", args.dir.display());
    }
    let path = args.dir.join(DEFAULT_FILE);
    let there = path.symlink_metadata().is_ok();
    if there && !args.force && !args.stdout {
        bail!(
            "{} is there already; --force replaces it, --stdout prints the new one",
            path.display()
        );
    }
    let apps = find::apps(&folder)?;
    let text = compose::text(&apps);
    let name = path.display().to_string();
    let loaded = ecosystem::check(&text, &folder.join(DEFAULT_FILE), &name, Options::default())?;
    if args.stdout {
        out::text(&text)?;
    } else {
        let mut file = tempfile::NamedTempFile::new_in(&folder)
            .with_context(|| format!("cannot write into {}", folder.display()))?;
        file.write_all(text.as_bytes())?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        let target = folder.join(DEFAULT_FILE);
        match args.force {
            true => file.persist(&target).map(drop),
            false => file.persist_noclobber(&target).map(drop),
        }
        .with_context(|| format!("cannot write {name}"))?;
        for app in &apps {
            out::line(&format!("{}: {}", app.name, app.why))?;
        }
        out::line(&format!(
            "wrote {name}; `rpmctl check` checks it, `rpmctl apply` starts it"
        ))?;
    }
    if loaded.checked.model.is_none() {
        // What the apps need is not installed yet: the file is still the one to start from.
        let report = loaded.written.report(&loaded.checked.problems);
        out::say(report.to_text(table::colour_err()).trim_end());
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// What init writes for these files, checked; only what this machine lacks may be wrong with it.
    fn written(files: &[(&str, &str)]) -> String {
        let folder = tempfile::Builder::new().prefix("shop").tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let text = compose::text(&find::apps(folder.path()).unwrap());
        let path = folder.path().join(DEFAULT_FILE);
        let loaded = ecosystem::check(&text, &path, "e.toml", Options::default()).unwrap();
        let problems = &loaded.checked.problems;
        assert!(
            problems.iter().all(|problem| problem.machine),
            "{text}\n{}",
            loaded.written.report(problems).to_text(false)
        );
        text
    }

    /// The lines that are not comments, without what stands behind them.
    fn settings(files: &[(&str, &str)]) -> Vec<String> {
        let text = written(files);
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && line.contains('='));
        lines
            .map(|line| line.split(" # ").next().unwrap().trim().to_owned())
            .filter(|line| !line.starts_with("name = \"shop"))
            .collect()
    }

    #[test]
    fn express_server_started_by_node() {
        let package = r#"{ "name": "@acme/api", "scripts": { "start": "node server.js" }, "dependencies": { "express": "4" } }"#;
        assert_eq!(
            settings(&[("package.json", package), ("server.js", "")]),
            [
                "name = \"api\"",
                "script = \"server.js\"",
                "exec_mode = \"cluster\"",
                "instances = \"max\"",
                "env = { NODE_ENV = \"production\", PORT = \"3000\" }"
            ]
        );
    }

    #[test]
    fn what_only_a_package_manager_can_start() {
        let package =
            r#"{ "scripts": { "start": "next start" }, "dependencies": { "next": "15" } }"#;
        let found = settings(&[("package.json", package), ("pnpm-lock.yaml", "")]);
        assert_eq!(
            found[..2],
            ["script = \"pnpm\"", "args = [\"run\", \"start\"]"]
        );
    }

    #[test]
    fn plain_files() {
        assert_eq!(
            settings(&[("app.js", "setInterval(() => {}, 1000)")]),
            ["script = \"app.js\"", "env = { NODE_ENV = \"production\" }"]
        );
        let server = "require('http').createServer().listen(process.env.PORT)";
        assert!(settings(&[("index.js", server)]).contains(&"exec_mode = \"cluster\"".to_owned()));
        assert_eq!(
            settings(&[("main.py", "print(1)"), ("requirements.txt", "")]),
            ["script = \"main.py\""]
        );
        assert_eq!(
            settings(&[("public/index.php", "")]),
            [
                "script = \"php\"",
                "args = [\"-S\", \"0.0.0.0:8000\", \"-t\", \"public\"]"
            ]
        );
    }

    #[test]
    fn servers_of_a_virtual_environment() {
        assert_eq!(
            settings(&[
                ("main.py", "from fastapi import FastAPI\napi = FastAPI()\n"),
                (".venv/bin/uvicorn", "#!/usr/bin/env python3\n"),
            ]),
            [
                "script = \"./.venv/bin/uvicorn\"",
                "args = [\"main:api\", \"--host\", \"0.0.0.0\", \"--port\", \"8000\"]"
            ]
        );
        assert_eq!(
            settings(&[
                ("manage.py", ""),
                ("shop/wsgi.py", ""),
                ("venv/bin/gunicorn", "#!/usr/bin/env python3\n")
            ]),
            [
                "script = \"./venv/bin/gunicorn\"",
                "args = [\"-b\", \"0.0.0.0:8000\", \"shop.wsgi\"]"
            ]
        );
    }

    #[test]
    fn procfile_ruby_and_built_programs() {
        assert_eq!(
            settings(&[
                (
                    "Procfile",
                    "web: npm start -- $PORT\n# x\nworker: node 'w 1.js'\nrelease: ./migrate\n"
                ),
                ("app.js", "")
            ]),
            [
                "name = \"web\"",
                "script = \"npm start -- $PORT\"",
                "env = { PORT = \"5000\" }",
                "name = \"worker\"",
                "script = \"node 'w 1.js'\""
            ]
        );
        assert_eq!(
            settings(&[("config.ru", ""), ("Gemfile", "gem 'puma'")])[..2],
            [
                "script = \"bundle\"",
                "args = [\"exec\", \"puma\", \"-p\", \"3000\"]"
            ]
        );
        let cargo = "[package]\nname = \"srv\"\n";
        assert_eq!(
            settings(&[("Cargo.toml", cargo), ("target/release/srv", "")]),
            ["name = \"srv\"", "script = \"./target/release/srv\""]
        );
        assert_eq!(
            settings(&[("go.mod", "module example.com/x/daemon\n"), ("daemon", "")]),
            ["name = \"daemon\"", "script = \"./daemon\""]
        );
    }

    #[test]
    fn nothing_to_run_and_hostile_names() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            find::apps(folder.path())
                .unwrap_err()
                .to_string()
                .contains("nothing to run")
        );
        std::fs::write(folder.path().join("go.mod"), "module x\n").unwrap();
        assert!(
            find::apps(folder.path())
                .unwrap_err()
                .to_string()
                .contains("not built yet")
        );
        for name in ["", "..", "@x/", "all", "-x", "a\nb\"", "é b"] {
            assert!(
                crate::model::Name::new(&find::usable(name)).is_ok(),
                "{name}"
            );
        }
        let package = "{ \"name\": \"a\\\"\\n[x]\", \"main\": \"a\\\"b.js\" }";
        written(&[("package.json", package), ("a\"b.js", "")]);
    }

    #[test]
    fn an_existing_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |file: &str| folder.path().join(file);
        std::fs::write(path("app.sh"), "").unwrap();
        std::fs::write(path("Procfile"), "web: sleep 1\n").unwrap();
        std::fs::write(path(DEFAULT_FILE), "mine").unwrap();
        let args = |force| InitArgs {
            dir: folder.path().to_path_buf(),
            force,
            stdout: false,
        };
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert!(
            run(args(false))
                .unwrap_err()
                .to_string()
                .contains("is there already")
        );
        assert_eq!(read(&path(DEFAULT_FILE)), "mine");
        run(args(true)).unwrap();
        assert!(read(&path(DEFAULT_FILE)).contains("name = \"web\""));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
