//! `rpmctl status --watch`, in a terminal (tmux) and without one.

use rustix::process::Signal;
use serde_json::Value;

use crate::apps::PATIENCE;
use crate::bed::{self, Bed, Options};

/// A terminal of its own in the bed, with a shell in it.
struct Terminal<'a> {
    bed: &'a Bed,
    name: String,
}

impl<'a> Terminal<'a> {
    fn new(bed: &'a Bed, name: &str) -> Terminal<'a> {
        let terminal = Terminal {
            bed,
            name: name.to_owned(),
        };
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            "24",
            "exec sh",
        ]);
        terminal
    }

    fn tmux(&self, args: &[&str]) -> String {
        let mut line = vec!["tmux", "-L", &self.name];
        line.extend(args);
        self.bed.cmd(&line).env("TERM", "xterm-256color").ok()
    }

    fn keys(&self, keys: &[&str]) {
        let mut line = vec!["send-keys"];
        line.extend(keys);
        self.tmux(&line);
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn shows(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let mut last = String::new();
        let begun = std::time::Instant::now();
        while begun.elapsed() < PATIENCE {
            last = self.screen();
            if holds(&last) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("the terminal does not show {what}:\n{last}");
    }

    /// Whether the cursor is seen.
    fn cursor(&self) -> bool {
        self.tmux(&["display-message", "-p", "#{cursor_flag}"])
            .trim()
            == "1"
    }

    /// It draws, which it does without a cursor, and shows this.
    fn draws(&self, what: &str, holds: impl Fn(&str) -> bool) {
        self.shows(what, |screen| !self.cursor() && holds(screen));
    }

    /// The shell is back, with the terminal as it was: keys are shown, and so is the cursor. `time`: another one each time.
    fn is_back(&self, status: i32, time: &str) {
        // Until then keys are not the shell's.
        self.shows("the cursor", |_| self.cursor());
        let line = format!("echo {time} end $?; stty -a | grep -o -- '-*echo ' | head -1");
        self.keys(&[&line, "Enter"]);
        self.shows("the shell", |screen| {
            let lines: Vec<&str> = screen.lines().collect();
            let end = format!("{time} end {status}");
            let end = lines.iter().position(|line| line.ends_with(&end));
            end.is_some_and(|at| lines.get(at + 1).is_some_and(|line| line.trim() == "echo"))
        });
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let line = ["tmux", "-L", &self.name, "kill-server"];
        self.bed.run(&line);
    }
}

fn apply(bed: &Bed, name: &str, instances: u32) {
    let text = format!(
        "[[apps]]\nname = \"{name}\"\nscript = \"/bin/sleep\"\nargs = [\"1000\"]\ninstances = {instances}\nmin_uptime = 200\n"
    );
    let file = format!("/srv/{name}/ecosystem.toml");
    bed.write(&file, 0o644, text);
    bed.ok(&["rpmctl", "apply", &file]);
}

#[test]
fn it_follows_what_happens_and_leaves_the_terminal_as_it_was() {
    let bed = bed::shared();
    apply(bed, "seen-one", 2);
    apply(bed, "seen-two", 1);
    let terminal = Terminal::new(bed, "seen");
    terminal.shows("a prompt", |screen| {
        screen.contains('#') || screen.contains('$')
    });
    // An hour between two looks: what changes meanwhile, systemd has told.
    terminal.keys(&["rpmctl status --watch 3600 /^seen-/", "Enter"]);
    terminal.draws("both apps", |screen| {
        screen.contains("every 3600 s")
            && screen.contains("2/2  online")
            && screen.contains("1/1  online")
    });
    bed.ok(&["rpmctl", "stop", "seen-one@1"]);
    terminal.shows("one that was stopped", |screen| {
        screen.contains("1/2  partly")
    });

    // Too small for anything, and back.
    terminal.tmux(&["resize-window", "-x", "20", "-y", "5"]);
    terminal.shows("a small table", |screen| {
        screen.contains("more lines") && screen.contains("seen-o") && !screen.contains("cpu")
    });
    terminal.tmux(&["resize-window", "-x", "120", "-y", "30"]);
    // What tmux takes out of its history is not what was drawn.
    terminal.draws("a large table", |screen| {
        let first = screen.lines().next().unwrap_or_default();
        first.ends_with("every 3600 s, q ends") && screen.contains("uptime")
    });
    terminal.keys(&["q"]);
    terminal.is_back(0, "first");

    terminal.keys(&["rpmctl status --watch=0.2 seen-two", "Enter"]);
    terminal.draws("its instance", |screen| {
        screen.contains("seen-two@0  online")
    });
    // It goes, and is back.
    bed.ok(&["rpmctl", "delete", "seen-two"]);
    terminal.shows("that it is gone", |screen| {
        screen.contains("no app is called seen-two")
    });
    apply(bed, "seen-two", 1);
    terminal.shows("it again", |screen| {
        screen.contains("seen-two@0  online") && !screen.contains("no app")
    });
    terminal.keys(&["C-c"]);
    terminal.is_back(0, "second");

    // Stopped by Ctrl-Z or by somebody else, it leaves the terminal to the shell, and takes it again.
    terminal.keys(&["rpmctl status --watch=0.2 seen-two", "Enter"]);
    terminal.draws("its instance", |screen| {
        screen.contains("seen-two@0  online")
    });
    let shell = terminal.tmux(&["display-message", "-p", "#{pane_pid}"]);
    let stop = format!("kill -TSTP $(pgrep -P {})", shell.trim());
    for (number, time) in ["stopped", "again"].into_iter().enumerate() {
        match number {
            0 => drop(bed.sh_ok(&stop)),
            _ => terminal.keys(&["C-z"]),
        }
        terminal.is_back(128 + Signal::STOP.as_raw(), time);
        terminal.keys(&["clear; fg", "Enter"]);
        terminal.draws("its instance again", |screen| {
            screen.contains("q ends") && screen.contains("seen-two@0  online")
        });
    }
    terminal.keys(&["q"]);
    terminal.is_back(0, "at last");

    terminal.keys(&["rpmctl status -w seen-two", "Enter"]);
    terminal.draws("its instance", |screen| {
        screen.contains("seen-two@0  online")
    });
    bed.sh_ok(&format!("kill -TERM $(pgrep -P {})", shell.trim()));
    terminal.is_back(143, "third");

    // Tables that are printed once cut their lines as well.
    terminal.tmux(&["resize-window", "-x", "20", "-y", "5"]);
    for command in ["list", "status"] {
        terminal.keys(&[
            &format!("clear; rpmctl {command} seen-two; echo end"),
            "Enter",
        ]);
        terminal.shows("a small table", |screen| {
            let lines: Vec<&str> = screen.lines().collect();
            let row = |line: &&str| line.starts_with("seen-") && line.contains("onli");
            lines.iter().filter(|line| row(line)).count() == 1 && lines.contains(&"end")
        });
    }
    bed.ok(&["rpmctl", "delete", "seen-one", "seen-two"]);
}

#[test]
fn without_a_terminal_it_prints_each_look() {
    let bed = bed::shared();
    apply(bed, "looked-at", 1);
    // Where no app is left, other words say so.
    apply(bed, "looked-past", 1);
    let mut json = bed.spawn(&["rpmctl", "status", "--watch", "0.1", "--json", "looked-at"]);
    bed.wait_until("three documents", PATIENCE, || {
        json.printed().0.lines().count() >= 3
    });
    assert!(json.signal(Signal::INT));
    let output = json.wait(PATIENCE);
    // A busy machine may let it wait for more than a second.
    let notice = output.stderr.replace("systemd has not answered yet\n", "");
    assert_eq!((output.status, notice.as_str()), (0, ""), "{output}");
    for line in output.stdout.lines() {
        let apps: Value = serde_json::from_str(line).expect("a document a line");
        assert_eq!(apps[0]["status"], "online");
    }

    let mut table = bed.spawn(&["rpmctl", "status", "--watch=0.1", "looked-at"]);
    bed.wait_until("two tables", PATIENCE, || {
        table.printed().0.matches("looked-at@0  online").count() >= 2
    });
    // What is not there any more is said once.
    bed.ok(&["rpmctl", "delete", "looked-at"]);
    bed.wait_until("that it is gone", PATIENCE, || {
        !table.printed().1.is_empty()
    });
    assert!(table.is_running());
    assert!(table.signal(Signal::TERM));
    let output = table.wait(PATIENCE);
    assert_eq!(
        (output.status, output.stderr.as_str()),
        (143, "error: no app is called looked-at\n"),
        "{output}"
    );
    assert!(!output.stdout.contains('\x1b'), "{output}");

    bed.ok(&["rpmctl", "delete", "looked-past"]);

    // Nobody reads it any more.
    let output = bed.run(&["sh", "-c", "rpmctl status --watch 0.1 | head -1"]);
    assert_eq!(output.status, 0, "{output}");
    let wrong = bed.run(&["rpmctl", "status", "--watch", "0.1", "nothing-of-that-name"]);
    assert_eq!(wrong.status, 1, "{wrong}");
}

#[test]
fn a_manager_that_does_not_answer_holds_nothing_up() {
    let bed = Bed::boot(Options::default());
    apply(&bed, "still", 1);
    let systemd = rustix::process::Pid::from_raw(bed.leader()).expect("a process");
    let freeze = |signal| rustix::process::kill_process(systemd, signal).expect("signal");
    let terminal = Terminal::new(&bed, "still");
    terminal.keys(&["rpmctl status --watch 0.2", "Enter"]);
    terminal.draws("the app", |screen| {
        screen.contains("still") && screen.contains("online")
    });
    freeze(Signal::STOP);
    terminal.shows("that there is no answer", |screen| {
        screen.contains("systemd has not answered for") && screen.contains("still")
    });
    terminal.tmux(&["resize-window", "-x", "40", "-y", "6"]);
    terminal.shows("the same in little room", |screen| {
        screen.contains("systemd has not answered for") && !screen.contains("restarts")
    });
    freeze(Signal::CONT);
    terminal.shows("an answer", |screen| {
        !screen.contains("not answered") && screen.contains("online")
    });
    freeze(Signal::STOP);
    terminal.shows("that there is none again", |screen| {
        screen.contains("not answered")
    });
    terminal.keys(&["q"]);
    terminal.is_back(0, "fourth");
    freeze(Signal::CONT);
}
