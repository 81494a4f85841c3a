//! However a run ends, its apps are told and nothing is left.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::left::Machine;
use crate::run::{Run, kill};

/// An app that writes a line when it is told to stop.
pub fn start_polite(run: &Run, file: &Path) {
    run.start_unit(
        "polite.service",
        &format!(
            "[Service]\nExecStart=/usr/bin/systemd-cat -t app /bin/sh -c 'trap \"echo bye >{}; exit 0\" TERM; echo up; while :; do sleep 1000 & wait; done'\n",
            file.display()
        ),
    );
    run.told("app", "up");
}

pub fn ends_politely(end: impl FnOnce(&Run), expected: Option<i32>) {
    let before = Machine::now();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bye");
    let run = Run::start();
    start_polite(&run, &file);
    let members = run.members();
    assert!(
        members.len() >= 5,
        "init, journald, systemd, dbus-daemon, the app: {members:?}"
    );
    end(&run);
    assert_eq!(run.gone(&before), expected);
    assert_eq!(
        fs::read_to_string(&file).expect("the app was told to stop"),
        "bye\n"
    );
    let left: Vec<_> = members
        .iter()
        .filter(|pid| Path::new(&format!("/proc/{pid}")).exists())
        .collect();
    assert!(left.is_empty(), "left: {left:?}");
}

pub fn apps_end_as_they_wish_on_sigterm() {
    ends_politely(|run| run.signal(Signal::TERM), Some(0));
}

pub fn nothing_is_left_after_sigint() {
    ends_politely(|run| run.signal(Signal::INT), Some(0));
}

pub fn nothing_is_left_after_sigkill() {
    ends_politely(|run| run.signal(Signal::KILL), None);
}

pub fn an_app_that_ignores_sigterm_ends_after_sigkill_too() {
    let before = Machine::now();
    let run = Run::start();
    run.start_unit(
        "stubborn.service",
        "[Service]\nTimeoutStopSec=infinity\nExecStart=/usr/bin/systemd-cat -t app /bin/sh -c 'trap \"\" TERM; echo up; while :; do sleep 1000; done'\n",
    );
    run.told("app", "up");
    let begun = Instant::now();
    run.signal(Signal::KILL);
    assert_eq!(run.gone(&before), None);
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "took {:?}",
        begun.elapsed()
    );
}

pub fn nothing_is_left_after_the_guard_is_killed() {
    let before = Machine::now();
    let run = Run::start();
    let status = fs::read_to_string(format!("/proc/{}/status", run.init)).unwrap();
    let guard = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:\t"))
        .unwrap()
        .parse()
        .unwrap();
    assert_ne!(guard, run.child.id());
    kill(guard, Signal::KILL);
    assert_eq!(run.gone(&before), Some(1), "rpmctl notices");
}
