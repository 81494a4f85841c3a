//! Memory and descriptors passed between processes: the system calls that balancing needs, without
//! their pointers.

use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use core::{mem, ptr};

use crate::sys::{
    AF_UNIX, EINTR, MSG_NOSIGNAL, O_CLOEXEC, O_NONBLOCK, Real, SOCK_CLOEXEC, SOCK_DGRAM,
    SOCK_NONBLOCK, SOL_SOCKET, errno, set_errno,
};

/// Size of the path in `struct sockaddr_un`, unix(7).
pub const UNIX_PATH: usize = 108;

const O_RDWR: c_int = 2;
const O_CREAT: c_int = 0o100;
const O_NOFOLLOW: c_int = 0o400_000;
const SEEK_END: c_int = 2;
const PROT_READ_WRITE: c_int = 3;
const MAP_SHARED: c_int = 1;
const CLOCK_MONOTONIC: c_int = 1;
const ESRCH: c_int = 3;
const SCM_RIGHTS: c_int = 1;
const MSG_DONTWAIT: c_int = 0x40;
const MSG_CMSG_CLOEXEC: c_int = 0x4000_0000;
const F_DUPFD_CLOEXEC: c_int = 1030;

#[repr(C)]
struct SockaddrUn {
    family: u16,
    path: [u8; UNIX_PATH],
}

#[repr(C)]
struct Iovec {
    base: *mut c_void,
    length: usize,
}

/// `struct msghdr`, recvmsg(2): musl has 32-bit lengths with padding where glibc has 64-bit ones,
/// which is the same on the little-endian machines this is built for.
#[repr(C)]
struct Message {
    name: *mut c_void,
    name_length: c_uint,
    parts: *mut Iovec,
    part_count: usize,
    control: *mut c_void,
    control_length: usize,
    flags: c_int,
}

/// `struct cmsghdr` with room for one descriptor, cmsg(3).
#[repr(C)]
struct Control {
    length: usize,
    level: c_int,
    kind: c_int,
    descriptor: c_int,
    padding: c_int,
}

const CONTROL_LENGTH: usize = mem::offset_of!(Control, padding);

unsafe extern "C" {
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn lseek(fd: c_int, offset: i64, whence: c_int) -> i64;
    fn ftruncate(fd: c_int, length: i64) -> c_int;
    fn mmap(a: *mut c_void, n: usize, prot: c_int, flags: c_int, fd: c_int, at: i64)
    -> *mut c_void;
    fn munmap(address: *mut c_void, length: usize) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut [c_long; 2]) -> c_int;
    fn sched_yield() -> c_int;
    fn timerfd_create(clock: c_int, flags: c_int) -> c_int;
    fn timerfd_settime(
        fd: c_int,
        flags: c_int,
        new: *const [c_long; 4],
        old: *mut [c_long; 4],
    ) -> c_int;
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn fchmod(fd: c_int, mode: c_uint) -> c_int;
    fn sendmsg(fd: c_int, message: *const Message, flags: c_int) -> isize;
    fn recvmsg(fd: c_int, message: *mut Message, flags: c_int) -> isize;
}

/// Opens a file for reading and writing, made with mode 0600 if `create`.
pub fn open_private(path: &CStr, create: bool) -> Option<c_int> {
    let create = if create { O_CREAT } else { 0 };
    let flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | create;
    // SAFETY: a C string; the mode is read with O_CREAT.
    let fd = unsafe { open(path.as_ptr(), flags, 0o600 as c_uint) };
    (fd >= 0).then_some(fd)
}

/// In bytes; -1 when it has none.
pub fn size(fd: c_int) -> i64 {
    // SAFETY: takes no pointer.
    unsafe { lseek(fd, 0, SEEK_END) }
}

pub fn set_size(fd: c_int, size: i64) {
    // SAFETY: takes no pointer.
    unsafe { ftruncate(fd, size) };
}

pub fn map_shared(fd: c_int, size: usize) -> Option<*mut c_void> {
    // SAFETY: a new mapping where the kernel likes.
    let page = unsafe { mmap(ptr::null_mut(), size, PROT_READ_WRITE, MAP_SHARED, fd, 0) };
    (page.addr() != usize::MAX).then_some(page)
}

/// # Safety
/// `page` came from `map_shared`, and nothing refers into it any more.
pub unsafe fn unmap(page: *const c_void, size: usize) {
    // SAFETY: promised by the caller.
    unsafe { munmap(page.cast_mut(), size) };
}

/// Whether there is a process of this id, kill(2).
pub fn lives(pid: c_int) -> bool {
    // SAFETY: takes no pointer.
    pid > 0 && (unsafe { kill(pid, 0) } == 0 || errno() != ESRCH)
}

/// CLOCK_MONOTONIC.
pub fn milliseconds() -> u64 {
    let mut time = [0; 2];
    // SAFETY: a `struct timespec` is two longs on 64-bit machines.
    unsafe { clock_gettime(CLOCK_MONOTONIC, &mut time) };
    time[0] as u64 * 1000 + time[1] as u64 / 1_000_000
}

pub fn yield_now() {
    // SAFETY: takes nothing.
    unsafe { sched_yield() };
}

/// unlink(2).
pub fn remove(path: &CStr) {
    // SAFETY: a C string.
    unsafe { Real::unlink(path.as_ptr()) };
}

/// close(2) with errno left alone; nothing for -1.
pub fn close(fd: c_int) {
    if fd < 0 {
        return;
    }
    let before = errno();
    // SAFETY: takes no pointer.
    unsafe { Real::close(fd) };
    set_errno(before);
}

/// A unix datagram socket numbered `lowest` or above, not open across exec.
pub fn datagram_socket(lowest: c_int) -> Option<c_int> {
    let kind = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    // SAFETY: takes no pointer.
    let low = unsafe { socket(c_int::from(AF_UNIX), kind, 0) };
    raise(low, lowest)
}

/// Renumbers a descriptor to `lowest` or above, not open across exec; closes it where that fails.
pub fn raise(low: c_int, lowest: c_int) -> Option<c_int> {
    if low < 0 {
        return None;
    }
    // SAFETY: takes no pointer.
    let fd = unsafe { Real::fcntl(low, F_DUPFD_CLOEXEC, lowest as usize) };
    close(low);
    (fd >= 0).then_some(fd)
}

/// Whether this process may open one more, tried with a duplicate.
pub fn can_open(fd: c_int) -> bool {
    // SAFETY: takes no pointer.
    let copy = unsafe { Real::fcntl(fd, F_DUPFD_CLOEXEC, 0) };
    close(copy);
    copy >= 0
}

/// A timer, timerfd_create(2), numbered `lowest` or above.
pub fn timer(lowest: c_int) -> Option<c_int> {
    // SAFETY: takes no pointer. Its flags are those of open(2).
    raise(
        unsafe { timerfd_create(CLOCK_MONOTONIC, O_CLOEXEC | O_NONBLOCK) },
        lowest,
    )
}

/// Lets a timer run out after `milliseconds`, once; 0 stops it, and takes back that it ran out.
pub fn set_timer(fd: c_int, milliseconds: u64) {
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    let time = [0, 0, seconds as c_long, rest as c_long * 1_000_000];
    // SAFETY: a `struct itimerspec` is four longs on 64-bit machines.
    unsafe { timerfd_settime(fd, 0, &time, ptr::null_mut()) };
}

/// The same, bound to a path that only the user of this process can write to.
pub fn datagram_socket_at(path: &CStr, lowest: c_int) -> Option<c_int> {
    let address = unix_address(path)?;
    let fd = datagram_socket(lowest)?;
    // SAFETY: `address` is a whole `struct sockaddr_un`. The mode of the path is the descriptor's.
    let bound = unsafe {
        fchmod(fd, 0o600);
        Real::bind(
            fd,
            (&raw const address).cast(),
            size_of::<SockaddrUn>() as c_uint,
        )
    };
    if bound == 0 {
        return Some(fd);
    }
    close(fd);
    None
}

fn unix_address(path: &CStr) -> Option<SockaddrUn> {
    let mut address = SockaddrUn {
        family: AF_UNIX,
        path: [0; UNIX_PATH],
    };
    let bytes = path.to_bytes_with_nul();
    address.path.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(address)
}

/// Sends a descriptor and two bytes from `from` to the socket at a path. False with errno set.
pub fn send_descriptor(from: c_int, path: &CStr, bytes: [u8; 2], descriptor: c_int) -> bool {
    let Some(mut address) = unix_address(path) else {
        return false;
    };
    let mut bytes = bytes;
    let mut part = Iovec {
        base: (&raw mut bytes).cast(),
        length: bytes.len(),
    };
    let mut control = Control {
        length: CONTROL_LENGTH,
        level: SOL_SOCKET,
        kind: SCM_RIGHTS,
        descriptor,
        padding: 0,
    };
    let message = Message {
        name: (&raw mut address).cast(),
        name_length: size_of::<SockaddrUn>() as c_uint,
        parts: &raw mut part,
        part_count: 1,
        control: (&raw mut control).cast(),
        control_length: size_of::<Control>(),
        flags: 0,
    };
    loop {
        // SAFETY: everything the message points to is on this stack.
        let sent = unsafe { sendmsg(from, &message, MSG_NOSIGNAL | MSG_DONTWAIT) };
        if sent >= 0 || errno() != EINTR {
            return sent >= 0;
        }
    }
}

/// The bytes and the descriptor of the next datagram, the latter close-on-exec if `flags` has
/// `SOCK_CLOEXEC`. `None`: there is none.
pub fn receive_descriptor(from: c_int, flags: c_int) -> Option<([u8; 2], Option<c_int>)> {
    let mut bytes = [0u8; 2];
    let mut part = Iovec {
        base: (&raw mut bytes).cast(),
        length: bytes.len(),
    };
    let mut control = Control {
        length: 0,
        level: 0,
        kind: 0,
        descriptor: -1,
        padding: 0,
    };
    let mut message = Message {
        name: ptr::null_mut(),
        name_length: 0,
        parts: &raw mut part,
        part_count: 1,
        control: (&raw mut control).cast(),
        // Not the padding: it has room for a second descriptor, which would be lost open.
        control_length: CONTROL_LENGTH,
        flags: 0,
    };
    let close_on_exec = if flags & SOCK_CLOEXEC != 0 {
        MSG_CMSG_CLOEXEC
    } else {
        0
    };
    // SAFETY: everything the message points to is on this stack.
    let got = unsafe { recvmsg(from, &mut message, MSG_DONTWAIT | close_on_exec) };
    if got < 0 {
        return None;
    }
    let is_descriptor = control.length == CONTROL_LENGTH
        && control.level == SOL_SOCKET
        && control.kind == SCM_RIGHTS;
    Some((bytes, is_descriptor.then_some(control.descriptor)))
}

/// getpeername(2), as accept(2) gives it. Leaves errno alone.
///
/// # Safety
/// As accept(2): null, or `len` points to the size of what `addr` points to.
pub unsafe fn peer_address(fd: c_int, addr: *mut c_void, len: *mut c_uint) {
    if !addr.is_null() && !len.is_null() {
        let before = errno();
        // SAFETY: promised by the caller. A connection that was reset has no address any more.
        unsafe {
            if Real::getpeername(fd, addr, len) != 0 {
                *len = 0;
            }
        }
        set_errno(before);
    }
}
