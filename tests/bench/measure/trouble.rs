//! One worker of four in trouble, for two seconds: what visitors on new connections see, one every 5 ms, each asking
//! what takes 20 ms.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::servers::{Server, WORKERS};
use super::table::Table;
use super::{Length, median};
use crate::bed::Bed;
use crate::traffic::paced::{self, Visit, Visitors};
use crate::traffic::strict::kinds;
use crate::traffic::{Running, http, http::Connection, http::Failure};

const KINDS: [&str; 3] = ["stopped (SIGSTOP)", "killed (SIGKILL)", "busy (a loop)"];
const EVERY: Duration = Duration::from_millis(5);

struct Round {
    /// Over when the trouble begins.
    before: Vec<Visit>,
    /// Begun before, and not over.
    caught: Vec<Visit>,
    during: Vec<Visit>,
}

pub struct Trouble {
    server: &'static str,
    kind: &'static str,
    visits: usize,
    /// Also of requests that were caught in flight.
    failed: Vec<Failure>,
    /// Medians over the rounds, milliseconds: the longest wait before, and of connections made during the trouble the
    /// 99th of a hundred and the longest.
    normal_ms: f64,
    p99_ms: f64,
    longest_ms: f64,
}

pub fn measure(
    bed: &Bed,
    servers: &[Server],
    length: Length,
    progress: &mut dyn FnMut(&str),
) -> Vec<Trouble> {
    let span = Duration::from_millis(length.of(2000, 300));
    let mut all = Vec::new();
    for kind in KINDS {
        let mut rounds: Vec<Vec<Round>> = servers.iter().map(|_| Vec::new()).collect();
        for _ in 0..length.of(3, 1) {
            for (server, rounds) in servers.iter().zip(&mut rounds) {
                rounds.push(round(bed, server, kind, span));
            }
        }
        for (server, rounds) in servers.iter().zip(&rounds) {
            let one = Trouble::of(server, kind, rounds);
            let longest = one.longest_ms;
            progress(&format!(
                "a worker {kind}, {}: longest wait {longest:.0} ms",
                server.name
            ));
            all.push(one);
        }
    }
    all
}

fn round(bed: &Bed, server: &Server, kind: &str, span: Duration) -> Round {
    bed.wait_until("all workers answer", http::PATIENCE, || {
        server.workers(bed).len() == WORKERS
    });
    let workers = server.workers(bed);
    let victim = workers.first().expect("a worker").to_string();
    let visitors = Visitors {
        port: server.port,
        path: "/slow",
        every: EVERY,
    };
    let visits_of = |time: Duration| (time.as_millis() / EVERY.as_millis()) as u64;
    let visitors = visitors.start(bed);
    visitors.wait_for(20);
    let begun = Instant::now();
    visitors.wait_for(visits_of(span / 2));
    let struck = Instant::now();
    let over = match kind {
        "busy (a loop)" => {
            keep_busy(bed, server.port, span);
            Instant::now()
        }
        "killed (SIGKILL)" => {
            bed.ok(&["kill", "-KILL", &victim]);
            std::thread::sleep(span);
            Instant::now()
        }
        _ => {
            bed.ok(&["kill", "-STOP", &victim]);
            // The trouble itself lasts this long; nothing is waited for.
            std::thread::sleep(span);
            let over = Instant::now();
            bed.ok(&["kill", "-CONT", &victim]);
            over
        }
    };
    let visits = visitors.stop();
    let (before, caught) = paced::between(&visits, begun, struck)
        .into_iter()
        .partition(|visit| visit.at + visit.wait < struck);
    Round {
        before,
        caught,
        during: paced::between(&visits, struck, over),
    }
}

/// Returns when the worker that took the request is free again.
fn keep_busy(bed: &Bed, port: u16, span: Duration) {
    let path = format!("/busy?ms={}", span.as_millis());
    let asked = Running::start(bed, move |_| async move {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        Connection::open(address).await?.get(&path, false).await
    });
    asked.finish().expect("the answer of the busy worker");
}

impl Trouble {
    fn of(server: &Server, kind: &'static str, rounds: &[Round]) -> Trouble {
        let each = |of: &dyn Fn(&Round) -> Duration| {
            let mut values: Vec<f64> = rounds.iter().map(|one| milliseconds(of(one))).collect();
            median(&mut values)
        };
        Trouble {
            server: server.name,
            kind,
            visits: rounds.iter().map(|one| one.during.len()).sum(),
            failed: rounds
                .iter()
                .flat_map(|one| [paced::failures(&one.caught), paced::failures(&one.during)])
                .flatten()
                .collect(),
            normal_ms: each(&|one| paced::longest(&one.before)),
            p99_ms: each(&|one| percentile_99(&one.during)),
            longest_ms: each(&|one| paced::longest(&one.during)),
        }
    }

    pub fn json(&self) -> Value {
        json!({
            "server": self.server, "one_worker": self.kind, "requests": self.visits, "failed": self.failed.len(),
            "longest_before_ms": self.normal_ms, "p99_ms": self.p99_ms, "longest_ms": self.longest_ms,
        })
    }
}

fn percentile_99(visits: &[Visit]) -> Duration {
    let mut waits: Vec<Duration> = visits.iter().map(|visit| visit.wait).collect();
    waits.sort_unstable();
    let last = waits.len().saturating_sub(1);
    waits.get(last * 99 / 100).copied().unwrap_or_default()
}

fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

pub fn table(all: &[Trouble]) -> Table {
    let head = [
        "one worker of four",
        "requests",
        "failed",
        "p99 ms",
        "longest ms",
        "longest before",
    ];
    let mut table = Table::new(&head);
    for one in all {
        table.row([
            format!("{}, {}", one.kind, one.server),
            one.visits.to_string(),
            kinds(one.failed.iter().copied()),
            format!("{:.0}", one.p99_ms),
            format!("{:.0}", one.longest_ms),
            format!("{:.0}", one.normal_ms),
        ]);
    }
    table
}
