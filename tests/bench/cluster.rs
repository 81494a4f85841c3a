//! Cluster mode beside PM2's: `tests/bench/cluster`, as root. What is measured and how is in README.md beside this.

#[path = "../bed/mod.rs"]
mod bed;
mod measure;
#[path = "../traffic/mod.rs"]
mod traffic;

use std::process::ExitCode;

use measure::{Length, PARTS, Report};

fn main() -> ExitCode {
    let (mut length, mut json, mut parts) = (Length::Full, false, PARTS.to_vec());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--bench" => {} // cargo's own
            "--short" => length = Length::Short,
            "--json" => json = true,
            "--only" => {
                let wanted = args.next().unwrap_or_default();
                parts.retain(|part| *part == wanted);
                if parts.is_empty() {
                    return usage(&format!("--only takes one of {}", PARTS.join(", ")));
                }
            }
            other => return usage(&format!("there is no {other}")),
        }
    }
    let bed = bed::Bed::boot(bed::Options::default());
    let report = Report::measure(&bed, length, &parts, |progress| eprintln!("{progress}"));
    if json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.text());
    }
    if length == Length::Full && !report.keeps_promises() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("tests/bench/cluster: {problem}\n  --short, --json, --only PART");
    ExitCode::from(2)
}
