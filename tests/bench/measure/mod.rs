//! The parts of the benchmark of cluster mode, and what they say together.

pub mod servers;
mod spread;
mod table;
mod throughput;
mod trouble;

use serde_json::{Value, json};

use crate::bed::Bed;
use servers::Server;
use spread::Spread;
use table::Table;
use throughput::Throughput;
use trouble::Trouble;

/// What is promised of rpmctl's default against PM2 in the same run.
const NEW_CONNECTIONS: f64 = 2.5;
const KEEP_ALIVE: f64 = 1.4;
const SPREAD_OF_200: f64 = 1.25;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Figures.
    Full,
    /// Only whether every part works.
    Short,
}

impl Length {
    pub fn of<T>(self, full: T, short: T) -> T {
        match self {
            Length::Full => full,
            Length::Short => short,
        }
    }
}

/// The parts of it: any of them, none twice.
pub const PARTS: [&str; 3] = ["throughput", "spread", "trouble"];

/// Parts that were not asked for are empty.
pub struct Report {
    machine: String,
    throughput: Vec<Throughput>,
    spread: Vec<Spread>,
    trouble: Vec<Trouble>,
}

impl Report {
    pub fn measure(
        bed: &Bed,
        length: Length,
        parts: &[&str],
        mut progress: impl FnMut(&str),
    ) -> Report {
        let servers = servers::all(bed);
        let machine = machine(bed);
        let each = |progress: &mut dyn FnMut(&str), what: &str, act: &dyn Fn(&Server)| {
            for server in &servers {
                progress(&format!("{what} {}", server.name));
                act(server);
            }
        };
        let (mut throughput, mut spread, mut trouble) = (Vec::new(), Vec::new(), Vec::new());
        each(&mut progress, "start", &|server| {
            server.start(bed, "app.js")
        });
        if parts.contains(&"throughput") {
            throughput = throughput::measure(bed, &servers, length, &mut progress);
        }
        if parts.contains(&"spread") {
            spread = spread::measure(bed, &servers, length, &mut progress);
        }
        each(&mut progress, "stop", &|server| server.stop(bed));
        if parts.contains(&"trouble") {
            each(&mut progress, "start, for trouble,", &|server| {
                server.start(bed, "variant.js");
            });
            trouble = trouble::measure(bed, &servers, length, &mut progress);
            each(&mut progress, "stop", &|server| server.stop(bed));
        }
        Report {
            machine,
            throughput,
            spread,
            trouble,
        }
    }

    /// What, measured, promised, and whether that is kept; of the parts that were measured.
    fn promises(&self) -> Vec<Promise> {
        let mut all = Vec::new();
        if let [pm2, rpmctl, ..] = &self.throughput[..] {
            all.push(Promise {
                key: "new_connections",
                what: "rpmctl/PM2, requests/s, a new connection each",
                measured: rpmctl.close.ratio(&pm2.close),
                at_least: Some(NEW_CONNECTIONS),
                at_most: None,
            });
            all.push(Promise {
                key: "keep_alive",
                what: "rpmctl/PM2, requests/s, keep-alive",
                measured: rpmctl.keep_alive.ratio(&pm2.keep_alive),
                at_least: Some(KEEP_ALIVE),
                at_most: None,
            });
        }
        if let [_, rpmctl, ..] = &self.spread[..] {
            all.push(Promise {
                key: "spread_of_200",
                what: "most/fewest of 200 connections, at once or paced",
                measured: rpmctl.worst_ratio(200),
                at_least: None,
                at_most: Some(SPREAD_OF_200),
            });
        }
        all
    }

    pub fn keeps_promises(&self) -> bool {
        self.promises().iter().all(Promise::is_kept)
    }

    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.machine);
        let tables = [
            (self.throughput.len(), throughput::table(&self.throughput)),
            (self.spread.len(), spread::table(&self.spread)),
            (self.trouble.len(), trouble::table(&self.trouble)),
        ];
        for (_, table) in tables.iter().filter(|(measured, _)| *measured > 0) {
            text += &format!("\n{table}");
        }
        let mut promises = Table::new(&["promises", "measured", "promised", ""]);
        for one in self.promises() {
            let promised = match (one.at_least, one.at_most) {
                (Some(limit), _) => format!("≥ {limit}"),
                (_, limit) => format!("≤ {}", limit.unwrap_or_default()),
            };
            let verdict = if one.is_kept() { "kept" } else { "broken" };
            promises.row([
                one.what.to_owned(),
                format!("{:.2}", one.measured),
                promised,
                verdict.to_owned(),
            ]);
        }
        if !self.promises().is_empty() {
            text += &format!("\n{promises}");
        }
        text
    }

    pub fn json(&self) -> Value {
        let promises = self.promises();
        let promises = promises.iter().map(|one| {
            let number = Some(one.measured).filter(|number| number.is_finite());
            let value = json!({
                "measured": number, "at_least": one.at_least, "at_most": one.at_most, "kept": one.is_kept(),
            });
            (one.key.to_owned(), value)
        });
        json!({
            "machine": self.machine,
            "throughput": self.throughput.iter().map(Throughput::json).collect::<Vec<_>>(),
            "spread": self.spread.iter().map(Spread::json).collect::<Vec<_>>(),
            "trouble": self.trouble.iter().map(Trouble::json).collect::<Vec<_>>(),
            "promises": promises.collect::<serde_json::Map<_, _>>(),
        })
    }
}

struct Promise {
    key: &'static str,
    what: &'static str,
    measured: f64,
    at_least: Option<f64>,
    at_most: Option<f64>,
}

impl Promise {
    fn is_kept(&self) -> bool {
        self.at_least.is_none_or(|limit| self.measured >= limit)
            && self.at_most.is_none_or(|limit| self.measured <= limit)
    }
}

fn machine(bed: &Bed) -> String {
    bed.sh_ok(&format!(
        "echo \"$(nproc) processors, Linux $(uname -r | cut -d. -f1,2), systemd $(systemctl --version | sed -n 's/^systemd \\([0-9]*\\).*/\\1/p'), \
         Node $(node -v), PM2 {}, load average at the start $(cut -d' ' -f1 /proc/loadavg)\"",
        servers::PM2
    ))
    .trim_end()
    .to_owned()
}

/// Of an odd or even number of values; `values` is not empty.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}
