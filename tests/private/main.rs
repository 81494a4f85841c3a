//! The private manager, for real: needs root, systemd and dbus, as `rpmctl run` does.
//!
//! Brings its own `main` because booting re-executes the running program: as guard, as pid 1, and here as the stand-in
//! for `rpmctl run` that gets signals. What is left is looked for from outside, in the machine's own mounts.

mod ends;
mod left;
mod run;
mod tethered;
mod units;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use ends::*;
use tethered::*;
use units::*;

/// First argument of the stand-ins below.
const HOLD: &str = "hold";
const TETHER: &str = "tether";

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        Some(first) if first == rpmctl::private::INIT_SUBCOMMAND => {
            return rpmctl::private::init_main(args);
        }
        Some(first) if first == HOLD => return hold(),
        Some(first) if first == TETHER => return tether(args.next().unwrap().into()),
        _ => {}
    }
    let tests: &[(&str, fn())] = &[
        (
            "a_unit_runs_and_its_lines_are_in_the_journal",
            a_unit_runs_and_its_lines_are_in_the_journal,
        ),
        ("an_app_can_have_another_user", an_app_can_have_another_user),
        (
            "an_app_inherits_the_environment",
            an_app_inherits_the_environment,
        ),
        (
            "run_outside_the_mounts_is_as_before",
            run_outside_the_mounts_is_as_before,
        ),
        (
            "apps_end_as_they_wish_on_sigterm",
            apps_end_as_they_wish_on_sigterm,
        ),
        ("nothing_is_left_after_sigint", nothing_is_left_after_sigint),
        (
            "nothing_is_left_after_sigkill",
            nothing_is_left_after_sigkill,
        ),
        (
            "an_app_that_ignores_sigterm_ends_after_sigkill_too",
            an_app_that_ignores_sigterm_ends_after_sigkill_too,
        ),
        (
            "nothing_is_left_after_the_guard_is_killed",
            nothing_is_left_after_the_guard_is_killed,
        ),
        ("two_at_once_do_not_meet", two_at_once_do_not_meet),
        (
            "a_read_only_cgroup_tree_is_worked_around",
            a_read_only_cgroup_tree_is_worked_around,
        ),
        (
            "what_is_tethered_ends_with_its_holder_killed",
            what_is_tethered_ends_with_its_holder_killed,
        ),
        (
            "what_is_tethered_ends_when_released",
            what_is_tethered_ends_when_released,
        ),
        (
            "without_root_the_error_says_so",
            without_root_the_error_says_so,
        ),
    ];
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let mut failed = 0;
    for (name, test) in tests {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let begun = Instant::now();
        let passed = std::panic::catch_unwind(test).is_ok();
        println!(
            "test {name} ... {} ({} ms)",
            if passed { "ok" } else { "FAILED" },
            begun.elapsed().as_millis()
        );
        failed += u32::from(!passed);
    }
    ExitCode::from(u8::from(failed > 0))
}

/// The stand-in for `rpmctl run`: boots, tells where things are, waits for SIGTERM or SIGINT, shuts down.
fn hold() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let begun = Instant::now();
        let mut manager = match rpmctl::private::boot().await {
            Ok(manager) => manager,
            Err(error) => {
                eprintln!("error: {error:#}");
                return ExitCode::FAILURE;
            }
        };
        println!("{} {}", manager.pid(), begun.elapsed().as_millis());
        // Reaches the same files by the same paths as the manager does.
        fs::write(manager.unit_dir().join("probe"), "").unwrap();
        assert!(
            manager
                .seen_from_outside(&manager.unit_dir().join("probe"))
                .exists()
        );
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate()).unwrap();
        let mut int = signal(SignalKind::interrupt()).unwrap();
        println!("listening");
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            error = manager.ended() => {
                eprintln!("error: {error:#}");
                manager.shutdown().await.unwrap();
                return ExitCode::FAILURE;
            }
        }
        manager.shutdown().await.unwrap();
        ExitCode::SUCCESS
    })
}

/// The stand-in for `rpmctl run` where a manager can be reached: fastens a tether and waits for its end.
fn tether(file: PathBuf) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let address = std::env::var("BUS").unwrap();
        let connection = zbus::connection::Builder::address(&*address)
            .build()
            .await
            .unwrap();
        let mut tether = rpmctl::private::Tether::fasten(&connection).await.unwrap();
        tether.remove_at_end(&file).await.unwrap();
        println!("{} {}", std::process::id(), tether.unit_name());
        let mut term =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        println!("listening");
        term.recv().await;
        tether.release().await.unwrap();
        ExitCode::SUCCESS
    })
}
