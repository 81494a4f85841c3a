//! `rpmctl run` where a service manager can be reached: transient units there, and nothing of them in the end.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;

use crate::bed::{self, Bed, Output, Spawned};

const PATIENCE: Duration = Duration::from_secs(120);

const SERVER: &str = r#"const id = process.env.NODE_APP_INSTANCE
require('http').createServer((_, answer) => answer.end(id)).listen(process.env.PORT, '127.0.0.1', () => console.log('up', id))
process.on('SIGINT', () => { console.error('bye', id); process.exit(0) })
"#;

/// Runs have folders and scopes named by their process alone: one at a time, so that what is left is this test's.
static ONE: Mutex<()> = Mutex::new(());

/// A cluster app and where it lives.
struct App<'a> {
    _one: MutexGuard<'static, ()>,
    bed: &'a Bed,
    user: &'a str,
    name: &'a str,
    port: u16,
    folder: String,
}

impl<'a> App<'a> {
    fn new(bed: &'a Bed, user: &'a str, name: &'a str, port: u16) -> App<'a> {
        let folder = match user {
            "root" => format!("/srv/{name}"),
            user => format!("/home/{user}/{name}"),
        };
        let app = App {
            _one: ONE.lock().unwrap_or_else(PoisonError::into_inner),
            bed,
            user,
            name,
            port,
            folder,
        };
        app.write("app.js", SERVER);
        app.write(
            "ecosystem.toml",
            &format!(
                "[[apps]]\nname = \"{name}\"\nscript = \"app.js\"\ninstances = 3\nexec_mode = \"cluster\"\nlisten = \"127.0.0.1:{port}\"\nport = {port}\n"
            ),
        );
        app
    }

    fn write(&self, file: &str, text: &str) {
        self.bed.write_as(self.user, &self.path(file), 0o644, text);
    }

    fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    fn rpmctl(&self, command: &str) -> bed::Cmd<'a> {
        let file = self.path("ecosystem.toml");
        let args: &[&str] = match self.user {
            "root" => &["rpmctl", command, &file],
            _ => &["rpmctl", "--user", command, &file],
        };
        self.bed.cmd(args).user(self.user)
    }

    fn run(&self) -> Spawned {
        self.rpmctl("run").spawn()
    }

    /// Until all instances wrote that they listen.
    fn up(&self, run: &Spawned) {
        self.bed.wait_until("all instances are up", PATIENCE, || {
            let (stdout, _) = run.printed();
            (0..3).all(|n| stdout.contains(&format!("{}@{n} | up {n}\n", self.name)))
        });
    }

    fn answers(&self) {
        let mut seen = BTreeSet::new();
        self.bed.wait_until("each instance answers", PATIENCE, || {
            let answer = self
                .bed
                .http_get(&format!("127.0.0.1:{}", self.port), "/")
                .expect("HTTP");
            assert_eq!(answer.status, 200);
            seen.insert(answer.body);
            seen.len() == 3
        });
        assert_eq!(seen, ["0", "1", "2"].map(str::to_owned).into());
    }

    /// What is there of it: units of any state, unit files, folders, processes, a listener.
    fn left(&self) -> String {
        let name = self.name;
        let manager = if self.user == "root" { "" } else { "--user" };
        let run = if self.user == "root" {
            "/run"
        } else {
            "/run/user/1000"
        };
        let folder = &self.folder;
        let script = format!(
            "systemctl {manager} list-units --all --plain --no-legend '{name}*' 'rpmctl-run-*' | grep -v '^$' || :
             systemctl {manager} --failed --plain --no-legend | grep '{name}' || :
             find {run}/systemd {run}/rpmctl -name '{name}*' 2>/dev/null || :
             find {run} -maxdepth 1 -name 'rpmctl-run-*'
             ps -eo pid,args | grep '{folder}/[a]pp.js' || :
             grep -E '^ *[0-9]+: [0-9A-F]+:{:04X} [0-9A-F:]+ 0A ' /proc/net/tcp || :",
            self.port
        );
        self.bed.cmd(&["sh", "-ec", &script]).user(self.user).ok()
    }

    fn nothing_is_left_soon(&self) {
        let mut left = String::new();
        let start = std::time::Instant::now();
        while start.elapsed() < PATIENCE {
            left = self.left();
            if left.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{} left this:\n{left}", self.name);
    }
}

fn ends_by(app: &App, signal: Signal) {
    let mut run = app.run();
    app.up(&run);
    app.answers();
    assert!(
        app.left().contains(&format!("{}@0.service", app.name)),
        "what would be left is seen"
    );
    run.signal(signal);
    let output = run.wait(PATIENCE);
    assert_eq!(output.status, 0, "{output}");
    assert_eq!(app.left(), "");
    for n in 0..3 {
        let bye = format!("{}@{n} | bye {n}\n", app.name);
        assert!(
            output.stdout.contains(&bye),
            "the last lines are shown: {output}"
        );
    }
}

#[test]
fn sigterm_ends_it_and_leaves_nothing() {
    ends_by(
        &App::new(bed::shared(), "root", "fg-term", 4101),
        Signal::TERM,
    );
}

#[test]
fn sigint_ends_it_and_leaves_nothing() {
    ends_by(
        &App::new(bed::shared(), "root", "fg-int", 4102),
        Signal::INT,
    );
}

#[test]
fn a_user_runs_it_with_the_own_manager() {
    ends_by(
        &App::new(bed::shared(), "app", "fg-user", 4103),
        Signal::TERM,
    );
}

fn killed(app: &App) {
    let mut run = app.run();
    app.up(&run);
    run.signal(Signal::KILL);
    assert_eq!(run.wait(PATIENCE).status, 137);
    app.nothing_is_left_soon();
}

#[test]
fn sigkill_leaves_nothing() {
    killed(&App::new(bed::shared(), "root", "fg-kill", 4104));
}

#[test]
fn sigkill_leaves_nothing_of_a_users() {
    killed(&App::new(bed::shared(), "app", "fg-killu", 4105));
}

/// At any moment of its start.
fn ended_while_starting(app: &App, signal: Signal, status: i32) {
    for step in 0..24 {
        let mut run = app.run();
        let (_, mut printed) = run.printed();
        // The moment is the test: from its first process on.
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(30 * step + 15) {
            std::thread::sleep(Duration::from_millis(1));
            printed = run.printed().1;
        }
        run.signal(signal);
        let output = run.wait(PATIENCE);
        assert!(
            output.status == status || output.status == 128 + signal.as_raw(),
            "step {step}, after\n{printed}\n{output}"
        );
        app.nothing_is_left_soon();
    }
}

#[test]
fn sigkill_while_it_starts_leaves_nothing() {
    ended_while_starting(
        &App::new(bed::shared(), "root", "fg-early", 4106),
        Signal::KILL,
        137,
    );
}

#[test]
fn sigterm_while_it_starts_leaves_nothing() {
    ended_while_starting(
        &App::new(bed::shared(), "root", "fg-soon", 4107),
        Signal::TERM,
        0,
    );
}

fn told(output: &Output, words: &[&str]) {
    assert_eq!(output.status, 1, "{output}");
    for word in words {
        assert!(output.stderr.contains(word), "no {word:?}\n{output}");
    }
}

#[test]
fn a_bad_release_is_told_with_its_last_lines() {
    let app = App::new(bed::shared(), "root", "fg-bad", 4108);
    app.write(
        "app.js",
        "console.log('about to fail'); throw new Error('no such table')\n",
    );
    let output = app.rpmctl("run").run();
    told(
        &output,
        &[
            "fg-bad@0.service",
            "no such table",
            "error: no instance runs any more",
        ],
    );
    assert_eq!(app.left(), "");
}

#[test]
fn a_job_that_has_done_its_work_ends_the_run_after_its_last_lines() {
    let app = App::new(bed::shared(), "root", "fg-done", 4109);
    app.write(
        "ecosystem.toml",
        "[[apps]]\nname = \"fg-done\"\nscript = \"app.sh\"\ninterpreter = \"/bin/sh\"\nautorestart = false\nmin_uptime = 50\n",
    );
    app.write("app.sh", "echo begun; sleep 1; echo done; exit 0\n");
    let output = app.rpmctl("run").run();
    assert_eq!(output.status, 0, "{output}");
    assert!(
        output.stderr.contains("every instance has done its work\n"),
        "{output}"
    );
    assert!(
        output.stdout.contains("fg-done@0 | begun\n")
            && output.stdout.contains("fg-done@0 | done\n"),
        "{output}"
    );
    assert_eq!(app.left(), "");
}

#[test]
fn a_name_that_is_taken_is_refused_and_stays_as_it_is() {
    let bed = bed::shared();
    let app = App::new(bed, "root", "fg-taken", 4110);
    app.rpmctl("apply").ok();
    let invocation = || {
        bed.ok(&[
            "systemctl",
            "show",
            "-P",
            "InvocationID",
            "fg-taken@0.service",
        ])
    };
    let before = invocation();
    let output = app.rpmctl("run").run();
    told(&output, &["fg-taken", "/etc/systemd/system/fg-taken"]);
    assert_eq!(invocation(), before);
    app.answers();
    bed.ok(&["rpmctl", "delete", "fg-taken"]);
    assert_eq!(app.left(), "");

    let mut first = app.run();
    app.up(&first);
    let before = invocation();
    let output = app.rpmctl("run").run();
    told(&output, &["fg-taken is running already"]);
    assert_eq!(invocation(), before);
    app.answers();
    first.signal(Signal::TERM);
    assert_eq!(first.wait(PATIENCE).status, 0);
    assert_eq!(app.left(), "");
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let app = App::new(bed::shared(), "root", "fg-pipe", 4111);
    let file = app.path("ecosystem.toml");
    let script =
        format!("{{ rpmctl run {file}; echo $? >/run/run-pipe.rc; }} | head -n 1 >/dev/null");
    let run = app.bed.spawn(&["sh", "-c", &script]);
    let mut rc = String::new();
    app.bed.wait_until("it ends", PATIENCE, || {
        // Lines come until the pipe is found closed.
        if app.bed.exists("/run/run-pipe.rc") {
            rc = app.bed.read("/run/run-pipe.rc");
        }
        !rc.is_empty()
    });
    drop(run);
    assert_eq!(rc, "0\n");
    app.nothing_is_left_soon();
}
