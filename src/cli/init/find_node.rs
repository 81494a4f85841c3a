//! Node: package.json, or a file of a usual name.

use std::path::Path;

use serde_json::Value;

use super::find::{App, has, read, usable};

const FILES: [&str; 8] = [
    "app.js",
    "server.js",
    "index.js",
    "bin/www",
    "dist/main.js",
    "dist/index.js",
    "src/index.js",
    "main.js",
];

/// Packages that listen on a port, and what they are called.
const SERVERS: [(&str, &str); 11] = [
    ("express", "Express"),
    ("fastify", "Fastify"),
    ("koa", "Koa"),
    ("@hapi/hapi", "hapi"),
    ("@nestjs/core", "NestJS"),
    ("next", "Next.js"),
    ("nuxt", "Nuxt"),
    ("hono", "Hono"),
    ("restify", "restify"),
    ("@adonisjs/core", "AdonisJS"),
    ("@strapi/strapi", "Strapi"),
];

pub fn app(folder: &Path, name: &str) -> Option<App> {
    let package: Value = match read(folder, "package.json") {
        Some(text) => serde_json::from_str(&text).unwrap_or(Value::Null),
        None => {
            let file = FILES.into_iter().find(|file| has(folder, file))?;
            return Some(finish(
                App::new(name, file, "found here"),
                server_file(folder, file),
            ));
        }
    };
    let name = package["name"].as_str().map_or(name.to_owned(), usable);
    let server = SERVERS
        .iter()
        .find_map(|(dependency, shown)| package["dependencies"].get(dependency).map(|_| *shown));
    let what = server.unwrap_or("package.json");
    let start = package["scripts"]["start"].as_str().unwrap_or("").trim();
    // `node server.js` needs no package manager between systemd and the app.
    let direct = start
        .strip_prefix("node ")
        .map(str::trim)
        .filter(|file| !file.contains(char::is_whitespace) && has(folder, file));
    let main = package["main"].as_str().filter(|main| has(folder, main));
    let usual = FILES.into_iter().find(|file| has(folder, file));
    let app = if let Some(file) = direct {
        App::new(&name, file, format!("{what}: \"start\""))
    } else if !start.is_empty() {
        let manager = manager(folder);
        App::new(&name, manager, format!("{what}: {start}")).args(&["run", "start"])
    } else if let Some(file) = main {
        App::new(&name, file, format!("{what}: \"main\""))
    } else {
        App::new(&name, usual?, what)
    };
    let listens = server.is_some()
        || (start.is_empty() || direct.is_some()) && server_file(folder, &app.script);
    Some(finish(app, listens))
}

fn finish(mut app: App, listens: bool) -> App {
    app.cluster = listens;
    app = app.env("NODE_ENV", "production");
    match listens {
        true => app.env("PORT", "3000"),
        false => app,
    }
}

/// Whether the file listens on the port that PORT says.
fn server_file(folder: &Path, file: &str) -> bool {
    read(folder, file).is_some_and(|text| text.contains(".listen(") && text.contains("env.PORT"))
}

fn manager(folder: &Path) -> &'static str {
    for (lock, manager) in [
        ("pnpm-lock.yaml", "pnpm"),
        ("yarn.lock", "yarn"),
        ("bun.lockb", "bun"),
        ("bun.lock", "bun"),
    ] {
        if has(folder, lock) {
            return manager;
        }
    }
    "npm"
}
