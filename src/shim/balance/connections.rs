//! Which descriptors are connections of the shared listeners, and how many there are.

use core::ffi::c_int;
use core::sync::atomic::AtomicU8;
use core::sync::atomic::Ordering::Relaxed;

use super::peers;
use super::slot::{Slot, less_by_one};
use crate::sockets::{self, Socket};

/// Descriptors that are followed; the kernel's usual ceiling (fs.nr_open). Untouched pages cost nothing.
const DESCRIPTORS: usize = 1 << 20;

/// Of each descriptor the place of its listener, from 1; 0 for all others.
static LISTENERS: [AtomicU8; DESCRIPTORS] = [const { AtomicU8::new(0) }; DESCRIPTORS];

fn listener(fd: c_int) -> Option<&'static AtomicU8> {
    LISTENERS.get(usize::try_from(fd).ok()?)
}

pub fn has(fd: c_int) -> bool {
    listener(fd).is_some_and(|listener| listener.load(Relaxed) != 0)
}

/// A descriptor that is followed already was closed unseen.
pub fn add(fd: c_int, socket: &'static Socket, own: &Slot) {
    let Some(listener) = listener(fd) else {
        return;
    };
    own.connections.fetch_add(1, Relaxed);
    less(listener.swap(sockets::place(socket), Relaxed));
}

/// In the process that accepted it: a forked child that closes its copies ends nothing.
pub fn remove(fd: c_int) {
    if let Some(listener) = listener(fd)
        && of(listener.load(Relaxed)).is_some()
    {
        less(listener.swap(0, Relaxed));
    }
}

fn less(place: u8) {
    if let Some(own) = of(place) {
        less_by_one(&own.connections);
    }
}

fn of(place: u8) -> Option<&'static Slot> {
    peers::own(sockets::all().get(usize::from(place).checked_sub(1)?)?)
}
