//! Which inherited address serves an address the app asks for. Pure.

/// A socket address as far as the choice needs it: IPv4-mapped IPv6 counts as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    V4([u8; 4], u16),
    V6([u8; 16], u16),
    /// A path, without its terminating zero.
    Path(&'a [u8]),
    /// An abstract name, without its leading zero.
    Abstract(&'a [u8]),
}

use crate::sys::{AF_INET, AF_INET6, AF_UNIX};

/// How an IPv4 address in IPv6 form begins, RFC 4291 2.5.5.2.
pub const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

impl<'a> Address<'a> {
    /// Reads a `struct sockaddr` (ip(7), ipv6(7), unix(7)). `None` for other families, port 0 and
    /// unnamed unix sockets: those are never shared.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (family, rest) = bytes.split_first_chunk::<2>()?;
        match u16::from_ne_bytes(*family) {
            AF_INET => {
                let (port, rest) = rest.split_first_chunk::<2>()?;
                let port = u16::from_be_bytes(*port);
                (port != 0).then_some(Self::V4(*rest.first_chunk()?, port))
            }
            AF_INET6 => {
                let (port, rest) = rest.split_first_chunk::<2>()?;
                let port = u16::from_be_bytes(*port);
                let (_flowinfo, rest) = rest.split_first_chunk::<4>()?;
                let address: [u8; 16] = *rest.first_chunk()?;
                if port == 0 {
                    None
                } else if address.starts_with(&MAPPED) {
                    Some(Self::V4(*address.last_chunk()?, port))
                } else {
                    Some(Self::V6(address, port))
                }
            }
            AF_UNIX => match rest.split_first()? {
                (0, []) => None,
                (0, name) => Some(Self::Abstract(name)),
                _ => Some(Self::Path(rest.split(|b| *b == 0).next()?)),
            },
            _ => None,
        }
    }

    fn port(&self) -> Option<u16> {
        match self {
            Self::V4(_, port) | Self::V6(_, port) => Some(*port),
            _ => None,
        }
    }

    fn wildcard(&self) -> bool {
        match self {
            Self::V4(address, _) => *address == [0; 4],
            Self::V6(address, _) => *address == [0; 16],
            _ => false,
        }
    }
}

/// How well an inherited socket at `have` serves an app that asks for `want`; larger is better,
/// `None`: not at all. `v6only` is the inherited socket's `IPV6_V6ONLY`.
///
/// Same port and equal address: 3. Same port, one side a wildcard of the same family: 2; of the
/// other family: 1 (Node asks for `::` first, asyncio for `0.0.0.0` and `::`). The unit's address
/// wins over the app's: what it says is narrower or wider on purpose, and a bind of its own would
/// fail in every instance but the first. Not taken: a specific address that the inherited socket
/// cannot receive for (`::1` where the unit listens on `0.0.0.0`).
pub fn fit(have: &Address, v6only: bool, want: &Address) -> Option<u8> {
    use Address::{V4, V6};
    if have == want {
        return Some(3);
    }
    if have.port()? != want.port()? {
        return None;
    }
    match (have, want) {
        (V4(..), V4(..)) | (V6(..), V6(..)) => (have.wildcard() || want.wildcard()).then_some(2),
        (V6(..), V4(..)) if have.wildcard() && !v6only => Some(1),
        _ => want.wildcard().then_some(1),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::net::Ipv6Addr;
    use std::vec::Vec;

    fn v6(text: &str) -> Address<'static> {
        Address::V6(text.parse::<Ipv6Addr>().unwrap().octets(), 3000)
    }

    const ANY: Address = Address::V4([0; 4], 3000);
    const LOOPBACK: Address = Address::V4([127, 0, 0, 1], 3000);

    fn sockaddr_in6(text: &str, port: u16) -> Vec<u8> {
        let mut bytes = AF_INET6.to_ne_bytes().to_vec();
        bytes.extend(port.to_be_bytes());
        bytes.extend([9; 4]);
        bytes.extend(text.parse::<Ipv6Addr>().unwrap().octets());
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn reads_each_family() {
        let mut v4 = AF_INET.to_ne_bytes().to_vec();
        v4.extend([0x0b, 0xb8, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Address::parse(&v4), Some(LOOPBACK));
        assert_eq!(Address::parse(&sockaddr_in6("::", 3000)), Some(v6("::")));
        let mapped = sockaddr_in6("::ffff:127.0.0.1", 3000);
        assert_eq!(Address::parse(&mapped), Some(LOOPBACK));
        let unix = |rest: &[u8]| [&AF_UNIX.to_ne_bytes(), rest].concat();
        let path = Address::Path(b"/run/a");
        assert_eq!(Address::parse(&unix(b"/run/a\0\0junk")), Some(path));
        assert_eq!(Address::parse(&unix(b"/run/a")), Some(path));
        let name = Address::Abstract(b"a\0b");
        assert_eq!(Address::parse(&unix(b"\0a\0b")), Some(name));
    }

    #[test]
    fn refuses_what_is_never_shared() {
        assert_eq!(Address::parse(&sockaddr_in6("::", 0)), None);
        assert_eq!(Address::parse(&AF_UNIX.to_ne_bytes()), None);
        assert_eq!(Address::parse(&[16, 0, 1, 2, 3, 4, 5, 6, 7, 8]), None);
        let whole = sockaddr_in6("::1", 3000);
        for short in 0..24 {
            assert_eq!(Address::parse(&whole[..short]), None, "{short} bytes");
        }
    }

    #[test]
    fn equal_beats_same_family_beats_other_family() {
        assert_eq!(fit(&LOOPBACK, false, &LOOPBACK), Some(3));
        assert_eq!(fit(&ANY, false, &LOOPBACK), Some(2));
        assert_eq!(fit(&LOOPBACK, false, &ANY), Some(2));
        assert_eq!(fit(&ANY, false, &v6("::")), Some(1));
        assert_eq!(fit(&v6("::"), false, &LOOPBACK), Some(1));
        assert_eq!(fit(&v6("::1"), true, &ANY), Some(1));
        assert_eq!(fit(&v6("::"), true, &ANY), Some(1));
    }

    #[test]
    fn does_not_take_what_it_cannot_serve() {
        let other_port = Address::V4([127, 0, 0, 1], 3001);
        assert_eq!(fit(&ANY, false, &other_port), None);
        assert_eq!(fit(&ANY, false, &v6("::1")), None);
        assert_eq!(
            fit(&LOOPBACK, false, &Address::V4([10, 0, 0, 1], 3000)),
            None
        );
        assert_eq!(fit(&v6("::"), true, &LOOPBACK), None);
        assert_eq!(fit(&v6("::1"), false, &LOOPBACK), None);
        assert_eq!(
            fit(&Address::Path(b"/a"), false, &Address::Path(b"/b")),
            None
        );
        assert_eq!(
            fit(&Address::Path(b"a"), false, &Address::Abstract(b"a")),
            None
        );
        assert_eq!(fit(&Address::Path(b"a"), false, &ANY), None);
    }
}
