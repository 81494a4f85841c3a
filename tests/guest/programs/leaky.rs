//! An app for the guest: answers HTTP on PORT, and does to its memory what its environment says. Built with rustc alone.
//!
//! LEAK: megabytes a second that it takes and never gives back, from LEAK_FROM seconds of the machine's uptime on, and
//! LEAK_SHIFT later for each number of its instance; when that is past, from the next multiple of LEAK_EVERY after it,
//! or at once. TRIGGER: a file; it leaks, and with DEAF takes no signal to stop from then on, when that file is there,
//! which it removes. LIMIT: bytes of anonymous memory of its cgroup at which it prints `crossed BYTES`, once.
//! FILE: read whole, again and again, for page cache. LINES: numbered lines it prints a second.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[repr(C)]
struct PollFd {
    fd: i32,
    events: i16,
    revents: i16,
}

unsafe extern "C" {
    fn poll(fds: *mut PollFd, count: std::ffi::c_ulong, timeout: i32) -> i32;
    fn signal(number: i32, handler: usize) -> usize;
}

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
const IGNORE: usize = 1;
const PAGE: usize = 4096;
const TICK: Duration = Duration::from_millis(20);

static STOPPED: AtomicBool = AtomicBool::new(false);
static ANSWERING: AtomicUsize = AtomicUsize::new(0);

extern "C" fn stop(_: i32) {
    STOPPED.store(true, Ordering::SeqCst);
}

fn number(name: &str) -> Option<f64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

fn on_stop(handler: usize) {
    for number in [SIGINT, SIGTERM] {
        unsafe { signal(number, handler) };
    }
}

fn main() {
    let instance = number("NODE_APP_INSTANCE").unwrap_or(0.0);
    on_stop(stop as extern "C" fn(i32) as usize);
    let port = number("PORT").expect("PORT") as u16;
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port");
    if let Some(rate) = number("LEAK") {
        let from = number("LEAK_FROM").unwrap_or(0.0) + number("LEAK_SHIFT").unwrap_or(0.0) * instance;
        let every = number("LEAK_EVERY");
        thread::spawn(move || {
            let left = from - uptime();
            let wait = every.filter(|_| left < 0.0).map_or(left, |every| left.rem_euclid(every));
            thread::sleep(Duration::from_secs_f64(wait.max(0.0)));
            if let Ok(path) = std::env::var("TRIGGER") {
                while fs::remove_file(&path).is_err() {
                    thread::sleep(TICK);
                }
                if number("DEAF").is_some() {
                    on_stop(IGNORE);
                }
            }
            leak(rate);
        });
    }
    if let Some(limit) = number("LIMIT") {
        thread::spawn(move || tell_when_over(limit as u64));
    }
    if let Ok(path) = std::env::var("FILE") {
        thread::spawn(move || read_again_and_again(&path));
    }
    if let Some(rate) = number("LINES") {
        thread::spawn(move || print_lines(rate));
    }
    serve(&listener);
    while ANSWERING.load(Ordering::SeqCst) > 0 {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Until it is told to stop; whoever waits in the socket's queue then is another instance's.
fn serve(listener: &TcpListener) {
    while !STOPPED.load(Ordering::SeqCst) {
        let mut readable = PollFd { fd: listener.as_raw_fd(), events: 1, revents: 0 };
        // The signal may come to another thread.
        unsafe { poll(&mut readable, 1, 50) };
        if readable.revents == 0 || STOPPED.load(Ordering::SeqCst) {
            continue;
        }
        match listener.accept() {
            Ok((stream, _)) => {
                ANSWERING.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    answer(stream);
                    ANSWERING.fetch_sub(1, Ordering::SeqCst);
                });
            }
            // Another instance was quicker.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("accept: {error}"),
        }
    }
}

fn answer(mut stream: TcpStream) {
    // Some kernels hand down the listener's O_NONBLOCK, some do not.
    stream.set_nonblocking(false).expect("a connection");
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(size @ 1..) => request.extend_from_slice(&chunk[..size]),
            _ => return,
        }
    }
    let text = format!("{}\n", std::process::id());
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len());
}

/// Seconds since the machine booted.
fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").expect("uptime");
    text.split(' ').next().and_then(|seconds| seconds.parse().ok()).expect("uptime")
}

/// Catches up after a pause: what counts is the rate.
fn leak(rate: f64) {
    let start = Instant::now();
    let mut taken = 0;
    loop {
        let due = (start.elapsed().as_secs_f64() * rate * 1e6) as usize;
        while taken < due {
            let mut piece = Vec::<u8>::with_capacity(64 * PAGE);
            for page in 0..64 {
                // Taken when it is written to.
                unsafe { piece.as_mut_ptr().add(page * PAGE).write_volatile(1) };
            }
            taken += 64 * PAGE;
            std::mem::forget(piece);
        }
        thread::sleep(TICK);
    }
}

fn tell_when_over(limit: u64) {
    let group = fs::read_to_string("/proc/self/cgroup").expect("cgroup");
    let group = group.lines().find_map(|line| line.strip_prefix("0::")).expect("cgroup v2");
    let path = format!("/sys/fs/cgroup{group}/memory.stat");
    loop {
        let stat = fs::read_to_string(&path).expect("memory.stat");
        let of = |name: &str| {
            let line = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|bytes| bytes.parse::<u64>().ok()).expect("memory.stat")
        };
        let bytes = of("anon") + of("shmem");
        if bytes >= limit {
            println!("crossed {bytes}");
            return;
        }
        thread::sleep(3 * TICK);
    }
}

fn read_again_and_again(path: &str) {
    let mut chunk = vec![0; 1 << 20];
    for round in 1.. {
        let mut file = File::open(path).expect("FILE");
        let mut size = 0;
        while let Ok(more @ 1..) = file.read(&mut chunk) {
            size += more;
        }
        println!("round {round}: read {size} bytes");
        thread::sleep(Duration::from_secs(1));
    }
}

/// `BOOT PID NUMBER`
fn print_lines(rate: f64) {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("boot_id");
    let boot = &boot[..8];
    let start = Instant::now();
    let mut printed = 0;
    loop {
        while (printed as f64) < start.elapsed().as_secs_f64() * rate {
            printed += 1;
            println!("{boot} {} {printed}", std::process::id());
        }
        thread::sleep(TICK);
    }
}
