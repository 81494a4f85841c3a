//! One log file: what waits to be written to it, and whether it can be.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::open;
use super::position::Position;
use super::state::{Identity, Kept};
use crate::host::accounts::Account;

/// Between two tries to write to a file that could not be written to.
const AGAIN: Duration = Duration::from_secs(5);

pub struct LogFile {
    pub path: PathBuf,
    /// The first app that named it.
    pub app: String,
    pub user: Option<String>,
    pub group: Option<String>,
    /// Err: there is no such user or group.
    pub account: Result<Option<Account>, String>,
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

impl LogFile {
    pub fn new(path: PathBuf, app: &str, user: Option<String>, group: Option<String>) -> LogFile {
        let account = super::state::account(user.as_deref(), group.as_deref())
            .map_err(|error| format!("{error:#}"));
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
        self.open = Some(opened().map_err(|error: io::Error| open::words(&error))?);
        Ok(true)
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
            behind: match &self.failing {
                Some(failing) => failing.written.clone(),
                None => self.behind.clone(),
            },
            trouble: self.failing.as_ref().map(|failing| failing.why.clone()),
        }
    }
}
