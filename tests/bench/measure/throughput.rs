//! Requests a second and how long they take, 40 connections: with a new connection for each request, and kept alive.

use std::time::Duration;

use serde_json::{Value, json};

use super::servers::Server;
use super::table::Table;
use super::{Length, median};
use crate::bed::Bed;
use crate::traffic::wrk::{Counted, Wrk};

const CONNECTIONS: u32 = 40;
const ROUNDS: usize = 7;

struct Round {
    counted: Counted,
    /// Of the server's processes, for each request.
    processor_us: f64,
}

/// Medians of the rounds; failures of all.
pub struct Figures {
    per_second: f64,
    /// Of each round.
    rates: Vec<f64>,
    p50_ms: f64,
    p99_ms: f64,
    processor_us: f64,
    failed: u64,
}

pub struct Throughput {
    server: &'static str,
    pub close: Figures,
    pub keep_alive: Figures,
}

/// Rounds take turns: all servers meet the same noise.
pub fn measure(
    bed: &Bed,
    servers: &[Server],
    length: Length,
    progress: &mut dyn FnMut(&str),
) -> Vec<Throughput> {
    let load = |server: &Server, keep_alive, seconds| {
        let wrk = Wrk {
            port: server.port,
            path: "/",
            connections: CONNECTIONS,
            keep_alive,
        };
        let before = server.processor_time(bed);
        let counted = wrk.run(bed, Duration::from_secs(seconds));
        let used = server.processor_time(bed) - before;
        Round {
            processor_us: used as f64 / counted.requests as f64,
            counted,
        }
    };
    for server in servers {
        progress(&format!("warm-up {}", server.name));
        for keep_alive in [false, true] {
            load(server, keep_alive, length.of(3, 1));
        }
    }
    let mut rounds: Vec<[Vec<Round>; 2]> = servers.iter().map(|_| Default::default()).collect();
    for number in 1..=length.of(ROUNDS, 1) {
        for (mode, keep_alive) in [(0, false), (1, true)] {
            for (server, rounds) in servers.iter().zip(&mut rounds) {
                let round = load(server, keep_alive, length.of(4, 1));
                let what = if keep_alive { "keep-alive" } else { "close" };
                progress(&format!(
                    "round {number}, {what}, {}: {:.0}/s, {:.0} µs each",
                    server.name,
                    round.counted.per_second(),
                    round.processor_us
                ));
                rounds[mode].push(round);
            }
        }
    }
    let both = servers.iter().zip(&rounds);
    both.map(|(server, [close, keep_alive])| Throughput {
        server: server.name,
        close: Figures::of(close),
        keep_alive: Figures::of(keep_alive),
    })
    .collect()
}

impl Figures {
    fn of(rounds: &[Round]) -> Figures {
        let each = |value: fn(&Round) -> f64| rounds.iter().map(value).collect::<Vec<f64>>();
        let rates = each(|round| round.counted.per_second());
        Figures {
            per_second: median(&mut rates.clone()),
            rates,
            p50_ms: median(&mut each(|round| round.counted.p50 as f64 / 1000.0)),
            p99_ms: median(&mut each(|round| round.counted.p99 as f64 / 1000.0)),
            processor_us: median(&mut each(|round| round.processor_us)),
            failed: rounds.iter().map(|round| round.counted.failed()).sum(),
        }
    }

    /// Requests a second to another's: the median of the ratios of each round, whose noise was the same.
    pub fn ratio(&self, other: &Figures) -> f64 {
        let both = self.rates.iter().zip(&other.rates);
        median(&mut both.map(|(one, other)| one / other).collect::<Vec<f64>>())
    }

    fn cells(&self) -> [String; 6] {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        [
            format!("{:.0}", self.per_second),
            format!("{:.0}–{:.0}", rates[0], rates[rates.len() - 1]),
            format!("{:.1}", self.p50_ms),
            format!("{:.1}", self.p99_ms),
            format!("{:.0}", self.processor_us),
            self.failed.to_string(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "per_second": self.per_second, "rounds": self.rates, "p50_ms": self.p50_ms, "p99_ms": self.p99_ms,
            "processor_us": self.processor_us, "failed": self.failed,
        })
    }
}

impl Throughput {
    pub fn json(&self) -> Value {
        json!({ "server": self.server, "new_connections": self.close.json(), "keep_alive": self.keep_alive.json() })
    }
}

pub fn table(all: &[Throughput]) -> Table {
    let mut table = Table::new(&[
        "40 connections",
        "req/s",
        "rounds",
        "p50 ms",
        "p99 ms",
        "processor µs/req",
        "failed",
    ]);
    let mut row = |mode: &str, one: &Throughput, figures: &Figures| {
        let what = format!("{mode}, {}", one.server);
        table.row([what].into_iter().chain(figures.cells()));
    };
    for one in all {
        row("a new connection each", one, &one.close);
    }
    for one in all {
        row("keep-alive", one, &one.keep_alive);
    }
    table
}
