//! Python: Django, ASGI and WSGI apps under their servers where these are installed, else a file of a usual name.

use std::path::Path;

use super::find::{App, has, on_path, read};

pub fn app(folder: &Path, name: &str) -> Option<App> {
    let needs = ["requirements.txt", "pyproject.toml", "Pipfile", "setup.cfg"]
        .into_iter()
        .filter_map(|file| read(folder, file))
        .collect::<String>()
        .to_lowercase();
    let file = [
        "app.py",
        "main.py",
        "server.py",
        "wsgi.py",
        "asgi.py",
        "src/main.py",
    ]
    .into_iter()
    .find(|file| has(folder, file));
    if has(folder, "manage.py") {
        return Some(django(folder, name));
    }
    let file = file?;
    let text = read(folder, file).unwrap_or_default();
    let module = file.trim_end_matches(".py").replace('/', ".");
    let variable = |class: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            let name = name.split(':').next()?.trim();
            let plain =
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            (plain
                && !line.starts_with(char::is_whitespace)
                && value.trim_start().starts_with(class))
            .then(|| format!("{module}:{name}"))
        })
    };
    if let Some(target) = variable("FastAPI(").or_else(|| variable("Starlette("))
        && let Some(uvicorn) = program(folder, "uvicorn")
    {
        return Some(
            App::new(name, uvicorn, "ASGI app under uvicorn")
                .args(&[&target, "--host", "0.0.0.0", "--port", "8000"]),
        );
    }
    if let Some(target) = variable("Flask(") {
        if let Some(gunicorn) = program(folder, "gunicorn") {
            return Some(App::new(name, gunicorn, "Flask app under gunicorn").args(&[
                "-b",
                "0.0.0.0:8000",
                &target,
            ]));
        }
        if needs.contains("flask")
            && let Some(flask) = program(folder, "flask")
        {
            return Some(
                App::new(name, flask, "Flask app under its own server")
                    .args(&["--app", &target, "run", "--port", "8000"]),
            );
        }
    }
    Some(python(folder, App::new(name, file, "Python program")))
}

fn django(folder: &Path, name: &str) -> App {
    let project = std::fs::read_dir(folder)
        .ok()
        .into_iter()
        .flatten()
        .flatten()
        .find_map(|entry| {
            let project = entry.file_name().to_string_lossy().into_owned();
            has(folder, &format!("{project}/wsgi.py")).then_some(project)
        });
    if let (Some(project), Some(gunicorn)) = (project, program(folder, "gunicorn")) {
        let target = format!("{project}.wsgi");
        return App::new(name, gunicorn, "Django under gunicorn").args(&[
            "-b",
            "0.0.0.0:8000",
            &target,
        ]);
    }
    python(folder, App::new(name, "manage.py", "Django's own server")).args(&[
        "runserver",
        "--noreload",
        "0.0.0.0:8000",
    ])
}

/// The virtual environment's program, else one on PATH.
fn program(folder: &Path, name: &str) -> Option<String> {
    environment(folder, name).or_else(|| on_path(name).then(|| name.to_owned()))
}

fn environment(folder: &Path, name: &str) -> Option<String> {
    [".venv", "venv", "env"]
        .into_iter()
        .map(|env| format!("./{env}/bin/{name}"))
        .find(|file| has(folder, file))
}

/// Under the virtual environment's Python where there is one.
fn python(folder: &Path, app: App) -> App {
    match environment(folder, "python") {
        Some(python) => app.interpreter(&python),
        None => app,
    }
}
