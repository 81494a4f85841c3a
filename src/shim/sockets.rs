//! The listening sockets this process inherited. Written by the constructor alone, before `main`.
//!
//! A socket is known by its cookie (`SO_COOKIE`, the kernel's identity of it), so neither a closed
//! and reused descriptor nor a `dup` of the app's is ever mistaken.

use core::ffi::c_int;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};

use crate::address::{Address, fit};
use crate::balance::Slot;
use crate::family::Family;
use crate::sys::{
    self, EINTR, F_GETFD, F_GETFL, F_SETFL, FD_CLOEXEC, IPPROTO_IPV6, IPV6_V6ONLY, O_CLOEXEC,
    O_NONBLOCK, SO_TYPE, SOCKADDR_MAX, SOL_SOCKET,
};

/// Most sockets that are shared; further ones are left alone.
pub const MAX: usize = 32;

pub struct Socket {
    fd: AtomicI32,
    cookie: AtomicU64,
    /// What the app believes of `O_NONBLOCK`; see `blocking.rs`.
    pub blocking: AtomicBool,
    pub family: Family,
    /// Where connections arrive that were handed over; -1 for none. See `balance/inbox.rs`.
    pub inbox: AtomicI32,
    /// Those of the other instances, by number; -1 for none.
    pub inboxes: [AtomicI32; INSTANCES],
    /// The shared pages of all instances, by number. See `balance/slot.rs`.
    pub slots: [AtomicPtr<Slot>; INSTANCES],
    /// The process that takes this instance's share of it; 0 for none.
    pub claimed_by: AtomicI32,
    /// Runs out when what was handed over should have been taken; -1 for none.
    pub timer: AtomicI32,
    /// When that is, CLOCK_MONOTONIC in milliseconds; 0: not set.
    pub due: AtomicU64,
    /// Which descriptor of it is waited for in which epoll: 0, or one and the other packed.
    watches: [AtomicU64; WATCHES],
}

/// Instances among which connections are handed over; those with higher numbers accept for themselves.
pub const INSTANCES: usize = 64;

/// Epolls of one process that wait for one listener; connections are not handed to a further one.
const WATCHES: usize = 4;

static SOCKETS: [Socket; MAX] = [const {
    Socket {
        fd: AtomicI32::new(-1),
        cookie: AtomicU64::new(0),
        blocking: AtomicBool::new(false),
        family: Family::new(),
        inbox: AtomicI32::new(-1),
        inboxes: [const { AtomicI32::new(-1) }; INSTANCES],
        slots: [const { AtomicPtr::new(core::ptr::null_mut()) }; INSTANCES],
        claimed_by: AtomicI32::new(0),
        timer: AtomicI32::new(-1),
        due: AtomicU64::new(0),
        watches: [const { AtomicU64::new(0) }; WATCHES],
    }
}; MAX];
static COUNT: AtomicUsize = AtomicUsize::new(0);
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// Whether anything was inherited: with nothing, every call goes straight to the kernel.
pub fn any() -> bool {
    COUNT.load(Relaxed) != 0
}

pub fn all() -> &'static [Socket] {
    SOCKETS.get(..COUNT.load(Acquire)).unwrap_or(&[])
}

/// Where a socket is among all, from 1; 0 when it is none of them.
pub fn place(socket: &'static Socket) -> u8 {
    let is_it = |other: &Socket| core::ptr::eq(other, socket);
    all()
        .iter()
        .position(is_it)
        .map_or(0, |index| index as u8 + 1)
}

/// Remembers a listening socket. Only for the constructor.
pub fn add(fd: c_int, cookie: u64) {
    let count = COUNT.load(Relaxed);
    if let Some(socket) = SOCKETS.get(count) {
        socket.fd.store(fd, Relaxed);
        socket.cookie.store(cookie, Relaxed);
        COUNT.store(count + 1, Release);
    }
}

/// Whether the socket with this cookie is remembered.
pub fn known(cookie: u64) -> bool {
    all().iter().any(|s| s.cookie.load(Relaxed) == cookie)
}

/// The inherited socket that `fd` refers to. Leaves errno alone.
pub fn of(fd: c_int) -> Option<&'static Socket> {
    if !any() {
        return None;
    }
    let errno = sys::errno();
    let cookie = sys::cookie(fd);
    sys::set_errno(errno);
    let cookie = cookie?;
    all().iter().find(|s| s.cookie.load(Relaxed) == cookie)
}

/// Whether an inherited socket listens at this path. Leaves errno alone.
pub fn at(path: &[u8]) -> bool {
    let errno = sys::errno();
    let found = all().iter().any(|socket| {
        let mut buffer = [0; SOCKADDR_MAX];
        socket.address(&mut buffer) == Some(Address::Path(path))
    });
    sys::set_errno(errno);
    found
}

/// Puts the inherited socket that serves `want` best onto `fd`, close-on-exec as `fd` was. False
/// when there is none, or none of the type of `fd`.
pub fn take(fd: c_int, want: &Address) -> bool {
    let Some(kind) = sys::option(fd, SOL_SOCKET, SO_TYPE) else {
        return false;
    };
    let mut best: Option<(&Socket, u8)> = None;
    for socket in all() {
        let mut buffer = [0; SOCKADDR_MAX];
        let Some(have) = socket.address(&mut buffer) else {
            continue;
        };
        let Some(rank) = fit(&have, socket.v6only(), want) else {
            continue;
        };
        let same_kind = sys::option(socket.descriptor(), SOL_SOCKET, SO_TYPE) == Some(kind);
        if same_kind && best.is_none_or(|(_, highest)| rank > highest) {
            best = Some((socket, rank));
        }
    }
    let taken = best.is_some_and(|(socket, _)| socket.replace(fd));
    if taken {
        TAKEN.fetch_add(1, Relaxed);
    }
    taken
}

/// How often `take` put an inherited socket into this process's hands.
pub fn taken() -> u32 {
    TAKEN.load(Relaxed)
}

impl Socket {
    pub fn descriptor(&self) -> c_int {
        self.fd.load(Relaxed)
    }

    pub fn cookie(&self) -> u64 {
        self.cookie.load(Relaxed)
    }

    /// Remembers that `epoll` waits for it as `fd`. False when there is no room.
    pub fn remember_watch(&self, epoll: c_int, fd: c_int) -> bool {
        let free = |place: &&AtomicU64| {
            place
                .compare_exchange(0, pack(epoll, fd), Relaxed, Relaxed)
                .is_ok()
        };
        self.watches.iter().find(free).is_some()
    }

    /// False when it was not remembered.
    pub fn forget_watch(&self, epoll: c_int, fd: c_int) -> bool {
        let found = |place: &&AtomicU64| {
            place
                .compare_exchange(pack(epoll, fd), 0, Relaxed, Relaxed)
                .is_ok()
        };
        self.watches.iter().find(found).is_some()
    }

    /// Epoll and descriptor of each.
    pub fn watches(&self) -> impl Iterator<Item = (c_int, c_int)> {
        let packed = self.watches.iter().map(|place| place.load(Relaxed));
        packed
            .filter(|packed| *packed != 0)
            .map(|packed| ((packed >> 32) as c_int, packed as u32 as c_int - 1))
    }

    /// Where it listens; `None` when the app closed the descriptor meanwhile.
    fn address<'a>(&self, buffer: &'a mut [u8; SOCKADDR_MAX]) -> Option<Address<'a>> {
        let fd = self.descriptor();
        if sys::cookie(fd) != Some(self.cookie.load(Relaxed)) {
            return None;
        }
        Address::parse(sys::local_address(fd, buffer)?)
    }

    fn v6only(&self) -> bool {
        sys::option(self.descriptor(), IPPROTO_IPV6, IPV6_V6ONLY) == Some(1)
    }

    fn replace(&self, fd: c_int) -> bool {
        let (Some(descriptor_flags), Some(status_flags), Some(shared_flags)) = (
            sys::flags(fd, F_GETFD),
            sys::flags(fd, F_GETFL),
            sys::flags(self.descriptor(), F_GETFL),
        ) else {
            return false;
        };
        // systemd clears it at every start of an instance unless NonBlocking=yes.
        if shared_flags & O_NONBLOCK == 0 {
            sys::set_flags(self.descriptor(), F_SETFL, shared_flags | O_NONBLOCK);
        }
        let close_on_exec = if descriptor_flags & FD_CLOEXEC != 0 {
            O_CLOEXEC
        } else {
            0
        };
        self.blocking.store(status_flags & O_NONBLOCK == 0, Relaxed);
        self.family.learn(fd, self.descriptor());
        loop {
            if sys::replace(self.descriptor(), fd, close_on_exec) {
                return true;
            }
            if sys::errno() != EINTR {
                return false;
            }
        }
    }
}

/// Never 0: the descriptor counts from 1.
fn pack(epoll: c_int, fd: c_int) -> u64 {
    (epoll as u32 as u64) << 32 | (fd as u32 as u64 + 1)
}
