//! What the watcher costs that watches the memory of 1,000 instances, of which nothing moves: `cargo bench --bench watch`, as root, with the release
//! build. Fails when it has more than 8 MB resident or takes more than 0.3 % of a processor.

#[path = "../bed/mod.rs"]
mod bed;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bed::{Bed, Options};

const APPS: usize = 100;
const INSTANCES: usize = 10;
const FILE: &str = "/srv/watch/ecosystem.toml";
const SPAN: Duration = Duration::from_secs(60);

const RESIDENT: u64 = 8 << 10;
const SHARE: f64 = 0.3;

fn main() -> ExitCode {
    // `cargo test --benches` runs it too.
    if !std::env::args().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    let mut missed = false;
    for (how, options) in [
        ("without a memory controller", Options::default()),
        (
            "with one",
            Options::with_memory_controller().expect("a memory controller for the bed's systemd"),
        ),
    ] {
        let bed = Bed::boot(options);
        let (resident, share) = measured(&bed);
        println!(
            "{} instances {how}: {resident} kB resident, {share:.3} % of a processor",
            APPS * INSTANCES
        );
        missed |= resident > RESIDENT || share > SHARE;
    }
    if missed {
        eprintln!("missed: {RESIDENT} kB and {SHARE} % are promised");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Kilobytes resident at the end, and percent of a processor over [`SPAN`].
fn measured(bed: &Bed) -> (u64, f64) {
    let app = |number: usize| {
        format!(
            "[[apps]]\nname = \"app{number}\"\nscript = \"sleep\"\nargs = \"infinity\"\ninterpreter = \"none\"\ninstances = {INSTANCES}\n\
             min_uptime = 200\nmax_memory_restart = \"64M\"\n\n"
        )
    };
    bed.write(FILE, 0o644, (0..APPS).map(app).collect::<String>());
    let apply = bed.cmd(&["rpmctl", "apply", FILE]);
    apply.deadline(Duration::from_secs(600)).ok();
    let show = |property: &str| {
        let unit = "rpmctl-watch.service";
        let text = bed.ok(&["systemctl", "show", "--value", "-p", property, unit]);
        text.trim().to_owned()
    };
    let watches = format!("watching memory of {} instances", APPS * INSTANCES);
    bed.wait_until(&watches, Duration::from_secs(60), || {
        show("StatusText") == watches
    });
    let pid = show("MainPID");
    let nanoseconds = || -> u64 {
        let text = bed.read(&format!("/proc/{pid}/schedstat"));
        text.split(' ')
            .next()
            .expect("a field")
            .parse()
            .expect("a number")
    };
    // All have been looked at once.
    std::thread::sleep(Duration::from_secs(5));
    let (begun, before) = (Instant::now(), nanoseconds());
    std::thread::sleep(SPAN);
    let used = nanoseconds() - before;
    let share = used as f64 / begun.elapsed().as_nanos() as f64 * 100.0;
    let status = bed.read(&format!("/proc/{pid}/status"));
    let field = |name: &str| -> u64 {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .expect(name);
        line.trim().trim_end_matches(" kB").parse().expect("kB")
    };
    println!(
        "  anonymous {} kB, of files {} kB, at most ever {} kB, {} threads",
        field("RssAnon:"),
        field("RssFile:"),
        field("VmHWM:"),
        field("Threads:")
    );
    (field("VmRSS:"), share)
}
