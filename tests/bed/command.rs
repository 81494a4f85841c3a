//! Programs run inside the bed: in all its namespaces, with a clean environment, without a terminal, and gone when
//! the one who started them is.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Bed;
use super::boot::children;

pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a program did. `status` is its exit code, or 128 and the signal that ended it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A program to be run in the bed: by root in `/` for at most a minute, unless told otherwise.
#[must_use]
pub struct Cmd<'a> {
    bed: &'a Bed,
    args: Vec<String>,
    user: Option<String>,
    dir: String,
    env: Vec<(String, String)>,
    stdin: Option<Vec<u8>>,
    deadline: Duration,
}

impl Bed {
    pub fn cmd<'a>(&'a self, args: &[&str]) -> Cmd<'a> {
        Cmd {
            bed: self,
            args: args.iter().map(|arg| arg.to_string()).collect(),
            user: None,
            dir: "/".into(),
            env: Vec::new(),
            stdin: None,
            deadline: Duration::from_secs(60),
        }
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.cmd(args).run()
    }

    /// As an ordinary user whose manager runs: `app`.
    pub fn run_as(&self, user: &str, args: &[&str]) -> Output {
        self.cmd(args).user(user).run()
    }

    pub fn sh(&self, script: &str) -> Output {
        self.run(&["sh", "-c", script])
    }

    /// What it printed on stdout.
    ///
    /// # Panics
    /// When it fails, with everything it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        self.cmd(args).ok()
    }

    pub fn ok_as(&self, user: &str, args: &[&str]) -> String {
        self.cmd(args).user(user).ok()
    }

    /// A script, all of whose commands must succeed.
    pub fn sh_ok(&self, script: &str) -> String {
        self.ok(&["sh", "-ec", script])
    }

    /// In the background, until the answer is dropped.
    pub fn spawn(&self, args: &[&str]) -> Spawned {
        self.cmd(args).spawn()
    }
}

impl Cmd<'_> {
    /// By this user: `app`, or `root` as without.
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.to_string()).filter(|user| user != "root");
        self
    }

    pub fn dir(mut self, dir: &str) -> Self {
        self.dir = dir.into();
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    pub fn stdin(mut self, text: impl AsRef<[u8]>) -> Self {
        self.stdin = Some(text.as_ref().to_vec());
        self
    }

    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub fn run(self) -> Output {
        let deadline = self.deadline;
        self.spawn().wait(deadline)
    }

    pub fn ok(self) -> String {
        let line = self.args.join(" ");
        let output = self.run();
        assert!(
            output.status == 0,
            "`{line}` ended with {}\n{output}",
            output.status
        );
        output.stdout
    }

    pub fn spawn(self) -> Spawned {
        let mut command = Command::new("nsenter");
        command.args([
            "-t",
            &self.bed.leader.to_string(),
            "-a",
            "-r",
            "--",
            "setpriv",
            "--pdeathsig",
            "KILL",
        ]);
        command
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .env("SHELL", "/bin/sh");
        match &self.user {
            Some(user) => {
                self.bed.wait_for_user_manager();
                command.args(["--reuid", user, "--regid", user, "--init-groups"]);
                command
                    .env("HOME", format!("/home/{user}"))
                    .env("USER", user)
                    .env("LOGNAME", user);
                command.env("XDG_RUNTIME_DIR", "/run/user/1000");
                command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/1000/bus");
            }
            None => {
                command
                    .env("HOME", "/root")
                    .env("USER", "root")
                    .env("LOGNAME", "root");
            }
        }
        // A shell's background jobs ignore SIGINT, and so would what they start.
        command.args([
            "--",
            "env",
            "--default-signal",
            &format!("--chdir={}", self.dir),
        ]);
        command.args(
            self.env
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        command
            .args(&self.args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.stdin(if self.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        let mut child = command.spawn().expect("start nsenter (package util-linux)");
        if let (Some(text), Some(mut pipe)) = (self.stdin, child.stdin.take()) {
            // One that does not read all its input is no failure.
            std::thread::spawn(move || pipe.write_all(&text));
        }
        let stdout = Captured::of(child.stdout.take().expect("stdout"));
        let stderr = Captured::of(child.stderr.take().expect("stderr"));
        Spawned {
            line: self.args.join(" "),
            child,
            stdout,
            stderr,
        }
    }
}

/// A program running in the bed; killed when dropped.
pub struct Spawned {
    line: String,
    child: Child,
    stdout: Captured,
    stderr: Captured,
}

impl Spawned {
    /// What it printed so far on stdout and on stderr.
    pub fn printed(&self) -> (String, String) {
        (self.stdout.text(), self.stderr.text())
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_none()
    }

    /// Sends it a signal, as `kill` would; false when it has ended already.
    pub fn signal(&mut self, signal: rustix::process::Signal) -> bool {
        // What entered the bed starts it as a child, a moment after it was started itself.
        while self.is_running() {
            let child = children(self.child.id() as i32)
                .first()
                .and_then(|pid| rustix::process::Pid::from_raw(*pid));
            if let Some(pid) = child {
                return rustix::process::kill_process(pid, signal).is_ok();
            }
            std::thread::yield_now();
        }
        false
    }

    /// Its end, and the end of whatever holds its output open.
    ///
    /// # Panics
    /// When that has not come by the deadline, with what was printed until then.
    pub fn wait(self, deadline: Duration) -> Output {
        self.end_within(deadline)
            .unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// As [`Spawned::wait`], with the reason as the error.
    pub fn end_within(mut self, deadline: Duration) -> Result<Output, String> {
        let start = Instant::now();
        loop {
            let ended = self.child.try_wait().map_err(|error| error.to_string())?;
            if let Some(status) = ended
                && self.stdout.is_complete()
                && self.stderr.is_complete()
            {
                return Ok(Output {
                    status: number(status),
                    stdout: self.stdout.text(),
                    stderr: self.stderr.text(),
                });
            }
            if start.elapsed() > deadline {
                let what = match ended {
                    Some(status) => {
                        format!("ended ({status}), but something it started still holds its output")
                    }
                    None => "still runs".to_string(),
                };
                let (stdout, stderr) = self.printed();
                return Err(format!(
                    "`{}` {what} after {deadline:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}",
                    self.line
                ));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What comes out of a pipe, read by a thread of its own.
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Captured {
    fn of(mut pipe: impl Read + Send + 'static) -> Captured {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let filled = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(size @ 1..) = pipe.read(&mut chunk) {
                filled
                    .lock()
                    .expect("captured")
                    .extend_from_slice(&chunk[..size]);
            }
        });
        Captured { bytes, reader }
    }

    fn is_complete(&self) -> bool {
        self.reader.is_finished()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("captured")).into_owned()
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "--- status {}\n--- stdout\n{}\n--- stderr\n{}",
            self.status, self.stdout, self.stderr
        )
    }
}

fn number(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}
