//! `rpmctl run` where no service manager can be reached: this machine without its bus. Needs root, systemd, dbus and node.
//!
//! The bus is taken away in a mount namespace around rpmctl, so these tests are the same where systemd runs the machine.

mod run;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use run::{Run, started};

const PATIENCE: Duration = Duration::from_secs(120);

/// As on a machine that systemd does not run: neither its folder nor a bus.
const WITHOUT_MANAGER: &str = "mkdir -p /run/systemd /run/dbus && mount -t tmpfs none /run/systemd && mount -t tmpfs none /run/dbus && exec \"$@\"";

const SERVER: &str = r#"const id = process.env.NODE_APP_INSTANCE
const who = process.getuid()
require('http').createServer((_, answer) => answer.end(`${id} ${who}`)).listen(process.env.PORT, '127.0.0.1', () => console.log('up', id))
process.on('SIGINT', () => { console.error('bye', id); process.exit(0) })
"#;

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < PATIENCE,
            "waited {PATIENCE:?} in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A cluster app of three instances in a folder that every user may read.
struct App {
    folder: TempDir,
    port: u16,
}

impl App {
    fn new(more: &str) -> App {
        use std::os::unix::fs::PermissionsExt;
        let readable = fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new()
            .permissions(readable)
            .tempdir()
            .unwrap();
        // Free a moment ago; nothing else here binds to ports it did not choose.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        fs::write(folder.path().join("app.js"), SERVER).unwrap();
        let text = format!(
            "[[apps]]\nname = \"alone\"\nscript = \"app.js\"\ninstances = 3\nexec_mode = \"cluster\"\nlisten = \"127.0.0.1:{port}\"\nport = {port}\n{more}\n"
        );
        fs::write(folder.path().join("ecosystem.toml"), text).unwrap();
        App { folder, port }
    }

    fn run(&self) -> Run {
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-ec",
                WITHOUT_MANAGER,
                "sh",
            ])
            .args([env!("CARGO_BIN_EXE_rpmctl"), "run"])
            .arg(self.folder.path().join("ecosystem.toml"));
        Run::of(command)
    }

    /// What the instances answer, until each has.
    fn answers(&self) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        wait_until("each instance answers", || {
            seen.insert(get(self.port).expect("HTTP"));
            seen.len() == 3
        });
        seen
    }

    fn listens(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }
}

fn get(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(body.to_owned())
}

/// Mounts of this machine that a private systemd could have left.
fn mounts() -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let ours = [
        "/run/systemd",
        "/run/log",
        "/run/dbus",
        "/proc",
        "/sys/fs/cgroup",
    ];
    let at = |line: &str| line.split(' ').nth(4).unwrap_or_default().to_owned();
    table
        .lines()
        .map(at)
        .filter(|at| ours.iter().any(|ours| at.starts_with(ours)))
        .collect()
}

fn nothing_left(app: &App, run: &Run, family: &BTreeSet<(i32, String)>, before: &[String]) {
    wait_until("every process has ended", || {
        family
            .iter()
            .all(|(pid, start)| started(*pid).as_ref() != Some(start))
    });
    wait_until("its cgroups are removed", || run.cgroups().is_empty());
    assert!(!app.listens());
    assert_eq!(mounts(), before);
    assert!(!Path::new("/run/systemd/rpmctl").exists());
}

fn ends_by(signal: Signal) {
    let before = mounts();
    let app = App::new("");
    let mut run = app.run();
    run.up();
    assert_eq!(
        app.answers(),
        ["0 0", "1 0", "2 0"].map(str::to_owned).into()
    );
    let family = run.family();
    assert!(
        family.len() >= 8,
        "guard, init, systemd, dbus, journald, journalctl and three apps: {family:?}"
    );
    assert!(!run.cgroups().is_empty());
    run.signal(signal);
    let status = run.wait();
    if signal == Signal::KILL {
        assert_eq!(status.code(), None);
    } else {
        assert_eq!(status.code(), Some(0), "{}", run.stderr());
        for n in 0..3 {
            assert!(
                run.stdout().contains(&format!("alone@{n} | bye {n}\n")),
                "{}",
                run.stdout()
            );
        }
    }
    nothing_left(&app, &run, &family, &before);
}

#[test]
fn it_answers_and_sigterm_leaves_nothing() {
    ends_by(Signal::TERM);
}

#[test]
fn it_answers_and_sigint_leaves_nothing() {
    ends_by(Signal::INT);
}

#[test]
fn it_answers_and_sigkill_leaves_nothing() {
    ends_by(Signal::KILL);
}

#[test]
fn an_app_may_have_another_user() {
    let app = App::new("user = \"nobody\"");
    let mut run = app.run();
    run.up();
    assert_eq!(
        app.answers(),
        ["0 65534", "1 65534", "2 65534"].map(str::to_owned).into()
    );
    run.signal(Signal::TERM);
    assert_eq!(run.wait().code(), Some(0), "{}", run.stderr());
}

#[test]
fn killed_while_it_starts_it_leaves_nothing() {
    let before = mounts();
    let app = App::new("");
    for step in 0..16 {
        let mut run = app.run();
        // The moment is the test.
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(30 * step) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let family = run.family();
        run.signal(Signal::KILL);
        run.wait();
        nothing_left(&app, &run, &family, &before);
    }
}

#[test]
fn a_bad_release_is_told_with_its_last_lines() {
    let app = App::new("");
    fs::write(
        app.folder.path().join("app.js"),
        "throw new Error('no such table')\n",
    )
    .unwrap();
    let mut run = app.run();
    assert_eq!(run.wait().code(), Some(1));
    let stderr = run.stderr();
    for words in [
        "error: alone@0.service: ",
        "no such table",
        "error: no instance runs any more",
    ] {
        assert!(stderr.contains(words), "no {words:?} in\n{stderr}");
    }
    assert!(run.cgroups().is_empty());
}

#[test]
fn problems_of_the_file_are_told_before_anything_is_booted() {
    let app = App::new("instancez = 3\nuser = \"no-such-user\"");
    let mut run = app.run();
    let mut seen = BTreeSet::new();
    while run.child.try_wait().unwrap().is_none() {
        seen.extend(run.cgroups());
    }
    assert_eq!(run.wait().code(), Some(1));
    assert_eq!((run.stdout().as_str(), seen), ("", BTreeSet::new()));
    let stderr = run.stderr();
    for words in ["instancez", "instances", "no-such-user", "ecosystem.toml:"] {
        assert!(stderr.contains(words), "no {words:?} in\n{stderr}");
    }
    assert!(!stderr.contains("private"), "{stderr}");
}

#[test]
fn without_root_it_says_what_to_do() {
    let app = App::new("");
    let program = app.folder.path().join("rpmctl");
    fs::copy(env!("CARGO_BIN_EXE_rpmctl"), &program).unwrap();
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-ec",
            WITHOUT_MANAGER,
            "sh",
        ])
        .args([
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "env",
            "-u",
            "XDG_RUNTIME_DIR",
            "-u",
            "DBUS_SESSION_BUS_ADDRESS",
        ])
        .arg(&program)
        .arg("run")
        .arg(app.folder.path().join("ecosystem.toml"));
    let mut run = Run::of(command);
    assert_eq!(run.wait().code(), Some(1));
    let stderr = run.stderr();
    let mut lines = stderr.lines();
    assert_eq!(
        lines.next(),
        Some("error: rpmctl run needs root where no service manager can be reached")
    );
    assert!(
        lines
            .next()
            .is_some_and(|hint| hint.contains("sudo rpmctl run")),
        "{stderr}"
    );
}
