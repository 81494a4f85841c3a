//! `READY=1` to systemd, once a process: at its first `listen` on an inherited socket.
//!
//! sd_notify(3): a datagram to the socket named in `NOTIFY_SOCKET`, a path or, with a leading `@`,
//! an abstract name. `RPMCTL_NOTIFY=0` leaves it to the app (wait_ready). An app with several
//! inherited sockets counts as ready with the first: connections to the others wait in their queue.

use core::cell::UnsafeCell;
use core::ffi::c_uint;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Release};

use crate::sys::{self, AF_UNIX};

/// Size of `struct sockaddr_un`, unix(7).
const SOCKADDR_UN: usize = 110;

/// The address to report to, written by the constructor alone and read once `LENGTH` says so.
struct Target(UnsafeCell<[u8; SOCKADDR_UN]>);
// SAFETY: written before `main`, before LENGTH is stored; only read afterwards.
unsafe impl Sync for Target {}

static TARGET: Target = Target(UnsafeCell::new([0; SOCKADDR_UN]));
static LENGTH: AtomicUsize = AtomicUsize::new(0);
static REPORTED: AtomicBool = AtomicBool::new(false);

/// Remembers where to report. The environment is read here, as apps unset `NOTIFY_SOCKET`. Only for
/// the constructor.
pub fn prepare(wanted: bool, notify_socket: &[u8]) {
    if !wanted {
        return;
    }
    let mut address = [0; SOCKADDR_UN];
    if let Some(length) = encode(notify_socket, &mut address) {
        // SAFETY: the constructor is the only writer, and LENGTH is still 0.
        unsafe { *TARGET.0.get() = address };
        LENGTH.store(length, Release);
    }
}

/// Sends `READY=1` unless this process has. Leaves errno alone.
pub fn report() {
    let length = LENGTH.load(Acquire);
    if length == 0 || REPORTED.swap(true, AcqRel) {
        return;
    }
    let errno = sys::errno();
    // SAFETY: LENGTH is set, so nobody writes any more.
    let target = unsafe { &*TARGET.0.get() };
    sys::send_datagram(b"READY=1", target, length as c_uint);
    sys::set_errno(errno);
}

/// Sends `READY=1` to the socket that a `NOTIFY_SOCKET` names, for an app that says so itself. True
/// when it was sent, by this or an earlier call.
pub fn send_to(notify_socket: &[u8]) -> bool {
    let mut address = [0; SOCKADDR_UN];
    let Some(length) = encode(notify_socket, &mut address) else {
        return false;
    };
    if REPORTED.load(Acquire) {
        return true;
    }
    let sent = sys::send_datagram(b"READY=1", &address, length as c_uint);
    if sent {
        REPORTED.store(true, Release);
    }
    sent
}

/// Writes the `struct sockaddr_un` of a `NOTIFY_SOCKET` and returns its length; `None` for what is
/// no unix address (empty, too long, vsock).
fn encode(name: &[u8], address: &mut [u8; SOCKADDR_UN]) -> Option<usize> {
    let (family, path) = address.split_first_chunk_mut::<2>()?;
    *family = AF_UNIX.to_ne_bytes();
    let (first, rest) = name.split_first()?;
    let first = match first {
        b'/' => b'/',
        b'@' => 0,
        _ => return None,
    };
    // A path keeps its terminating zero; both forms have to fit with one byte to spare.
    let used = path.get_mut(..name.len() + 1)?;
    let (start, tail) = used.split_first_mut()?;
    *start = first;
    tail.get_mut(..rest.len())?.copy_from_slice(rest);
    Some(2 + name.len())
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;

    #[test]
    fn paths_and_abstract_names() {
        let mut address = [0; SOCKADDR_UN];
        assert_eq!(encode(b"/run/n", &mut address), Some(8));
        assert_eq!(&address[2..9], b"/run/n\0");
        let mut address = [0; SOCKADDR_UN];
        assert_eq!(encode(b"@ab", &mut address), Some(5));
        assert_eq!(&address[2..5], b"\0ab");
    }

    #[test]
    fn what_is_no_unix_address() {
        let mut address = [0; SOCKADDR_UN];
        for name in [&b""[..], b"vsock:2:1234", b"relative"] {
            assert_eq!(encode(name, &mut address), None);
        }
        let longest = vec![b'/'; 107];
        assert_eq!(encode(&longest, &mut address), Some(109));
        let too_long = vec![b'/'; 108];
        assert_eq!(encode(&too_long, &mut address), None);
    }
}
