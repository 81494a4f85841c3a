//! What `rpmctl monit` costs: `cargo bench --bench monit`, as root.
//!
//! 20 apps of 5 instances, each of which writes a line a second, in a bed, on a terminal of 200×60: the time from its start to the first screen that has
//! all of them on it, and the share of a processor that it and its journalctl take in half a minute. Fails when a promise is broken.

#[path = "../bed/mod.rs"]
mod bed;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bed::{Bed, Options};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const APPS: usize = 20;
const INSTANCES: usize = 5;
const RUNS: usize = 10;
const FIRST: Duration = Duration::from_millis(100);
const SPAN: Duration = Duration::from_secs(30);
const SHARE: f64 = 2.0;
/// Clock ticks of /proc/PID/stat a second.
const TICKS: f64 = 100.0;

/// A program of the bed on a terminal of its own.
struct Terminal {
    child: Child,
    keys: File,
    written: Arc<Mutex<String>>,
    begun: Instant,
}

impl Terminal {
    fn run(bed: &Bed, program: &[&str]) -> Terminal {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).expect("a terminal");
        unlockpt(&ours).expect("a terminal");
        let name = ptsname(&ours, Vec::new()).expect("its name");
        let theirs = open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("its end");
        let size = Winsize {
            ws_row: 60,
            ws_col: 200,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&theirs, size).expect("its size");
        let end = || Stdio::from(theirs.try_clone().expect("its end"));
        let begun = Instant::now();
        let child = Command::new("setsid")
            .args([
                "--ctty",
                "nsenter",
                "-t",
                &bed.leader().to_string(),
                "-a",
                "-r",
                "--",
            ])
            .args(program)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("setsid (package util-linux)");
        let mut read = File::from(ours);
        let keys = read.try_clone().expect("the terminal");
        let written = Arc::new(Mutex::new(String::new()));
        let filled = written.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 1 << 16];
            while let Ok(size @ 1..) = read.read(&mut chunk) {
                let text = String::from_utf8_lossy(&chunk[..size]).into_owned();
                filled.lock().expect("what was written").push_str(&text);
            }
        });
        Terminal {
            child,
            keys,
            written,
            begun,
        }
    }

    /// From the start until this was written.
    fn until(&self, text: &str) -> Duration {
        loop {
            if self
                .written
                .lock()
                .expect("what was written")
                .contains(text)
            {
                return self.begun.elapsed();
            }
            assert!(
                self.begun.elapsed() < Duration::from_secs(60),
                "{text} never came"
            );
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn quit(mut self) {
        self.keys.write_all(b"q").expect("the terminal");
        let status = self.child.wait().expect("its end");
        assert!(status.success(), "{status}");
    }
}

fn main() -> ExitCode {
    let bed = Bed::boot(Options::default());
    let mut text = String::new();
    for app in 0..APPS {
        write!(
            text,
            "[[apps]]\nname = \"app-{app:02}\"\nscript = \"/bin/sh\"\n\
             args = [\"-c\", '''while :; do echo GET /things 200 in 3 ms; sleep 1; done''']\ninstances = {INSTANCES}\n\n"
        )
        .expect("text");
    }
    bed.write("/srv/ecosystem.toml", 0o644, text);
    bed.cmd(&["rpmctl", "apply"])
        .dir("/srv")
        .deadline(Duration::from_secs(300))
        .ok();
    let all = APPS * INSTANCES;

    let mut enter: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let mut nothing = Terminal::run(&bed, &["true"]);
            nothing.child.wait().expect("its end");
            nothing.begun.elapsed()
        })
        .collect();
    let mut first: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let monit = Terminal::run(&bed, &["rpmctl", "monit"]);
            let took = monit.until(&format!("{all}/{all} online"));
            monit.quit();
            took
        })
        .collect();
    let (enter, first) = (median(&mut enter), median(&mut first));
    println!(
        "median of {RUNS}: entering the bed {enter:.1?}, first screen {first:.1?} after that: {:.1?}",
        first.saturating_sub(enter)
    );

    let mut broken = first.saturating_sub(enter) > FIRST;
    for keys in ["", "j"] {
        let mut monit = Terminal::run(&bed, &["rpmctl", "monit"]);
        monit.until(&format!("{all}/{all} online"));
        monit.keys.write_all(keys.as_bytes()).expect("the terminal");
        // The lines of the past are on it. One word: blanks that are there already are not written again.
        monit.until("/things");
        let pid = under(monit.child.id(), "rpmctl");
        let journal = || under(pid, "journalctl");
        let (mine, reader) = (ticks(pid), ticks(journal()));
        std::thread::sleep(SPAN);
        let share = |ticks: f64| ticks / TICKS / SPAN.as_secs_f64() * 100.0;
        let mine = share(ticks(pid) - mine);
        let reader = share(ticks(journal()) - reader);
        let what = if keys.is_empty() {
            "all apps selected"
        } else {
            "one app selected"
        };
        println!("{what}: {mine:.2} % of a processor, its journalctl {reader:.2} %");
        broken |= mine > SHARE;
        monit.quit();
    }
    if broken {
        println!("promised: {FIRST:?}, {SHARE} %: broken");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The process of that name that this one started, or one that it started did.
fn under(pid: u32, name: &str) -> u32 {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        let mut queue = vec![pid];
        while let Some(pid) = queue.pop() {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if comm.trim() == name {
                return pid;
            }
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            let children = children.unwrap_or_default();
            queue.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no {name} below {pid}");
}

fn ticks(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let rest = stat.rsplit_once(')').expect("its name").1;
    let fields: Vec<f64> = rest
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    fields[11] + fields[12]
}
