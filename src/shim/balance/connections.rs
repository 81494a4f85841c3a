//! Which descriptors are connections of the shared listeners, and how many there are.

use core::ffi::c_int;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use super::peers;
use super::slot::Slot;

/// Descriptors that are followed; the kernel's usual ceiling (fs.nr_open). Untouched pages cost nothing.
const DESCRIPTORS: usize = 1 << 20;

static OPEN: [AtomicU32; DESCRIPTORS / 32] = [const { AtomicU32::new(0) }; DESCRIPTORS / 32];

fn place(fd: c_int) -> Option<(&'static AtomicU32, u32)> {
    let fd = usize::try_from(fd).ok()?;
    Some((OPEN.get(fd / 32)?, 1 << (fd % 32)))
}

pub fn has(fd: c_int) -> bool {
    place(fd).is_some_and(|(word, bit)| word.load(Relaxed) & bit != 0)
}

/// A descriptor that is followed already was closed unseen, and counts once.
pub fn add(fd: c_int, own: &Slot) {
    if let Some((word, bit)) = place(fd)
        && word.fetch_or(bit, Relaxed) & bit == 0
    {
        own.connections.fetch_add(1, Relaxed);
    }
}

/// In the process that accepted it: a forked child that closes its copies ends nothing.
pub fn remove(fd: c_int) {
    if let Some(own) = peers::own()
        && let Some((word, bit)) = place(fd)
        && word.fetch_and(!bit, Relaxed) & bit != 0
    {
        own.connections.fetch_sub(1, Relaxed);
    }
}
