//! Addresses of the family that the app bound: one that asked for an IPv4 socket and got the unit's
//! dual-stack one would be told IPv6 addresses, cut off where its buffers are made for IPv4.
//!
//! So accept(2), getpeername(2) and getsockname(2) answer there as they would of a socket of the
//! app's own. A client that came by IPv6 itself has no address in IPv4, and is told as 0.0.0.0.

use core::ffi::{c_int, c_uint, c_void};
use core::ptr;
use core::sync::atomic::AtomicU8;
use core::sync::atomic::Ordering::Relaxed;

use crate::address::MAPPED;
use crate::sockets::{self, Socket};
use crate::sys::{self, AF_INET, AF_INET6, SO_DOMAIN, SOCKADDR_MAX, SOL_SOCKET};

/// Size of `struct sockaddr_in`, ip(7), and of `struct sockaddr_in6`, ipv6(7).
const SOCKADDR_IN: usize = 16;
const SOCKADDR_IN6: c_uint = 28;

const IPV4_FOR_IPV6: u8 = 1;
const AS_IT_IS: u8 = 2;

/// As what the app has bound an inherited socket: nothing yet, one of the two above, or both.
pub struct Family(AtomicU8);

impl Family {
    pub const fn new() -> Self {
        Self(AtomicU8::new(0))
    }

    /// The app's `fd` is about to become the inherited socket `inherited`.
    pub fn learn(&self, fd: c_int, inherited: c_int) {
        let domain = |fd| sys::option(fd, SOL_SOCKET, SO_DOMAIN);
        let narrow =
            domain(fd) == Some(AF_INET.into()) && domain(inherited) == Some(AF_INET6.into());
        self.0
            .fetch_or(if narrow { IPV4_FOR_IPV6 } else { AS_IT_IS }, Relaxed);
    }

    /// Whether an app with room for an address of this size expects IPv4. One that bound both (as
    /// asyncio does) is known by that.
    fn is_narrow(&self, room: c_uint) -> bool {
        match self.0.load(Relaxed) {
            IPV4_FOR_IPV6 => true,
            known => known & IPV4_FOR_IPV6 != 0 && room < SOCKADDR_IN6,
        }
    }
}

fn narrow(room: c_uint) -> impl Iterator<Item = &'static Socket> {
    let all = sockets::all().iter();
    all.filter(move |socket| socket.family.is_narrow(room))
}

/// accept(2) of a listener.
///
/// # Safety
/// `addr` and `len` as in accept(2).
pub unsafe fn accept(
    fd: c_int,
    addr: *mut c_void,
    len: *mut c_uint,
    real: impl FnOnce(*mut c_void, *mut c_uint) -> c_int,
) -> c_int {
    // SAFETY: promised by the caller.
    unsafe {
        let is_narrow = |room| {
            narrow(room).next().is_some()
                && sockets::of(fd).is_some_and(|socket| socket.family.is_narrow(room))
        };
        answer(is_narrow, addr, len, real)
    }
}

/// getsockname(2) or getpeername(2) of a listener or, as its port tells, of a connection that came
/// to one.
///
/// # Safety
/// `addr` and `len` as in getsockname(2).
pub unsafe fn name(
    fd: c_int,
    addr: *mut c_void,
    len: *mut c_uint,
    real: impl FnOnce(*mut c_void, *mut c_uint) -> c_int,
) -> c_int {
    let is_narrow = |room| {
        if narrow(room).next().is_none() {
            return false;
        }
        let errno = sys::errno();
        let own = port(fd);
        let found = own.is_some() && narrow(room).any(|socket| own == port(socket.descriptor()));
        sys::set_errno(errno);
        found
    };
    // SAFETY: promised by the caller.
    unsafe { answer(is_narrow, addr, len, real) }
}

/// The local port of an IPv6 socket, in network order.
fn port(fd: c_int) -> Option<[u8; 2]> {
    let mut buffer = [0; SOCKADDR_MAX];
    let (family, rest) = sys::local_address(fd, &mut buffer)?.split_first_chunk()?;
    (u16::from_ne_bytes(*family) == AF_INET6).then_some(*rest.first_chunk()?)
}

/// Calls `real` with the caller's own pointers or, where `is_narrow` says so of the room they have,
/// with room for any address, of which the caller then gets the IPv4 form.
///
/// # Safety
/// `addr` and `len` as in accept(2).
unsafe fn answer(
    is_narrow: impl FnOnce(c_uint) -> bool,
    addr: *mut c_void,
    len: *mut c_uint,
    real: impl FnOnce(*mut c_void, *mut c_uint) -> c_int,
) -> c_int {
    // SAFETY: the caller's own.
    if addr.is_null() || len.is_null() || !is_narrow(unsafe { *len }) {
        return real(addr, len);
    }
    let mut buffer = [0; SOCKADDR_MAX];
    let mut size = SOCKADDR_MAX as c_uint;
    let result = real(buffer.as_mut_ptr().cast(), &mut size);
    if result >= 0 {
        let address = ipv4_of(&buffer);
        // SAFETY: `len` says how many bytes `addr` has; both are the caller's.
        unsafe {
            let room = (*len as usize).min(SOCKADDR_IN);
            ptr::copy_nonoverlapping(address.as_ptr(), addr.cast(), room);
            *len = SOCKADDR_IN as c_uint;
        }
    }
    result
}

/// The `struct sockaddr_in` for a `struct sockaddr_in6`.
fn ipv4_of(address: &[u8; SOCKADDR_MAX]) -> [u8; SOCKADDR_IN] {
    let mut ipv4 = [0; SOCKADDR_IN];
    let (head, rest) = ipv4.split_at_mut(2);
    head.copy_from_slice(&AF_INET.to_ne_bytes());
    let (port, rest) = rest.split_at_mut(2);
    port.copy_from_slice(&address[2..4]);
    if address[8..20] == MAPPED {
        rest[..4].copy_from_slice(&address[20..24]);
    }
    ipv4
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::net::Ipv6Addr;

    fn ipv4(text: &str) -> [u8; SOCKADDR_IN] {
        let mut address = [0; SOCKADDR_MAX];
        address[..2].copy_from_slice(&AF_INET6.to_ne_bytes());
        address[2..4].copy_from_slice(&[0x0b, 0xb8]);
        address[4..8].copy_from_slice(&[9; 4]);
        let octets = text.parse::<Ipv6Addr>().unwrap().octets();
        address[8..24].copy_from_slice(&octets);
        ipv4_of(&address)
    }

    #[test]
    fn mapped_addresses_and_others() {
        let told = |address: [u8; 4]| {
            let mut whole = [0; SOCKADDR_IN];
            whole[..2].copy_from_slice(&AF_INET.to_ne_bytes());
            whole[2..4].copy_from_slice(&[0x0b, 0xb8]);
            whole[4..8].copy_from_slice(&address);
            whole
        };
        assert_eq!(ipv4("::ffff:10.1.2.3"), told([10, 1, 2, 3]));
        assert_eq!(ipv4("::"), told([0; 4]));
        assert_eq!(ipv4("2001:db8::1"), told([0; 4]));
    }
}
