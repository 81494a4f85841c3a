//! Blocking or not, kept per process.
//!
//! `O_NONBLOCK` belongs to the open file description, and all instances share one: an app that
//! clears it would leave the event loops of the others hanging in accept(2). So the flag stays set
//! on the shared socket, what this process believes is remembered, and `accept` waits in poll(2)
//! where it believes the socket to block.
//!
//! One difference is left: poll(2) is never restarted after a signal, so a blocked `accept` returns
//! `EINTR` even where the handler was installed with `SA_RESTART` (signal(7)).

use core::ffi::{c_int, c_ulong};
use core::sync::atomic::Ordering::Relaxed;

use crate::sockets;
use crate::sys::{self, EAGAIN, F_GETFL, F_SETFL, FIONBIO, O_NONBLOCK};

/// Calls `accept` until it gives anything but `EAGAIN`, when `fd` is an inherited socket that this
/// process takes for blocking; once otherwise.
pub fn retry(fd: c_int, accept: impl Fn() -> c_int) -> c_int {
    loop {
        let got = accept();
        if got >= 0 || !sockets::any() || sys::errno() != EAGAIN {
            return got;
        }
        let blocks = sockets::of(fd).is_some_and(|socket| socket.blocking.load(Relaxed));
        if !blocks || !sys::wait_readable(fd) {
            return got;
        }
    }
}

/// fcntl(2) through `real`, which gets the argument to use: `F_SETFL` keeps `O_NONBLOCK` set on an
/// inherited socket, `F_GETFL` answers what this process believes.
pub fn fcntl(fd: c_int, cmd: c_int, arg: usize, real: impl Fn(usize) -> c_int) -> c_int {
    if cmd != F_SETFL && cmd != F_GETFL {
        return real(arg);
    }
    let Some(socket) = sockets::of(fd) else {
        return real(arg);
    };
    if cmd == F_SETFL {
        let blocking = arg & O_NONBLOCK as usize == 0;
        socket.blocking.store(blocking, Relaxed);
        return real(arg | O_NONBLOCK as usize);
    }
    let flags = real(arg);
    if flags >= 0 && socket.blocking.load(Relaxed) {
        return flags & !O_NONBLOCK;
    }
    flags
}

/// Remembers `FIONBIO` on an inherited socket. True when the call must not reach the kernel.
///
/// # Safety
/// With `FIONBIO`, `arg` is null or points to an int.
pub unsafe fn keeps(fd: c_int, request: c_ulong, arg: usize) -> bool {
    if request as u32 != FIONBIO || arg == 0 {
        return false;
    }
    let Some(socket) = sockets::of(fd) else {
        return false;
    };
    // SAFETY: promised by the caller.
    let blocking = unsafe { *(arg as *const c_int) } == 0;
    socket.blocking.store(blocking, Relaxed);
    blocking
}
