//! `rpmctl monit` on a real terminal: every key, what is to be seen, and a bus, a journal and apps that go away under it. How it ends: `monit_ends`.

use std::sync::OnceLock;

use crate::bed::{self, Bed};
use crate::screen::{PATIENCE, Screen};

/// Each instance writes a numbered line now and then.
pub fn app(name: &str, instances: u32, line: &str) -> String {
    format!(
        "[[apps]]\nname = \"{name}\"\nscript = \"/bin/sh\"\nargs = [\"-c\", '''n=0; while :; do n=$((n+1)); {line}; done''']\n\
         instances = {instances}\nmin_uptime = 200\n\n"
    )
}

pub const NUMBERED: &str = "echo line-$n; sleep 0.2";

pub fn apply(bed: &Bed, folder: &str, text: &str) {
    bed.write(&format!("{folder}/ecosystem.toml"), 0o644, text);
    bed.cmd(&["rpmctl", "apply"])
        .dir(folder)
        .deadline(PATIENCE)
        .ok();
}

/// A bed whose bus and journal may be taken away.
fn own() -> &'static Bed {
    static BED: OnceLock<Bed> = OnceLock::new();
    BED.get_or_init(|| Bed::boot(Default::default()))
}

fn pid(bed: &Bed, unit: &str) -> String {
    bed.ok(&["systemctl", "show", "--value", "-p", "MainPID", unit])
}

/// Starts monit of these apps and waits until they are read.
pub fn open<'a>(bed: &'a Bed, name: &str, columns: u16, rows: u16, apps: &str) -> Screen<'a> {
    let screen = Screen::open(bed, name, columns, rows);
    screen.line(&format!("rpmctl monit {apps}"));
    screen.shows(" online");
    screen
}

#[test]
fn every_key() {
    let bed = bed::shared();
    let apps = format!(
        "{}{}",
        app("mon-web", 2, NUMBERED),
        app("mon-other", 1, "echo other-$n; sleep 1")
    );
    apply(bed, "/srv/monit-keys", &apps);
    let screen = open(bed, "keys", 100, 30, "mon-web mon-other");
    screen.shows("3/3 online");
    screen.shows("logs of all");

    // The list: other first, then web.
    screen.keys(&["Down", "j"]);
    screen.shows("─ mon-other@0 ─");
    screen.keys(&["k", "Up", "End"]);
    screen.shows("─ mon-web@1 ─");
    screen.shows("line-");
    screen.keys(&["Home"]);
    screen.shows("─ all apps ─");
    screen.keys(&["G"]);
    screen.shows("─ mon-web@1 ─");
    screen.keys(&["Left"]);
    screen.shows("▸ mon-web");
    screen.keys(&["Right"]);
    screen.shows("▾ mon-web");
    screen.keys(&["Enter"]);
    screen.shows("▸ mon-web");
    screen.keys(&["Space", "PageUp"]);
    screen.shows("─ all apps ─");
    screen.keys(&["PageDown", "g"]);
    screen.shows("▾ mon-web");

    // Commands, on one instance, then on the app.
    screen.keys(&["G"]);
    screen.shows("─ mon-web@1 ─");
    let before = pid(bed, "mon-web@1.service");
    screen.keys(&["r"]);
    screen.shows("restart mon-web@1: done");
    assert_ne!(before, pid(bed, "mon-web@1.service"));
    screen.keys(&["Left"]);
    screen.shows("─ mon-web ─");
    let before = [pid(bed, "mon-web@0.service"), pid(bed, "mon-web@1.service")];
    screen.keys(&["l"]);
    screen.shows("reload mon-web: done");
    for (number, before) in before.iter().enumerate() {
        assert_ne!(*before, pid(bed, &format!("mon-web@{number}.service")));
    }
    screen.shows("mon-web@1 online");
    screen.keys(&["e"]);
    screen.shows("┌─ reload mon-web ─");
    screen.keys(&["e"]);
    screen.shows_no("┌─ reload mon-web ─");
    screen.keys(&["r"]);
    screen.shows("restart mon-web?");
    screen.keys(&["n"]);
    screen.shows("not done: restart mon-web");
    screen.keys(&["+"]);
    screen.shows("scale mon-web +1: done");
    screen.shows("4/4 online");
    screen.keys(&["-"]);
    screen.shows("scale mon-web -1?");
    screen.keys(&["y"]);
    screen.shows("scale mon-web -1: done");
    screen.shows("3/3 online");
    screen.keys(&["s"]);
    screen.shows("stop mon-web?");
    screen.keys(&["y"]);
    screen.shows("stop mon-web: done");
    screen.shows("1/3 online");
    assert_eq!(
        bed.run(&["systemctl", "is-active", "mon-web@0.service"])
            .stdout,
        "inactive\n"
    );
    screen.keys(&["S"]);
    screen.shows("start mon-web: done");
    screen.shows("3/3 online");
    screen.keys(&["c"]);
    screen.shows("no reload or scale is going on");
    // What was told is put away, and the keys are named again; Esc never ends it.
    screen.keys(&["Escape"]);
    screen.shows("? help");
    screen.keys(&["Escape"]);
    screen.shows("nothing is open; q quits");
    screen.keys(&["Escape"]);
    screen.shows("? help");

    // Filter; search in the logs.
    screen.keys(&["/"]);
    screen.shows("filter: _");
    screen.keys(&["o", "t", "h"]);
    screen.shows_no("▾ mon-web");
    screen.keys(&["Enter"]);
    screen.shows(" /oth ");
    screen.keys(&["Escape"]);
    screen.shows_no(" /oth ");
    screen.keys(&["End", "Right", "End"]);
    screen.shows("─ logs of mon-web@1 ─");
    screen.wait("lines", |text| text.matches("line-").count() > 12);
    screen.keys(&["Tab", "/"]);
    screen.shows("search: _");
    screen.keys(&["line-7", "Enter"]);
    screen.shows("held");
    screen.keys(&["n"]);
    screen.shows("line-7");
    screen.keys(&["N"]);
    screen.keys(&["Escape"]);
    screen.shows_no("/line-7");
    screen.keys(&["f"]);
    screen.shows_no("held");
    screen.keys(&["f"]);
    screen.shows("held");
    screen.keys(&["G"]);
    screen.shows_no("held");
    screen.keys(&["PageUp"]);
    screen.shows("held");
    screen.keys(&["PageDown"]);
    screen.keys(&["End"]);
    screen.shows_no("held");
    screen.keys(&["Right"]);
    screen.shows("from column 9");
    screen.keys(&["Left"]);
    screen.shows_no("from column");
    screen.keys(&["w"]);
    screen.shows("wrapped");
    screen.keys(&["w"]);
    screen.shows_no("wrapped");

    // Help; the mouse: a click on the first row, a turn of the wheel.
    screen.keys(&["?"]);
    screen.shows("┌─ keys ─");
    screen.keys(&["Escape"]);
    screen.shows_no("┌─ keys ─");
    screen.keys(&["F1"]);
    screen.shows("┌─ keys ─");
    screen.keys(&["q"]);
    screen.shows_no("┌─ keys ─");
    screen.bytes("\x1b[<0;5;3M\x1b[<0;5;3m");
    screen.shows("─ all apps ─");
    screen.bytes("\x1b[<65;5;3M");
    screen.shows("─ mon-other ─");
    assert_eq!(screen.variable("mouse_any_flag"), "1");
    screen.keys(&["m"]);
    screen.shows("the mouse is the terminal's");
    assert_eq!(screen.variable("mouse_any_flag"), "0");
    screen.keys(&["m"]);
    screen.shows("the mouse is taken");
    screen.keys(&["C-l"]);
    screen.shows_no("the mouse is taken");
    screen.shows("─ mon-other ─");

    // To the shell and back; smaller than it can be, and back.
    screen.keys(&["C-z"]);
    screen.wait("the shell", |text| {
        text.contains("Stopped") || text.contains("Suspended")
    });
    assert_eq!(screen.variable("alternate_on"), "0");
    screen.line("fg");
    screen.shows("─ mon-other ─");
    screen.resize(20, 5);
    screen.shows("too small");
    screen.resize(200, 60);
    // Restarts have a column where there is room.
    screen.shows("0↻");
    screen.keys(&["q"]);
    screen.wait("the shell", |text| text.trim_end().ends_with('$'));
    bed.cmd(&["rpmctl", "delete", "mon-web", "mon-other"])
        .deadline(PATIENCE)
        .ok();
}

#[test]
fn colour_and_what_apps_write() {
    let bed = bed::shared();
    let evil = r#"printf '\033]0;evil title\007\033[2J\033[31mred\033[0m \033[?1049lshown 日本語-%s\n' $n; sleep 0.3"#;
    apply(bed, "/srv/monit-evil", &app("mon-evil", 1, evil));
    let coloured = |text: &str| text.contains("\x1b[38;5;");
    let screen = open(bed, "colour", 200, 60, "mon-evil");
    screen.shows("red shown 日本語-");
    assert!(coloured(&screen.coloured()));
    assert_ne!(screen.variable("pane_title"), "evil title");
    assert_eq!(screen.variable("alternate_on"), "1");
    screen.keys(&["q"]);
    let screen = Screen::open(bed, "plain", 80, 24);
    screen.line("NO_COLOR=1 rpmctl monit mon-evil");
    screen.shows("red shown 日本語-");
    let text = screen.coloured();
    assert!(!coloured(&text), "{text}");
    screen.keys(&["q"]);
    bed.cmd(&["rpmctl", "delete", "mon-evil"])
        .deadline(PATIENCE)
        .ok();
}

/// A probe that fails, a job that waits for its clock, an app that gave up.
#[test]
fn what_somebody_should_look_at() {
    let bed = bed::shared();
    bed.write("/srv/monit-ill/well", 0o644, "");
    let probe =
        "health = { exec = \"test -e /srv/monit-ill/well\", interval = \"1s\", threshold = 1 }\n\n";
    let job = "[[apps]]\nname = \"mon-job\"\nscript = \"/bin/true\"\nautorestart = false\ncron_restart = \"0 3 1 1 *\"\n\n";
    let fails = "[[apps]]\nname = \"mon-fails\"\nscript = \"/bin/false\"\nautorestart = false\n\n";
    let ill = app("mon-ill", 1, NUMBERED);
    let text = format!("{}\n{probe}{job}{fails}", ill.trim_end());
    bed.write("/srv/monit-ill/ecosystem.toml", 0o644, text);
    // One of them fails.
    bed.cmd(&["rpmctl", "apply"])
        .dir("/srv/monit-ill")
        .deadline(PATIENCE)
        .run();
    let screen = open(bed, "ill", 200, 60, "mon-ill mon-job mon-fails");
    screen.shows("1/2 online  1 errored  1 waiting");
    screen.shows("▾!mon-fails ");
    screen.shows("▾ mon-job ");
    screen.shows("@0 waiting ");
    screen.shows("▾ mon-ill ");
    bed.ok(&["rm", "/srv/monit-ill/well"]);
    screen.shows("▾!mon-ill ");
    screen.shows("@0 unhealthy ");
    screen.shows("mon-ill@0: unhealthy: ");
    screen.shows("0/2 online  1 errored  1 unhealthy  1 waiting");
    bed.write("/srv/monit-ill/well", 0o644, "");
    screen.shows("▾ mon-ill ");
    screen.keys(&["q"]);
    bed.cmd(&["rpmctl", "delete", "mon-ill", "mon-job", "mon-fails"])
        .deadline(PATIENCE)
        .ok();
}

/// An app, then its journal, then the bus go away: keys are heard all the while, and nothing panics.
#[test]
fn what_goes_away_under_it() {
    let bed = own();
    let steady = app("mon-steady", 1, NUMBERED);
    let apps = format!("{steady}{}", app("mon-gone", 2, "echo bye-$n; sleep 0.1"));
    apply(bed, "/srv/monit", &apps);
    let screen = open(bed, "away", 80, 24, "");
    screen.shows("3/3 online");
    screen.keys(&["j"]);
    screen.shows("bye-");
    bed.cmd(&["rpmctl", "delete", "mon-gone"])
        .deadline(PATIENCE)
        .ok();
    screen.shows("1/1 online");
    screen.shows_no("▾ mon-gone");
    apply(bed, "/srv/monit", &apps);
    screen.shows("3/3 online");

    screen.keys(&["End"]);
    screen.shows("─ mon-steady@0 ─");
    let newest = |text: &str| {
        let lines = text.split("line-").skip(1);
        let number = |rest: &str| {
            rest.chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
        };
        lines
            .filter_map(|rest| number(rest).parse::<u64>().ok())
            .max()
    };
    let seen = screen.wait("lines", |text| newest(text).is_some());
    bed.sh_ok("journalctl --rotate; rm -rf /var/log/journal/* /run/log/journal/*; systemctl restart systemd-journald");
    let before = newest(&seen);
    screen.wait("lines after the journal was taken away", |text| {
        newest(text) > before.map(|number| number + 10)
    });

    let seen = newest(&screen.text());
    bed.ok(&["journalctl", "--rotate", "--vacuum-time=1s"]);
    screen.wait("lines after the journal was rotated away", |text| {
        newest(text) > seen.map(|number| number + 10)
    });

    // Thousands of lines a second.
    let flood = app("mon-flood", 1, "seq 1 5000");
    apply(bed, "/srv/monit", &format!("{apps}{flood}"));
    screen.keys(&["g", "j"]);
    screen.shows("─ mon-flood ─");
    screen.shows("logs of mon-flood");
    for _ in 0..3 {
        screen.resize(20, 5);
        screen.shows("too small");
        screen.resize(80, 24);
        screen.shows("logs of mon-flood");
    }
    screen.wait("its lines", |text| text.matches("mon-flood@0 ").count() > 5);
    screen.keys(&["?"]);
    screen.shows("┌─ keys ─");
    screen.keys(&["Escape"]);
    screen.shows_no("┌─ keys ─");
    bed.cmd(&["rpmctl", "delete", "mon-flood"])
        .deadline(PATIENCE)
        .ok();
    screen.shows("3/3 online");

    let bus = bed.ok(&["pgrep", "-x", "dbus-daemon", "-u", "messagebus"]);
    let bus = bus.lines().next().expect("the system's bus").to_owned();
    bed.ok(&["kill", "-STOP", &bus]);
    screen.keys(&["g"]);
    screen.shows("─ all apps ─");
    screen.keys(&["End", "r"]);
    screen.shows("restart mon-steady@0?");
    screen.keys(&["y"]);
    screen.shows("restart mon-steady@0 …");
    screen.keys(&["?"]);
    screen.shows("┌─ keys ─");
    screen.resize(20, 5);
    screen.shows("too small");
    screen.resize(80, 24);
    screen.shows("┌─ keys ─");
    screen.keys(&["Escape"]);
    screen.shows_no("┌─ keys ─");
    screen.keys(&["q"]);
    screen.wait("the shell", |text| text.trim_end().ends_with('$'));
    assert_eq!(screen.variable("alternate_on"), "0");
    screen.line("clear; rpmctl monit; echo ended $?.");
    screen.shows("ended 1.");
    screen.shows("error: ");
    bed.ok(&["kill", "-CONT", &bus]);
    screen.line("clear; rpmctl monit");
    screen.shows("3/3 online");
    screen.keys(&["q"]);
    screen.wait("the shell", |text| text.trim_end().ends_with('$'));
}
