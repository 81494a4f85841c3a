//! What counts against `max_memory_restart`: memory that is the instance's own, anonymous and shared (tmpfs), of all its processes. File pages are not: the
//! kernel takes those back when it needs them.
//!
//! From the control group (memory.stat) where a controller counts it, else the sum over its processes' RssAnon and RssShmem (/proc/PID/status). There
//! sysinfo would give the resident set alone, file pages included, and took three times as long.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::cgroup::{Hierarchy, Reader};
use super::files::Folder;

/// Files of one control group, kept open: a look costs a read or two.
#[derive(Debug, Default)]
pub struct Probe {
    charge: Option<File>,
    /// Without a controller: what each of the group's processes has resident, and the last process that the machine had begun by then.
    processes: Vec<File>,
    newest: Option<u64>,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Bytes.
    Exactly(u64),
    /// Bytes that are charged, page cache included: below the limit anyway.
    AtMost(u64),
    /// There is no such group: nothing of it runs.
    Gone,
}

impl Probe {
    /// Looks at the group: exactly only where it may be `limit` bytes or more, which costs more.
    /// `newest`: the last process that the machine has begun, see [`newest`]; None where that is not known.
    pub fn look(
        &mut self,
        hierarchy: &Hierarchy,
        proc: &Path,
        group: &str,
        limit: u64,
        newest: Option<u64>,
    ) -> Use {
        let Some(charge) = hierarchy.charge(group) else {
            return self.without_controller(hierarchy, proc, group, limit, newest);
        };
        // The group of an earlier run says ENODEV.
        let before = self.charge.as_ref().and_then(|file| number(file).ok());
        let charged = match before {
            Some(charged) => Some(charged),
            None => {
                self.charge = File::open(charge).ok();
                self.charge.as_ref().and_then(|file| number(file).ok())
            }
        };
        match charged {
            Some(charged) if charged < limit => Use::AtMost(charged),
            Some(_) => own(hierarchy, proc, group).map_or(Use::Gone, Use::Exactly),
            // No controller for this group.
            None => {
                self.charge = None;
                self.without_controller(hierarchy, proc, group, limit, newest)
            }
        }
    }

    /// Resident memory is never less than what counts, and one short line of /proc/PID/statm tells it. As long as nobody on the machine begins a process,
    /// the group has no others than it had.
    fn without_controller(
        &mut self,
        hierarchy: &Hierarchy,
        proc: &Path,
        group: &str,
        limit: u64,
        newest: Option<u64>,
    ) -> Use {
        let known = newest.is_some() && newest == self.newest;
        let mut resident = match known {
            true => sum_resident(&self.processes),
            false => None,
        };
        if resident.is_none() {
            let Some(pids) = hierarchy.pids(group) else {
                *self = Probe::default();
                return Use::Gone;
            };
            let statm = |pid: &u32| File::open(proc.join(pid.to_string()).join("statm")).ok();
            self.processes = pids.iter().filter_map(statm).collect();
            self.newest = newest;
            resident = sum_resident(&self.processes);
        }
        match resident {
            Some(bytes) if bytes > 0 && bytes < limit => Use::AtMost(bytes),
            _ => sum(hierarchy, proc, group).map_or(Use::Gone, Use::Exactly),
        }
    }
}

/// Bytes resident of all of them, file pages included; None when one has ended.
fn sum_resident(processes: &[File]) -> Option<u64> {
    let page = rustix::param::page_size() as u64;
    let mut sum = 0;
    for file in processes {
        let mut buffer = [0; 128];
        let length = file.read_at(&mut buffer, 0).ok()?;
        let text = std::str::from_utf8(&buffer[..length]).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        sum += pages * page;
    }
    Some(sum)
}

/// The number of the process that the machine has begun last: the end of /proc/loadavg.
pub fn newest(proc: &Path) -> Option<u64> {
    let text = fs::read_to_string(proc.join("loadavg")).ok()?;
    text.trim_end().rsplit(' ').next()?.parse().ok()
}

/// Bytes; None where there is no such group.
pub fn own(hierarchy: &Hierarchy, proc: &Path, group: &str) -> Option<u64> {
    counted(hierarchy, group).or_else(|| sum(hierarchy, proc, group))
}

/// The same of a group whose processes are known; None when it has none.
pub(super) fn own_of(
    reader: &mut Reader<'_>,
    proc: Option<&Folder>,
    group: &str,
    pids: &[u32],
    buffer: &mut Vec<u8>,
) -> Option<u64> {
    let stat = reader.memory_stat(group).map(String::from_utf8_lossy);
    if let Some(known) = stat.and_then(|stat| parse_stat(&stat)) {
        return Some(known);
    }
    let mut of = |pid: &u32| own_pages(proc?.read(&format!("{pid}/status"), buffer)?);
    (!pids.is_empty()).then(|| pids.iter().filter_map(&mut of).sum())
}

fn counted(hierarchy: &Hierarchy, group: &str) -> Option<u64> {
    let path = hierarchy.memory_stat(group)?;
    parse_stat(&fs::read_to_string(path).ok()?)
}

/// v2: `anon` and `shmem`, which are of the groups below as well. v1 counts those under `total_`, and anonymous memory is called rss there.
fn parse_stat(text: &str) -> Option<u64> {
    let field = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(' ')?;
            (key == name).then(|| value.trim().parse::<u64>().ok())?
        })
    };
    match field("anon") {
        Some(anon) => Some(anon + field("shmem")?),
        None => Some(field("total_rss")? + field("total_shmem").unwrap_or(0)),
    }
}

fn sum(hierarchy: &Hierarchy, proc: &Path, group: &str) -> Option<u64> {
    Some(sum_of(proc, &hierarchy.pids(group)?))
}

fn sum_of(proc: &Path, pids: &[u32]) -> u64 {
    pids.iter().filter_map(|pid| of_process(proc, *pid)).sum()
}

/// None when it has ended.
fn of_process(proc: &Path, pid: u32) -> Option<u64> {
    let mut path = PathBuf::from(proc);
    path.push(pid.to_string());
    path.push("status");
    own_pages(&fs::read(path).ok()?)
}

/// Of /proc/PID/status. A process that has ended has neither.
fn own_pages(status: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(status);
    let field = |name: &str| {
        let (_, rest) = text.split_once(name)?;
        let kib = rest.split_ascii_whitespace().next()?;
        kib.parse::<u64>().ok()
    };
    // The name of the process is in one line, its line breaks escaped.
    let own = field("\nRssAnon:").unwrap_or(0) + field("\nRssShmem:").unwrap_or(0);
    Some(own << 10)
}

fn number(file: &File) -> io::Result<u64> {
    let mut buffer = [0; 32];
    let length = file.read_at(&mut buffer, 0)?;
    std::str::from_utf8(&buffer[..length])
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Bytes of anonymous and shared memory that all processes of the machine use now.
#[derive(Debug)]
pub struct Meminfo(File);

impl Meminfo {
    pub fn open(proc: &Path) -> io::Result<Meminfo> {
        File::open(proc.join("meminfo")).map(Meminfo)
    }

    /// Errors: a kernel that does not count them.
    pub fn used(&self) -> io::Result<u64> {
        let mut buffer = [0; 4096];
        let length = self.0.read_at(&mut buffer, 0)?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        match (field("AnonPages:"), field("Shmem:")) {
            (Some(anon), Some(shared)) => Ok((anon + shared) << 10),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "/proc/meminfo has no AnonPages or no Shmem",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn page_cache_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        put(at, "cg/cgroup.controllers", "memory");
        put(at, "cg/a.service/memory.current", "5000\n");
        put(
            at,
            "cg/a.service/memory.stat",
            "anon 1000\nfile 4000\nshmem 24\n",
        );
        let hierarchy = Hierarchy::find(&at.join("cg"));
        let mut probe = Probe::default();
        let mut look = |group, limit| probe.look(&hierarchy, at, group, limit, None);
        assert_eq!(look("/a.service", 6000), Use::AtMost(5000));
        assert_eq!(look("/a.service", 5000), Use::Exactly(1024));
        assert_eq!(own(&hierarchy, at, "/a.service"), Some(1024));
        assert_eq!(
            Probe::default().look(&hierarchy, at, "/b.service", 1, None),
            Use::Gone
        );
    }

    #[test]
    fn v1_counts_the_groups_below_too() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        put(at, "cg/systemd/a.service/cgroup.procs", "");
        put(at, "cg/memory/a.service/memory.usage_in_bytes", "900\n");
        let stat = "rss 1\nshmem 2\ntotal_rss 500\ntotal_shmem 30\n";
        put(at, "cg/memory/a.service/memory.stat", stat);
        let hierarchy = Hierarchy::find(&at.join("cg"));
        let mut probe = Probe::default();
        assert_eq!(
            probe.look(&hierarchy, at, "/a.service", 900, None),
            Use::Exactly(530)
        );
    }

    #[test]
    fn without_a_controller_the_processes_are_summed_up() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path();
        put(at, "cg/cgroup.controllers", "");
        put(at, "cg/a.service/cgroup.procs", "7\n8\n9\n");
        let status = "Name:\tx\nVmRSS:\t  999 kB\nRssAnon:\t  100 kB\nRssFile:\t  800 kB\nRssShmem:\t  5 kB\n";
        put(at, "7/status", status);
        put(at, "8/status", status);
        let hierarchy = Hierarchy::find(&at.join("cg"));
        let mut probe = Probe::default();
        let mut look = |limit, newest| probe.look(&hierarchy, at, "/a.service", limit, newest);
        assert_eq!(look(1, Some(9)), Use::Exactly(210 << 10));
        // Resident as they are, they may be over it only from 300 pages on; what came since is seen when somebody began a process.
        let page = rustix::param::page_size() as u64;
        put(at, "7/statm", "900 100 80 1 0 7 0\n");
        put(at, "8/statm", "900 200 80 1 0 7 0\n");
        assert_eq!(look(301 * page, Some(10)), Use::AtMost(300 * page));
        put(at, "9/statm", "900 50 80 1 0 7 0\n");
        assert_eq!(look(301 * page, Some(10)), Use::AtMost(300 * page));
        assert_eq!(look(301 * page, Some(11)), Use::Exactly(210 << 10));
    }

    #[test]
    fn this_machine_and_this_process() {
        let proc = Path::new("/proc");
        let own = of_process(proc, std::process::id()).unwrap();
        let all = Meminfo::open(proc).unwrap().used().unwrap();
        assert!(own > 0 && all > own, "{own} of {all}");
    }
}
