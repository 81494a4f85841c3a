//! The folder of the units: says when something in it has changed. One inotify watch, on the folder itself.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

/// An apply writes many files: they are read when it has been quiet for so long.
const QUIET: Duration = Duration::from_millis(100);

/// How soon a folder that went away is looked for.
const AGAIN: Duration = Duration::from_secs(1);

pub struct Folder {
    path: PathBuf,
    inotify: AsyncFd<OwnedFd>,
    /// None: the folder is not there now.
    watch: Option<i32>,
    changed: bool,
}

impl Folder {
    /// Errors: no inotify instance is left, which the message says with the sysctl.
    pub fn new(path: &Path) -> anyhow::Result<Folder> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)
            .map_err(io::Error::from)
            .context(
                "no inotify instance is left: raise fs.inotify.max_user_instances, see sysctl(8)",
            )?;
        let mut folder = Folder {
            path: path.to_owned(),
            // SAFETY: the descriptor is owned, open, and stays in place as long as this does.
            inotify: unsafe { AsyncFd::register(inotify) }?,
            watch: None,
            changed: false,
        };
        folder.look();
        Ok(folder)
    }

    /// Waits until something has changed and then no more for a tenth of a second. Cancel safe.
    pub async fn changed(&mut self) -> io::Result<()> {
        while !self.changed {
            if self.watch.is_none() {
                sleep(AGAIN).await;
                self.changed = self.look();
                continue;
            }
            self.read().await?;
        }
        loop {
            tokio::select! {
                read = self.read(), if self.watch.is_some() => read?,
                () = sleep(QUIET) => break,
            }
        }
        self.changed = false;
        Ok(())
    }

    /// Whether the folder is watched now.
    fn look(&mut self) -> bool {
        let what = WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        self.watch = inotify::add_watch(self.inotify.get_ref(), &self.path, what).ok();
        self.watch.is_some()
    }

    async fn read(&mut self) -> io::Result<()> {
        let mut ready = self.inotify.readable().await?;
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(self.inotify.get_ref(), &mut buffer);
        loop {
            match events.next() {
                Ok(event) => {
                    self.changed = true;
                    use inotify::ReadFlags;
                    if event.events().contains(ReadFlags::MOVE_SELF)
                        && let Some(watch) = self.watch.take()
                    {
                        let _ = inotify::remove_watch(self.inotify.get_ref(), watch);
                    }
                    if event.events().contains(ReadFlags::IGNORED) {
                        self.watch = None;
                    }
                }
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        ready.clear_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    async fn soon(folder: &mut Folder) {
        tokio::time::timeout(Duration::from_secs(60), folder.changed())
            .await
            .expect("a change is seen")
            .unwrap();
    }

    #[tokio::test]
    async fn sees_files_come_and_go_and_the_folder_itself() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("units");
        fs::create_dir(&path).unwrap();
        let mut folder = Folder::new(&path).unwrap();
        for step in 0..3 {
            match step {
                0 => fs::write(path.join("a.target"), "x").unwrap(),
                1 => fs::rename(path.join("a.target"), path.join("b.target")).unwrap(),
                _ => fs::remove_file(path.join("b.target")).unwrap(),
            }
            soon(&mut folder).await;
        }
        fs::remove_dir(&path).unwrap();
        soon(&mut folder).await;
        fs::create_dir(&path).unwrap();
        soon(&mut folder).await;
        fs::write(path.join("a.target"), "x").unwrap();
        soon(&mut folder).await;
    }

    #[tokio::test]
    async fn many_changes_are_one() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(root.path()).unwrap();
        for number in 0..300 {
            fs::write(root.path().join(format!("{number}.target")), "x").unwrap();
        }
        soon(&mut folder).await;
        let quiet = tokio::time::timeout(QUIET * 3, folder.changed()).await;
        assert!(quiet.is_err(), "nothing has changed since");
    }
}
