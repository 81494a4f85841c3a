//! wrk (Debian's package), the public load generator.
//!
//! Failed is what it counts as connect, read or write error, status above 399, or answered too late. It counts a
//! connection that is closed under a request as a read error, also when it is closed cleanly (tried: a server that
//! reads the second request and closes), and one that said `Connection: close` as none. A request that is never answered
//! it leaves out: `strict` sees that.

use std::time::Duration;

use rustix::process::Signal;
use serde::Deserialize;

use crate::bed::{Bed, Output, Spawned};

const SCRIPT: &str = "/srv/wrk.lua";
/// Longer than any load: it is stopped.
const UNTIL_STOPPED: Duration = Duration::from_secs(600);

#[derive(Clone, Copy)]
pub struct Wrk {
    pub port: u16,
    pub path: &'static str,
    pub connections: u32,
    pub keep_alive: bool,
}

/// Times in µs.
#[derive(Clone, Debug, Deserialize)]
pub struct Counted {
    pub requests: u64,
    pub micros: u64,
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
    pub connect: u64,
    pub read: u64,
    pub write: u64,
    pub status: u64,
    pub timeout: u64,
}

impl Counted {
    pub fn failed(&self) -> u64 {
        self.connect + self.read + self.write + self.status + self.timeout
    }

    pub fn per_second(&self) -> f64 {
        self.requests as f64 / (self.micros as f64 / 1e6)
    }
}

impl Wrk {
    /// For `span`, whole seconds.
    pub fn run(self, bed: &Bed, span: Duration) -> Counted {
        counted(self.spawn(bed, span).wait(span + Duration::from_secs(60)))
    }

    pub fn start(self, bed: &Bed) -> Loading {
        Loading(self.spawn(bed, UNTIL_STOPPED))
    }

    fn spawn(self, bed: &Bed, span: Duration) -> Spawned {
        bed.write(SCRIPT, 0o644, include_str!("wrk.lua"));
        let (connections, span) = (
            self.connections.to_string(),
            format!("{}s", span.as_secs().max(1)),
        );
        let url = format!("http://127.0.0.1:{}{}", self.port, self.path);
        let mut args = vec!["wrk", "-t1", "-c", &connections, "-d", &span];
        args.extend(["--timeout", "10s", "-s", SCRIPT]);
        if !self.keep_alive {
            args.extend(["-H", "Connection: close"]);
        }
        args.push(&url);
        bed.spawn(&args)
    }
}

/// wrk at work; killed when dropped.
pub struct Loading(Spawned);

impl Loading {
    pub fn stop(mut self) -> Counted {
        assert!(
            self.0.is_running(),
            "wrk ended early:\n{:?}",
            self.0.printed()
        );
        self.0.signal(Signal::INT);
        counted(self.0.wait(Duration::from_secs(30)))
    }
}

fn counted(output: Output) -> Counted {
    let line = output.stdout.lines().find(|line| line.starts_with('{'));
    line.and_then(|line| serde_json::from_str(line).ok())
        .unwrap_or_else(|| panic!("wrk (package wrk) counted nothing\n{output}"))
}
