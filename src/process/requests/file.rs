//! The files of one instance: `requests`, and `requests-1` and so on of its further processes and threads.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::time::{ClockId, clock_gettime};

use super::buckets::{self, COUNT};
use super::{Histogram, Requests};

const NAME: &[u8] = b"rpmctl\0\x01";
const BODY: usize = 40;
/// More than the writer can fill.
const LONGEST: usize = 96 << 10;
/// Of one read: nearly every file is shorter.
const USUAL: usize = 8 << 10;
const COUNTERS: usize = 64;
/// Microseconds of a slot, and how many of them are the last minute.
const SLOT: u64 = 10_000_000;
const SLOTS: u64 = 6;
/// Slots in a file at most: of a process that took over another's there may be some more.
const SLOTS_MAX: u64 = 32;
/// Written this long after the first request, at the latest.
const WRITE_EVERY: u64 = 1_200_000;
/// Beyond what anything can count; sums of all stay far within u64.
const SANE: u64 = 1 << 53;

/// What one file says.
#[derive(Clone, Debug, Default, PartialEq)]
struct Counted {
    run: [u8; 16],
    /// Microseconds of CLOCK_MONOTONIC.
    started: u64,
    written: u64,
    failed: u64,
    aborted: u64,
    total: Histogram,
    /// By their number.
    slots: Vec<(u64, Histogram)>,
}

/// Microseconds since the machine was started, as Node's process.hrtime() has it.
pub fn monotonic() -> u64 {
    micros(ClockId::Monotonic)
}

fn micros(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec.cast_unsigned() * 1_000_000 + now.tv_nsec.cast_unsigned() / 1_000
}

/// That long after the machine's boot, as [`monotonic`] has it; earlier by what the machine slept since, which that clock leaves out.
pub fn on_our_clock(since_boot: Duration) -> u64 {
    let slept = micros(ClockId::Boottime).saturating_sub(monotonic());
    let since_boot = u64::try_from(since_boot.as_micros()).unwrap_or(u64::MAX);
    since_boot.saturating_sub(slept)
}

/// Of the run that began to count at `since` or later.
pub fn read(folder: &Path, now: u64, since: u64) -> Option<Requests> {
    let first = counted(&folder.join("requests"))??;
    if first.started < since {
        return None;
    }
    let run = first.run;
    let first = first.until(now);
    let mut all = vec![first];
    for number in 1..COUNTERS {
        match counted(&folder.join(format!("requests-{number}"))) {
            None => break,
            // Of an earlier run, or none of ours.
            Some(other) => all.extend(other.filter(|one| one.run == run).map(|one| one.until(now))),
        }
    }
    Requests::sum(&all)
}

/// Outer none: no such file. Inner: it is not what the preload writes.
fn counted(path: &Path) -> Option<Option<Counted>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    match opened {
        Ok(file) => Some(whole(&file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) => Some(None),
    }
}

/// Another try when it is written just then.
fn whole(file: &File) -> Option<Counted> {
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = vec![0; USUAL];
    for _ in 0..4 {
        let got = file.read_at(&mut bytes, 0).ok()?;
        let head = bytes.get(..12)?;
        if got < BODY || &head[..8] != NAME {
            return None;
        }
        let length = u32_at(&bytes, 8) as usize;
        if length > LONGEST {
            return None;
        }
        if length > bytes.len() {
            bytes.resize(length, 0);
            continue;
        }
        if let Some(counted) = parse(bytes.get(..length.min(got))?) {
            return Some(counted);
        }
    }
    None
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u32 {
    let fold = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, fold)
}

/// All of a file; none where anything of it does not fit.
fn parse(bytes: &[u8]) -> Option<Counted> {
    if bytes.len() < BODY || u32_at(bytes, 12) != checksum(&bytes[16..]) {
        return None;
    }
    let mut rest = Rest(&bytes[BODY..]);
    let mut counted = Counted {
        started: rest.number()?,
        written: rest.number()?,
        failed: rest.number()?,
        aborted: rest.number()?,
        total: rest.histogram()?,
        ..Counted::default()
    };
    counted.run.copy_from_slice(&bytes[16..32]);
    let slots = rest.number().filter(|slots| *slots <= SLOTS_MAX)?;
    for _ in 0..slots {
        counted.slots.push((rest.number()?, rest.histogram()?));
    }
    let of_all = counted.total.count;
    let fits = counted.failed <= of_all && counted.aborted <= of_all;
    (fits && rest.0.is_empty()).then_some(counted)
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for at in 0..8 {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return Some(number).filter(|number| *number < SANE);
            }
        }
        None
    }

    fn histogram(&mut self) -> Option<Histogram> {
        let sum = self.number()?;
        let filled = self.number().filter(|filled| *filled <= COUNT)?;
        let mut all = Histogram {
            sum,
            ..Histogram::default()
        };
        let mut last = None;
        for _ in 0..filled {
            let (gap, count) = (self.number()?, self.number()?);
            let index = last.unwrap_or(0) + gap;
            if index >= COUNT || count == 0 || (last.is_some() && gap == 0) {
                return None;
            }
            last = Some(index);
            all.count += count;
            all.buckets.push((buckets::upper(index), count));
        }
        (all.count < SANE).then_some(all)
    }
}

impl Counted {
    /// What is to be said of it at this time. The writer sleeps when there are no requests, so the clock says what is over.
    fn until(self, now: u64) -> Requests {
        let newest = now / SLOT;
        let oldest = newest.saturating_sub(SLOTS - 1);
        let mut recent = Histogram::default();
        let slots = self.slots.iter();
        for (_, slot) in slots.filter(|(number, _)| (oldest..=newest).contains(number)) {
            recent.add(slot);
        }
        // What came since it was written is not in it.
        let fresh = (self.written..=self.written.saturating_add(WRITE_EVERY)).contains(&now);
        let end = if fresh { self.written } else { now };
        let begin = self.started.max(oldest * SLOT);
        Requests {
            total: self.total,
            failed: self.failed,
            aborted: self.aborted,
            recent,
            span: Duration::from_micros(end.saturating_sub(begin)),
        }
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
