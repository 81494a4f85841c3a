//! How keep-alive connections spread over the workers: opened all at once, and one every 5 ms.

use std::time::Duration;

use serde_json::{Value, json};

use super::servers::{Server, WORKERS};
use super::table::Table;
use super::{Length, median};
use crate::bed::Bed;
use crate::traffic::held;

const COUNTS: [usize; 3] = [8, 40, 200];
const PACE: Duration = Duration::from_millis(5);

struct Row {
    count: usize,
    paced: bool,
    /// Median over the rounds of most/fewest; infinite where a worker got none.
    ratio: f64,
    /// Connections of the workers in the median round, most first.
    workers: Vec<usize>,
}

pub struct Spread {
    server: &'static str,
    rows: Vec<Row>,
}

impl Spread {
    pub fn worst_ratio(&self, count: usize) -> f64 {
        let of_count = self.rows.iter().filter(|row| row.count == count);
        of_count.map(|row| row.ratio).fold(0.0, f64::max)
    }

    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "connections": row.count, "paced": row.paced, "workers": row.workers,
                "ratio": Some(row.ratio).filter(|ratio| ratio.is_finite()),
            })
        });
        json!({ "server": self.server, "rows": rows.collect::<Vec<_>>() })
    }
}

pub fn measure(
    bed: &Bed,
    servers: &[Server],
    length: Length,
    progress: &mut dyn FnMut(&str),
) -> Vec<Spread> {
    let mut all: Vec<Spread> = servers
        .iter()
        .map(|server| Spread {
            server: server.name,
            rows: Vec::new(),
        })
        .collect();
    for count in COUNTS {
        for paced in [false, true] {
            let mut rounds: Vec<Vec<Vec<usize>>> = vec![Vec::new(); servers.len()];
            for _ in 0..length.of(5, 1) {
                for (server, seen) in servers.iter().zip(&mut rounds) {
                    seen.push(workers(bed, server, count, paced));
                }
            }
            for (seen, spread) in rounds.into_iter().zip(&mut all) {
                let row = Row::of(count, paced, seen);
                let workers = text(&row.workers);
                progress(&format!(
                    "{count} connections, {}: {workers}",
                    spread.server
                ));
                spread.rows.push(row);
            }
        }
    }
    all
}

/// Connections of each worker, most first.
fn workers(bed: &Bed, server: &Server, count: usize, paced: bool) -> Vec<usize> {
    let spread = held::spread(bed, server.port, count, paced.then_some(PACE));
    let spread = spread.unwrap_or_else(|why| panic!("{}: a connection: {why:?}", server.name));
    let mut workers: Vec<usize> = spread.into_values().collect();
    workers.resize(WORKERS.max(workers.len()), 0);
    workers.sort_unstable_by(|one, other| other.cmp(one));
    workers
}

fn ratio(workers: &[usize]) -> f64 {
    workers[0] as f64 / workers[workers.len() - 1] as f64
}

impl Row {
    fn of(count: usize, paced: bool, mut rounds: Vec<Vec<usize>>) -> Row {
        rounds.sort_by(|one, other| ratio(one).total_cmp(&ratio(other)));
        let mut ratios: Vec<f64> = rounds.iter().map(|one| ratio(one)).collect();
        Row {
            count,
            paced,
            ratio: median(&mut ratios),
            workers: rounds.swap_remove(rounds.len() / 2),
        }
    }
}

fn text(workers: &[usize]) -> String {
    let each: Vec<String> = workers.iter().map(usize::to_string).collect();
    each.join("/")
}

pub fn table(all: &[Spread]) -> Table {
    let mut head = vec!["keep-alive connections"];
    for spread in all {
        head.extend([spread.server, "most/fewest"]);
    }
    let mut table = Table::new(&head);
    let first = all.first().map_or(&[][..], |spread| &spread.rows);
    for (number, row) in first.iter().enumerate() {
        let how = if row.paced {
            "one every 5 ms"
        } else {
            "at once"
        };
        let mut cells = vec![format!("{}, {how}", row.count)];
        for spread in all {
            let row = &spread.rows[number];
            let ratio = if row.ratio.is_finite() {
                format!("{:.2}", row.ratio)
            } else {
                "one has none".into()
            };
            cells.extend([text(&row.workers), ratio]);
        }
        table.row(cells);
    }
    table
}
