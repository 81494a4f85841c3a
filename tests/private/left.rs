//! What a run could leave behind on this machine.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a run could leave behind.
#[derive(Debug, PartialEq)]
pub struct Machine {
    /// Those where a run mounts something; others come and go.
    pub mounts: Vec<String>,
    pub cgroups: BTreeSet<PathBuf>,
    pub processes: BTreeSet<u32>,
    pub files: BTreeSet<PathBuf>,
}

impl Machine {
    pub fn now() -> Machine {
        let at = ["/run/systemd", "/run/log", "/proc", "/sys/fs/cgroup"];
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let entries = |dir: &str| {
            fs::read_dir(dir)
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().path())
        };
        Machine {
            mounts: mounts
                .lines()
                .filter(|line| {
                    line.split(' ')
                        .nth(4)
                        .is_some_and(|point| at.iter().any(|at| point.starts_with(at)))
                })
                .map(str::to_owned)
                .collect(),
            cgroups: cgroups(Path::new("/sys/fs/cgroup"), 4),
            processes: relatives(),
            files: ["/run", "/run/systemd", "/run/log"]
                .into_iter()
                .flat_map(entries)
                .collect(),
        }
    }
}

/// Cgroups of runs, in any hierarchy, other than those of other programs that run; others' come and go while this looks.
pub fn cgroups(dir: &Path, depth: usize) -> BTreeSet<PathBuf> {
    let below = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        // What runs in somebody's bed is not of this machine.
        .filter(|path| !path.to_string_lossy().contains("/rpmctl-bed-"));
    let (runs, others): (Vec<_>, Vec<_>) = below.partition(|path| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"rpmctl-run-"))
    });
    let deeper = others
        .iter()
        .filter(|_| depth > 0)
        .flat_map(|path| cgroups(path, depth - 1));
    let runs = runs.into_iter().filter(|path| !is_of_another(path));
    runs.chain(deeper).collect()
}

/// Whether `…/rpmctl-run-<pid>.slice` is of a running process of another program.
pub fn is_of_another(cgroup: &Path) -> bool {
    let name = cgroup.file_name().and_then(|name| name.to_str());
    let pid = name.and_then(|name| name.strip_prefix("rpmctl-run-")?.split(['.', '-']).next());
    let exe = fs::read_link(format!("/proc/{}/exe", pid.unwrap_or_default()));
    exe.is_ok_and(|exe| exe != std::env::current_exe().unwrap())
}

/// Processes of this program other than this one, and all in their pid namespaces.
pub fn relatives() -> BTreeSet<u32> {
    let own = std::env::current_exe().unwrap();
    let is_own = |pid: &u32| {
        *pid != std::process::id()
            && fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == own)
    };
    let here = pid_namespace(std::process::id());
    let namespaces: BTreeSet<_> = processes()
        .iter()
        .filter(|pid| is_own(pid))
        .map(|&pid| pid_namespace(pid))
        .collect();
    let is_within =
        |pid: &u32| pid_namespace(*pid) != here && namespaces.contains(&pid_namespace(*pid));
    processes()
        .into_iter()
        .filter(|pid| is_own(pid) || is_within(pid))
        .collect()
}

pub fn processes() -> Vec<u32> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect()
}

pub fn pid_namespace(pid: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/pid"))
        .ok()
        .map(|namespace| namespace.ino())
}
