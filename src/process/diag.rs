//! Listening sockets of this network namespace from the kernel's sock_diag(7): who asks needs no rights.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::unix::nlas::{Nla, UnixDiagName};
use netlink_packet_sock_diag::{SockDiagMessage, inet, unix};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use super::Queue;

/// More than the kernel puts into one datagram of a dump, which is 32 KiB.
const DATAGRAM: usize = 1 << 16;

/// Gives each TCP listener to `each`. Errors: a kernel without sock_diag, or no right to netlink sockets.
pub(super) fn tcp(mut each: impl FnMut((IpAddr, u16), Queue)) -> io::Result<()> {
    for (family, socket_id) in [
        (AF_INET, inet::SocketId::new_v4()),
        (AF_INET6, inet::SocketId::new_v6()),
    ] {
        let request = SockDiagMessage::InetRequest(inet::InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: inet::ExtensionFlags::empty(),
            states: inet::StateFlags::LISTEN,
            socket_id,
        });
        dump(request, |message| {
            if let SockDiagMessage::InetResponse(socket) = message {
                let header = socket.header;
                let queue = Queue {
                    waiting: header.recv_queue,
                    limit: Some(header.send_queue),
                };
                let id = header.socket_id;
                each((id.source_address, id.source_port), queue);
            }
        })?;
    }
    Ok(())
}

/// Gives each listener with a path, or with an abstract name (which begins with a zero), to `each`. Errors: as above.
pub(super) fn unix(mut each: impl FnMut(Vec<u8>, Queue)) -> io::Result<()> {
    let request = SockDiagMessage::UnixRequest(unix::UnixRequest {
        state_flags: unix::StateFlags::LISTEN,
        inode: 0,
        show_flags: unix::ShowFlags::NAME | unix::ShowFlags::RQLEN,
        cookie: [0; 8],
    });
    dump(request, |message| {
        let SockDiagMessage::UnixResponse(socket) = message else {
            return;
        };
        let (mut name, mut queue) = (None, None);
        for part in socket.nlas {
            match part {
                Nla::Name(UnixDiagName::Pathname(path)) => name = Some(path.into_encoded_bytes()),
                Nla::Name(UnixDiagName::Abstract(bytes)) => {
                    name = Some([b"\0", bytes.as_slice()].concat());
                }
                Nla::ReceiveQueueLength(waiting, limit) => {
                    let limit = Some(limit);
                    queue = Some(Queue { waiting, limit });
                }
                _ => {}
            }
        }
        if let (Some(name), Some(queue)) = (name, queue) {
            each(name, queue);
        }
    })
}

fn dump(request: SockDiagMessage, mut each: impl FnMut(SockDiagMessage)) -> io::Result<()> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, request.into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    // The kernel answers while it is asked: what is not there at once never comes.
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        Some(netlink::SOCK_DIAG),
    )?;
    send(&socket, &bytes, SendFlags::empty())?;
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let next = NetlinkBuffer::new_checked(rest).map_err(io::Error::other)?;
            // Messages begin at multiples of four (netlink(7)).
            let whole = (next.length() as usize).next_multiple_of(4);
            // What this version of the library cannot read is no listener of ours.
            match NetlinkMessage::<SockDiagMessage>::deserialize(rest).map(|read| read.payload) {
                Ok(NetlinkPayload::InnerMessage(message)) => each(message),
                Ok(NetlinkPayload::Error(error)) if error.code.is_some() => {
                    return Err(error.to_io());
                }
                Ok(NetlinkPayload::Done(done)) if done.code == 0 => return Ok(()),
                Ok(NetlinkPayload::Done(done)) => {
                    return Err(io::Error::from_raw_os_error(done.code.saturating_neg()));
                }
                _ => {}
            }
            rest = rest.get(whole..).unwrap_or_default();
        }
    }
}
