//! The listen queues: connections that the kernel has accepted and no instance has taken yet.
//!
//! From sock_diag(7), one dump for all apps; where the kernel has none, from /proc/net/tcp and tcp6.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use super::diag;
use crate::model::Listen;

/// Of one listener, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    pub waiting: u32,
    /// How many may wait; the kernel drops or refuses what comes beyond (listen(2)). None where the kernel has no sock_diag.
    pub limit: Option<u32>,
}

impl Queue {
    /// Half the places are taken: soon connections are dropped.
    pub fn is_crowded(self) -> bool {
        let taken = self.waiting.saturating_mul(2);
        self.waiting > 0 && self.limit.is_some_and(|limit| taken >= limit)
    }
}

/// What a socket is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Local {
    Tcp(IpAddr, u16),
    /// As in sockaddr_un (unix(7)), without the zero at the end; an abstract one begins with a zero.
    Unix(Vec<u8>),
}

/// Sockets of one address (`SO_REUSEPORT`) together.
#[derive(Debug, Default)]
struct Listeners(HashMap<Local, Queue>);

impl Listeners {
    fn add(&mut self, local: Local, queue: Queue) {
        let all = self.0.entry(local);
        all.and_modify(|sum| *sum = sum.and(queue)).or_insert(queue);
    }
}

impl Queue {
    fn and(self, other: Queue) -> Queue {
        let limits = self.limit.zip(other.limit);
        Queue {
            waiting: self.waiting.saturating_add(other.waiting),
            limit: limits.map(|(one, other)| one.saturating_add(other)),
        }
    }
}

/// Of each app the queues of its listeners together, by its addresses as `ListenStream=` has them. None for an app of whose listeners none is open in
/// this network namespace. Asks the kernel nothing where no app listens.
pub fn queues<S: AsRef<str>>(apps: &[&[S]]) -> Vec<Option<Queue>> {
    let wanted: Vec<Vec<[Option<Local>; 2]>> = apps
        .iter()
        .map(|listens| listens.iter().map(|text| locals(text.as_ref())).collect())
        .collect();
    let any = |is: fn(&Local) -> bool| wanted.iter().flatten().flatten().flatten().any(is);
    let tcp = any(|local| matches!(local, Local::Tcp(..)));
    let unix = any(|local| matches!(local, Local::Unix(_)));
    let listeners = open(tcp, unix);
    let of = |either: &[Option<Local>; 2]| {
        let mut open = either.iter().flatten().map(|local| listeners.0.get(local));
        open.find_map(|queue| queue.copied())
    };
    let sum = |listens: &Vec<_>| listens.iter().filter_map(of).reduce(Queue::and);
    wanted.iter().map(sum).collect()
}

fn open(tcp: bool, unix: bool) -> Listeners {
    let mut found = Listeners::default();
    if tcp && diag::tcp(|(ip, port), queue| found.add(Local::Tcp(ip, port), queue)).is_err() {
        found = from_tables(Path::new("/proc/self/net"));
    }
    if unix {
        // Without it nothing tells of them.
        let _ = diag::unix(|name, queue| found.add(Local::Unix(name), queue));
    }
    found
}

/// What the address may be bound to: the first of them that is open is it. A port without an address is IPv6 that takes in IPv4, or where the machine
/// has no IPv6, IPv4 (systemd.socket(5)).
fn locals(text: &str) -> [Option<Local>; 2] {
    use std::net::{Ipv4Addr, Ipv6Addr};
    if let Some(name) = text.strip_prefix('@') {
        return [Some(Local::Unix([b"\0", name.as_bytes()].concat())), None];
    }
    match Listen::parse(text) {
        Ok(Listen::Port(port)) => [
            Some(Local::Tcp(Ipv6Addr::UNSPECIFIED.into(), port)),
            Some(Local::Tcp(Ipv4Addr::UNSPECIFIED.into(), port)),
        ],
        Ok(Listen::Address(address)) => [Some(Local::Tcp(address.ip(), address.port())), None],
        Ok(Listen::Path(path)) => [Some(Local::Unix(path.into())), None],
        Err(_) => [None, None],
    }
}

/// From `tcp` and `tcp6` of this folder (proc(5)): a socket in state 0A listens, and its received bytes are the connections that wait.
fn from_tables(proc_net: &Path) -> Listeners {
    let mut found = Listeners::default();
    // A kernel without IPv6 has no tcp6.
    let read = |table| std::fs::read_to_string(proc_net.join(table)).unwrap_or_default();
    for text in ["tcp", "tcp6"].map(read) {
        for (local, waiting) in text.lines().filter_map(listener) {
            let limit = None;
            found.add(local, Queue { waiting, limit });
        }
    }
    found
}

fn listener(line: &str) -> Option<(Local, u32)> {
    let words: Vec<&str> = line.split_ascii_whitespace().take(5).collect();
    let [_, local, _, "0A", queues] = words[..] else {
        return None;
    };
    let hex = |digits| u32::from_str_radix(digits, 16).ok();
    let (address, port) = local.split_once(':')?;
    let (_, waiting) = queues.split_once(':')?;
    let port = u16::try_from(hex(port)?).ok()?;
    Some((Local::Tcp(ip(address)?, port), hex(waiting)?))
}

/// Words of 32 bits in the machine's order, each in hexadecimal digits.
pub(super) fn ip(digits: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(digits.get(at..at + 8)?, 16).ok();
    let mut bytes = [0; 16];
    for (at, part) in bytes.chunks_mut(4).enumerate().take(digits.len() / 8) {
        part.copy_from_slice(&word(at * 8)?.to_ne_bytes());
    }
    match digits.len() {
        8 => <[u8; 4]>::try_from(&bytes[..4]).ok().map(IpAddr::from),
        32 => Some(IpAddr::from(bytes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{self, UnixListener, UnixStream};
    use std::time::{Duration, Instant};

    use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};

    use super::*;

    /// At this address, for so many connections, which nobody accepts.
    fn listener(address: SocketAddr, backlog: i32) -> TcpListener {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let fd = socket(family, SocketType::STREAM, None).unwrap();
        sockopt::set_socket_reuseport(&fd, true).unwrap();
        bind(&fd, &address).unwrap();
        listen(&fd, backlog).unwrap();
        fd.into()
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn full(waiting: u32, limit: u32) -> Option<Queue> {
        let limit = Some(limit);
        Some(Queue { waiting, limit })
    }

    /// A client's connection is complete a moment before it waits here.
    fn becomes(listens: &[String], expected: Option<Queue>) {
        let begun = Instant::now();
        loop {
            let found = queues(&[listens])[0];
            if found == expected {
                return;
            }
            let late = begun.elapsed() > Duration::from_secs(60);
            assert!(!late, "{listens:?}: {found:?}, not {expected:?}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn connections_wait_at_their_own_address_alone() {
        let one = listener(at("127.0.0.1:0"), 7);
        let port = one.local_addr().unwrap().port();
        let _elsewhere = listener(at(&format!("127.0.0.2:{port}")), 9);
        let six = listener(at(&format!("[::1]:{port}")), 11);
        let address = one.local_addr().unwrap();
        let queue = |text: String| queues(&[&[text]])[0];
        assert_eq!(queue(address.to_string()), full(0, 7));
        let _clients: Vec<TcpStream> = (0..3)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        becomes(&[address.to_string()], full(3, 7));
        assert_eq!(queue(format!("[::1]:{port}")), full(0, 11));
        assert_eq!(queue(format!("127.0.0.3:{port}")), None);
        assert_eq!(queue(port.to_string()), None, "on no address alone");
        // Both of one app, and one that is not open; apps that listen nowhere.
        let both = [address.to_string(), format!("[::1]:{port}"), "1".to_owned()];
        assert_eq!(queues(&[&[], &both[..], &[]]), [None, full(3, 18), None]);
        drop(six);
        assert_eq!(queue(format!("[::1]:{port}")), None);
        one.accept().unwrap();
        becomes(&[address.to_string()], full(2, 7));
    }

    #[test]
    fn a_port_alone_is_every_address() {
        let six = listener(at("[::]:0"), 5);
        let port = six.local_addr().unwrap().port();
        let four = format!("127.0.0.1:{port}");
        let clients = [&four, &format!("[::1]:{port}")].map(|to| TcpStream::connect(to).unwrap());
        becomes(&[port.to_string()], full(2, 5));
        becomes(&[format!("[::]:{port}")], full(2, 5));
        assert_eq!(queues(&[&[four]]), [None]);
        drop(clients);
        let four = listener(at("0.0.0.0:0"), 6);
        let port = four.local_addr().unwrap().port();
        assert_eq!(queues(&[&[port.to_string()]]), [full(0, 6)]);
    }

    #[test]
    fn sockets_of_one_address_are_one() {
        let first = listener(at("127.0.0.1:0"), 20);
        let address = first.local_addr().unwrap();
        let _others = [20, 20].map(|backlog| listener(address, backlog));
        let _clients: Vec<TcpStream> = (0..9)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        becomes(&[address.to_string()], full(9, 60));
        // Where the kernel has no sock_diag.
        let tables = from_tables(Path::new("/proc/self/net"));
        let limit = None;
        let waiting = 9;
        let local = Local::Tcp(address.ip(), address.port());
        assert_eq!(tables.0.get(&local), Some(&Queue { waiting, limit }));
    }

    #[test]
    fn the_tables_of_a_kernel_without_sock_diag() {
        let six = listener(at("[::1]:0"), 3);
        let address = six.local_addr().unwrap();
        let tables = from_tables(Path::new("/proc/self/net"));
        let local = Local::Tcp(address.ip(), address.port());
        assert_eq!(tables.0.get(&local).map(|queue| queue.waiting), Some(0));
        let client = TcpStream::connect(address).unwrap();
        let its = client.local_addr().unwrap();
        let tables = from_tables(Path::new("/proc/self/net"));
        // What does not listen is none.
        assert!(!tables.0.contains_key(&Local::Tcp(its.ip(), its.port())));
    }

    #[test]
    fn unix_sockets_by_path_and_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let by_path = UnixListener::bind(&path).unwrap();
        listen(&by_path, 4).unwrap();
        let name = format!("rpmctl-test-{}", std::process::id());
        let address = net::SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixListener::bind_addr(&address).unwrap();
        listen(&by_name, 2).unwrap();
        let _waits = [(); 2].map(|()| UnixStream::connect(&path).unwrap());
        let _one = UnixStream::connect_addr(&address).unwrap();
        let listens = [path.to_str().unwrap().to_owned(), format!("@{name}")];
        assert_eq!(
            queues(&[&listens[..1], &listens[1..]]),
            [full(2, 4), full(1, 2)]
        );
        assert_eq!(queues(&[&listens[..]]), [full(3, 6)]);
        assert_eq!(queues(&[&["/run/none.sock"]]), [None]);
    }

    #[test]
    fn nothing_is_asked_for_apps_that_do_not_listen() {
        assert_eq!(queues::<String>(&[]), []);
        assert_eq!(queues::<String>(&[&[]]), [None]);
        assert_eq!(queues(&[&["not an address"]]), [None]);
    }
}
