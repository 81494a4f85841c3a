//! The programs: what starts each, and what of its answer names the process that gave it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::apps;
use crate::bed::Bed;
use crate::nodes;

pub struct Program {
    /// Of the app, and of its folder in /srv.
    pub name: &'static str,
    pub port: u16,
    /// `script`, `args` and whatever else the file needs; PORT stands for the port.
    pub keys: &'static [&'static str],
    pub files: &'static [(&'static str, &'static str)],
    pub more: More,
    /// What to ask for.
    pub path: &'static str,
    /// In the answer, the process id follows this.
    pub mark: &'static str,
    /// Whether it finishes what it has begun when it is asked to stop.
    pub graceful: bool,
}

/// What else belongs into the folder.
pub enum More {
    Nothing,
    Express,
    /// Express with yarn and pnpm.
    Managers,
    /// A link to what the process that opens it is called: a server of plain files answers with its id.
    OwnPid,
    Rust,
    Go,
}

const APP: (&str, &str) = ("app.js", include_str!("app.js"));
const PACKAGE: (&str, &str) = (
    "package.json",
    r#"{ "name": "app", "license": "MIT", "scripts": { "start": "node app.js" } }"#,
);

const fn program(name: &'static str, port: u16, keys: &'static [&'static str]) -> Program {
    Program {
        name,
        port,
        keys,
        files: &[],
        more: More::Nothing,
        path: "/slow",
        mark: "",
        graceful: true,
    }
}

/// Express as it was written for PM2.
const fn express(name: &'static str, port: u16, keys: &'static [&'static str]) -> Program {
    Program {
        files: &[APP, PACKAGE],
        more: More::Express,
        path: "/",
        mark: "\"processId\":",
        graceful: true,
        ..program(name, port, keys)
    }
}

pub const EXPRESS: Program = express("express", 3401, &[r#"script = "app.js""#]);
pub const NPM: Program = express("npm", 3402, &[r#"script = "npm""#, r#"args = "start""#]);
pub const YARN: Program = Program {
    more: More::Managers,
    ..express(
        "yarn",
        3403,
        &[r#"script = "node_modules/.bin/yarn""#, r#"args = "start""#],
    )
};
pub const PNPM: Program = Program {
    more: More::Managers,
    ..express(
        "pnpm",
        3404,
        &[r#"script = "node_modules/.bin/pnpm""#, r#"args = "start""#],
    )
};

pub const HTTP_SERVER: Program = Program {
    more: More::OwnPid,
    path: "/pid",
    graceful: false,
    ..program(
        "http-server",
        3405,
        &[r#"script = "python3""#, r#"args = "-m http.server PORT""#],
    )
};
pub const UVICORN: Program = Program {
    files: &[("asgi.py", include_str!("asgi.py"))],
    ..program(
        "uvicorn",
        3406,
        &[
            r#"script = "python3""#,
            r#"args = "-m uvicorn asgi:app --port PORT""#,
        ],
    )
};
pub const UVICORN_FDS: Program = Program {
    files: &[("asgi.py", include_str!("asgi.py"))],
    ..program(
        "uvicorn-fds",
        3407,
        &[
            r#"script = "python3""#,
            r#"args = "-m uvicorn asgi:app --fd 3""#,
            "listen_fds = true",
        ],
    )
};
/// It takes SIGINT as 'at once', and descriptor 3 whatever `--bind` says.
pub const GUNICORN: Program = Program {
    files: &[("wsgi.py", include_str!("wsgi.py"))],
    ..program(
        "gunicorn",
        3408,
        &[
            r#"script = "gunicorn""#,
            r#"args = "--bind :PORT wsgi:app""#,
            r#"stop_signal = "SIGTERM""#,
        ],
    )
};
/// It says itself that it is ready.
pub const GUNICORN_FDS: Program = Program {
    files: &[("wsgi.py", include_str!("wsgi.py"))],
    ..program(
        "gunicorn-fds",
        3409,
        &[
            r#"script = "gunicorn""#,
            r#"args = "wsgi:app""#,
            r#"stop_signal = "SIGTERM""#,
            "listen_fds = true",
            "wait_ready = true",
        ],
    )
};

pub const PUMA: Program = Program {
    files: &[("config.ru", include_str!("config.ru"))],
    ..program("puma", 3410, &[r#"script = "puma""#, r#"args = "-p PORT""#])
};
pub const WEBRICK: Program = Program {
    files: &[("slow.rhtml", include_str!("slow.rhtml"))],
    path: "/slow.rhtml",
    ..program(
        "webrick",
        3411,
        &[r#"script = "ruby""#, r#"args = "-run -e httpd . -p PORT""#],
    )
};

/// It accepts what waits, answers one after another, and drops the others at the signal.
pub const PHP: Program = Program {
    files: &[("router.php", include_str!("router.php"))],
    graceful: false,
    ..program(
        "php",
        3412,
        &[
            r#"script = "php""#,
            r#"args = "-S 0.0.0.0:PORT router.php""#,
        ],
    )
};

pub const RUST: Program = Program {
    more: More::Rust,
    path: "/busy",
    mark: " ",
    graceful: false,
    ..program(
        "rust",
        3413,
        &[r#"script = "./server""#, "listen_fds = true"],
    )
};
pub const GO: Program = Program {
    more: More::Go,
    ..program("go", 3414, &[r#"script = "./server""#, "listen_fds = true"])
};

impl Program {
    pub fn dir(&self) -> String {
        format!("/srv/runtimes/{}", self.name)
    }

    /// `[[apps]]`, with further keys.
    pub fn app(&self, more: &str) -> String {
        format!(
            "[[apps]]\nname = \"{}\"\ncwd = \"{}\"\nexec_mode = \"cluster\"\nmin_uptime = 200\n\
             env = {{ GREETING = \"hello\" }}\n{}\n{more}\n",
            self.name,
            self.dir(),
            self.keys.join("\n").replace("PORT", &self.port.to_string())
        )
    }

    /// Writes its files.
    pub fn install(&self, bed: &Bed) {
        let dir = self.dir();
        bed.sh_ok(&format!("mkdir -p {dir}"));
        match self.more {
            More::Nothing => {}
            More::Express => bed.copy_in(nodes::express(), &dir),
            More::Managers => {
                let packages = ["express@4", "yarn@1", "pnpm@9"].map(str::to_owned);
                bed.copy_in(nodes::fetched("managers", &packages, |_| {}), &dir);
            }
            More::OwnPid => drop(bed.sh_ok(&format!("ln -sf /proc/self/stat {dir}/pid"))),
            More::Rust => bed.write(&format!("{dir}/server"), 0o755, read(apps::server())),
            More::Go => bed.write(&format!("{dir}/server"), 0o755, read(go())),
        }
        for (file, text) in self.files {
            bed.write(&format!("{dir}/{file}"), 0o644, text);
        }
    }
}

fn read(program: &Path) -> Vec<u8> {
    std::fs::read(program).expect("the built server")
}

/// server.go, built once.
fn go() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = target.join("server-go");
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&path)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/real/runtimes/server.go"
            ))
            .env("CGO_ENABLED", "0")
            .env("GOCACHE", target.join("go-build"))
            .output()
            .expect("start go (package golang-go)");
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        path
    })
}
