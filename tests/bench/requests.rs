//! Requests and response times as the preload counts them, beside what wrk saw in the same run, and what the counting costs:
//! `cargo bench --bench requests`. What is measured and how is in README.md beside this.

#[path = "../nodes/mod.rs"]
mod nodes;
#[path = "requests/server.rs"]
mod server;
#[path = "measure/table.rs"]
mod table;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use rpmctl::process::Requests;
use server::{Counted, Server};
use table::Table;

/// Of a 20 ms handler: how far from wrk's figures ours may be.
const WITHIN: f64 = 0.05;
/// Of throughput, and of processor time.
const COST: f64 = 0.01;
const CONNECTIONS: u32 = 40;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` runs it too.
    if !args.iter().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    let short = args.iter().any(|arg| arg == "--short");
    let only =
        |part| args.iter().all(|arg| arg.starts_with("--")) || args.iter().any(|arg| arg == part);
    let mut missed = false;
    if only("times") {
        missed |= times(if short { 4 } else { 30 });
    }
    if only("cost") {
        missed |= cost(if short { 2 } else { 40 });
    }
    if missed && !short {
        eprintln!("missed: see the last columns");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Side by side, by handler and rate; whether a promise was missed.
fn times(seconds: u64) -> bool {
    let mut table = Table::new(&["", "", "req/s", "p50 ms", "p95 ms", "p99 ms", "promised"]);
    let mut missed = false;
    for (what, path, connections, delay, promised) in [
        ("20 ms handler, 100 req/s", "/slow", 10, 80, true),
        ("20 ms handler, 5,000 req/s", "/slow", 300, 40, true),
        ("fast handler, 100 req/s", "/", 10, 100, false),
        ("fast handler, 5,000 req/s", "/", 150, 30, false),
    ] {
        eprintln!("{what}");
        let server = Server::start(true, None);
        let seen = server.load(path, connections, delay, seconds);
        let said = server.requests();
        let said = said
            .per_second()
            .map(|rate| (rate, settled(&server, &seen)));
        let (rate, said) = said.expect("a rate");
        let quantile = |share| said.total.quantile(share).unwrap_or_default().as_secs_f64() * 1e6;
        let pairs = [
            (seen.per_second(), rate),
            (seen.p50 as f64, quantile(0.5)),
            (seen.p95 as f64, quantile(0.95)),
            (seen.p99 as f64, quantile(0.99)),
        ];
        let form = |index: usize, value: f64| match index {
            0 => format!("{value:.1}"),
            _ => format!("{:.3}", value / 1e3),
        };
        let kept = pairs
            .iter()
            .all(|(seen, said)| (said / seen - 1.0).abs() <= WITHIN);
        missed |= promised && !kept;
        let row = |who: &str, cells: Vec<String>, last: &str| {
            [vec![who.to_owned()], cells, vec![last.to_owned()]].concat()
        };
        let each = |cell: &dyn Fn(usize, (f64, f64)) -> String| {
            pairs
                .iter()
                .enumerate()
                .map(|(i, pair)| cell(i, *pair))
                .collect()
        };
        let seen = row("wrk", each(&|i, (seen, _)| form(i, seen)), "");
        let said = row("rpmctl", each(&|i, (_, said)| form(i, said)), "");
        let off = each(&|_, (seen, said)| format!("{:+.1} %", (said / seen - 1.0) * 100.0));
        let verdict = match (promised, kept) {
            (false, _) => "-",
            (true, true) => "kept",
            (true, false) => "broken",
        };
        table.row([vec![what.to_owned()], seen].concat());
        table.row([vec![String::new()], said].concat());
        table.row([vec![String::new()], row("off by", off, verdict)].concat());
    }
    print!("{table}");
    missed
}

/// When all that wrk saw is written.
fn settled(server: &Server, seen: &Counted) -> Requests {
    let begun = Instant::now();
    loop {
        let said = server.requests();
        if said.total.count >= seen.requests {
            return said;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{said:?}\n{seen:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// As fast as wrk can, with and without counting: rounds take turns, and a ratio is the median of those of each pair.
fn cost(rounds: usize) -> bool {
    let express = nodes::express().join("node_modules");
    let mut table = Table::new(&[
        "counting / not counting",
        "req/s",
        "without",
        "ratio",
        "processor µs",
        "without",
        "ratio",
        "promised",
    ]);
    let mut missed = false;
    for (what, packages) in [("node:http", None), ("Express", Some(&*express))] {
        let servers = [true, false].map(|counts| Server::start(counts, packages));
        for server in &servers {
            server.load("/", CONNECTIONS, 0, 3);
        }
        let (mut rates, mut times) = ([vec![], vec![]], [vec![], vec![]]);
        for round in 0..rounds {
            // Neither is always first.
            for which in [round % 2, 1 - round % 2] {
                let server = &servers[which];
                let before = server.processor_time();
                let counted = server.load("/", CONNECTIONS, 0, 1);
                let used = (server.processor_time() - before) as f64 / 1e3;
                rates[which].push(counted.per_second());
                times[which].push(used / counted.requests as f64);
            }
            eprintln!("{what}, round {}", round + 1);
        }
        let ratio = |[with, without]: &[Vec<f64>; 2]| {
            let pairs = with.iter().zip(without);
            median(pairs.map(|(with, without)| with / without).collect())
        };
        let (rate, time) = (ratio(&rates), ratio(&times));
        let kept = rate >= 1.0 - COST;
        missed |= !kept;
        let [with, without] = rates.map(median);
        let [used, used_without] = times.map(median);
        table.row([
            what.to_owned(),
            format!("{with:.0}"),
            format!("{without:.0}"),
            format!("{rate:.4}"),
            format!("{used:.2}"),
            format!("{used_without:.2}"),
            format!("{time:.4}"),
            if kept { "kept" } else { "broken" }.to_owned(),
        ]);
    }
    print!("{table}");
    missed
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}
