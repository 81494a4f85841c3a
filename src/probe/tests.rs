use std::io::{IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::*;

fn health(probe: Probe, millis: u64) -> Health {
    Health {
        probe,
        interval: Duration::from_secs(10),
        timeout: Duration::from_millis(millis),
        threshold: 3,
        restart: false,
    }
}

fn get(at: Door) -> Probe {
    Probe::Http {
        path: "/healthz".to_owned(),
        statuses: vec![],
        at,
    }
}

fn asked(health: &Health, folder: &Path, instances: u32) -> Said {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let whom = Whom {
        number: 0,
        instances,
        folder,
        program: |folder| std::fs::read_link(folder.join("program")).ok(),
        patience: Duration::from_millis(1),
    };
    runtime.block_on(ask(health, whom))
}

/// Answers each connection with a text.
fn server(answer: &'static str) -> Listen {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).unwrap();
            assert!(request[..count].starts_with(
                b"GET /healthz HTTP/1.1\r\nUser-Agent: rpmctl-health\r\nHost: localhost\r\n"
            ));
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    Listen::Address(address)
}

/// What comes with the next letter.
fn take(inbox: &UnixDatagram) -> Vec<OwnedFd> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut letter = [0; 8];
    let mut letter = [IoSliceMut::new(&mut letter)];
    recvmsg(inbox, &mut letter, &mut ancillary, RecvFlags::empty()).unwrap();
    let messages = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    messages.flatten().collect()
}

#[test]
fn a_full_inbox_is_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let _inbox = UnixDatagram::bind(folder.path().join("inbox-1")).unwrap();
    let full = UnixDatagram::unbound().unwrap();
    full.set_nonblocking(true).unwrap();
    while full.send_to(&[0], folder.path().join("inbox-1")).is_ok() {}
    let listen = server("HTTP/1.1 200 OK\r\n\r\n");
    let said = asked(&health(get(Door::Shared(listen)), 100), folder.path(), 2);
    let why = "GET /healthz: does not take connections from its inbox";
    assert_eq!((said.result, said.by_any), (Err(why.to_owned()), false));
}

#[test]
fn answers_in_words() {
    let nowhere = Path::new("/nowhere");
    let of = |answer, instances| {
        let at = Door::Address(server(answer));
        asked(&health(get(at), 60_000), nowhere, instances)
    };
    let good = of("HTTP/1.1 204 No Content\r\n\r\n", 1);
    assert!(good.result.is_ok() && !good.by_any, "{good:?}");
    let shared = of("HTTP/1.1 302 Found\r\n\r\n", 2);
    assert!(shared.result.is_ok() && shared.by_any, "{shared:?}");
    for (answer, said) in [
        ("HTTP/1.1 503 Busy\r\n\r\nno", "GET /healthz answered 503"),
        ("", "GET /healthz: closed without an answer"),
        (
            "220 mail\r\n",
            "GET /healthz answered something that is not HTTP",
        ),
    ] {
        assert_eq!(of(answer, 1).result, Err(said.to_owned()));
    }
    let probe = Probe::Http {
        path: "/healthz".to_owned(),
        statuses: vec![503],
        at: Door::Address(server("HTTP/1.1 503 Busy\r\n\r\n")),
    };
    assert!(asked(&health(probe, 60_000), nowhere, 1).result.is_ok());
}

#[test]
fn nobody_there_and_nobody_answering() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let at = || Door::Address(Listen::Address(address));
    let nowhere = Path::new("/nowhere");
    let mute = asked(&health(get(at()), 100), nowhere, 1);
    assert_eq!(
        mute.result,
        Err("GET /healthz: no answer within 0.1 s".to_owned())
    );
    assert!(
        asked(&health(Probe::Tcp { at: at() }, 60_000), nowhere, 1)
            .result
            .is_ok()
    );
    drop(listener);
    let gone = asked(&health(Probe::Tcp { at: at() }, 60_000), nowhere, 1);
    assert_eq!(
        gone.result,
        Err(format!("a connection: {address}: connection refused"))
    );
}

/// What the addressee of an inbox gets is a connection whose peer is asked; who does not take it is not taken for somebody who does.
#[test]
fn an_inbox_is_asked_alone() {
    let folder = tempfile::tempdir().unwrap();
    let old = UnixDatagram::bind(folder.path().join("inbox-7")).unwrap();
    let inbox = UnixDatagram::bind(folder.path().join("inbox-30")).unwrap();
    old.set_nonblocking(true).unwrap();
    for listen in [
        Listen::Port(1),
        Listen::Address(([127, 0, 0, 1], 1).into()),
        Listen::Path("/x".into()),
    ] {
        let at = || Door::Shared(listen.clone());
        let mute = asked(&health(Probe::Tcp { at: at() }, 100), folder.path(), 4);
        assert_eq!(
            mute.result,
            Err("a connection: no answer within 0.1 s".to_owned())
        );
        let mut letter = [0; 8];
        assert_eq!(inbox.recv(&mut letter).unwrap(), 2);
        assert_eq!(letter[0], 4);
        let taking = inbox.try_clone().unwrap();
        // The first one is thrown away, as peers do.
        let taken = std::thread::spawn(move || {
            drop(take(&taking));
            take(&taking)
        });
        let said = asked(&health(Probe::Tcp { at: at() }, 60_000), folder.path(), 4);
        assert!(said.result.is_ok() && !said.by_any, "{said:?}");
        drop(taken.join().unwrap());
        let thrown = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !thrown.load(Ordering::Relaxed) {
                    drop(take(&inbox));
                }
            });
            let probes = [Probe::Tcp { at: at() }, get(at())];
            let said = probes.map(|probe| asked(&health(probe, 300), folder.path(), 4).result);
            thrown.store(true, Ordering::Relaxed);
            let last = UnixDatagram::unbound().unwrap();
            last.send_to(&[0], folder.path().join("inbox-30")).unwrap();
            assert_eq!(
                said,
                ["a connection", "GET /healthz"]
                    .map(|probe| Err(format!("{probe}: no answer within 0.3 s")))
            );
        });
    }
    assert!(old.recv(&mut [0; 8]).is_err());
    // Another one's answer is not its own.
    let folders = tempfile::tempdir().unwrap();
    let [own, peer] = ["api@0", "api@1"].map(|name| folders.path().join(name));
    for folder in [&own, &peer] {
        std::fs::create_dir(folder).unwrap();
    }
    let shared = || Door::Shared(server("HTTP/1.1 200 OK\r\n\r\n"));
    let open = UnixDatagram::bind(peer.join("inbox-1")).unwrap();
    let said = asked(&health(get(shared()), 60_000), &own, 2);
    let why = "GET /healthz: does not take connections yet, as api@1 does";
    assert_eq!((said.result, said.by_any), (Err(why.to_owned()), false));
    // One that runs something else says nothing of this one.
    for (folder, program) in [(&own, "/usr/bin/app"), (&peer, "/usr/bin/node")] {
        std::os::unix::fs::symlink(program, folder.join("program")).unwrap();
    }
    let said = asked(&health(get(shared()), 60_000), &own, 2);
    assert!(said.result.is_ok() && said.by_any, "{said:?}");
    std::fs::remove_file(own.join("program")).unwrap();
    assert!(
        asked(&health(get(shared()), 60_000), &own, 2)
            .result
            .is_err()
    );
    // What ended leaves its inbox behind.
    drop(open);
    let said = asked(&health(get(shared()), 60_000), &own, 2);
    assert!(said.result.is_ok() && said.by_any, "{said:?}");
    // A link leads nowhere.
    std::fs::remove_file(folder.path().join("inbox-30")).unwrap();
    std::os::unix::fs::symlink("inbox-7", folder.path().join("inbox-31")).unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let listen = Listen::Address(listener.local_addr().unwrap());
    let said = asked(
        &health(
            Probe::Tcp {
                at: Door::Shared(listen),
            },
            60_000,
        ),
        folder.path(),
        4,
    );
    assert!(said.result.is_ok() && said.by_any, "{said:?}");
    assert!(old.recv(&mut [0; 8]).is_err());
}
