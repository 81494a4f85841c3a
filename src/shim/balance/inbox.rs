//! Where an instance gets the connections that others hand to it: a datagram socket for each
//! listener in its runtime folder (mode 0600, so only the app's own user can write to it), each
//! datagram one descriptor (SCM_RIGHTS, unix(7)).
//!
//! Every instance has the inboxes of all others open as well. So one that ends takes nothing with
//! it, and what one leaves lying is taken out by another (`peers::rescue`).

use core::ffi::{CStr, c_int};
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicI32};

use super::kernel;
use super::peers::{self, Folder};
use super::slot::{PATIENCE, Sent, Slot};
use crate::sockets::{self, Socket};
use crate::sys::{
    self, ECONNREFUSED, ENOENT, EPOLL_CTL_DEL, EpollEvent, F_SETFL, O_NONBLOCK, Real,
    SO_ACCEPTCONN, SO_TYPE, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET,
};

/// First descriptor of the inboxes, above the duplicates of the listeners (`start.rs`).
const LOWEST: c_int = 760;

static SENDER: AtomicI32 = AtomicI32::new(-1);

/// No descriptor was free: nothing more is handed to this instance until it accepts again.
static FULL: AtomicBool = AtomicBool::new(false);

pub fn is_full() -> bool {
    FULL.load(Relaxed)
}

pub fn has_room() {
    FULL.store(false, Relaxed);
}

fn path<'a>(
    socket: &Socket,
    folder: Folder,
    buffer: &'a mut [u8; kernel::UNIX_PATH],
) -> Option<&'a CStr> {
    folder.file(b"inbox", socket, buffer)
}

pub fn is_open(socket: &Socket) -> bool {
    socket.inbox.load(Relaxed) >= 0
}

/// Makes the listener's inbox, unless it is there.
pub fn open(socket: &Socket, folder: Folder) -> bool {
    if is_open(socket) {
        return true;
    }
    let mut buffer = [0; kernel::UNIX_PATH];
    let Some(path) = path(socket, folder, &mut buffer) else {
        return false;
    };
    // One that a killed process left.
    kernel::remove(path);
    let Some(fd) = kernel::datagram_socket_at(path, LOWEST) else {
        return false;
    };
    socket.inbox.store(fd, Relaxed);
    socket
        .timer
        .store(kernel::timer(LOWEST).unwrap_or(-1), Relaxed);
    true
}

pub fn shut(socket: &Socket, folder: Folder) {
    let mut buffer = [0; kernel::UNIX_PATH];
    if let Some(path) = path(socket, folder, &mut buffer) {
        kernel::remove(path);
    }
    kernel::close(socket.inbox.swap(-1, Relaxed));
    kernel::close(socket.timer.swap(-1, Relaxed));
    for inbox in &socket.inboxes {
        kernel::close(inbox.swap(-1, Relaxed));
    }
}

/// Whether a descriptor is a listener that is waited for, or may be one of an inbox.
pub fn is_concerned(fd: c_int) -> bool {
    let is_watched = |socket: &Socket| socket.watches().any(|(_, watched)| watched == fd);
    fd >= LOWEST || sockets::all().iter().any(is_watched)
}

/// Somebody closes descriptors that are not theirs: the number may be another's soon.
pub fn closing(socket: &Socket, fd: c_int) {
    let _ = SENDER.compare_exchange(fd, -1, Relaxed, Relaxed);
    let others = socket.inboxes.iter();
    for place in [&socket.inbox, &socket.timer].into_iter().chain(others) {
        let _ = place.compare_exchange(fd, -1, Relaxed, Relaxed);
    }
}

/// Does with the inbox in `epoll` what the app does with the listener.
pub fn watch(socket: &Socket, epoll: c_int, op: c_int, mut event: EpollEvent) {
    let errno = sys::errno();
    for fd in [&socket.inbox, &socket.timer].map(|fd| fd.load(Relaxed)) {
        if fd >= 0 {
            // SAFETY: the event is this function's own.
            unsafe { Real::epoll_ctl(epoll, op, fd, (&raw mut event).cast()) };
        }
    }
    sys::set_errno(errno);
}

pub fn unwatch(socket: &Socket, epoll: c_int) {
    watch(socket, epoll, EPOLL_CTL_DEL, EpollEvent::default());
}

/// The next connection in this instance's inbox, with the `SOCK_NONBLOCK` and `SOCK_CLOEXEC` of
/// `flags`. Greetings are dealt with on the way.
pub fn take(socket: &Socket, own: &Slot, flags: c_int) -> Option<c_int> {
    let inbox = socket.inbox.load(Relaxed);
    if inbox < 0 {
        return None;
    }
    let errno = sys::errno();
    let mut taken = None;
    while taken.is_none() {
        let before = own.waiting();
        // What arrives where no descriptor is free is gone (unix(7), MSG_CTRUNC).
        if own.has_waiting() && !kernel::can_open(inbox) {
            FULL.store(true, Relaxed);
            own.close();
            break;
        }
        let Some((letter, number, fd)) = open_next(inbox, flags) else {
            own.found_empty(before);
            break;
        };
        // A probe is in nobody's count.
        if letter != Some(Letter::Probe) {
            own.received();
        }
        match letter {
            Some(Letter::Hello | Letter::Answer) => {
                // Left behind by an instance that ended: this one's own inbox keeps them until they are due.
                let serve = |connection| {
                    own.sending(|| {
                        send(
                            socket,
                            peers::own_folder(),
                            Letter::connection(0),
                            0,
                            connection,
                        )
                    });
                    kernel::close(connection);
                };
                peers::met(socket, letter.unwrap_or(Letter::Answer), number, fd, serve);
            }
            Some(letter) => taken = fit(letter, fd, flags),
            None => {}
        }
    }
    sys::set_errno(errno);
    taken
}

/// Puts a connection back into this instance's own inbox, for others to take out.
pub fn leave(socket: &Socket, own: &Slot, connection: c_int) -> bool {
    let letter = Letter::connection(0);
    own.leaves(|| send(socket, peers::own_folder(), letter, 0, connection))
}

/// The next connection in the inbox of an instance that does not take it.
pub fn take_from(socket: &Socket, number: usize, slot: &Slot, flags: c_int) -> Option<c_int> {
    let inbox = socket.inboxes.get(number)?.load(Relaxed);
    if inbox < 0 {
        return None;
    }
    let errno = sys::errno();
    let mut taken = None;
    while taken.is_none() {
        let before = slot.waiting();
        let Some((letter, _, fd)) = open_next(inbox, flags) else {
            slot.found_empty(before);
            break;
        };
        if letter != Some(Letter::Probe) {
            slot.rescued();
        }
        match letter {
            // Whoever asked wants to hear of that instance alone.
            Some(Letter::Hello | Letter::Answer | Letter::Probe) | None => kernel::close(fd),
            Some(letter) => taken = fit(letter, fd, flags),
        }
    }
    sys::set_errno(errno);
    taken
}

/// Takes every connection out of an inbox whose instance is gone.
pub fn empty(inbox: c_int, mut serve: impl FnMut(c_int)) {
    while inbox >= 0
        && let Some((letter, _, fd)) = open_next(inbox, SOCK_CLOEXEC)
    {
        match letter {
            Some(Letter::Blocking | Letter::Nonblocking) => {
                if let Some(connection) = letter.and_then(|letter| fit(letter, fd, 0)) {
                    serve(connection);
                }
            }
            _ => kernel::close(fd),
        }
    }
}

/// What a datagram brings, told by its first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Letter {
    /// A connection without `O_NONBLOCK`.
    Blocking,
    Nonblocking,
    /// The inbox of the instance whose number is the second byte, which wants this one's.
    Hello,
    Answer,
    /// A connection of whoever asks this instance whether it is well (`src/probe`): no other may take it.
    Probe,
}

impl Letter {
    pub fn connection(flags: c_int) -> Letter {
        if flags & SOCK_NONBLOCK != 0 {
            Letter::Nonblocking
        } else {
            Letter::Blocking
        }
    }

    fn read(byte: u8) -> Option<Letter> {
        [
            Letter::Blocking,
            Letter::Nonblocking,
            Letter::Hello,
            Letter::Answer,
            Letter::Probe,
        ]
        .into_iter()
        .find(|letter| *letter as u8 == byte)
    }
}

/// The next datagram: what it is (`None`: nothing of ours, and closed), of whom, and its descriptor.
fn open_next(inbox: c_int, flags: c_int) -> Option<(Option<Letter>, u8, c_int)> {
    let ([letter, number], fd) = kernel::receive_descriptor(inbox, flags)?;
    let Some(fd) = fd else {
        return Some((None, 0, -1));
    };
    let letter = Letter::read(letter);
    if letter.is_none() {
        kernel::close(fd);
    }
    Some((letter, number, fd))
}

/// A connection with the mode the app asked accept4(2) for; what is none is closed.
fn fit(letter: Letter, fd: c_int, flags: c_int) -> Option<c_int> {
    let kind = sys::option(fd, SOL_SOCKET, SO_TYPE);
    let is_connection = matches!(kind, Some(SOCK_STREAM | SOCK_SEQPACKET))
        && sys::option(fd, SOL_SOCKET, SO_ACCEPTCONN) == Some(0);
    if !is_connection {
        kernel::close(fd);
        return None;
    }
    let wanted = Letter::connection(flags);
    if letter != wanted {
        let nonblocking = wanted == Letter::Nonblocking;
        sys::set_flags(fd, F_SETFL, if nonblocking { O_NONBLOCK } else { 0 });
    }
    Some(fd)
}

/// Keeps the inbox of another instance out of the app's way.
pub fn raise(fd: c_int) -> c_int {
    kernel::raise(fd, LOWEST).unwrap_or(-1)
}

/// Makes sure that this instance looks again when what it handed over should have been taken.
pub fn set_timer(socket: &Socket) {
    let timer = socket.timer.load(Relaxed);
    if timer >= 0 && socket.due.load(Relaxed) == 0 {
        let due = kernel::milliseconds() + PATIENCE;
        if socket
            .due
            .compare_exchange(0, due, Relaxed, Relaxed)
            .is_ok()
        {
            kernel::set_timer(timer, PATIENCE);
        }
    }
}

/// Whether that moment has come.
pub fn is_due(socket: &Socket) -> bool {
    let due = socket.due.load(Relaxed);
    due != 0 && kernel::milliseconds() >= due
}

pub fn stop_timer(socket: &Socket) {
    socket.due.store(0, Relaxed);
    kernel::set_timer(socket.timer.load(Relaxed), 0);
}

/// The socket this process sends from, made when first needed; -1 when that failed.
fn sender() -> c_int {
    let fd = SENDER.load(Relaxed);
    if fd >= 0 {
        return fd;
    }
    let made = kernel::datagram_socket(LOWEST).unwrap_or(-1);
    match SENDER.compare_exchange(fd, made, Relaxed, Relaxed) {
        Ok(_) => made,
        Err(other) => {
            kernel::close(made);
            other
        }
    }
}

/// Puts a descriptor into the inbox of an instance. Never waits.
pub fn send(socket: &Socket, folder: Folder, letter: Letter, number: u8, fd: c_int) -> Sent {
    let mut buffer = [0; kernel::UNIX_PATH];
    let Some(path) = path(socket, folder, &mut buffer) else {
        return Sent::Not;
    };
    let errno = sys::errno();
    let sent = if kernel::send_descriptor(sender(), path, [letter as u8, number], fd) {
        Sent::Yes
    } else if matches!(sys::errno(), ECONNREFUSED | ENOENT) {
        Sent::Gone
    } else {
        Sent::Not
    };
    sys::set_errno(errno);
    sent
}
