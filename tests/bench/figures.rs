//! The figures rpmctl promises, measured in a bed with the release build: `cargo bench --bench figures`, as root.
//!
//! 100 apps of 3 instances each. A no-op `apply` and `list` are set beside `systemctl list-units` of the same units in
//! the same run, so that a slow machine shows. Fails when a promise is broken.

#[path = "../bed/mod.rs"]
mod bed;

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bed::{Bed, Options};

const APPS: usize = 100;
const INSTANCES: usize = 3;
const RUNS: usize = 10;
const FILE: &str = "/srv/figures/ecosystem.toml";

struct Figure {
    what: &'static str,
    args: &'static [&'static str],
    limit: Option<Duration>,
}

const FIGURES: [Figure; 5] = [
    // What it costs to enter the bed: part of every other figure.
    Figure {
        what: "an empty command",
        args: &["true"],
        limit: None,
    },
    Figure {
        what: "systemctl list-units",
        args: &["systemctl", "list-units", "--no-pager", "figure*"],
        limit: None,
    },
    Figure {
        what: "rpmctl list",
        args: &["rpmctl", "list"],
        limit: Some(Duration::from_millis(50)),
    },
    Figure {
        what: "rpmctl plan, no change",
        args: &["rpmctl", "plan", FILE],
        limit: None,
    },
    Figure {
        what: "rpmctl apply, no change",
        args: &["rpmctl", "apply", FILE],
        limit: Some(Duration::from_millis(150)),
    },
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

    let medians = FIGURES.map(|figure| median(&bed, figure.args));
    let reference = medians[1].as_secs_f64();
    println!(
        "\n{:<26} {:>9} {:>22} {:>9}",
        "median of 10", "ms", "x systemctl list-units", "promised"
    );
    let mut broken = false;
    for (figure, median) in FIGURES.iter().zip(medians) {
        let limit = figure
            .limit
            .map_or(String::new(), |limit| format!("{} ms", limit.as_millis()));
        let over = figure.limit.is_some_and(|limit| median > limit);
        broken |= over;
        let ratio = median.as_secs_f64() / reference;
        let verdict = if over { "  broken" } else { "" };
        println!(
            "{:<26} {:>9.1} {ratio:>22.2} {limit:>9}{verdict}",
            figure.what,
            median.as_secs_f64() * 1000.0
        );
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

fn median(bed: &Bed, args: &[&str]) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            bed.ok(args);
            start.elapsed()
        })
        .collect();
    times.sort();
    (times[RUNS / 2 - 1] + times[RUNS / 2]) / 2
}
