//! The first look at what an app watches, in another thread: a mount whose server is gone lets whoever touches it wait, and getent(1) asks the network too.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::ignore::Scope;
use crate::host::accounts;
use crate::model::Watch;
use crate::units::Facts;

/// After so long it is told that an app is still waited for.
const LATE: Duration = Duration::from_secs(5);

/// An app whose files are not watched yet.
pub struct Coming {
    pub facts: Facts,
    since: Instant,
}

impl Coming {
    pub fn is_late(&self) -> bool {
        self.since.elapsed() > LATE
    }
}

/// What was found, and of which app.
pub struct Found {
    pub number: u32,
    pub scope: anyhow::Result<Scope>,
}

/// What is found comes to `to`; without an answer of a file system nothing does.
pub fn look(number: u32, facts: &Facts, watch: &Watch, to: &UnboundedSender<Found>) -> Coming {
    let (to, watch) = (to.clone(), watch.clone());
    let coming = Coming {
        facts: facts.clone(),
        since: Instant::now(),
    };
    let facts = facts.clone();
    tokio::task::spawn_blocking(move || {
        let scope = find(&facts, &watch);
        // Nobody listens any more when the watcher ends.
        let _ = to.send(Found { number, scope });
    });
    coming
}

fn find(facts: &Facts, watch: &Watch) -> anyhow::Result<Scope> {
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let mut scope = Scope::new(&facts.cwd, &facts.file, watch, is_there);
    // Links that the app's user lays lead where that user may look; for an app of root's and for a user's own watcher that is anywhere they may.
    if let Some(user) = facts.user.as_deref()
        && rustix::process::geteuid().is_root()
    {
        let account = accounts::account(Some(user), facts.group.as_deref())?;
        scope.account = Some(account).filter(|account| account.uid != 0);
    }
    let mounts = mounts(&fs::read("/proc/self/mountinfo").unwrap_or_default());
    for base in &scope.bases {
        let path = base.path.canonicalize();
        let path = path.as_ref().unwrap_or(&base.path);
        for mount in mounts.iter().filter(|mount| mount.starts_with(path)) {
            // Its answer does not matter, only that there is one.
            let _ = rustix::fs::statfs(mount);
        }
    }
    Ok(scope)
}

/// The mount points of a mountinfo file, proc_pid_mountinfo(5): the fifth field, with blanks and backslashes as three octal digits.
fn mounts(text: &[u8]) -> Vec<PathBuf> {
    let field = |line: &[u8]| {
        let mut bytes = line.split(|byte| *byte == b' ').nth(4)?;
        let mut plain = Vec::new();
        while let Some((byte, rest)) = bytes.split_first() {
            let code = (*byte == b'\\').then(|| rest.get(..3)).flatten();
            let code = code.and_then(|code| std::str::from_utf8(code).ok());
            match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
                Some(code) => {
                    plain.push(code);
                    bytes = &rest[3..];
                }
                None => {
                    plain.push(*byte);
                    bytes = rest;
                }
            }
        }
        Some(PathBuf::from(std::ffi::OsString::from_vec(plain)))
    };
    text.split(|byte| *byte == b'\n')
        .filter_map(field)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points() {
        let text = b"36 35 98:0 /mnt1 /srv/my\\040app/data rw,noatime master:1 - nfs server:/x rw\n22 1 0:5 / / rw - ext4 /dev/root rw\n";
        assert_eq!(
            mounts(text),
            [Path::new("/srv/my app/data"), Path::new("/")]
        );
        assert!(mounts(b"").is_empty());
    }
}
