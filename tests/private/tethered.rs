//! What is tethered to a process ends with it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::TETHER;
use crate::left::Machine;
use crate::run::{Run, kill, wait_until};

/// A private manager is the manager that can be reached here; `end` is the signal to the process that holds the tether.
pub fn tethered(end: Signal) {
    let before = Machine::now();
    let run = Run::start();
    let name = "bound.service";
    let file = format!("/run/systemd/rpmctl/units/{name}");
    let mut nsenter = Command::new("nsenter")
        .args(["-t", &run.init.to_string(), "-m", "-p", "-F", "--"])
        .args(["/bin/sh", "-c", "exec \"$0\" \"$@\" & wait $!"])
        .arg(std::env::current_exe().unwrap())
        .args([TETHER, &file])
        .env("BUS", "unix:path=/run/systemd/rpmctl/bus")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(nsenter.stdout.take().unwrap()).lines();
    let first = lines.next().expect("the scope is made").unwrap();
    let (pid, scope) = first.split_once(' ').unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "listening");
    assert_eq!(scope, format!("rpmctl-run-{pid}.scope"));
    run.start_unit(
        name,
        &format!("[Unit]\nBindsTo={scope}\nAfter={scope}\n[Service]\nExecStart=/usr/bin/systemd-cat -t app /bin/sh -c 'echo up; exec sleep 1000'\n"),
    );
    run.told("app", "up");
    kill(run.seen_here(pid), end);
    nsenter.wait().unwrap();
    wait_until("the bound unit to stop", || {
        run.journal(&[&format!("USER_UNIT={name}")])
            .contains("Stopped bound.service")
    });
    wait_until("its file to be removed", || !run.path(&file).exists());
    run.signal(Signal::TERM);
    assert_eq!(run.gone(&before), Some(0));
}

pub fn what_is_tethered_ends_with_its_holder_killed() {
    tethered(Signal::KILL);
}

pub fn what_is_tethered_ends_when_released() {
    tethered(Signal::TERM);
}
