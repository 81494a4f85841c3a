//! Commands that are given: rpmctl itself runs them, as if they were typed.
//!
//! A process of its own, so that what waits for a lock or for instances holds up nothing here, and what is begun is done to its end when monit goes.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

use super::Tell;
use crate::monit::action::Action;

/// Bytes of a line.
const LINE: u64 = 4096;

/// The commands that go on.
pub struct Orders {
    user: bool,
    tell: Tell,
    pids: HashMap<u64, Pid>,
}

impl Orders {
    pub fn new(user: bool, tell: Tell) -> Orders {
        Orders {
            user,
            tell,
            pids: HashMap::new(),
        }
    }

    pub fn give(&mut self, id: u64, args: &[String]) {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("rpmctl");
        if self.user {
            command.arg("--user");
        }
        command
            .args(args)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // The end of the terminal is not the end of a reload.
            .process_group(0);
        let tell = self.tell.clone();
        match command.spawn() {
            Ok(mut child) => {
                let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
                if let Some(pid) = pid.and_then(Pid::from_raw) {
                    self.pids.insert(id, pid);
                }
                tokio::spawn(async move {
                    let (said, mut lines) = mpsc::channel(16);
                    if let Some(stdout) = child.stdout.take() {
                        tokio::spawn(lines_of(stdout, said.clone()));
                    }
                    if let Some(stderr) = child.stderr.take() {
                        tokio::spawn(lines_of(stderr, said));
                    }
                    while let Some(line) = lines.recv().await {
                        let _ = tell.send(Action::OrderSaid { id, line }).await;
                    }
                    let done = match child.wait().await {
                        Ok(status) => {
                            if let Some(signal) = status.signal() {
                                let line = format!("error: ended by signal {signal}");
                                let _ = tell.send(Action::OrderSaid { id, line }).await;
                            }
                            status.success()
                        }
                        Err(_) => false,
                    };
                    let _ = tell.send(Action::OrderEnded { id, done }).await;
                });
            }
            Err(error) => {
                tokio::spawn(async move {
                    let line = format!("error: rpmctl cannot be started: {error}");
                    let _ = tell.send(Action::OrderSaid { id, line }).await;
                    let _ = tell.send(Action::OrderEnded { id, done: false }).await;
                });
            }
        }
    }

    /// As Ctrl-C where it would have been typed.
    pub fn interrupt(&self, id: u64) {
        if let Some(pid) = self.pids.get(&id) {
            let _ = kill_process(*pid, Signal::INT);
        }
    }

    pub fn ended(&mut self, id: u64) {
        self.pids.remove(&id);
    }
}

async fn lines_of(pipe: impl AsyncRead + Unpin, said: mpsc::Sender<String>) {
    let mut pipe = BufReader::new(pipe);
    loop {
        let mut line = Vec::new();
        match (&mut pipe).take(LINE).read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            _ => return,
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if !line.is_empty() && said.send(line.to_owned()).await.is_err() {
            return;
        }
    }
}
