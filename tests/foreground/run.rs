//! A program that runs in the foreground: what it printed, and what came of it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait_until;

/// Killed when dropped.
pub struct Run {
    pub child: Child,
    printed: [Arc<Mutex<Vec<u8>>>; 2],
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Run {
    pub fn of(mut command: Command) -> Run {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let pipes: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        let printed = [Arc::default(), Arc::default()];
        let readers = pipes
            .into_iter()
            .zip(&printed)
            .map(|(mut pipe, printed)| {
                let printed: Arc<Mutex<Vec<u8>>> = Arc::clone(printed);
                std::thread::spawn(move || {
                    let mut chunk = [0; 4096];
                    while let Ok(size @ 1..) = pipe.read(&mut chunk) {
                        printed.lock().unwrap().extend_from_slice(&chunk[..size]);
                    }
                })
            })
            .collect();
        Run {
            child,
            printed,
            readers,
        }
    }

    fn text(&self, which: usize) -> String {
        String::from_utf8_lossy(&self.printed[which].lock().unwrap()).into_owned()
    }

    pub fn stdout(&self) -> String {
        self.text(0)
    }

    pub fn stderr(&self) -> String {
        self.text(1)
    }

    pub fn up(&mut self) {
        wait_until("all instances are up", || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.stderr());
            let stdout = self.stdout();
            (0..3).all(|n| stdout.contains(&format!("alone@{n} | up {n}\n")))
        });
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its end and that of all that holds its output.
    pub fn wait(&mut self) -> ExitStatus {
        wait_until("it ends", || self.child.try_wait().unwrap().is_some());
        wait_until("its output ends", || {
            self.readers.iter().all(|reader| reader.is_finished())
        });
        self.child.wait().unwrap()
    }

    /// Itself and all that came of it, each with its start, for numbers are used again.
    pub fn family(&self) -> BTreeSet<(i32, String)> {
        let mut family = BTreeSet::new();
        let mut queue = vec![self.child.id() as i32];
        while let Some(pid) = queue.pop() {
            if let Some(start) = started(pid) {
                family.insert((pid, start));
            }
            let tasks = fs::read_dir(format!("/proc/{pid}/task"))
                .into_iter()
                .flatten()
                .flatten();
            for task in tasks {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                queue.extend(
                    children
                        .split_whitespace()
                        .map(|pid| pid.parse::<i32>().unwrap()),
                );
            }
        }
        family
    }

    /// Its cgroups, in any hierarchy.
    pub fn cgroups(&self) -> Vec<String> {
        let name = format!("rpmctl-run-{}", self.child.id());
        let found = Command::new("find")
            .arg("/sys/fs/cgroup")
            .args(["-name", &format!("{name}*")])
            .output()
            .unwrap();
        String::from_utf8(found.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Field 22 of /proc/PID/stat; None for one that is gone or only waits to be waited for.
pub fn started(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (fields[0] != "Z").then(|| fields[19].to_owned())
}
