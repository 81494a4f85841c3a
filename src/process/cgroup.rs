//! The control group file systems: cgroup v2, v1, and both at once (cgroups(7), systemd's "hybrid" layout).

use std::fs;
use std::path::{Path, PathBuf};

use super::files::Tree;

/// Where the hierarchies of this machine are mounted. A kind that is not there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// The one systemd keeps its units in: v2, or v1's `name=systemd`.
    units: PathBuf,
    /// v2, when systemd's units are in it.
    unified: Option<PathBuf>,
    /// Whether v2 counts memory on this machine.
    v2_memory: bool,
    /// v1's memory controller.
    memory: Option<PathBuf>,
    /// v1's cpuacct controller.
    cpuacct: Option<PathBuf>,
}

impl Hierarchy {
    /// Finds them below `root`, which is `/sys/fs/cgroup` but in tests.
    pub fn find(root: &Path) -> Hierarchy {
        if let Ok(controllers) = fs::read_to_string(root.join("cgroup.controllers")) {
            return Hierarchy {
                units: root.to_owned(),
                unified: Some(root.to_owned()),
                v2_memory: controllers
                    .split_ascii_whitespace()
                    .any(|one| one == "memory"),
                memory: None,
                cpuacct: None,
            };
        }
        let there = |name: &str| Some(root.join(name)).filter(|path| path.is_dir());
        let unified = there("unified").filter(|path| path.join("cgroup.procs").exists());
        Hierarchy {
            units: unified.clone().unwrap_or_else(|| root.join("systemd")),
            unified,
            v2_memory: false,
            memory: there("memory"),
            cpuacct: there("cpuacct").or_else(|| there("cpu,cpuacct")),
        }
    }

    /// The machine's own.
    pub fn of_this_machine() -> Hierarchy {
        Hierarchy::find(Path::new("/sys/fs/cgroup"))
    }

    /// All processes of the group and the groups below it, by id; nothing when there is no such group.
    pub fn pids(&self, group: &str) -> Option<Vec<u32>> {
        let top = below(&self.units, group);
        let mut pids = procs(&top)?;
        // A group with delegated children (Delegate=yes) holds its processes in those; v2 allows no others.
        if pids.is_empty()
            && let Ok(entries) = fs::read_dir(&top)
        {
            for entry in entries.flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    let child = format!("{group}/{}", entry.file_name().to_string_lossy());
                    pids.extend(self.pids(&child).unwrap_or_default());
                }
            }
        }
        Some(pids)
    }

    /// The file that says how many bytes the group is charged with, where this machine has a controller for memory.
    pub(super) fn charge(&self, group: &str) -> Option<PathBuf> {
        match (&self.memory, &self.unified) {
            (Some(root), _) => Some(below(root, group).join("memory.usage_in_bytes")),
            (None, Some(root)) if self.v2_memory => Some(below(root, group).join("memory.current")),
            _ => None,
        }
    }

    /// The file that says what the bytes are.
    pub(super) fn memory_stat(&self, group: &str) -> Option<PathBuf> {
        let v2 = self.unified.as_ref().filter(|_| self.v2_memory);
        let root = self.memory.as_ref().or(v2)?;
        Some(below(root, group).join("memory.stat"))
    }

    /// For many groups, one after another.
    pub(super) fn reader(&self) -> Reader<'_> {
        let tree = |root: &Option<PathBuf>| root.as_deref().map(Tree::new);
        let v2_memory = self.unified.as_ref().filter(|_| self.v2_memory);
        Reader {
            hierarchy: self,
            units: Tree::new(&self.units),
            unified: tree(&self.unified.clone().filter(|root| *root != self.units)),
            cpuacct: tree(&self.cpuacct),
            memory: tree(&self.memory.as_ref().or(v2_memory).cloned()),
            buffer: Vec::new(),
        }
    }
}

/// Reads the groups' files; fastest when siblings come one after another.
pub(super) struct Reader<'h> {
    hierarchy: &'h Hierarchy,
    units: Tree,
    /// None: it is `units`.
    unified: Option<Tree>,
    cpuacct: Option<Tree>,
    memory: Option<Tree>,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    /// As [`Hierarchy::pids`].
    pub fn pids(&mut self, group: &str) -> Option<Vec<u32>> {
        let text = self.units.read(group, "cgroup.procs", &mut self.buffer)?;
        match text {
            b"" => self.hierarchy.pids(group),
            text => Some(
                lines(text)
                    .filter_map(number)
                    .map(|pid| pid as u32)
                    .collect(),
            ),
        }
    }

    /// Processor time the group has used, in microseconds: cpu.stat's usage_usec (v2, there without any controller),
    /// cpuacct.usage (v1, in nanoseconds).
    pub fn cpu_usec(&mut self, group: &str) -> Option<u64> {
        if self.hierarchy.unified.is_some() {
            let unified = self.unified.as_mut().unwrap_or(&mut self.units);
            if let Some(text) = unified.read(group, "cpu.stat", &mut self.buffer) {
                return lines(text).find_map(|line| number(line.strip_prefix(b"usage_usec ")?));
            }
        }
        let text = self
            .cpuacct
            .as_mut()?
            .read(group, "cpuacct.usage", &mut self.buffer)?;
        number(text).map(|nsec| nsec / 1000)
    }

    /// What the group's bytes are, where a controller counts them.
    pub fn memory_stat(&mut self, group: &str) -> Option<&[u8]> {
        self.memory
            .as_mut()?
            .read(group, "memory.stat", &mut self.buffer)
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

fn below(root: &Path, group: &str) -> PathBuf {
    root.join(group.trim_start_matches('/'))
}

fn procs(group: &Path) -> Option<Vec<u32>> {
    let text = fs::read_to_string(group.join("cgroup.procs")).ok()?;
    Some(text.lines().filter_map(|pid| pid.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Hierarchy;

    const GROUP: &str = "/system.slice/system-api.slice/api@0.service";

    fn put(root: &std::path::Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn v2_with_a_memory_controller() {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        put(at, "cgroup.controllers", "cpu memory\n");
        put(at, &format!("{}/cgroup.procs", &GROUP[1..]), "12\n13\n");
        put(at, &format!("{}/memory.current", &GROUP[1..]), "4096\n");
        put(
            at,
            &format!("{}/cpu.stat", &GROUP[1..]),
            "usage_usec 77\nuser_usec 70\n",
        );
        let found = Hierarchy::find(at);
        assert_eq!(found.pids(GROUP), Some(vec![12, 13]));
        let charge = at.join(&GROUP[1..]).join("memory.current");
        assert_eq!(found.charge(GROUP), Some(charge));
        assert_eq!(found.reader().cpu_usec(GROUP), Some(77));
        assert_eq!(found.pids("/system.slice/none.service"), None);
    }

    #[test]
    fn hybrid_takes_memory_and_cpu_from_v1() {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        put(at, "unified/cgroup.procs", "");
        put(at, &format!("unified{GROUP}/cgroup.procs"), "12\n");
        put(
            at,
            &format!("memory{GROUP}/memory.usage_in_bytes"),
            "8192\n",
        );
        put(at, &format!("cpuacct{GROUP}/cpuacct.usage"), "5000\n");
        let found = Hierarchy::find(at);
        assert_eq!(found.pids(GROUP), Some(vec![12]));
        let charge = at.join(format!("memory{GROUP}/memory.usage_in_bytes"));
        assert_eq!(found.charge(GROUP), Some(charge));
        assert_eq!(found.reader().cpu_usec(GROUP), Some(5));
    }

    #[test]
    fn v1_alone_keeps_units_in_the_systemd_hierarchy() {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        put(at, &format!("systemd{GROUP}/cgroup.procs"), "9\n");
        put(at, &format!("cpu,cpuacct{GROUP}/cpuacct.usage"), "1000\n");
        let found = Hierarchy::find(at);
        assert_eq!(found.pids(GROUP), Some(vec![9]));
        assert_eq!(found.charge(GROUP), None);
        assert_eq!(found.reader().cpu_usec(GROUP), Some(1));
    }

    #[test]
    fn processes_of_delegated_children_count() {
        let root = tempfile::tempdir().unwrap();
        let at = root.path();
        put(at, "cgroup.controllers", "");
        put(at, &format!("{}/cgroup.procs", &GROUP[1..]), "");
        put(at, &format!("{}/a/cgroup.procs", &GROUP[1..]), "5\n");
        put(at, &format!("{}/b/c/cgroup.procs", &GROUP[1..]), "6\n");
        put(at, &format!("{}/b/cgroup.procs", &GROUP[1..]), "");
        let mut pids = Hierarchy::find(at).pids(GROUP).unwrap();
        pids.sort_unstable();
        assert_eq!(pids, [5, 6]);
    }
}
