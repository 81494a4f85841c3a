//! Answers HTTP on descriptor 3, handed over as sd_listen_fds(3) says. Built by apps.rs with rustc alone.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::FromRawFd;
use std::time::Duration;

#[repr(C)]
struct PollFd {
    fd: i32,
    events: i16,
    revents: i16,
}

unsafe extern "C" {
    fn poll(fds: *mut PollFd, count: std::ffi::c_ulong, timeout: i32) -> i32;
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn main() {
    assert_eq!(variable("LISTEN_FDS"), "1");
    assert_eq!(variable("LISTEN_PID"), std::process::id().to_string());
    let listener = unsafe { TcpListener::from_raw_fd(3) };
    let answer = format!("{} {} {}\n", variable("NODE_APP_INSTANCE"), std::process::id(), variable("GREETING"));
    loop {
        let mut readable = PollFd { fd: 3, events: 1, revents: 0 };
        unsafe { poll(&mut readable, 1, -1) };
        // The listener does not block: another instance may have been quicker.
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => panic!("accept: {error}"),
        };
        let mut request = Vec::new();
        let mut chunk = [0; 4096];
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read(&mut chunk) {
                Ok(size @ 1..) => request.extend_from_slice(&chunk[..size]),
                _ => break,
            }
        }
        if request.starts_with(b"GET /busy ") {
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
            answer.len()
        );
    }
}
