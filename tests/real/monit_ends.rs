//! The terminal after `rpmctl monit`, however that ended, and while it is stopped.

use crate::bed::{self, Bed};
use crate::monit::{NUMBERED, app, apply};
use crate::screen::{PATIENCE, Screen, wait_gone, wait_stopped};

fn has(screen: &Screen<'_>, ours: bool, when: &str) {
    let values = if ours {
        ["1", "0", "1"]
    } else {
        ["0", "1", "0"]
    };
    let variables = ["alternate_on", "cursor_flag", "mouse_any_flag"];
    for (variable, value) in variables.into_iter().zip(values) {
        assert_eq!(screen.variable(variable), value, "{variable} {when}");
    }
}

/// The process ids of monit of these apps and of its guard.
fn pids(bed: &Bed, apps: &str) -> (String, String) {
    let monit = bed.ok(&["pgrep", "-f", &format!("^rpmctl monit {apps}")]);
    let monit = monit.trim().to_owned();
    let guard = bed.ok(&["pgrep", "-P", &monit, "-f", "__monit-guard"]);
    (monit, guard.trim().to_owned())
}

#[test]
fn the_terminal_is_left_as_it_was_found() {
    let bed = bed::shared();
    apply(bed, "/srv/monit-ends", &app("mon-ends", 1, NUMBERED));
    let screen = Screen::open(bed, "ends", 80, 24);
    // Not what a terminal starts with.
    screen.line("stty -echoctl intr ^X; stty -a >/srv/monit-ends/before; echo kept");
    screen.shows("\nkept");
    for (signal, code) in [
        ("q", "0"),
        ("C-c", "0"),
        ("TERM", "143"),
        ("INT", "130"),
        ("HUP", "129"),
        ("QUIT", "131"),
        ("KILL", "137"),
    ] {
        screen.line("clear; rpmctl monit mon-ends; echo ended $?.");
        screen.shows("line-");
        let (monit, guard) = pids(bed, "mon-ends");
        has(&screen, true, &format!("before {signal}"));
        match signal {
            "q" | "C-c" => screen.keys(&[signal]),
            _ => drop(bed.ok(&["kill", "-s", signal, &monit])),
        }
        // The shell may be back before the guard is, and its words are on the screen that goes.
        if signal != "KILL" {
            screen.shows(&format!("ended {code}."));
        }
        wait_gone(bed, &guard);
        has(&screen, false, &format!("after {signal}"));
        screen.line("stty -a | cmp - /srv/monit-ends/before && echo as before");
        screen.shows("\nas before");
    }
    // Nor is anything left running.
    bed.wait_until("journalctl is gone", PATIENCE, || {
        bed.run(&["pgrep", "-f", "journalctl.*RPMCTL_APP=mon-ends"])
            .status
            != 0
    });
    bed.cmd(&["rpmctl", "delete", "mon-ends"])
        .deadline(PATIENCE)
        .ok();
}

/// By the key and by a signal; and what ends it while it is stopped leaves the shell's screen alone.
#[test]
fn it_is_stopped_and_brought_back() {
    let bed = bed::shared();
    apply(bed, "/srv/monit-stops", &app("mon-stops", 1, NUMBERED));
    let screen = Screen::open(bed, "stops", 80, 24);
    let as_before = || {
        screen.line("stty -a | cmp - /srv/monit-stops/before && echo as before");
        screen.shows("\nas before");
    };
    screen.line("stty -echoctl intr ^X; stty -a >/srv/monit-stops/before; echo kept");
    screen.shows("\nkept");
    // A script that runs it is of the same job, and has to stop with it.
    screen.line("sh -c 'rpmctl monit mon-stops; echo ended $?.'");
    screen.shows("line-");
    let (monit, _) = pids(bed, "mon-stops");
    for how in ["C-z", "TSTP"] {
        match how {
            "TSTP" => drop(bed.ok(&["kill", "-s", "TSTP", &monit])),
            key => screen.keys(&[key]),
        }
        // The words are there since the round before.
        wait_stopped(bed, &monit);
        screen.shows("kept");
        screen.shows("Stopped");
        has(&screen, false, how);
        screen.line("clear; echo kept");
        screen.shows("kept\n");
        as_before();
        // In the background it stops again, and draws nothing.
        screen.line("bg; echo in the background");
        screen.shows("\nin the background");
        screen.line("fg");
        screen.shows("line-");
        has(&screen, true, &format!("back after {how}"));
    }
    screen.keys(&["q"]);
    screen.shows("ended 0.");
    as_before();
    for (signal, code) in [("TERM", "143"), ("KILL", "137")] {
        screen.line("clear; rpmctl monit mon-stops");
        screen.shows("line-");
        let (monit, guard) = pids(bed, "mon-stops");
        screen.keys(&["C-z"]);
        screen.shows("Stopped");
        screen.line("clear; echo kept");
        screen.shows("kept\n");
        bed.ok(&["kill", "-s", signal, &monit]);
        bed.ok(&["kill", "-s", "CONT", &monit]);
        wait_gone(bed, &guard);
        screen.line("wait %1; echo ended $?.");
        screen.shows(&format!("ended {code}."));
        screen.shows("kept\n");
        has(&screen, false, signal);
        as_before();
    }
    bed.cmd(&["rpmctl", "delete", "mon-stops"])
        .deadline(PATIENCE)
        .ok();
}
