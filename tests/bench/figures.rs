//! The figures rpmctl promises, measured in a bed with the release build: `cargo bench --bench figures`, as root.
//!
//! 50 apps of 20 instances each. All are set beside `systemctl list-units` of the same units in the same run, so that a
//! slow machine shows; the commands take turns. What it costs to enter the bed, which no user does, is measured as a
//! figure of its own and taken off the others. Fails when a promise is broken.

#[path = "../bed/mod.rs"]
mod bed;

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bed::{Bed, Options};

const APPS: usize = 50;
const INSTANCES: usize = 20;
const RUNS: usize = 20;
const FILE: &str = "/srv/figures/ecosystem.toml";

struct Figure {
    what: &'static str,
    args: &'static [&'static str],
    limit: Option<Duration>,
    /// Of systemctl list-units.
    share: Option<f64>,
}

impl Figure {
    const fn new(what: &'static str, args: &'static [&'static str]) -> Figure {
        Figure {
            what,
            args,
            limit: None,
            share: None,
        }
    }

    const fn within(mut self, ms: u64) -> Figure {
        self.limit = Some(Duration::from_millis(ms));
        self
    }

    const fn of_systemctl(mut self, share: f64) -> Figure {
        self.share = Some(share);
        self
    }
}

const FIGURES: [Figure; 7] = [
    Figure::new("entering the bed: true", &["true"]),
    Figure::new(
        "systemctl list-units",
        &["systemctl", "list-units", "--no-pager", "figure*"],
    ),
    Figure::new("rpmctl list", &["rpmctl", "list"])
        .within(20)
        .of_systemctl(0.5),
    Figure::new("rpmctl list --json", &["rpmctl", "list", "--json"]),
    Figure::new("rpmctl status", &["rpmctl", "status"]).within(25),
    Figure::new("rpmctl plan, no change", &["rpmctl", "plan", FILE]),
    Figure::new("rpmctl apply, no change", &["rpmctl", "apply", FILE]).within(150),
];

fn main() -> ExitCode {
    let bed = Bed::boot(Options::default());
    println!(
        "bed booted in {} ms; {}",
        bed.boot_time().as_millis(),
        bed.ok(&["systemctl", "--version"])
            .lines()
            .next()
            .unwrap_or_default()
    );
    bed.write(
        "/srv/figures/idle",
        0o755,
        "#!/bin/sh\nexec sleep infinity\n",
    );
    bed.write(FILE, 0o644, ecosystem());

    let start = Instant::now();
    bed.cmd(&["rpmctl", "apply", FILE])
        .deadline(Duration::from_secs(300))
        .ok();
    println!(
        "first apply of {APPS} apps, {} instances: {:.1} s",
        APPS * INSTANCES,
        start.elapsed().as_secs_f64()
    );
    check_it_is_what_is_measured(&bed);

    let medians = medians(&bed);
    let entering = medians[0];
    let of_its_own = |median: Duration| median.saturating_sub(entering).as_secs_f64() * 1000.0;
    let reference = of_its_own(medians[1]);
    println!(
        "\nmedian of {RUNS}; entering the bed, {:.1} ms, is taken off\n\n{:<26} {:>9} {:>22}  promised",
        entering.as_secs_f64() * 1000.0,
        "",
        "ms",
        "x systemctl list-units"
    );
    let mut broken = false;
    for (figure, median) in FIGURES.iter().zip(medians).skip(1) {
        let took = of_its_own(median);
        let ratio = took / reference;
        let limit = figure.limit.map(|limit| limit.as_secs_f64() * 1000.0);
        let mut promised = Vec::new();
        for (limit, measured, unit) in [(limit, took, " ms"), (figure.share, ratio, " x")] {
            if let Some(limit) = limit {
                let over = measured > limit;
                broken |= over;
                let verdict = if over { " (broken)" } else { "" };
                promised.push(format!("{limit}{unit}{verdict}"));
            }
        }
        let promised = promised.join(", ");
        println!("{:<26} {took:>9.1} {ratio:>22.2}  {promised}", figure.what);
    }
    if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn ecosystem() -> String {
    let mut text = String::new();
    for app in 0..APPS {
        write!(
            text,
            "[[apps]]\nname = \"figure-{app}\"\nscript = \"/srv/figures/idle\"\ninterpreter = \"none\"\n\
             instances = {INSTANCES}\n[apps.env]\nNUMBER = \"{app}\"\n\n"
        )
        .expect("text");
    }
    text
}

/// All instances run, and applying again changes nothing: else the figures would be of something else.
fn check_it_is_what_is_measured(bed: &Bed) {
    let running = bed.ok(&[
        "systemctl",
        "list-units",
        "--no-legend",
        "--plain",
        "--state=running",
        "figure-*@*.service",
    ]);
    assert_eq!(
        running.lines().count(),
        APPS * INSTANCES,
        "instances that run"
    );
    let plan = bed.run(&["rpmctl", "plan", FILE, "--detailed-exitcode"]);
    assert_eq!(
        plan.status, 0,
        "a second apply would change something:\n{plan}"
    );
}

/// In turns, so that all of them meet the same noise.
fn medians(bed: &Bed) -> Vec<Duration> {
    let mut times: Vec<Vec<Duration>> = vec![vec![]; FIGURES.len()];
    for _ in 0..RUNS {
        for (figure, times) in FIGURES.iter().zip(&mut times) {
            let start = Instant::now();
            bed.ok(figure.args);
            times.push(start.elapsed());
        }
    }
    times
        .iter_mut()
        .map(|times| {
            times.sort();
            (times[RUNS / 2 - 1] + times[RUNS / 2]) / 2
        })
        .collect()
}
