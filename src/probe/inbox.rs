//! A connection into the inbox of one instance, as its peers hand theirs over: a datagram of two bytes with a descriptor (SCM_RIGHTS, unix(7)).
//!
//! The folder belongs to the app's user, who may put anything there: what is sent to is a socket itself, never what a link leads to, and all that
//! whoever reads it gets is one end of a connection to here.

use std::ffi::c_int;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, fstat, openat};
use rustix::ioctl::{Getter, ioctl};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, sendmsg_addr, socket_with,
};
use tokio::time::sleep;

use super::connect::Stream;
use crate::model::Listen;

/// The letter of `src/shim/balance/inbox.rs` that only its addressee may take.
const PROBE: u8 = 4;

/// Instances from this number on have no inbox (`INSTANCES` of `src/shim/sockets.rs`).
pub const INSTANCES: u32 = 64;

/// Files of the folder that are looked at.
const ENTRIES: usize = 1000;

/// What was sent.
pub struct Sent(OwnedFd);

impl Sent {
    /// Ends when the instance has taken it out of its inbox, and never when it does not.
    pub async fn taken(&self) {
        let mut pause = Duration::from_millis(1);
        while waits(&self.0).unwrap_or(false) {
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

/// A connection as from a client of that listener, whose other end the instance has in its inbox.
/// Errors: it has none now.
pub fn hand_over(folder: &Path, listen: &Listen) -> io::Result<(Stream, Sent)> {
    let inbox = find(folder)?;
    let (stream, theirs): (Stream, OwnedFd) = match listen {
        Listen::Path(_) => {
            let (ours, theirs) = tokio::net::UnixStream::pair()?;
            (Stream::Unix(ours), theirs.into_std()?.into())
        }
        Listen::Address(address) => tcp(address.is_ipv6())?,
        Listen::Port(_) => tcp(true)?,
    };
    let sender = socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    // The link of /proc leads to the very socket that was looked at, whatever its folder holds by now; and it is short.
    let to = SocketAddrUnix::new(format!("/proc/self/fd/{}", inbox.as_raw_fd()))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [theirs.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let letter = [IoSlice::new(&[PROBE, 0])];
    sendmsg_addr(&sender, &to, &letter, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok((stream, Sent(sender)))
}

/// Whether somebody has an inbox there and reads it: a process that ended leaves its file behind.
pub fn is_open(folder: &Path) -> bool {
    let connects = || -> io::Result<()> {
        let inbox = find(folder)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        let to = SocketAddrUnix::new(format!("/proc/self/fd/{}", inbox.as_raw_fd()))?;
        Ok(connect(&socket, &to)?)
    };
    connects().is_ok()
}

/// The newest inbox of the folder: they are named after their listener, by a number that counts up.
fn find(folder: &Path) -> io::Result<OwnedFd> {
    let none = || io::Error::from(io::ErrorKind::NotFound);
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(
        CWD,
        folder,
        flags | OFlags::DIRECTORY | OFlags::RDONLY,
        Mode::empty(),
    )?;
    let mut newest = None;
    for entry in Dir::read_from(&folder)?.take(ENTRIES) {
        let entry = entry?;
        let name = entry.file_name().to_str().unwrap_or_default();
        let number = name
            .strip_prefix("inbox-")
            .and_then(|number| number.parse::<u64>().ok());
        newest = newest.max(number);
    }
    let name = format!("inbox-{}", newest.ok_or_else(none)?);
    let inbox = openat(&folder, name, flags | OFlags::PATH, Mode::empty())?;
    match FileType::from_raw_mode(fstat(&inbox)?.st_mode) {
        FileType::Socket => Ok(inbox),
        _ => Err(none()),
    }
}

/// Both ends of a connection on loopback, the second one as accepted. systemd's sockets are IPv6 ones that take IPv4 in, unless an IPv4 address is given.
fn tcp(ipv6: bool) -> io::Result<(Stream, OwnedFd)> {
    let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 0));
    let listener = match ipv6 {
        // A machine may have no IPv6.
        true => TcpListener::bind(mapped)
            .or_else(|_| TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, 0))))
            .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?,
        false => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?,
    };
    let ours = TcpStream::connect(listener.local_addr()?)?;
    // Somebody else may have been first.
    let own = ours.local_addr()?;
    let theirs = loop {
        let (theirs, from) = listener.accept()?;
        if from == own {
            break theirs;
        }
    };
    ours.set_nodelay(true)?;
    ours.set_nonblocking(true)?;
    Ok((
        Stream::Tcp(tokio::net::TcpStream::from_std(ours)?),
        theirs.into(),
    ))
}

/// Whether what this socket sent has not been received (SIOCOUTQ, which is TIOCOUTQ; unix(7)).
fn waits(sender: &OwnedFd) -> io::Result<bool> {
    const SIOCOUTQ: rustix::ioctl::Opcode = 0x5411;
    // SAFETY: the request writes an int.
    let bytes = unsafe { ioctl(sender, Getter::<SIOCOUTQ, c_int>::new())? };
    Ok(bytes > 0)
}
