//! A program on a real terminal: a window of tmux in the bed.

use std::time::Duration;

use crate::bed::{Bed, Output};

/// Generous: slow processors, other tests beside this one.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Until the process is stopped (`T` of proc_pid_stat(5)).
pub fn wait_stopped(bed: &Bed, pid: &str) {
    bed.wait_until("the process is stopped", PATIENCE, || {
        let stat = bed.run(&["cat", &format!("/proc/{pid}/stat")]).stdout;
        let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
        state.is_some_and(|state| state.starts_with('T'))
    });
}

/// Until there is none of this id.
pub fn wait_gone(bed: &Bed, pid: &str) {
    bed.wait_until("the process is gone", PATIENCE, || {
        bed.run(&["test", "-e", &format!("/proc/{pid}")]).status != 0
    });
}

/// One tmux server with one window, in which a shell runs. Ends with its drop.
pub struct Screen<'a> {
    bed: &'a Bed,
    name: String,
}

impl<'a> Screen<'a> {
    /// A shell (dash: it sets nothing of the terminal itself) in a window of this size.
    pub fn open(bed: &'a Bed, name: &str, columns: u16, rows: u16) -> Screen<'a> {
        let screen = Screen::of(bed, name, columns, rows, "env PS1='$ ' sh");
        screen.wait("the shell's prompt", |text| text.starts_with('$'));
        screen
    }

    /// This command in a window of its own, and no shell above it.
    pub fn of(bed: &'a Bed, name: &str, columns: u16, rows: u16, command: &str) -> Screen<'a> {
        let screen = Screen {
            bed,
            name: name.to_owned(),
        };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        screen.ok(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            command,
        ]);
        screen
    }

    fn run(&self, args: &[&str]) -> Output {
        let all: Vec<&str> = ["tmux", "-L", &self.name]
            .iter()
            .chain(args)
            .copied()
            .collect();
        self.bed.cmd(&all).deadline(PATIENCE).run()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status, 0, "tmux {}\n{output}", args.join(" "));
        output.stdout
    }

    /// Keys as tmux names them (`Enter`, `C-c`, `Down`), or text.
    pub fn keys(&self, keys: &[&str]) {
        let args: Vec<&str> = ["send-keys"].iter().chain(keys).copied().collect();
        self.ok(&args);
    }

    /// Text with an Enter behind it.
    pub fn line(&self, line: &str) {
        self.ok(&["send-keys", "-l", line]);
        self.keys(&["Enter"]);
    }

    /// These bytes, as the terminal would send them.
    pub fn bytes(&self, bytes: &str) {
        let hex: Vec<String> = bytes.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut args = vec!["send-keys", "-H"];
        args.extend(hex.iter().map(String::as_str));
        self.ok(&args);
    }

    /// What is on it, rows without blanks at their ends.
    pub fn text(&self) -> String {
        self.ok(&["capture-pane", "-p"])
    }

    /// The same with the escape sequences of its colours.
    pub fn coloured(&self) -> String {
        self.ok(&["capture-pane", "-p", "-e"])
    }

    /// One of tmux's variables about it, e.g. `alternate_on`.
    pub fn variable(&self, name: &str) -> String {
        let text = self.ok(&["display-message", "-p", &format!("#{{{name}}}")]);
        text.trim_end().to_owned()
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.ok(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// Until the screen is so. What it is then.
    pub fn wait(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let begun = std::time::Instant::now();
        loop {
            let text = self.text();
            if holds(&text) {
                return text;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "waited in vain for: {what}\n{text}"
            );
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Until this text is on it.
    pub fn shows(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    pub fn shows_no(&self, text: &str) -> String {
        self.wait(&format!("no {text}"), |screen| !screen.contains(text))
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- screen of {}\n{}",
                self.name,
                self.run(&["capture-pane", "-p"]).stdout
            );
        }
        self.run(&["kill-server"]);
    }
}
