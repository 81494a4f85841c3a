//! Visitors in the guest who count every request without a complete answer, also the one that is never answered.
//! `visitors PORT CLIENTS`, until SIGTERM; then prints `requests N failed N longest N ms`, and below what went wrong.
//! Each request has a connection of its own. Built with rustc alone.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

unsafe extern "C" {
    fn signal(number: i32, handler: usize) -> usize;
}

const SIGTERM: i32 = 15;
const TIMEOUT: Duration = Duration::from_secs(30);
/// Between two requests of one visitor.
const PAUSE: Duration = Duration::from_millis(20);

static OVER: AtomicBool = AtomicBool::new(false);

extern "C" fn end(_: i32) {
    OVER.store(true, Ordering::SeqCst);
}

fn main() {
    unsafe { signal(SIGTERM, end as extern "C" fn(i32) as usize) };
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u16>().expect("a number"));
    let (port, clients) = (args.next().expect("PORT"), args.next().expect("CLIENTS"));
    let visitors: Vec<_> = (0..clients).map(|_| thread::spawn(move || visit(port))).collect();
    let (mut requests, mut failed, mut longest) = (0, Vec::new(), Duration::ZERO);
    for visitor in visitors {
        let (asked, problems, slowest) = visitor.join().expect("a visitor");
        requests += asked;
        failed.extend(problems);
        longest = longest.max(slowest);
    }
    println!("requests {requests} failed {} longest {} ms", failed.len(), longest.as_millis());
    for problem in failed {
        println!("{problem}");
    }
}

fn visit(port: u16) -> (u64, Vec<String>, Duration) {
    let (mut requests, mut failed, mut longest) = (0, Vec::new(), Duration::ZERO);
    while !OVER.load(Ordering::SeqCst) {
        let sent = Instant::now();
        requests += 1;
        if let Err(why) = ask(port) {
            failed.push(format!("{why} after {} ms", sent.elapsed().as_millis()));
        }
        longest = longest.max(sent.elapsed());
        thread::sleep(PAUSE);
    }
    (requests, failed, longest)
}

fn ask(port: u16) -> Result<(), String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let told = |what: &'static str| move |error: std::io::Error| format!("{what}: {error}");
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(told("connect"))?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(told("timeout"))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: guest\r\nConnection: close\r\n\r\n").map_err(told("write"))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(told("read"))?;
    let complete = answer.strip_prefix("HTTP/1.1 200 ").and_then(|rest| rest.split_once("\r\n\r\n"));
    match complete {
        Some((head, body)) if head.contains(&format!("Content-Length: {}\r\n", body.len())) => Ok(()),
        _ => Err(format!("incomplete answer {answer:?}")),
    }
}
