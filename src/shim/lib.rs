//! The listen shim: what lets `app.listen(3000)` in N unchanged processes share one socket.
//!
//! Loaded into the processes of a unit by `LD_PRELOAD`. systemd hands the unit its listening
//! sockets (`LISTEN_FDS`, sd_listen_fds(3)); the app knows nothing of it and calls `bind` and
//! `listen` itself. The shim puts the inherited socket where the app's own would be:
//!
//! - `bind` to an address that an inherited socket serves (`address.rs` has the rule) replaces the
//!   app's descriptor by that socket; every other bind goes to the kernel untouched.
//! - `listen` on an inherited socket leaves the unit's `Backlog=` alone and reports `READY=1`
//!   (`ready.rs`).
//! - `accept` hands connections on to the instance that has the fewest (`balance`).
//! - an app that bound an IPv4 socket sees IPv4 addresses, whatever the unit's is (`family.rs`).
//! - what would spoil the socket for the other instances is kept inside this process: clearing
//!   `O_NONBLOCK` (`blocking.rs`), `shutdown` of the listener, unlinking its path.
//!
//! Options set on a descriptor before `bind` (`SO_REUSEADDR`, `IPV6_V6ONLY`, `SO_REUSEPORT`,
//! buffer sizes) are dropped with that descriptor: the socket unit has the say over its socket.
//!
//! `LISTEN_FDS`, `LISTEN_PID` and descriptor 3 stay as they are: a runtime that does socket
//! activation itself (gunicorn, puma) may, and its `listen` is recognised all the same.
//!
//! It is an addon for Node as well (`node_api.rs`), by which src/preload reaches it.
//!
//! Inert unless `RPMCTL_SHIM=1` and a listening socket was inherited. It allocates nothing, links
//! against nothing (undefined symbols without versions, so one file serves glibc and musl) and has
//! no state but what the constructor found.
#![no_std]

mod address;
mod balance;
mod blocking;
mod family;
pub mod node_api;
#[cfg_attr(not(preloaded), allow(dead_code))]
mod raw;
mod ready;
mod sockets;
mod start;
mod sys;

use core::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};
use core::slice;

use address::Address;
use sys::{EpollEvent, Real, SOCKADDR_MAX};

#[cfg(preloaded)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    // SAFETY: abort takes nothing and does not return.
    unsafe { sys::abort() }
}

/// bind(2).
///
/// # Safety
/// As bind(2): `addr` points to `len` readable bytes.
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn bind(fd: c_int, addr: *const c_void, len: c_uint) -> c_int {
    if sockets::any() && !addr.is_null() {
        let errno = sys::errno();
        let size = (len as usize).min(SOCKADDR_MAX);
        // SAFETY: the caller promises `len` readable bytes.
        let bytes = unsafe { slice::from_raw_parts(addr.cast::<u8>(), size) };
        let taken = Address::parse(bytes).is_some_and(|want| sockets::take(fd, &want));
        sys::set_errno(errno);
        if taken {
            return 0;
        }
    }
    // SAFETY: the caller's own arguments.
    unsafe { Real::bind(fd, addr, len) }
}

/// listen(2). A second listen(2) on a listening socket would replace the backlog for everybody, so
/// on an inherited one nothing is called.
///
/// # Safety
/// As listen(2).
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn listen(fd: c_int, backlog: c_int) -> c_int {
    if sockets::of(fd).is_some() {
        ready::report();
        return 0;
    }
    // SAFETY: the caller's own arguments.
    unsafe { Real::listen(fd, backlog) }
}

/// shutdown(2). On a listening socket it would end the listening of all instances; here the caller
/// is told it is done, and closes its descriptor.
///
/// # Safety
/// As shutdown(2).
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn shutdown(fd: c_int, how: c_int) -> c_int {
    if sockets::of(fd).is_some() {
        return 0;
    }
    // SAFETY: the caller's own arguments.
    unsafe { Real::shutdown(fd, how) }
}

/// accept(2), waiting where the app believes its listener to block.
///
/// # Safety
/// As accept(2).
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn accept(fd: c_int, addr: *mut c_void, len: *mut c_uint) -> c_int {
    // SAFETY: the caller's own arguments.
    let accept = |addr, len| {
        blocking::retry(fd, || unsafe {
            balance::accept(fd, addr, len, 0, || Real::accept(fd, addr, len))
        })
    };
    // SAFETY: as above.
    unsafe { family::accept(fd, addr, len, accept) }
}

/// accept4(2), waiting where the app believes its listener to block.
///
/// # Safety
/// As accept4(2).
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn accept4(
    fd: c_int,
    addr: *mut c_void,
    len: *mut c_uint,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's own arguments.
    let accept = |addr, len| {
        blocking::retry(fd, || unsafe {
            balance::accept(fd, addr, len, flags, || Real::accept4(fd, addr, len, flags))
        })
    };
    // SAFETY: as above.
    unsafe { family::accept(fd, addr, len, accept) }
}

/// getsockname(2), in the family that the app bound.
///
/// # Safety
/// As getsockname(2).
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn getsockname(fd: c_int, addr: *mut c_void, len: *mut c_uint) -> c_int {
    // SAFETY: the caller's own arguments.
    let name = |addr, len| unsafe { Real::getsockname(fd, addr, len) };
    // SAFETY: as above.
    unsafe { family::name(fd, addr, len, name) }
}

/// getpeername(2), in the family that the app bound.
///
/// # Safety
/// As getpeername(2).
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn getpeername(fd: c_int, addr: *mut c_void, len: *mut c_uint) -> c_int {
    // SAFETY: the caller's own arguments.
    let name = |addr, len| unsafe { Real::getpeername(fd, addr, len) };
    // SAFETY: as above.
    unsafe { family::name(fd, addr, len, name) }
}

/// epoll_ctl(2), so that what other instances hand over wakes the app too.
///
/// # Safety
/// As epoll_ctl(2).
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn epoll_ctl(
    epoll: c_int,
    op: c_int,
    fd: c_int,
    event: *mut EpollEvent,
) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { balance::epoll_ctl(epoll, op, fd, event) }
}

/// close(2), to know which connections are still there.
///
/// # Safety
/// As close(2).
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    balance::closing(fd);
    // SAFETY: the caller's own argument.
    unsafe { Real::close(fd) }
}

/// syscall(2). libuv puts its epoll_ctl(2) calls into an io_uring(7) where the kernel has one (Node
/// 22 and later); refused that, it calls the function.
///
/// # Safety
/// As syscall(2). Variadic in C; arguments that were not given are not read by the kernel either.
#[cfg(preloaded)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall(
    number: core::ffi::c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> core::ffi::c_long {
    if number == sys::CLOSE {
        balance::closing(a as c_int);
    }
    let result = if number == sys::IO_URING_SETUP && balance::refuses_rings() {
        -sys::ENOSYS as isize
    } else {
        // SAFETY: the caller's own arguments.
        unsafe { raw::syscall(number, [a, b, c, d, e, f]) }
    };
    // The kernel's errors, syscall(2).
    if (-4095..0).contains(&result) {
        sys::set_errno(-result as c_int);
        return -1;
    }
    result as core::ffi::c_long
}

/// fcntl(2). Its third argument is variadic in C; every ABI built for passes an integer or pointer
/// there as it would pass a named one.
///
/// # Safety
/// As fcntl(2).
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn fcntl(fd: c_int, cmd: c_int, arg: usize) -> c_int {
    // SAFETY: the caller's own arguments.
    blocking::fcntl(fd, cmd, arg, |arg| unsafe { Real::fcntl(fd, cmd, arg) })
}

/// fcntl(2) under its name for programs built with 64-bit file offsets (glibc 2.28 and later).
///
/// # Safety
/// As fcntl(2).
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn fcntl64(fd: c_int, cmd: c_int, arg: usize) -> c_int {
    // SAFETY: the caller's own arguments.
    blocking::fcntl(fd, cmd, arg, |arg| unsafe { Real::fcntl64(fd, cmd, arg) })
}

/// ioctl(2), for `FIONBIO`; variadic in C as fcntl(2) is.
///
/// # Safety
/// As ioctl(2).
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, arg: usize) -> c_int {
    // SAFETY: FIONBIO's argument points to an int (ioctl_tty(2), ip(7)).
    if unsafe { blocking::keeps(fd, request, arg) } {
        return 0;
    }
    // SAFETY: the caller's own arguments.
    unsafe { Real::ioctl(fd, request, arg) }
}

/// unlink(2). Servers unlink their socket's path before bind and after close; this path is the
/// socket unit's, and the other instances are reached through it.
///
/// # Safety
/// As unlink(2): `path` is a C string.
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { if shared(path) { 0 } else { Real::unlink(path) } }
}

/// unlinkat(2), as `unlink`.
///
/// # Safety
/// As unlinkat(2): `path` is a C string.
#[cfg_attr(preloaded, unsafe(no_mangle))]
pub unsafe extern "C" fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe {
        if shared(path) {
            0
        } else {
            Real::unlinkat(dir, path, flags)
        }
    }
}

/// Whether `path` is where an inherited socket listens.
unsafe fn shared(path: *const c_char) -> bool {
    if path.is_null() || !sockets::any() {
        return false;
    }
    // SAFETY: the caller's path, a C string.
    sockets::at(unsafe { CStr::from_ptr(path) }.to_bytes())
}
