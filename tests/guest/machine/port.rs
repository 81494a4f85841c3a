//! The line to the agent in the guest (programs/agent.rs tells its words): a socket here, a virtio serial port there.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What is known of a program that was started.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub ended: Option<i32>,
    /// The guest it ran in has been rebooted.
    pub lost: bool,
}

#[derive(Default)]
struct Heard {
    boot: Option<String>,
    last: u64,
    programs: HashMap<u64, Progress>,
    closed: bool,
}

pub struct Port {
    out: Mutex<UnixStream>,
    heard: Arc<(Mutex<Heard>, Condvar)>,
}

impl Port {
    pub fn new(socket: UnixStream) -> Port {
        let heard = Arc::new((Mutex::new(Heard::default()), Condvar::new()));
        let reader = BufReader::new(socket.try_clone().expect("the port's socket"));
        let told = Arc::clone(&heard);
        std::thread::spawn(move || {
            for line in reader.split(b'\n').map_while(Result::ok) {
                told.0.lock().expect("port").hear(&line);
                told.1.notify_all();
            }
            told.0.lock().expect("port").closed = true;
            told.1.notify_all();
        });
        Port {
            out: Mutex::new(socket),
            heard,
        }
    }

    /// The id of the boot whose agent spoke last.
    pub fn boot(&self) -> Option<String> {
        self.heard().boot.clone()
    }

    /// Waits for the agent of another boot than `before`; false when none has spoken by the deadline, or QEMU is gone.
    pub fn wait_for_boot(&self, before: Option<&str>, deadline: Duration) -> bool {
        let is_new = |heard: &Heard| {
            heard
                .boot
                .as_deref()
                .is_some_and(|boot| Some(boot) != before)
        };
        let (heard, _) = self
            .heard
            .1
            .wait_timeout_while(self.heard(), deadline, |heard| {
                !is_new(heard) && !heard.closed
            })
            .expect("port");
        is_new(&heard)
    }

    /// A number for a program that will be started.
    pub fn number(&self) -> u64 {
        let mut heard = self.heard();
        heard.last += 1;
        let number = heard.last;
        heard.programs.insert(number, Progress::default());
        number
    }

    pub fn say(&self, number: u64, word: &str, bytes: &[u8]) {
        let mut line = format!("{number} {word} ");
        for byte in bytes {
            write!(line, "{byte:02x}").expect("a String takes everything");
        }
        line.push('\n');
        // A guest that is gone is noticed by whoever waits for its answer.
        let _ = self.out.lock().expect("port").write_all(line.as_bytes());
    }

    pub fn progress(&self, number: u64) -> Progress {
        self.heard().progress(number)
    }

    /// Waits until it has ended or can no longer be heard of; the latter also at the deadline.
    pub fn wait(&self, number: u64, until: Instant) -> Progress {
        let left = until.saturating_duration_since(Instant::now());
        let (heard, _) = self
            .heard
            .1
            .wait_timeout_while(self.heard(), left, |heard| {
                let progress = heard.progress(number);
                progress.ended.is_none() && !progress.lost
            })
            .expect("port");
        heard.progress(number)
    }

    pub fn forget(&self, number: u64) {
        self.heard().programs.remove(&number);
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.0.lock().expect("port")
    }
}

impl Heard {
    fn progress(&self, number: u64) -> Progress {
        let mut progress = self.programs.get(&number).cloned().unwrap_or_default();
        progress.lost |= self.closed;
        progress
    }

    fn hear(&mut self, line: &[u8]) {
        let Some((number, word, bytes)) = parse(line) else {
            return;
        };
        if word == "hello" {
            self.boot = Some(String::from_utf8_lossy(&bytes).into_owned());
            for progress in self.programs.values_mut() {
                progress.lost = progress.ended.is_none();
            }
            return;
        }
        let Some(progress) = self.programs.get_mut(&number) else {
            return;
        };
        match word {
            "stdout" => progress.stdout.extend(bytes),
            "stderr" => progress.stderr.extend(bytes),
            "exit" => progress.ended = String::from_utf8_lossy(&bytes).parse().ok(),
            _ => {}
        }
    }
}

fn parse(line: &[u8]) -> Option<(u64, &str, Vec<u8>)> {
    let mut words = std::str::from_utf8(line).ok()?.splitn(3, ' ');
    let (number, word, hex) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    let digits = hex.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = digits
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok())
        .collect();
    Some((number, word, bytes?))
}
