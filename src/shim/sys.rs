//! What the shim needs of libc and the kernel: declarations, constants, the functions it stands in
//! front of.
//!
//! A function stood in front of is called through `dlsym(RTLD_NEXT)`, so that other preloaded
//! libraries keep their turn; looked up once, by the constructor, because a lookup later could wait
//! for the loader's lock in a forked child. Where `dlsym` is missing (glibc before 2.34 keeps it in
//! libdl, which not every program loads) the kernel is called instead.

use core::ffi::{CStr, c_char, c_int, c_long, c_short, c_uint, c_ulong, c_void};
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;
use core::{mem, ptr};

use crate::raw::{Word, system};

pub const AF_UNIX: u16 = 1;
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;
/// Size of `struct sockaddr_storage`.
pub const SOCKADDR_MAX: usize = 128;
pub const SOL_SOCKET: c_int = 1;
pub const SO_TYPE: c_int = 3;
pub const SOCK_STREAM: c_int = 1;
pub const SOCK_SEQPACKET: c_int = 5;
pub const SOCK_NONBLOCK: c_int = O_NONBLOCK;
pub const SO_ACCEPTCONN: c_int = 30;
pub const SO_DOMAIN: c_int = 39;
/// Linux 4.6.
const SO_COOKIE: c_int = 57;
pub const IPPROTO_IPV6: c_int = 41;
pub const IPV6_V6ONLY: c_int = 26;
pub const SOCK_DGRAM: c_int = 2;
pub const SOCK_CLOEXEC: c_int = O_CLOEXEC;
pub const MSG_NOSIGNAL: c_int = 0x4000;
const F_DUPFD: c_int = 0;
pub const F_GETFD: c_int = 1;
pub const F_GETFL: c_int = 3;
pub const F_SETFL: c_int = 4;
pub const FD_CLOEXEC: c_int = 1;
pub const O_NONBLOCK: c_int = 0o4000;
pub const O_CLOEXEC: c_int = 0o2000000;
pub const FIONBIO: u32 = 0x5421;
pub const EPOLL_CTL_ADD: c_int = 1;
pub const EPOLL_CTL_DEL: c_int = 2;
pub const EPOLL_CTL_MOD: c_int = 3;
pub const ENOENT: c_int = 2;
pub const EINTR: c_int = 4;
pub const EAGAIN: c_int = 11;
#[cfg_attr(not(preloaded), allow(dead_code))]
pub const ENOSYS: c_int = 38;
pub const ECONNREFUSED: c_int = 111;
const POLLIN: c_short = 1;
const RTLD_NEXT: *mut c_void = -1isize as *mut c_void;
const RTLD_DEFAULT: *mut c_void = ptr::null_mut();
/// The same number everywhere, syscalls(2).
#[cfg_attr(not(preloaded), allow(dead_code))]
pub const IO_URING_SETUP: c_long = 425;
#[cfg_attr(not(preloaded), allow(dead_code))]
pub const CLOSE: c_long = number::CLOSE as c_long;

/// System call numbers, syscalls(2).
#[cfg(target_arch = "x86_64")]
mod number {
    pub const CLOSE: i32 = 3;
    pub const IOCTL: i32 = 16;
    pub const SHUTDOWN: i32 = 48;
    pub const BIND: i32 = 49;
    pub const LISTEN: i32 = 50;
    pub const GETSOCKNAME: i32 = 51;
    pub const GETPEERNAME: i32 = 52;
    pub const FCNTL: i32 = 72;
    pub const EPOLL_CTL: i32 = 233;
    pub const UNLINKAT: i32 = 263;
    pub const ACCEPT4: i32 = 288;
}
#[cfg(any(
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "loongarch64"
))]
mod number {
    pub const EPOLL_CTL: i32 = 21;
    pub const FCNTL: i32 = 25;
    pub const IOCTL: i32 = 29;
    pub const UNLINKAT: i32 = 35;
    pub const CLOSE: i32 = 57;
    pub const BIND: i32 = 200;
    pub const LISTEN: i32 = 201;
    pub const GETSOCKNAME: i32 = 204;
    pub const GETPEERNAME: i32 = 205;
    pub const SHUTDOWN: i32 = 210;
    pub const ACCEPT4: i32 = 242;
}
const AT_FDCWD: c_int = -100;

/// `struct epoll_event`, epoll_ctl(2); packed on x86-64 alone.
#[derive(Clone, Copy, Default)]
#[cfg_attr(target_arch = "x86_64", repr(C, packed))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C))]
pub struct EpollEvent {
    events: u32,
    data: u64,
}

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: c_short,
    revents: c_short,
}

unsafe extern "C" {
    #[cfg(preloaded)]
    pub fn abort() -> !;
    fn __errno_location() -> *mut c_int;
    fn dup3(from: c_int, to: c_int, flags: c_int) -> c_int;
    fn getpid() -> c_int;
    fn getsockopt(fd: c_int, l: c_int, n: c_int, value: *mut c_void, len: *mut c_uint) -> c_int;
    fn poll(fds: *mut PollFd, count: c_ulong, timeout: c_int) -> c_int;
    fn sendto(
        fd: c_int,
        data: *const c_void,
        size: usize,
        flags: c_int,
        addr: *const c_void,
        len: c_uint,
    ) -> isize;
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    #[link_name = "environ"]
    static ENVIRON: *const *const c_char;
    static rpmctl_shim_dlsym: usize;
    static rpmctl_shim_glibc: usize;
}

// Addresses of functions that may be missing: a weak reference is 0 then.
core::arch::global_asm!(
    ".pushsection .data.rel.ro.rpmctl_shim,\"aw\",%progbits",
    ".balign 8",
    ".weak dlsym",
    ".weak gnu_get_libc_version",
    ".globl rpmctl_shim_dlsym",
    ".hidden rpmctl_shim_dlsym",
    "rpmctl_shim_dlsym: .dc.a dlsym",
    ".globl rpmctl_shim_glibc",
    ".hidden rpmctl_shim_glibc",
    "rpmctl_shim_glibc: .dc.a gnu_get_libc_version",
    ".popsection",
);

type Variadic<A> = unsafe extern "C" fn(c_int, A, ...) -> c_int;

/// The next function of each name.
pub struct Real;

/// One function: its slot, and the call through it or else through `$fallback`.
macro_rules! real {
    ($($name:ident as $slot:ident($($arg:ident: $kind:ty),*): $signature:ty = $fallback:expr;)*) => {
        $(static $slot: AtomicUsize = AtomicUsize::new(0);)*
        impl Real {
            $(
                /// # Safety
                /// As the function of that name.
                pub unsafe fn $name($($arg: $kind),*) -> c_int {
                    let next = $slot.load(Relaxed);
                    if next == 0 {
                        // SAFETY: the caller's own arguments.
                        return unsafe { $fallback };
                    }
                    // SAFETY: what dlsym found under the name of a function of this signature.
                    unsafe { mem::transmute::<usize, $signature>(next)($($arg),*) }
                }
            )*

            /// Looks the functions up. Only for the constructor.
            pub fn find() {
                $(
                    let name = concat!(stringify!($name), "\0").as_ptr().cast();
                    $slot.store(symbol(RTLD_NEXT, name), Relaxed);
                )*
            }
        }
    };
}

/// dlsym(3); 0 where it is missing or knows no such name.
fn symbol(handle: *mut c_void, name: *const c_char) -> usize {
    // SAFETY: a constant after loading, the address of dlsym(3) or 0; `name` is a C string.
    unsafe {
        if rpmctl_shim_dlsym == 0 {
            return 0;
        }
        let dlsym: unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void =
            mem::transmute(rpmctl_shim_dlsym);
        dlsym(handle, name).addr()
    }
}

/// The address of a function of the program or its libraries.
pub fn function(name: &CStr) -> Option<usize> {
    let found = symbol(RTLD_DEFAULT, name.as_ptr());
    (found != 0).then_some(found)
}

/// Whether the program or one of its libraries has a function of this name.
pub fn has_function(name: &CStr) -> bool {
    symbol(RTLD_DEFAULT, name.as_ptr()) != 0
}

real! {
    bind as BIND(fd: c_int, addr: *const c_void, len: c_uint):
        unsafe extern "C" fn(c_int, *const c_void, c_uint) -> c_int
        = system(number::BIND, [fd.word(), addr.word(), len.word()]);
    listen as LISTEN(fd: c_int, backlog: c_int):
        unsafe extern "C" fn(c_int, c_int) -> c_int
        = system(number::LISTEN, [fd.word(), backlog.word()]);
    shutdown as SHUTDOWN(fd: c_int, how: c_int):
        unsafe extern "C" fn(c_int, c_int) -> c_int
        = system(number::SHUTDOWN, [fd.word(), how.word()]);
    accept as ACCEPT(fd: c_int, addr: *mut c_void, len: *mut c_uint):
        unsafe extern "C" fn(c_int, *mut c_void, *mut c_uint) -> c_int
        = system(number::ACCEPT4, [fd.word(), addr.word(), len.word(), 0]);
    accept4 as ACCEPT4(fd: c_int, addr: *mut c_void, len: *mut c_uint, flags: c_int):
        unsafe extern "C" fn(c_int, *mut c_void, *mut c_uint, c_int) -> c_int
        = system(number::ACCEPT4, [fd.word(), addr.word(), len.word(), flags.word()]);
    getsockname as GETSOCKNAME(fd: c_int, addr: *mut c_void, len: *mut c_uint):
        unsafe extern "C" fn(c_int, *mut c_void, *mut c_uint) -> c_int
        = system(number::GETSOCKNAME, [fd.word(), addr.word(), len.word()]);
    getpeername as GETPEERNAME(fd: c_int, addr: *mut c_void, len: *mut c_uint):
        unsafe extern "C" fn(c_int, *mut c_void, *mut c_uint) -> c_int
        = system(number::GETPEERNAME, [fd.word(), addr.word(), len.word()]);
    epoll_ctl as EPOLL_CTL(epoll: c_int, op: c_int, fd: c_int, event: *mut c_void):
        unsafe extern "C" fn(c_int, c_int, c_int, *mut c_void) -> c_int
        = system(number::EPOLL_CTL, [epoll.word(), op.word(), fd.word(), event.word()]);
    close as CLOSE_NEXT(fd: c_int):
        unsafe extern "C" fn(c_int) -> c_int
        = system(number::CLOSE, [fd.word()]);
    fcntl as FCNTL(fd: c_int, cmd: c_int, arg: usize):
        Variadic<c_int>
        = system(number::FCNTL, [fd.word(), cmd.word(), arg.word()]);
    fcntl64 as FCNTL64(fd: c_int, cmd: c_int, arg: usize):
        Variadic<c_int>
        = Real::fcntl(fd, cmd, arg);
    ioctl as IOCTL(fd: c_int, request: c_ulong, arg: usize):
        Variadic<c_ulong>
        = system(number::IOCTL, [fd.word(), request.word(), arg.word()]);
    unlink as UNLINK(path: *const c_char):
        unsafe extern "C" fn(*const c_char) -> c_int
        = system(number::UNLINKAT, [AT_FDCWD.word(), path.word(), 0]);
    unlinkat as UNLINKAT(dir: c_int, path: *const c_char, flags: c_int):
        unsafe extern "C" fn(c_int, *const c_char, c_int) -> c_int
        = system(number::UNLINKAT, [dir.word(), path.word(), flags.word()]);
}

pub fn errno() -> c_int {
    // SAFETY: the address of this thread's errno.
    unsafe { *__errno_location() }
}

pub fn set_errno(value: c_int) {
    // SAFETY: as above.
    unsafe { *__errno_location() = value }
}

pub fn pid() -> c_int {
    // SAFETY: takes nothing.
    unsafe { getpid() }
}

pub fn is_glibc() -> bool {
    // SAFETY: a constant after loading.
    unsafe { rpmctl_shim_glibc != 0 }
}

pub fn environ() -> *const *const c_char {
    // SAFETY: read before `main`, when there is one thread.
    unsafe { ENVIRON }
}

/// An option of C type int, getsockopt(2); `None` when `fd` has none.
pub fn option(fd: c_int, level: c_int, name: c_int) -> Option<c_int> {
    let mut value: c_int = 0;
    read_option(fd, level, name, &mut value).then_some(value)
}

/// The kernel's identity of a socket, `SO_COOKIE` of socket(7).
pub fn cookie(fd: c_int) -> Option<u64> {
    let mut value: u64 = 0;
    read_option(fd, SOL_SOCKET, SO_COOKIE, &mut value).then_some(value)
}

fn read_option<T>(fd: c_int, level: c_int, name: c_int, value: &mut T) -> bool {
    let mut size = size_of::<T>() as c_uint;
    // SAFETY: `value` has `size` bytes and any bytes are an integer.
    unsafe { getsockopt(fd, level, name, ptr::from_mut(value).cast(), &mut size) == 0 }
}

/// The address a socket is bound to, getsockname(2).
pub fn local_address(fd: c_int, buffer: &mut [u8; SOCKADDR_MAX]) -> Option<&[u8]> {
    let mut size = SOCKADDR_MAX as c_uint;
    // SAFETY: `buffer` has `size` bytes.
    let got = unsafe { Real::getsockname(fd, buffer.as_mut_ptr().cast(), &mut size) };
    if got == 0 {
        buffer.get(..size as usize)
    } else {
        None
    }
}

/// `F_GETFD` or `F_GETFL`.
pub fn flags(fd: c_int, cmd: c_int) -> Option<c_int> {
    // SAFETY: takes no pointer.
    let got = unsafe { Real::fcntl(fd, cmd, 0) };
    (got >= 0).then_some(got)
}

/// `F_SETFL`.
pub fn set_flags(fd: c_int, cmd: c_int, flags: c_int) {
    // SAFETY: takes no pointer.
    unsafe { Real::fcntl(fd, cmd, flags as usize) };
}

/// A duplicate at `lowest` or the next free number above, open across exec.
pub fn duplicate(fd: c_int, lowest: c_int) -> Option<c_int> {
    // SAFETY: takes no pointer.
    let got = unsafe { Real::fcntl(fd, F_DUPFD, lowest as usize) };
    (got >= 0).then_some(got)
}

/// Makes `to` a duplicate of `from`, dup(2).
pub fn replace(from: c_int, to: c_int, flags: c_int) -> bool {
    // SAFETY: takes no pointer.
    unsafe { dup3(from, to, flags) >= 0 }
}

/// Waits until a connection waits. False, with errno set, when a signal came first.
pub fn wait_readable(fd: c_int) -> bool {
    let mut wanted = PollFd {
        fd,
        events: POLLIN,
        revents: 0,
    };
    // SAFETY: one entry.
    unsafe { poll(&mut wanted, 1, -1) >= 0 }
}

/// Sends one datagram to a unix address. Whether it was taken.
pub fn send_datagram(data: &[u8], address: &[u8], length: c_uint) -> bool {
    // SAFETY: both slices outlive the calls; `length` is within `address`.
    unsafe {
        let fd = socket(c_int::from(AF_UNIX), SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if fd < 0 {
            return false;
        }
        let (text, size) = (data.as_ptr().cast(), data.len());
        let target = address.as_ptr().cast();
        let sent = loop {
            if sendto(fd, text, size, MSG_NOSIGNAL, target, length) >= 0 {
                break true;
            }
            if errno() != EINTR {
                break false;
            }
        };
        Real::close(fd);
        sent
    }
}
