//! Programs run in the guest, as root, and the guest's files, which go through such programs too.

use std::time::{Duration, Instant};

use super::{Guest, PATIENCE};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a program did. `status` is its exit code, or 128 and the signal that ended it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A program to be run in the guest: in `/` for at most [`PATIENCE`], unless told otherwise.
#[must_use]
pub struct Cmd<'a> {
    guest: &'a Guest,
    args: Vec<String>,
    dir: String,
    stdin: Vec<u8>,
    deadline: Duration,
}

impl Guest {
    pub fn cmd<'a>(&'a self, args: &[&str]) -> Cmd<'a> {
        Cmd {
            guest: self,
            args: args.iter().map(|arg| arg.to_string()).collect(),
            dir: "/".into(),
            stdin: Vec::new(),
            deadline: PATIENCE,
        }
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.cmd(args).run()
    }

    /// What it printed on stdout.
    ///
    /// # Panics
    /// When it fails, with everything it printed.
    pub fn ok(&self, args: &[&str]) -> String {
        self.cmd(args).ok()
    }

    /// A script, all of whose commands must succeed.
    pub fn sh_ok(&self, script: &str) -> String {
        self.ok(&["sh", "-ec", script])
    }

    /// Writes a file, with the folders above it.
    pub fn write(&self, path: &str, mode: u32, text: impl AsRef<[u8]>) {
        let script = r#"mkdir -p -- "$(dirname -- "$2")" && cat >"$2" && chmod "$1" "$2""#;
        self.cmd(&["sh", "-ec", script, "write", &format!("{mode:o}"), path])
            .stdin(text)
            .ok();
    }

    pub fn read(&self, path: &str) -> String {
        self.ok(&["cat", "--", path])
    }
}

impl<'a> Cmd<'a> {
    pub fn dir(mut self, dir: &str) -> Self {
        self.dir = dir.into();
        self
    }

    pub fn stdin(mut self, text: impl AsRef<[u8]>) -> Self {
        self.stdin = text.as_ref().to_vec();
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

    /// In the background, until the answer is dropped.
    pub fn spawn(self) -> Spawned<'a> {
        let environment = [
            format!("PATH={PATH}"),
            "HOME=/root".into(),
            "USER=root".into(),
            "SHELL=/bin/sh".into(),
            "LANG=C.UTF-8".into(),
        ];
        let mut words = vec![self.dir.clone(), environment.len().to_string()];
        words.extend(environment);
        words.extend(self.args.iter().cloned());
        let number = self.guest.port.number();
        let port = &self.guest.port;
        port.say(number, "start", words.join("\0").as_bytes());
        for chunk in self.stdin.chunks(8192) {
            port.say(number, "stdin", chunk);
        }
        port.say(number, "eof", b"");
        Spawned {
            guest: self.guest,
            number,
            line: self.args.join(" "),
        }
    }
}

/// A program running in the guest; killed when dropped.
pub struct Spawned<'a> {
    guest: &'a Guest,
    number: u64,
    line: String,
}

impl Spawned<'_> {
    /// What it printed so far on stdout.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&self.guest.port.progress(self.number).stdout).into_owned()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let number = signal.as_raw().to_string();
        self.guest
            .port
            .say(self.number, "signal", number.as_bytes());
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
    pub fn end_within(self, deadline: Duration) -> Result<Output, String> {
        let progress = self.guest.port.wait(self.number, Instant::now() + deadline);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let output = Output {
            status: progress.ended.unwrap_or(-1),
            stdout: text(&progress.stdout),
            stderr: text(&progress.stderr),
        };
        match progress.ended {
            Some(_) => Ok(output),
            None if progress.lost => Err(format!(
                "`{}`: the guest ended or rebooted meanwhile\n{output}",
                self.line
            )),
            None => Err(format!(
                "`{}` still runs after {deadline:?}\n{output}",
                self.line
            )),
        }
    }
}

impl Drop for Spawned<'_> {
    fn drop(&mut self) {
        let progress = self.guest.port.progress(self.number);
        if progress.ended.is_none() && !progress.lost {
            self.guest.port.say(self.number, "signal", b"9");
        }
        self.guest.port.forget(self.number);
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
