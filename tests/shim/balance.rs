//! Even shares: connections go to the instance that has the fewest, and none is lost with one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::launch::{App, Unit};
use crate::share::NODE;

const PATIENCE: Duration = Duration::from_secs(120);

/// Each answer names the process; connections stay open.
const ASYNCIO: &str = "
import asyncio, os, sys
async def serve(reader, writer):
    while (await reader.readline()):
        while (await reader.readline()).strip(): pass
        pid = str(os.getpid())
        writer.write(f'HTTP/1.1 200 OK\\r\\nContent-Length: {len(pid)}\\r\\n\\r\\n{pid}'.encode())
async def main():
    server = await asyncio.start_server(serve, '0.0.0.0', int(os.environ['PORT']))
    await server.serve_forever()
asyncio.run(main())
";

/// Ready only when it handles the signal.
const CLOSES: &str = "
const http = require('http');
const server = http.createServer((req, res) => res.end(String(process.pid)));
process.on('SIGTERM', () => server.close());
server.listen(process.env.PORT);
";

/// A connection that is kept, and the process that answers on it.
struct Kept {
    stream: BufReader<TcpStream>,
    process: String,
}

impl Kept {
    fn open(port: u16) -> Kept {
        let address: SocketAddr = (Ipv4Addr::LOCALHOST, port).into();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut kept = Kept {
            stream: BufReader::new(stream),
            process: String::new(),
        };
        kept.ask();
        kept
    }

    fn ask(&mut self) {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        self.stream.get_mut().write_all(request).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert_ne!(self.stream.read_line(&mut line).unwrap(), 0, "closed");
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        self.process = String::from_utf8(body).unwrap();
    }
}

/// How many each process holds.
fn shares(kept: &[Kept]) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for one in kept {
        *shares.entry(one.process.clone()).or_default() += 1;
    }
    shares
}

fn spread(kept: &[Kept]) -> (usize, usize, usize) {
    let shares = shares(kept);
    let most = shares.values().max().copied().unwrap_or(0);
    let fewest = shares.values().min().copied().unwrap_or(0);
    (shares.len(), most, fewest)
}

fn cluster(command: &[&str], unit: &Unit, instances: u32) -> Vec<App> {
    let apps: Vec<App> = (0..instances)
        .map(|number| unit.start_instance(number, command))
        .collect();
    for app in &apps {
        app.ready();
    }
    apps
}

fn node(instances: u32) -> (Unit, u16, Vec<App>) {
    let (mut unit, port) = Unit::tcp("0.0.0.0");
    unit.env.push(("PORT", port.to_string()));
    let script = unit.write("app.js", CLOSES);
    let apps = cluster(&["node", &script], &unit, instances);
    (unit, port, apps)
}

/// Instances find each other when their event loops turn, a moment after they listen. The connections that were even: two each.
fn until_even(port: u16, instances: usize) -> Vec<Kept> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let kept: Vec<Kept> = (0..2 * instances).map(|_| Kept::open(port)).collect();
        if spread(&kept) == (instances, 2, 2) {
            return kept;
        }
        assert!(Instant::now() < deadline, "{:?}", shares(&kept));
    }
}

/// Whether so many connections are spread so. An instance that gets no processor for 50 ms is passed over, which is right: what came out then is no
/// proof of unevenness, and the next try may show more. Those of the first look stay open: an instance counts a connection until it has closed it, a
/// moment after its client.
fn spreads(
    port: u16,
    instances: usize,
    count: usize,
    is_even: impl Fn(usize, usize) -> bool,
) -> bool {
    let deadline = Instant::now() + PATIENCE;
    let mut tries = 0;
    while tries < 3 && Instant::now() < deadline {
        let mut kept = until_even(port, instances);
        let pids: Vec<String> = shares(&kept).into_keys().collect();
        let before = waits(&pids);
        kept.extend((kept.len()..count).map(|_| Kept::open(port)));
        let (all, most, fewest) = spread(&kept);
        if all == instances && is_even(most, fewest) {
            return true;
        }
        let waited = before.iter().zip(waits(&pids));
        let waited = waited.map(|(before, after)| after - *before).max();
        tries += usize::from(waited < Some(Duration::from_millis(50)));
        eprintln!("{count}: {:?}, waited {waited:?}", shares(&kept));
    }
    false
}

/// How long each process has waited for a processor in its life: /proc/PID/schedstat.
fn waits(pids: &[String]) -> Vec<Duration> {
    let of = |pid: &String| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("schedstat");
        let nanos = text.split_ascii_whitespace().nth(1).expect("a wait");
        Duration::from_nanos(nanos.parse().expect("a number"))
    };
    pids.iter().map(of).collect()
}

#[test]
fn kept_connections_are_even() {
    let (_unit, port, _apps) = node(4);
    for count in [8, 40, 200] {
        assert!(spreads(port, 4, count, |most, fewest| most * 4 <= fewest * 5));
    }
}

#[test]
fn asyncio_is_even_too() {
    // Each try with instances of its own: on a machine that stands still for a moment, connections come back from who did not take them.
    let is_even = |_| {
        let (mut unit, port) = Unit::tcp("0.0.0.0");
        unit.env.push(("PORT", port.to_string()));
        let script = unit.write("app.py", ASYNCIO);
        let _apps = cluster(&["python3", &script], &unit, 3);
        let mut kept = until_even(port, 3);
        kept.extend((kept.len()..30).map(|_| Kept::open(port)));
        eprintln!("{:?}", shares(&kept));
        let (all, most, fewest) = spread(&kept);
        all == 3 && most * 4 <= fewest * 5
    };
    assert!((0..4).any(is_even));
}

#[test]
fn a_new_instance_gets_the_next_connections() {
    let (unit, port, _apps) = node(2);
    until_even(port, 2);
    let mut kept: Vec<Kept> = (0..20).map(|_| Kept::open(port)).collect();
    let script = unit.dir.path().join("app.js");
    let third = unit.start_instance(2, &["node", script.to_str().unwrap()]);
    third.ready();
    let name = third.id().to_string();
    let deadline = Instant::now() + PATIENCE;
    while shares(&kept).get(&name).is_none_or(|share| *share < 10) {
        kept.push(Kept::open(port));
        assert!(Instant::now() < deadline, "{:?}", shares(&kept));
    }
    let (_, most, fewest) = spread(&kept);
    // Before, each had ten: the others get hardly any until it has as many.
    assert!(fewest >= 10 && most <= 16, "{:?}", shares(&kept));
}

/// Asks on new connections; how many answered, and the longest wait.
fn ask_anew(port: u16, times: usize) -> (usize, Duration) {
    let mut longest = Duration::ZERO;
    for _ in 0..times {
        let start = Instant::now();
        drop(Kept::open(port));
        longest = longest.max(start.elapsed());
    }
    (times, longest)
}

#[test]
fn a_killed_instance_takes_no_connection_with_it() {
    let (unit, port, mut apps) = node(3);
    until_even(port, 3);
    apps[1].signal(Signal::KILL);
    apps[1].wait();
    assert_eq!(ask_anew(port, 60).0, 60);
    let script = unit.dir.path().join("app.js");
    apps[1] = unit.start_instance(1, &["node", script.to_str().unwrap()]);
    apps[1].ready();
    until_even(port, 3);
}

#[test]
fn what_a_stuck_instance_was_handed_comes_back() {
    let (_unit, port, apps) = node(3);
    until_even(port, 3);
    apps[0].signal(Signal::STOP);
    let kept: Vec<Kept> = (0..30).map(|_| Kept::open(port)).collect();
    assert_eq!(shares(&kept).len(), 2, "{:?}", shares(&kept));
    apps[0].signal(Signal::CONT);
    drop(kept);
    until_even(port, 3);
}

/// Those that were passed over are tried again although another has as few.
#[test]
fn two_that_were_stuck_come_back_both() {
    let (_unit, port, apps) = node(4);
    until_even(port, 4);
    for app in &apps[2..] {
        app.signal(Signal::STOP);
    }
    let kept: Vec<Kept> = (0..20).map(|_| Kept::open(port)).collect();
    assert_eq!(shares(&kept).len(), 2, "{:?}", shares(&kept));
    for app in &apps[2..] {
        app.signal(Signal::CONT);
    }
    // The first two hold ten each, so the next four are for the others.
    let deadline = Instant::now() + PATIENCE;
    let came_back = || {
        let next: Vec<Kept> = (0..4).map(|_| Kept::open(port)).collect();
        apps[2..]
            .iter()
            .all(|app| shares(&next).get(&app.id().to_string()) == Some(&2))
    };
    while !came_back() {
        assert!(Instant::now() < deadline, "not both came back");
    }
}

#[test]
fn an_instance_that_closes_its_listener_loses_none() {
    let (unit, port, mut apps) = node(3);
    until_even(port, 3);
    let script = unit.dir.path().join("app.js");
    let asked = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask_anew(port, 600));
        while !asking.is_finished() {
            // server.close() as the signal handler's only act.
            apps[2].signal(Signal::TERM);
            assert_eq!(apps[2].wait(), 0);
            apps[2] = unit.start_instance(2, &["node", script.to_str().unwrap()]);
            apps[2].ready();
        }
        asking.join().unwrap()
    });
    assert_eq!(asked.0, 600);
}

#[test]
fn each_of_two_listeners_is_even() {
    let listeners: Vec<TcpListener> = (0..2)
        .map(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap())
        .collect();
    let ports: Vec<u16> = listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap().port())
        .collect();
    let mut unit = Unit::new(listeners.into_iter().map(Into::into));
    unit.env.push(("PORT", ports[0].to_string()));
    unit.env.push(("OTHER", ports[1].to_string()));
    let both = CLOSES.replace("server.listen(", "http.createServer((req, res) => res.end(String(process.pid))).listen(process.env.OTHER);\nserver.listen(");
    let script = unit.write("app.js", &both);
    let _apps = cluster(&["node", &script], &unit, 3);
    for port in &ports {
        until_even(*port, 3);
    }
    let kept: Vec<Vec<Kept>> = ports
        .iter()
        .map(|port| (0..30).map(|_| Kept::open(*port)).collect())
        .collect();
    for kept in &kept {
        assert_eq!(spread(kept), (3, 10, 10), "{:?}", shares(kept));
    }
}

#[test]
fn strange_letters_are_thrown_away() {
    let (unit, port, _apps) = node(2);
    until_even(port, 2);
    let folder = unit.runtime_folder(0);
    let stranger = UnixDatagram::unbound().unwrap();
    let inboxes = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().path());
    let mut sent = 0;
    for inbox in inboxes.filter(|path| path.to_string_lossy().contains("/inbox-")) {
        for letter in [
            &b""[..],
            b"\0",
            b"\x01\0",
            b"\x02\x09",
            b"\x03\xff",
            b"\xff\xff",
            &[7; 4096],
        ] {
            stranger.send_to(letter, &inbox).unwrap();
            sent += 1;
        }
    }
    assert_eq!(sent, 7);
    assert_eq!(ask_anew(port, 20).0, 20);
    until_even(port, 2);
}

/// Puts one end of a connection into an inbox as whoever asks after an instance's health does (src/probe).
fn question(folder: &Path) -> Kept {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let theirs = listener.accept().unwrap().0;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let inbox = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("/inbox-"))
        .expect("an inbox");
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect(inbox).unwrap();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = rustix::net::SendAncillaryBuffer::new(&mut space);
    let descriptors = [theirs.as_fd()];
    ancillary.push(rustix::net::SendAncillaryMessage::ScmRights(&descriptors));
    let letter = [std::io::IoSlice::new(&[4, 0])];
    rustix::net::sendmsg(
        &sender,
        &letter,
        &mut ancillary,
        rustix::net::SendFlags::empty(),
    )
    .unwrap();
    Kept {
        stream: BufReader::new(stream),
        process: String::new(),
    }
}

#[test]
fn a_question_is_for_its_addressee_alone() {
    let (unit, port, apps) = node(3);
    until_even(port, 3);
    for _ in 0..20 {
        for (number, app) in (0_u32..).zip(&apps) {
            let mut asked = question(&unit.runtime_folder(number));
            asked.ask();
            assert_eq!(asked.process, app.id().to_string());
        }
    }
    until_even(port, 3);
    // Stuck, with questions between the connections that it was handed: those come back, and the others answer no question.
    apps[0].signal(Signal::STOP);
    let mut questions: Vec<Kept> = Vec::new();
    let mut kept: Vec<Kept> = Vec::new();
    for _ in 0..10 {
        questions.push(question(&unit.runtime_folder(0)));
        kept.extend((0..3).map(|_| Kept::open(port)));
    }
    assert_eq!(shares(&kept).len(), 2, "{:?}", shares(&kept));
    for asked in &mut questions {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        // Thrown away by another already, or still with the stuck one.
        let _ = asked.stream.get_mut().write_all(request);
        let stream = asked.stream.get_mut();
        stream
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        assert!(!matches!(stream.read(&mut [0; 64]), Ok(1..)));
    }
    apps[0].signal(Signal::CONT);
    drop((kept, questions));
    until_even(port, 3);
}

/// Python closes every descriptor it does not know in a child that shares its memory (vfork(2)).
#[test]
fn children_that_close_everything_change_nothing() {
    let (mut unit, port) = Unit::tcp("0.0.0.0");
    unit.env.push(("PORT", port.to_string()));
    let spawning = ASYNCIO.replace(
        "        pid =",
        "        import subprocess; subprocess.run(['true'], close_fds=True)\n        pid =",
    );
    let script = unit.write("app.py", &spawning);
    let _apps = cluster(&["python3", &script], &unit, 2);
    until_even(port, 2);
    let kept: Vec<Kept> = (0..20).map(|_| Kept::open(port)).collect();
    assert_eq!(spread(&kept), (2, 10, 10), "{:?}", shares(&kept));
}

#[test]
fn switched_off_it_makes_no_files() {
    let (mut unit, port) = Unit::tcp("0.0.0.0");
    unit.env.push(("PORT", port.to_string()));
    unit.env.push(("RPMCTL_BALANCE", "0".to_owned()));
    let script = unit.write("app.js", NODE);
    let _apps = cluster(&["node", &script], &unit, 2);
    assert_eq!(ask_anew(port, 10).0, 10);
    let files = std::fs::read_dir(unit.runtime_folder(0)).unwrap().count();
    assert_eq!(files, 0);
}
