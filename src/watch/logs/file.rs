//! One log file: what waits to be written to it, and whether it can be.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use super::owners::Owner;
use super::position::Position;
use super::state::{Identity, Kept};
use super::{folder, open, rotate};
use crate::host::accounts::Account;
use crate::model::Rotation;
use crate::unit_files::flushed;

/// Between two tries to set a file aside that could not be.
const TURN_AGAIN: Duration = Duration::from_secs(60);
/// Between two tries to write to a file that could not be written to.
const AGAIN: Duration = Duration::from_secs(5);

pub struct LogFile {
    pub path: PathBuf,
    /// The first app that named it.
    pub app: String,
    pub user: Option<String>,
    pub group: Option<String>,
    /// Err: there is no such user or group.
    pub account: Owner,
    /// Name of the source that its lines come from.
    pub source: String,
    /// Where it is when it is not as far as its source: lines up to there are not for it.
    pub behind: Option<Position>,
    /// Where it was when it came level with its source within this batch.
    pub was_behind: Option<Position>,
    /// Lines of this batch.
    pub buffer: Vec<u8>,
    pub failing: Option<Failing>,
    /// Written to since it was synced.
    pub dirty: bool,
    /// No app names it any more; dropped then.
    pub gone_at: Option<Instant>,
    /// `log_rotate`
    pub rotate: Option<Rotation>,
    /// When the buffer's first line was received, in microseconds since the epoch.
    pub first_at: Option<u64>,
    /// The same of the file's first line, and which file that is.
    pub begun: Option<(Identity, u64)>,
    /// The file that was set aside, whose group and mode the next gets.
    aside: Option<Metadata>,
    /// Old files may be there that go by the rule.
    pub untidy: bool,
    turn_again: Option<Instant>,
    open: Option<Open>,
}

struct Open {
    file: File,
    identity: Identity,
    size: u64,
}

/// A file that cannot be written to. Its batch stays in the buffer.
pub struct Failing {
    pub why: String,
    pub again: Instant,
    /// Lines up to here are written; None: none ever were.
    pub written: Option<Position>,
    /// The buffer's last line.
    pub buffered: Option<Position>,
    /// Lines beyond `buffered` were passed over.
    pub missed: bool,
}

/// Gives a new file the old one's group and mode. Not when it is another's: the app's user may have laid a link there meanwhile.
fn like(new: &File, old: &Metadata, account: Option<&Account>) -> io::Result<()> {
    let owner = account.map_or_else(
        || rustix::process::geteuid().as_raw(),
        |account| account.uid,
    );
    let found = new.metadata()?;
    if found.nlink() == 1 && (found.uid(), old.uid()) == (owner, owner) {
        fchown(new, None, Some(old.gid()))?;
        new.set_permissions(Permissions::from_mode(old.mode() & 0o777))?;
    }
    Ok(())
}

impl LogFile {
    pub fn new(
        path: PathBuf,
        app: &str,
        user: Option<String>,
        group: Option<String>,
        account: Owner,
    ) -> LogFile {
        LogFile {
            path,
            app: app.to_owned(),
            user,
            group,
            account,
            source: String::new(),
            behind: None,
            was_behind: None,
            buffer: Vec::new(),
            failing: None,
            dirty: false,
            gone_at: None,
            rotate: None,
            first_at: None,
            begun: None,
            aside: None,
            untidy: false,
            turn_again: None,
            open: None,
        }
    }

    /// Makes sure that what is open is the file of this path as it is now. True when that is another file than before, or it was truncated: then
    /// nothing may be written before that is on record. Errors: it cannot be opened.
    pub fn ready(&mut self) -> Result<bool, String> {
        if let Some(open) = &mut self.open {
            let size = open
                .file
                .metadata()
                .map_err(|error| open::words(&error))?
                .len();
            let same = std::fs::metadata(&self.path).is_ok_and(|found| {
                (found.dev(), found.ino()) == (open.identity.dev, open.identity.ino)
            });
            if same {
                let truncated = size < open.size;
                open.size = size;
                return Ok(truncated);
            }
        }
        // One that was moved away is synced while it is known.
        self.sync().map_err(|error| open::words(&error))?;
        self.open = None;
        let account = self.account.as_ref().map_err(Clone::clone)?;
        let opened = || {
            let file = open::append(&self.path, account.as_ref())?;
            Ok(Open {
                identity: Identity::of(&file)?,
                size: file.metadata()?.len(),
                file,
            })
        };
        let open = opened().map_err(|error: io::Error| open::words(&error))?;
        if let Some(old) = self.aside.take()
            && open.size == 0
        {
            let _ = like(&open.file, &old, account.as_ref());
        }
        self.open = Some(open);
        Ok(true)
    }

    /// Sets the file aside when the line that is to be written next makes it time. True: then [`ready`](LogFile::ready) opens a new one, and what is
    /// old is to be tidied once that is on record. Every line in it must be on record before. Errors: why it goes on growing, once a minute.
    pub fn turn(&mut self, zone: &TimeZone) -> Result<bool, String> {
        let (Some(rule), Some(open), Some(next)) = (&self.rotate, &self.open, self.first_at) else {
            return Ok(false);
        };
        let begun = match self.begun {
            Some((identity, at)) if identity == open.identity => Some(at),
            // Not seen to begin: when it was made.
            _ => Some(open.identity.born / 1000).filter(|at| *at > 0),
        };
        let current = rotate::Current {
            size: open.size,
            begun,
        };
        let now = Instant::now();
        let wait = self.turn_again.is_some_and(|again| now < again);
        if wait || !rotate::due(rule, &current, next, zone) {
            return Ok(false);
        }
        self.turn_again = None;
        let inode = (open.identity.dev, open.identity.ino);
        let account = self.account.as_ref().map_err(Clone::clone)?;
        let aside = open.file.metadata().and_then(|metadata| {
            let moved = folder::within(&self.path, account.as_ref(), |folder, name| {
                rotate::set_aside(folder, name, inode, flushed::now(), zone)
            });
            Ok(moved?.map(|_| metadata))
        });
        match aside {
            Ok(aside) => {
                self.aside = aside;
                Ok(self.aside.is_some())
            }
            Err(error) => {
                self.turn_again = Some(now + TURN_AGAIN);
                Err(open::words(&error))
            }
        }
    }

    /// Appends the buffer, all of it or nothing. Errors: why not.
    pub fn write(&mut self) -> Result<(), String> {
        let Some(open) = &mut self.open else {
            return Err("is not open".into());
        };
        if let Err(error) = open.file.write_all(&self.buffer) {
            let _ = open.file.set_len(open.size);
            return Err(open::words(&error));
        }
        if open.size == 0
            && let Some(first) = self.first_at
        {
            self.begun = Some((open.identity, first));
        }
        open.size += self.buffer.len() as u64;
        self.buffer.clear();
        // One large batch must not cost memory for good.
        self.buffer.shrink_to(16 << 10);
        self.dirty = true;
        Ok(())
    }

    /// On disk, whatever happens to the machine. Errors: it is not; the file system may have lost lines.
    pub fn sync(&mut self) -> io::Result<()> {
        if let (true, Some(open)) = (self.dirty, &self.open) {
            open.file.sync_data()?;
        }
        self.dirty = false;
        Ok(())
    }

    /// Nothing is written to it until [`Failing::again`]. `done`, `read`: how far its source was before this batch, and is now. True when that, or the
    /// reason, is new.
    pub fn fail(&mut self, why: String, done: Option<Position>, read: Option<Position>) -> bool {
        let again = Instant::now() + AGAIN;
        let behind = self.behind.take();
        match &mut self.failing {
            Some(failing) => {
                failing.again = again;
                let new = failing.why != why;
                failing.why = why;
                new
            }
            None => {
                // One that was behind has lines to come that its source may have read before.
                let missed = behind.is_some();
                self.failing = Some(Failing {
                    why,
                    again,
                    buffered: behind.clone().or(read),
                    written: behind.or(self.was_behind.take()).or(done),
                    missed,
                });
                true
            }
        }
    }

    pub fn kept(&self) -> Kept {
        Kept {
            app: self.app.clone(),
            user: self.user.clone(),
            group: self.group.clone(),
            source: self.source.clone(),
            identity: self.open.as_ref().map(|open| open.identity),
            size: self.open.as_ref().map_or(0, |open| open.size),
            begun: self.begun.map(|(_, at)| at),
            behind: match &self.failing {
                Some(failing) => failing.written.clone(),
                None => self.behind.clone(),
            },
            trouble: self.failing.as_ref().map(|failing| failing.why.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::chown;

    #[test]
    fn a_file_of_somebody_elses_keeps_its_owner_and_mode() {
        const USER: u32 = 54_323;
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, owner: u32, mode: u32| {
            let path = folder.path().join(name);
            let file = File::create(&path).unwrap();
            chown(&path, Some(owner), Some(owner)).unwrap();
            file.set_permissions(Permissions::from_mode(mode)).unwrap();
            (path, file)
        };
        let look = |file: &File| {
            let found = file.metadata().unwrap();
            (found.uid(), found.gid(), found.mode() & 0o7777)
        };
        let account = Account {
            uid: USER,
            gid: USER,
            groups: vec![USER],
        };
        let (path, old) = file("old", USER, 0o4666);
        chown(path, Some(USER), Some(4)).unwrap();
        old.set_permissions(Permissions::from_mode(0o4666)).unwrap();
        let old = old.metadata().unwrap();
        let (_, others) = file("others", USER + 1, 0o622);
        like(&others, &old, Some(&account)).unwrap();
        assert_eq!(look(&others), (USER + 1, USER + 1, 0o622));
        let (_, new) = file("new", USER, 0o640);
        like(&new, &old, Some(&account)).unwrap();
        assert_eq!(look(&new), (USER, 4, 0o666));
        // The old one was not the user's: its owner is not handed on.
        like(&new, &others.metadata().unwrap(), Some(&account)).unwrap();
        assert_eq!(look(&new), (USER, 4, 0o666));
    }
}
