//! Who listens on a port: /proc/net/tcp and tcp6 (proc(5)), and which process holds that socket.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use super::queue::ip;

/// A TCP socket of this network namespace that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    pub address: SocketAddr,
    inode: u64,
}

impl Listener {
    /// Whether a second socket at `wanted` would be refused for this one.
    pub fn is_in_the_way(&self, wanted: SocketAddr) -> bool {
        let any = |ip: IpAddr| ip.is_unspecified();
        let (mine, its) = (self.address.ip(), wanted.ip());
        // One of all of IPv6 takes in IPv4 (ipv6(7)).
        let family = mine.is_ipv4() == its.is_ipv4()
            || any(mine) && mine.is_ipv6()
            || any(its) && its.is_ipv6();
        self.address.port() == wanted.port() && family && (mine == its || any(mine) || any(its))
    }

    /// A process that has it open, and its name; none where only root may know. Reads what every process has open.
    pub fn holder(&self) -> Option<(u32, String)> {
        let socket = format!("socket:[{}]", self.inode);
        let processes = fs::read_dir("/proc").ok()?.flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .find(|pid| {
                let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter();
                open.flatten().flatten().any(|fd| {
                    fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == socket.as_str())
                })
            })
            .map(|pid| (pid, name(pid)))
    }
}

/// What a process is called; nothing when it is gone.
pub fn name(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    text.trim_end().to_owned()
}

/// All of them.
pub fn listeners() -> Vec<Listener> {
    let read = |table| fs::read_to_string(format!("/proc/self/net/{table}")).unwrap_or_default();
    let texts = ["tcp", "tcp6"].map(read);
    texts
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(listener)
        .collect()
}

fn listener(line: &str) -> Option<Listener> {
    let words: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
    let [_, local, _, "0A", .., inode] = words[..] else {
        return None;
    };
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Listener {
        address: SocketAddr::new(ip(address)?, port),
        inode: inode.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn this_process_is_found() {
        let mine = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = mine.local_addr().unwrap();
        let all = listeners();
        let found = all.iter().find(|one| one.address == address).unwrap();
        assert_eq!(found.holder().unwrap().0, std::process::id());
        let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), address.port());
        for (ip, in_the_way) in [
            ("127.0.0.1", true),
            ("0.0.0.0", true),
            ("::", true),
            ("127.0.0.2", false),
            ("::1", false),
        ] {
            assert_eq!(found.is_in_the_way(at(ip)), in_the_way, "{ip}");
        }
        drop(mine);
        assert!(!listeners().contains(found));
    }
}
