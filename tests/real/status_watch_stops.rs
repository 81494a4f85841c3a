//! `rpmctl status --watch` as a job of a shell, and where no shell is.

use crate::bed::{self, Bed};
use crate::screen::{PATIENCE, Screen, wait_gone, wait_stopped};

fn apply(bed: &Bed, name: &str) {
    let text = format!(
        "[[apps]]\nname = \"{name}\"\nscript = \"/bin/sleep\"\nargs = [\"1000\"]\ninstances = 2\nmin_uptime = 200\n"
    );
    let file = format!("/srv/{name}/ecosystem.toml");
    bed.write(&file, 0o644, text);
    bed.ok(&["rpmctl", "apply", &file]);
}

fn delete(bed: &Bed, name: &str) {
    bed.cmd(&["rpmctl", "delete", name]).deadline(PATIENCE).ok();
}

/// The process that looks at this app, once it is there.
fn pid(bed: &Bed, app: &str) -> String {
    let mut pid = String::new();
    bed.wait_until("it runs", PATIENCE, || {
        let found = bed.run(&["pgrep", "-f", &format!("^rpmctl status -w {app}$")]);
        pid = found.stdout.trim().to_owned();
        !pid.is_empty()
    });
    pid
}

/// Nobody could bring it back.
#[test]
fn as_the_only_program_of_a_window_it_is_not_stopped() {
    let bed = bed::shared();
    apply(bed, "lone");
    for (round, script) in [
        "exec rpmctl status -w lone",
        "sh -c 'rpmctl status -w lone; true'",
    ]
    .into_iter()
    .enumerate()
    {
        let screen = Screen::of(bed, &format!("lone-{round}"), 80, 24, script);
        screen.shows("online, 2 of 2 up");
        let pid = pid(bed, "lone");
        screen.keys(&["C-z"]);
        bed.ok(&["kill", "-s", "TSTP", &pid]);
        bed.ok(&["rpmctl", "stop", "lone@1"]);
        screen.shows("partly, 1 of 2 up");
        screen.keys(&["q"]);
        wait_gone(bed, &pid);
        bed.ok(&["rpmctl", "start", "lone@1"]);
    }
    delete(bed, "lone");
}

#[test]
fn a_stopped_one_ends_when_it_is_told_to_and_leaves_the_terminal_alone() {
    let bed = bed::shared();
    apply(bed, "halted");
    let screen = Screen::open(bed, "halted", 80, 24);
    let as_before = || {
        screen.line("stty -a | cmp - /srv/halted/before && echo as before");
        screen.shows("\nas before");
        assert_eq!(screen.variable("cursor_flag"), "1");
    };
    screen.line(
        "stty -echoctl intr ^X; stty -a >/srv/halted/before; stty -g >/srv/halted/modes; echo kept",
    );
    screen.shows("\nkept");
    for (how, signal, code) in [
        ("C-z", "TERM", "143"),
        ("C-z", "INT", "0"),
        ("STOP", "TERM", "143"),
        ("&", "TERM", "143"),
    ] {
        let behind = if how == "&" { " &" } else { "" };
        screen.line(&format!("clear; rpmctl status -w halted{behind}"));
        let pid = pid(bed, "halted");
        match how {
            // It was never in front.
            "&" => {}
            how => {
                screen.shows("online, 2 of 2 up");
                match how {
                    "C-z" => screen.keys(&[how]),
                    how => drop(bed.ok(&["kill", "-s", how, &pid])),
                }
            }
        }
        wait_stopped(bed, &pid);
        screen.line("clear; echo kept");
        screen.shows("kept\n");
        // In the background it stops again, and draws nothing.
        screen.line("bg; echo in the background");
        screen.shows("\nin the background");
        wait_stopped(bed, &pid);
        screen.line("clear; echo kept");
        screen.shows("kept\n");
        bed.ok(&["kill", "-s", signal, &pid]);
        bed.ok(&["kill", "-s", "CONT", &pid]);
        screen.line("wait %1; echo ended $?.");
        screen.shows(&format!("ended {code}."));
        screen.shows("kept\n");
        if how == "STOP" {
            // It had no time to put them back, and in the background they are another's; this shell leaves that to its user.
            screen.line("stty $(cat /srv/halted/modes)");
        }
        as_before();
    }
    // Brought to the front it draws, wherever it began.
    screen.line("clear; rpmctl status -w halted &");
    let pid = pid(bed, "halted");
    wait_stopped(bed, &pid);
    screen.line("fg");
    screen.shows("online, 2 of 2 up");
    screen.keys(&["q"]);
    wait_gone(bed, &pid);
    as_before();
    delete(bed, "halted");
}
