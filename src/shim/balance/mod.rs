//! Even shares of one listener: an instance that accepts a connection while another has fewer
//! hands it to that one.
//!
//! The kernel gives a waiting connection to whichever instance asks first, so long-lived ones pile
//! up on a few. Here each instance publishes how many it has (`slot.rs`), and whoever accepts one
//! too many sends it, as a descriptor, to the inbox (`inbox.rs`) of the instance with the fewest.
//! The inbox sits in the app's own epoll beside the listener and with the listener's data, so the
//! app's event loop wakes, calls `accept` as for any connection, and gets it there.
//!
//! Only instances that wait for their listener with epoll(7) take part: others could not be woken
//! for a connection handed to them. What an instance does not take within 50 ms (it is stuck,
//! stopped or gone) is taken back, and it is given no more until it accepts again.
//!
//! Connections are counted by `accept` and close(2), which libuv calls through syscall(2). Inert without `RUNTIME_DIRECTORY`, the folder that
//! systemd.exec(5) gives an instance, named after it, and with `RPMCTL_BALANCE=0`.

mod connections;
mod folders;
mod inbox;
mod kernel;
mod peers;
mod slot;

use core::ffi::{c_int, c_uint, c_void};
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};

use crate::sockets::{self, Socket};
use crate::sys::{self, EAGAIN, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EpollEvent, Real};

pub use peers::prepare;
pub use slot::Slot;

/// Longest wait for handovers under way when this instance closes, in milliseconds; one takes
/// microseconds, and a sender that was killed in the middle never ends.
const CLOSING: u64 = 20;

/// Set by `leave`: what is in the inbox is still taken, the listener is left to the others.
static LEAVING: AtomicBool = AtomicBool::new(false);

/// accept4(2) through `real`, which takes from the listener.
///
/// # Safety
/// `addr` and `len` as in accept4(2).
pub unsafe fn accept(
    fd: c_int,
    addr: *mut c_void,
    len: *mut c_uint,
    flags: c_int,
    real: impl Fn() -> c_int,
) -> c_int {
    if !peers::possible() {
        return real();
    }
    let Some(socket) = sockets::of(fd) else {
        return real();
    };
    let Some(own) = peers::own(socket) else {
        return real();
    };
    if !LEAVING.load(Relaxed) && inbox::is_open(socket) && !inbox::is_full() {
        own.reopen();
    }
    own.moves();
    loop {
        let taken = inbox::take(socket, own, flags).or_else(|| overdue(socket, flags));
        if let Some(connection) = taken {
            // SAFETY: the caller's own pointers.
            unsafe { kernel::peer_address(connection, addr, len) };
            connections::add(connection, socket, own);
            return connection;
        }
        if LEAVING.load(Relaxed) {
            sys::set_errno(EAGAIN);
            return -1;
        }
        let connection = real();
        if connection < 0 {
            return connection;
        }
        inbox::has_room();
        if !peers::hand_over(socket, own, connection, flags) {
            connections::add(connection, socket, own);
            return connection;
        }
        kernel::close(connection);
        inbox::set_timer(socket);
    }
}

/// What was handed over and not taken in time comes back. The timer stays run out while there may
/// be more, so that the app's event loop comes again.
fn overdue(socket: &Socket, flags: c_int) -> Option<c_int> {
    if !inbox::is_due(socket) {
        return None;
    }
    let connection = peers::rescue(socket, flags);
    if connection.is_none() {
        inbox::stop_timer(socket);
        if peers::any_waiting(socket) {
            inbox::set_timer(socket);
        }
    }
    connection
}

/// epoll_ctl(2): what the app does with an inherited listener is done with its inbox too.
///
/// # Safety
/// As epoll_ctl(2).
pub unsafe fn epoll_ctl(epoll: c_int, op: c_int, fd: c_int, event: *mut EpollEvent) -> c_int {
    // SAFETY: the caller's own arguments.
    let real = || unsafe { Real::epoll_ctl(epoll, op, fd, event.cast()) };
    if !peers::possible() {
        return real();
    }
    if connections::has(fd) {
        return real();
    }
    let Some(socket) = sockets::of(fd) else {
        return real();
    };
    match op {
        EPOLL_CTL_ADD => {
            let result = real();
            if result == 0 && !event.is_null() {
                // SAFETY: the caller's event, which the kernel has just read.
                join(socket, epoll, fd, unsafe { *event });
            }
            result
        }
        EPOLL_CTL_MOD => {
            if !event.is_null() {
                // SAFETY: the caller's event, as the kernel will read it.
                inbox::watch(socket, epoll, EPOLL_CTL_MOD, unsafe { *event });
            }
            real()
        }
        EPOLL_CTL_DEL => {
            let result = real();
            // After `leave` the listener is out already.
            let left = LEAVING.load(Relaxed) && peers::own(socket).is_some();
            close_down(socket, epoll, fd);
            if left { 0 } else { result }
        }
        _ => real(),
    }
}

/// The app waits for this listener: open its inbox, and take part.
fn join(socket: &Socket, epoll: c_int, fd: c_int, event: EpollEvent) {
    let errno = sys::errno();
    if let Some(own) = peers::claim(socket)
        && inbox::open(socket, peers::own_folder())
    {
        if socket.remember_watch(epoll, fd) {
            inbox::watch(socket, epoll, EPOLL_CTL_ADD, event);
        }
        own.reopen();
        peers::meet(socket);
    }
    sys::set_errno(errno);
}

/// The app waits for this listener no more: nothing is handed to it from now on, and what was is
/// passed on; where nobody takes it just now, it stays in the inbox, which the others have open.
fn close_down(socket: &Socket, epoll: c_int, fd: c_int) {
    let errno = sys::errno();
    if let Some(own) = peers::own(socket)
        && socket.forget_watch(epoll, fd)
    {
        inbox::unwatch(socket, epoll);
        if socket.watches().next().is_some() {
            return sys::set_errno(errno);
        }
        own.close();
        wait_for_senders(own);
        while let Some(connection) = inbox::take(socket, own, 0) {
            let taken = peers::pass_on(socket, connection);
            let left = !taken && inbox::leave(socket, own, connection);
            kernel::close(connection);
            if left {
                break;
            }
        }
        inbox::shut(socket, peers::own_folder());
    }
    sys::set_errno(errno);
}

/// Takes this instance out of the listeners it shares: others hand it nothing more, and it accepts
/// nothing more itself. What was handed to it before still arrives. True when it took part.
pub fn leave() -> bool {
    let errno = sys::errno();
    LEAVING.store(true, SeqCst);
    let mut took_part = false;
    for socket in sockets::all() {
        let Some(own) = peers::own(socket) else {
            continue;
        };
        took_part = true;
        own.close();
        for (epoll, fd) in socket.watches() {
            let mut none = EpollEvent::default();
            // SAFETY: the event is unused, and there (epoll_ctl(2), BUGS).
            unsafe { Real::epoll_ctl(epoll, EPOLL_CTL_DEL, fd, (&raw mut none).cast()) };
        }
        wait_for_senders(own);
    }
    sys::set_errno(errno);
    took_part
}

/// Whether this is a process of libuv that could take part.
#[cfg_attr(not(preloaded), allow(dead_code))]
pub fn refuses_rings() -> bool {
    peers::possible() && sys::has_function(c"uv_version")
}

/// close(2) of a connection ends it. A listener may be closed without a word to epoll: the kernel
/// would go on reporting it, since others have it open.
pub fn closing(fd: c_int) {
    if !peers::possible() {
        return;
    }
    if connections::has(fd) {
        return connections::remove(fd);
    }
    // A child that shares this memory (vfork(2)) closes its own copies.
    if !inbox::is_concerned(fd) {
        return;
    }
    for socket in sockets::all() {
        if peers::own(socket).is_none() {
            continue;
        }
        inbox::closing(socket, fd);
        for (epoll, _) in socket.watches().filter(|(_, watched)| *watched == fd) {
            let mut none = EpollEvent::default();
            // SAFETY: the event is unused, and there (epoll_ctl(2), BUGS).
            unsafe { Real::epoll_ctl(epoll, EPOLL_CTL_DEL, fd, (&raw mut none).cast()) };
            close_down(socket, epoll, fd);
        }
    }
}

fn wait_for_senders(own: &slot::Slot) {
    let start = kernel::milliseconds();
    while own.is_being_sent_to() && kernel::milliseconds().wrapping_sub(start) < CLOSING {
        kernel::yield_now();
    }
}
