//! Memory, processor time, main process and age of the processes of a unit.
//!
//! From the control group where a controller counts them, else the sum over its processes. PM2's `memory` is the
//! resident set of one process; ours is all of the instance's, so `npm start` and forked workers count.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::cgroup::Hierarchy;
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

/// Reads each group; nothing for a group that does not exist (the unit has no processes, or its group is elsewhere).
/// `proc` is `/proc` but in tests. Many groups are read by several threads: the kernel sums up its per-processor counts
/// at each read of cpu.stat, which is most of the time.
///
/// One read of /proc/PID/stat a process gives parent, age, time and memory: 600 processes in 7–10 ms, where sysinfo took
/// 24–32 ms for their memory alone.
pub fn read(hierarchy: &Hierarchy, proc: &Path, groups: &[&str]) -> Vec<Option<Usage>> {
    let uptime = uptime(proc);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = groups.len().div_ceil(threads.min(4)).max(16);
    std::thread::scope(|scope| {
        let readers: Vec<_> = groups
            .chunks(share)
            .skip(1)
            .map(|part| scope.spawn(move || read_part(hierarchy, proc, uptime, part)))
            .collect();
        let first = groups.chunks(share).next().unwrap_or_default();
        let mut usages = read_part(hierarchy, proc, uptime, first);
        for reader in readers {
            match reader.join() {
                Ok(part) => usages.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        usages
    })
}

fn read_part(
    hierarchy: &Hierarchy,
    proc: &Path,
    uptime: Option<Duration>,
    groups: &[&str],
) -> Vec<Option<Usage>> {
    let one = |group: &&str| usage(hierarchy, proc, uptime, group);
    groups.iter().map(one).collect()
}

fn usage(
    hierarchy: &Hierarchy,
    proc: &Path,
    uptime: Option<Duration>,
    group: &str,
) -> Option<Usage> {
    let pids = hierarchy.pids(group)?;
    let processes: HashMap<u32, Process> = pids
        .iter()
        .filter_map(|pid| Some((*pid, process(proc, *pid)?)))
        .collect();
    let main = processes
        .iter()
        .filter(|(_, process)| !processes.contains_key(&process.parent))
        .min_by_key(|(pid, process)| (process.started, **pid));
    let sum = |what: fn(&Process) -> u64| {
        (!processes.is_empty()).then(|| processes.values().map(what).sum::<u64>())
    };
    let started = main.map(|(_, process)| Duration::from_millis(process.started * 1000 / TICKS));
    Some(Usage {
        main_pid: main.map(|(pid, _)| *pid),
        processes: processes.len(),
        memory: probe::own_of(hierarchy, proc, group, &pids),
        cpu_usec: hierarchy
            .cpu_usec(group)
            .or_else(|| Some(sum(|process| process.cpu_ticks)? * (1_000_000 / TICKS))),
        age: started
            .zip(uptime)
            .map(|(started, uptime)| uptime.saturating_sub(started)),
        started,
    })
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

fn process(proc: &Path, pid: u32) -> Option<Process> {
    let bytes = fs::read(proc.join(pid.to_string()).join("stat")).ok()?;
    parse(&String::from_utf8_lossy(&bytes))
}

/// The fields of /proc/PID/stat after the name, which is in parentheses and may hold any byte.
fn parse(stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
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
            "RssAnon:\t{} kB\nRssFile:\t9 kB\nRssShmem:\t{pages} kB\n",
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
