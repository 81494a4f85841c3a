//! Memory, processor time, main process and age of the processes of a unit.
//!
//! From the control group where a controller counts them, else the sum over its processes. PM2's `memory` is the
//! resident set of one process; ours is all of the instance's, so `npm start` and forked workers count.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::cgroup::{Hierarchy, Reader};
use super::files::Folder;
use super::probe;

/// Clock ticks of /proc/PID/stat a second. The kernel fixes it at 100 for programs on every architecture Rust's std
/// runs Linux on (USER_HZ; proc_pid_stat(5)).
const TICKS: u64 = 100;

/// What the processes of one control group use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// The process systemd started: the oldest whose parent is not in the group.
    pub main_pid: Option<u32>,
    /// How many processes there are.
    pub processes: usize,
    /// Bytes of its own, as `max_memory_restart` counts them: see `probe`.
    pub memory: Option<u64>,
    /// Processor time used since the group was made, which is since the last start, in microseconds.
    pub cpu_usec: Option<u64>,
    /// How long the main process has been running.
    pub age: Option<Duration>,
    /// When it was started, counted from the boot of the machine.
    pub started: Option<Duration>,
}

struct Process {
    parent: u32,
    started: u64,
    cpu_ticks: u64,
}

/// The process that systemd started for a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Main {
    pub pid: u32,
    /// From the machine's boot to its start, as /proc/uptime counts.
    pub started: Duration,
}

/// Reads each group; nothing for a group that does not exist (the unit has no processes, or its group is elsewhere).
/// `proc` is `/proc` but in tests.
pub fn read(hierarchy: &Hierarchy, proc: &Path, groups: &[&str]) -> Vec<Option<Usage>> {
    read_with(hierarchy, proc, groups.len(), |number, eye| {
        eye.look(groups[number], None)
    })
}

/// `one` for each number below `count`, on several threads: each file costs the kernel 5 to 15 µs, and there are thousands. They come in order, so that
/// siblings are read one after another.
pub fn read_with<T: Send>(
    hierarchy: &Hierarchy,
    proc: &Path,
    count: usize,
    one: impl Fn(usize, &mut Eye<'_>) -> T + Sync,
) -> Vec<T> {
    let folder = Folder::open(proc);
    let uptime = uptime(proc);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(4).min(count.div_ceil(TURN)).max(1);
    let turns = AtomicUsize::new(0);
    let work = || {
        let mut eye = Eye {
            reader: hierarchy.reader(),
            proc: folder.as_ref(),
            uptime,
            buffer: Vec::new(),
        };
        let mut done = Vec::new();
        loop {
            let first = turns.fetch_add(TURN, Ordering::Relaxed);
            if first >= count {
                return done;
            }
            let turn = first..count.min(first + TURN);
            done.extend(turn.map(|number| (number, one(number, &mut eye))));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            match other.join() {
                Ok(part) => done.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, found)| found).collect()
}

/// How many groups a thread takes at a time.
const TURN: usize = 20;

/// What reads groups, on one thread.
pub struct Eye<'a> {
    reader: Reader<'a>,
    proc: Option<&'a Folder>,
    uptime: Option<Duration>,
    buffer: Vec<u8>,
}

impl Eye<'_> {
    /// The group's; None for one that does not exist. `main`: what is known of its main process already; it is taken for that while it is in the group, and
    /// then cgroup.procs, cpu.stat and what tells the memory are all that is read.
    pub fn look(&mut self, group: &str, main: Option<Main>) -> Option<Usage> {
        let pids = self.reader.pids(group)?;
        let memory = probe::own_of(&mut self.reader, self.proc, group, &pids, &mut self.buffer);
        let cpu_usec = self.reader.cpu_usec(group);
        let known = main.filter(|main| pids.contains(&main.pid));
        if let (Some(main), Some(_)) = (known, cpu_usec) {
            return Some(Usage {
                main_pid: Some(main.pid),
                processes: pids.len(),
                memory,
                cpu_usec,
                age: self.age(main.started),
                started: Some(main.started),
            });
        }
        let processes: HashMap<u32, Process> = pids
            .iter()
            .filter_map(|pid| Some((*pid, self.process(*pid)?)))
            .collect();
        let main = processes
            .iter()
            .filter(|(_, process)| !processes.contains_key(&process.parent))
            .min_by_key(|(pid, process)| (process.started, **pid));
        let started =
            main.map(|(_, process)| Duration::from_millis(process.started * 1000 / TICKS));
        let ticks = || {
            processes
                .values()
                .map(|process| process.cpu_ticks)
                .sum::<u64>()
        };
        Some(Usage {
            main_pid: main.map(|(pid, _)| *pid),
            processes: processes.len(),
            memory,
            cpu_usec: cpu_usec
                .or_else(|| (!processes.is_empty()).then(|| ticks() * (1_000_000 / TICKS))),
            age: started.and_then(|started| self.age(started)),
            started,
        })
    }

    /// Of what began that long after the machine's boot.
    pub fn age(&self, began: Duration) -> Option<Duration> {
        Some(self.uptime?.saturating_sub(began))
    }

    fn process(&mut self, pid: u32) -> Option<Process> {
        let bytes = self.proc?.read(&format!("{pid}/stat"), &mut self.buffer)?;
        parse(&String::from_utf8_lossy(bytes))
    }
}

/// Percent of one processor between two samples of a group taken `between` apart: 200 is two processors. Nothing when
/// the instance was started anew in between (its count starts at 0 again), or no time passed.
pub fn cpu_percent(before: &Usage, after: &Usage, between: Duration) -> Option<f64> {
    if before.main_pid != after.main_pid || between.is_zero() {
        return None;
    }
    let used = after.cpu_usec?.checked_sub(before.cpu_usec?)?;
    Some(used as f64 / between.as_micros() as f64 * 100.0)
}

/// Percent of one processor, averaged since the main process was started: what one look can tell without waiting.
pub fn cpu_percent_since_start(usage: &Usage) -> Option<f64> {
    // The age has a resolution of 10 ms; below that the figure would be noise.
    let age = usage.age.filter(|age| age.as_millis() >= 10)?;
    Some(usage.cpu_usec? as f64 / age.as_micros() as f64 * 100.0)
}

/// When the machine was booted, in whole seconds since the epoch: the same as long as nobody sets its clock.
pub fn booted(proc: &Path) -> Option<u64> {
    let text = fs::read_to_string(proc.join("stat")).ok()?;
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

fn uptime(proc: &Path) -> Option<Duration> {
    let text = fs::read_to_string(proc.join("uptime")).ok()?;
    let seconds: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// The fields of /proc/PID/stat after the name, which is in parentheses and may hold any byte.
fn parse(stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().take(20).collect();
    // Numbered from 1 in proc_pid_stat(5); the first here is field 3, the state.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Process {
        parent: u32::try_from(field(4)?).ok()?,
        cpu_ticks: field(14)? + field(15)?,
        started: field(22)?,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use super::{Usage, cpu_percent, cpu_percent_since_start, read};
    use crate::process::Hierarchy;

    fn put(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn stat(root: &Path, pid: u32, name: &str, parent: u32, ticks: u64, started: u64, pages: u64) {
        let text = format!(
            "{pid} ({name}) S {parent} 1 1 0 -1 0 0 0 0 0 {ticks} 1 0 0 20 0 1 0 {started} 9999 {pages} 0\n"
        );
        put(root, &format!("proc/{pid}/stat"), &text);
        let status = format!(
            "Name:\tx\nRssAnon:\t{} kB\nRssFile:\t9 kB\nRssShmem:\t{pages} kB\n",
            pages * 3
        );
        put(root, &format!("proc/{pid}/status"), &status);
    }

    #[test]
    fn the_main_process_is_the_oldest_without_a_parent_in_the_group() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        put(at, "cg/cgroup.controllers", "");
        put(at, "cg/a.service/cgroup.procs", "40\n41\n9\n50\n");
        put(at, "proc/uptime", "1000.50 3.2\n");
        // A name that looks like more fields; numbers that wrapped; a process that ended meanwhile (50).
        stat(at, 40, "npm ) S 1 (x", 1, 10, 90_000, 3);
        stat(at, 41, "node", 40, 20, 90_001, 4);
        stat(at, 9, "orphan", 1, 30, 90_002, 5);
        let usages = read(
            &Hierarchy::find(&at.join("cg")),
            &at.join("proc"),
            &["/a.service", "/b.service"],
        );
        let expected = Usage {
            main_pid: Some(40),
            processes: 3,
            memory: Some(48 << 10),
            cpu_usec: Some(630_000),
            age: Some(Duration::from_millis(100_500)),
            started: Some(Duration::from_secs(900)),
        };
        assert_eq!(usages, [Some(expected), None]);
    }

    #[test]
    fn many_groups_keep_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        put(at, "cg/cgroup.controllers", "");
        let groups: Vec<String> = (1..=100).map(|n| format!("/g{n}")).collect();
        for n in 1..=100 {
            put(at, &format!("cg/g{n}/cgroup.procs"), &format!("{n}\n"));
            stat(at, n, "x", 0, 0, 0, 0);
        }
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let usages = read(&Hierarchy::find(&at.join("cg")), &at.join("proc"), &groups);
        let pids: Vec<u32> = usages.iter().flatten().flat_map(|u| u.main_pid).collect();
        assert_eq!(pids, (1..=100).collect::<Vec<u32>>());
    }

    #[test]
    fn percent_of_one_processor() {
        let usage = |pid, cpu_usec| Usage {
            main_pid: Some(pid),
            cpu_usec: Some(cpu_usec),
            age: Some(Duration::from_secs(4)),
            ..Usage::default()
        };
        let second = Duration::from_secs(1);
        assert_eq!(
            cpu_percent(&usage(1, 0), &usage(1, 1_500_000), second),
            Some(150.0)
        );
        assert_eq!(cpu_percent(&usage(1, 500), &usage(2, 100), second), None);
        assert_eq!(
            cpu_percent(&usage(1, 0), &usage(1, 1), Duration::ZERO),
            None
        );
        assert_eq!(cpu_percent_since_start(&usage(1, 1_000_000)), Some(25.0));
    }
}
