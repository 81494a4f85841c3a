//! Small files of the kernel's, read with as few calls as can be: 1,000 instances have thousands of them.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};

/// What a read of a file in /proc or of a control group returns at least while there is more: a page, less its longest line.
const SURELY_MORE: usize = 2048;

/// A folder that is kept open: names below it are found in a fraction of the time.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    pub fn open(path: &Path) -> Option<Folder> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(CWD, path, flags, Mode::empty()).ok().map(Folder)
    }

    /// The content of a file of a few lines, in `buffer`; None where there is none.
    pub fn read<'b>(&self, name: &str, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.0, name, flags, Mode::empty()).ok()?;
        buffer.resize(8192, 0);
        let mut length = 0;
        loop {
            let read = rustix::io::read(&file, &mut buffer[length..]).ok()?;
            length += read;
            if read < SURELY_MORE {
                return Some(&buffer[..length]);
            }
            if buffer.len() - length < SURELY_MORE * 2 {
                buffer.resize(buffer.len() * 2, 0);
            }
        }
    }
}

/// The folders below `root`, the last one kept open: siblings are read one after another.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    open: Option<(String, Option<Folder>)>,
}

impl Tree {
    pub fn new(root: &Path) -> Tree {
        Tree {
            root: root.to_owned(),
            open: None,
        }
    }

    /// A file of the folder `/a/b` below the root.
    pub fn read<'b>(
        &mut self,
        folder: &str,
        file: &str,
        buffer: &'b mut Vec<u8>,
    ) -> Option<&'b [u8]> {
        let (above, name) = folder.rsplit_once('/').unwrap_or(("", folder));
        if self.open.as_ref().is_none_or(|(known, _)| known != above) {
            let path = self.root.join(above.trim_start_matches('/'));
            self.open = Some((above.to_owned(), Folder::open(&path)));
        }
        let (_, open) = self.open.as_ref()?;
        open.as_ref()?.read(&format!("{name}/{file}"), buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_however_long() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b/c.service");
        std::fs::create_dir_all(&folder).unwrap();
        let long: String = (0..20_000).map(|pid| format!("{pid}\n")).collect();
        std::fs::write(folder.join("cgroup.procs"), &long).unwrap();
        std::fs::write(folder.join("cpu.stat"), "usage_usec 7\n").unwrap();
        let mut tree = Tree::new(root.path());
        let mut buffer = vec![];
        let group = "/a/b/c.service";
        let read = tree.read(group, "cgroup.procs", &mut buffer);
        assert_eq!(read, Some(long.as_bytes()));
        let read = tree.read(group, "cpu.stat", &mut buffer);
        assert_eq!(read, Some(&b"usage_usec 7\n"[..]));
        assert_eq!(tree.read("/a/b/d.service", "cpu.stat", &mut buffer), None);
        assert_eq!(tree.read("/x/d.service", "cpu.stat", &mut buffer), None);
        let proc = Folder::open(Path::new("/proc")).unwrap();
        let read = proc.read("self/status", &mut buffer).unwrap().to_owned();
        let known = std::fs::read("/proc/self/status").unwrap();
        assert_eq!(read[..20], known[..20]);
        assert!(read.ends_with(b"\n"));
    }
}
