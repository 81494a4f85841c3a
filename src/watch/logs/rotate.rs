//! Setting log files aside: when (`due`), which old ones go (`expired`), and the effects, all relative to an open folder and never through a link.
//!
//! An old file is called `out.log-20261123-000000`, by local time, then `….gz`: logrotate's `dateext`, with the time of day. Against numbers (`out.log.1`)
//! that is one rename instead of one for each old file, so a kill leaves nothing half shifted; a name never changes its content, which backups like; and
//! names sort by age.
//!
//! Who writes the file keeps this order, and may be killed anywhere in it:
//! 1. every line in the file is in the checkpoint;
//! 2. [`set_aside`]: one rename;
//! 3. the new file is opened, and is in the checkpoint with its inode and size 0 before its first line;
//! 4. [`tidy`], which may take long: in a blocking thread, and once for each file when the writer starts.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use flate2::{Compression, GzBuilder};
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rustix::fs::{
    AtFlags, Dir, DirEntry, FileType, Mode, OFlags, RenameFlags, Timespec, Timestamps,
};
use rustix::io::Errno;

use crate::model::Rotation;

/// So many names are tried for one file.
const TRIES: u32 = 1000;

/// A log file that is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Current {
    /// Bytes.
    pub size: u64,
    /// When its first line was received, in microseconds since the epoch; None when that is not known.
    pub begun: Option<u64>,
}

/// Whether it is time. `now`: microseconds since the epoch, or the next line's time. An empty file stays.
pub fn due(rule: &Rotation, file: &Current, now: u64, zone: &TimeZone) -> bool {
    if file.size == 0 {
        return false;
    }
    let large = rule.size.is_some_and(|size| file.size >= size);
    let over = match (rule.every, file.begun) {
        (Some(every), Some(begun)) => {
            let period = |at| period(local(at, zone), every.as_secs().max(1) as i64);
            period(begun) < period(now)
        }
        _ => false,
    };
    large || over
}

/// How many whole periods there were since a Monday's midnight.
fn period(at: DateTime, seconds: i64) -> i64 {
    at.duration_since(date(1970, 1, 5).at(0, 0, 0, 0))
        .as_secs()
        .div_euclid(seconds)
}

fn local(at: u64, zone: &TimeZone) -> DateTime {
    let at = i64::try_from(at).ok().map(Timestamp::from_microsecond);
    at.and_then(Result::ok)
        .unwrap_or_default()
        .to_zoned(zone.clone())
        .datetime()
}

/// A file that was set aside.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Old {
    /// When, in local time.
    pub at: DateTime,
    /// Whether it is a `.gz`.
    pub packed: bool,
    pub name: OsString,
}

impl Old {
    /// None when `name` is not one of the log file `current` that was set aside.
    pub fn of(current: &OsStr, name: &OsStr) -> Option<Old> {
        let rest = name.as_bytes().strip_prefix(current.as_bytes())?;
        let rest = std::str::from_utf8(rest).ok()?.strip_prefix('-')?;
        let (stamp, packed) = match rest.strip_suffix(".gz") {
            Some(stamp) => (stamp, true),
            None => (rest, false),
        };
        let (day, time) = stamp.split_once('-')?;
        let digits = |text: &str, length| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(day, 8) || !digits(time, 6) {
            return None;
        }
        Some(Old {
            at: DateTime::strptime("%Y%m%d-%H%M%S", stamp).ok()?,
            packed,
            name: name.to_owned(),
        })
    }
}

/// Which of the old ones go: all beyond the `keep` newest, and those older than `max_age`. A file that is there both packed and not counts once.
pub fn expired(rule: &Rotation, old: &[Old], now: u64, zone: &TimeZone) -> Vec<Old> {
    let now = local(now, zone);
    let last = plausible(now);
    // Those that cannot be are the oldest, or they would drive out every new one.
    let order = |at: DateTime| (at <= last, at);
    let mut times: Vec<_> = old.iter().map(|old| order(old.at)).collect();
    times.sort_unstable_by(|a, b| b.cmp(a));
    times.dedup();
    let oldest = match rule.keep {
        Some(0) | None => None,
        Some(keep) => times.get(keep as usize - 1).copied(),
    };
    let goes = |at: DateTime| {
        let beyond = rule.keep == Some(0) || oldest.is_some_and(|oldest| order(at) < oldest);
        let age = now.duration_since(at);
        let aged = rule
            .max_age
            .is_some_and(|max| age > SignedDuration::try_from(max).unwrap_or(SignedDuration::MAX));
        beyond || aged
    };
    old.iter().filter(|old| goes(old.at)).cloned().collect()
}

/// Renames the log file `name` of the folder; what it is called now. None when the name is not that inode's any more: somebody else has moved it.
/// Errors: what the rename met; nothing has changed then.
pub fn set_aside(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    inode: (u64, u64),
    now: u64,
    zone: &TimeZone,
) -> io::Result<Option<OsString>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if (stat.st_dev, stat.st_ino) == inode => {}
        Ok(_) | Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    // Later than every other: several within a second, or the hour that a clock repeats, must not stand among those that go first.
    let mut at = local(now, zone);
    let last = plausible(at);
    let newest = names(folder)?
        .iter()
        .filter_map(|found| Old::of(name, found))
        .map(|old| old.at)
        .filter(|at| *at <= last)
        .max();
    if let Some(newest) = newest
        && later(newest)? > at
    {
        at = later(newest)?;
    }
    for _ in 0..TRIES {
        let mut old = name.to_owned();
        old.push(at.strftime("-%Y%m%d-%H%M%S").to_string());
        let packed = with(&old, ".gz");
        let free =
            |name: &OsStr| rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_err();
        if free(&packed) && free(&old) {
            let renamed =
                rustix::fs::renameat_with(folder, name, folder, &old, RenameFlags::NOREPLACE);
            match renamed {
                Ok(()) => {}
                // A file system without it; the name was free.
                Err(Errno::INVAL | Errno::NOSYS) => {
                    rustix::fs::renameat(folder, name, folder, &old)?
                }
                Err(Errno::EXIST) => {
                    at = later(at)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            settle(folder)?;
            return Ok(Some(old));
        }
        at = later(at)?;
    }
    Err(taken())
}

fn later(at: DateTime) -> io::Result<DateTime> {
    at.checked_add(1.second()).map_err(|_| taken())
}

fn taken() -> io::Error {
    io::Error::other("the names that old files get are taken; remove some of them")
}

/// Old files are not from later than that: clocks are set, and the app's user may give a file any name.
fn plausible(now: DateTime) -> DateTime {
    now.checked_add(1.day()).unwrap_or(DateTime::MAX)
}

/// Finishes what a rotation left to do, or what a kill left undone: packs what is to be packed, and removes old ones that are over.
/// Errors: the first of them, named, after everything else was done; the next call tries again.
pub fn tidy(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    rule: &Rotation,
    now: u64,
    zone: &TimeZone,
) -> io::Result<()> {
    let mut old = Vec::new();
    let mut first = None;
    let mut tried = |name: &OsStr, result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound && first.is_none() => {
            let words = format!("{}: {error}", name.to_string_lossy());
            first = Some(io::Error::new(error.kind(), words));
        }
        _ => {}
    };
    for found in names(folder)? {
        if unfinished_of(name, &found) {
            tried(&found, remove(folder, &found));
        } else {
            old.extend(Old::of(name, &found));
        }
    }
    let over = expired(rule, &old, now, zone);
    for gone in &over {
        tried(&gone.name, remove(folder, &gone.name));
    }
    old.retain(|old| !over.contains(old));
    for plain in old.iter().filter(|old| !old.packed) {
        let packed = with(&plain.name, ".gz");
        if old.iter().any(|old| old.name == packed) {
            // It got its name when it was whole.
            tried(&plain.name, remove(folder, &plain.name));
        } else if rule.compress {
            tried(&plain.name, pack(folder, &plain.name));
        }
    }
    first.map_or(Ok(()), Err)
}

/// `….gz` beside the file, with its owner, mode and time, complete before it has its name; then the file goes.
fn pack(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let from = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&from)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(());
    }
    let packed = with(name, ".gz");
    let unfinished = unfinished(&packed);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let to = rustix::fs::openat(folder, &unfinished, flags, Mode::RUSR | Mode::WUSR)?;
    let written = (|| {
        let mut gzip = GzBuilder::new()
            .mtime(u32::try_from(stat.st_mtime).unwrap_or(0))
            .write(File::from(to), Compression::default());
        let mut from = BufReader::with_capacity(64 << 10, File::from(from));
        io::copy(&mut from, &mut gzip)?;
        let mut to = gzip.finish()?;
        to.flush()?;
        // As an ordinary user they are its own already.
        let _ = rustix::fs::fchown(
            &to,
            Some(rustix::fs::Uid::from_raw(stat.st_uid)),
            Some(rustix::fs::Gid::from_raw(stat.st_gid)),
        );
        rustix::fs::fchmod(&to, Mode::from_raw_mode(stat.st_mode & 0o777))?;
        let time = |sec, nsec| Timespec {
            tv_sec: sec,
            tv_nsec: nsec as _,
        };
        rustix::fs::futimens(
            &to,
            &Timestamps {
                last_access: time(stat.st_atime, stat.st_atime_nsec),
                last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
            },
        )?;
        to.sync_all()?;
        rustix::fs::renameat(folder, &unfinished, folder, &packed)?;
        settle(folder)
    })();
    match written {
        Ok(()) => remove(folder, name),
        Err(error) => {
            let _ = remove(folder, &unfinished);
            Err(error)
        }
    }
}

/// Of everything in the folder.
fn names(folder: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let name = |entry: DirEntry| OsString::from_vec(entry.file_name().to_bytes().to_owned());
    Dir::read_from(folder)?
        .map(|entry| Ok(name(entry?)))
        .collect()
}

fn with(name: &OsStr, ending: &str) -> OsString {
    let mut whole = name.to_owned();
    whole.push(ending);
    whole
}

/// What a `.gz` is called until it is whole.
fn unfinished(packed: &OsStr) -> OsString {
    let mut name = OsString::from(".");
    name.push(packed);
    name.push(".tmp");
    name
}

fn unfinished_of(current: &OsStr, name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    bytes
        .strip_prefix(b".")
        .and_then(|rest| rest.strip_suffix(b".tmp"))
        .and_then(|rest| Old::of(current, OsStr::from_bytes(rest)))
        .is_some_and(|old| old.packed)
}

fn remove(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(folder, name, AtFlags::empty())?)
}

/// The renames in a folder outlast a power cut.
fn settle(folder: BorrowedFd<'_>) -> io::Result<()> {
    match rustix::fs::fsync(folder.as_fd()) {
        // A folder that was opened for its path alone, or a file system that has nothing to sync.
        Ok(()) | Err(Errno::BADF | Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
#[path = "rotate_tests.rs"]
mod tests;
