//! Listening sockets of a running process, reached through copies of its descriptors (pidfd_getfd(2), Linux 5.6).

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::net::{self, SocketAddrUnix};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::model::Listen;

/// How many connections may wait in the queue of each of these listeners of the process, from now on: listen(2) once more, on the socket that all who
/// have it share. Returns how many sockets that were. Errors: no right to look into the process (ptrace(2)), an older kernel.
pub fn set_backlog(process: u32, addresses: &[Listen], backlog: u32) -> io::Result<usize> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    let process_fd = pidfd_open(pid.ok_or_else(invalid)?, PidfdFlags::empty())?;
    let mut set = 0;
    for entry in fs::read_dir(format!("/proc/{process}/fd"))? {
        let entry = entry?;
        let is_socket = fs::read_link(entry.path())
            .is_ok_and(|link| link.to_string_lossy().starts_with("socket:"));
        let Some(number) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        if !is_socket {
            continue;
        }
        let copy = match pidfd_getfd(&process_fd, number, PidfdGetfdFlags::empty()) {
            // Closed meanwhile.
            Err(rustix::io::Errno::BADF) => continue,
            copy => copy?,
        };
        if listens_on(&copy, addresses) {
            // The kernel cuts it to net.core.somaxconn.
            net::listen(&copy, i32::try_from(backlog).unwrap_or(i32::MAX))?;
            set += 1;
        }
    }
    Ok(set)
}

fn listens_on(socket: &OwnedFd, addresses: &[Listen]) -> bool {
    if !net::sockopt::socket_acceptconn(socket).unwrap_or(false) {
        return false;
    }
    let Ok(local) = net::getsockname(socket) else {
        return false;
    };
    let path = SocketAddrUnix::try_from(local.clone()).ok();
    let path = path.as_ref().and_then(SocketAddrUnix::path_bytes);
    let local = SocketAddr::try_from(local).ok();
    addresses.iter().any(|address| match address {
        Listen::Port(port) => {
            local.is_some_and(|local| local.port() == *port && local.ip().is_unspecified())
        }
        Listen::Address(address) => local == Some(*address),
        Listen::Path(wanted) => path == Some(wanted.as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_queue_of_one_of_our_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let other = Listen::Port(address.port());
        let own = Listen::Address(address);
        let me = std::process::id();
        assert_eq!(set_backlog(me, &[other], 7).unwrap(), 0);
        assert_eq!(set_backlog(me, &[own], 7).unwrap(), 1);
        let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
        assert!(table.lines().count() > 1);
        assert!(set_backlog(0, &[], 7).is_err());
    }
}
