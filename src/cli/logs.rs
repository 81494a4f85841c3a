//! `rpmctl logs`: what the apps wrote, and what systemd said of them.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use jiff::tz::TimeZone;
use tokio::signal::unix::{SignalKind, signal};

use crate::journal::text::{Form, show};
use crate::journal::{Entry, LogApp, Query, Scope, Stream, read};

/// Shown when neither --lines nor a time says how much.
const LINES: u64 = 100;
/// As PM2's --timestamp without a format.
const TIMESTAMP: &str = "YYYY-MM-DD HH:mm:ss";

#[derive(Args, Clone, Debug, Default)]
pub struct LogsArgs {
    /// name, name@N, all, /regex/; every app when left out
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Show the last N lines ("all" for every line) [default: 100, or all with --since, --until or --boot]
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_lines)]
    pub lines: Option<Lines>,
    /// Then show new lines as they come, until Ctrl-C
    #[arg(short, long, conflicts_with = "until")]
    pub follow: bool,
    /// Do not follow (the default here; PM2 follows)
    #[arg(long, hide = true, conflicts_with = "follow")]
    pub nostream: bool,
    /// From this time on: "2026-11-22 14:30", "yesterday", "-2h", "1 hour ago"
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Up to this time
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<String>,
    /// Only of this boot of the machine: 0 is this one, -1 the one before
    #[arg(short, long, value_name = "ID", num_args = 0..=1, default_missing_value = "0", allow_hyphen_values = true)]
    pub boot: Option<String>,
    /// Only lines that match; without capitals in it, case does not matter
    #[arg(short, long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub grep: Option<String>,
    /// Only stderr
    #[arg(long, conflicts_with = "out")]
    pub err: bool,
    /// Only stdout
    #[arg(long)]
    pub out: bool,
    /// One JSON object a line
    #[arg(long, conflicts_with = "raw")]
    pub json: bool,
    /// The messages alone, byte for byte
    #[arg(long)]
    pub raw: bool,
    /// Put the time before each line, in this form ("HH:mm:ss.SSS"), whatever the app's log_date_format is
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, default_missing_value = TIMESTAMP)]
    pub timestamp: Option<String>,
}

/// How much of the past.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lines {
    All,
    Last(u64),
}

fn parse_lines(text: &str) -> Result<Lines, &'static str> {
    match text {
        "all" => Ok(Lines::All),
        _ => text
            .parse()
            .map(Lines::Last)
            .map_err(|_| "write a number of lines, or all"),
    }
}

/// Shows the lines of these apps (resolved from `args.targets`). Needs a tokio runtime with I/O and time. Exit code 0, also when the reader of our
/// stdout went away; 130 or 143 when SIGINT or SIGTERM ended it.
pub async fn run(args: &LogsArgs, apps: &[LogApp], scope: Scope) -> Result<ExitCode> {
    let mut screen = Screen {
        form: form(
            args,
            io::stdout().is_terminal(),
            std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty()),
        ),
        timestamp: args.timestamp.clone(),
        apps: apps.to_vec(),
        zone: TimeZone::system(),
        out: io::BufWriter::new(io::stdout()),
    };
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut entries = read::entries(query(args, apps, scope));
    loop {
        let entry = tokio::select! {
            biased;
            _ = interrupt.recv() => return Ok(ExitCode::from(130)),
            _ = terminate.recv() => return Ok(ExitCode::from(143)),
            entry = entries.recv() => entry,
        };
        let Some(entry) = entry else {
            return Ok(ExitCode::SUCCESS);
        };
        let shown = screen
            .show(&entry?)
            .and_then(|()| match entries.is_empty() {
                true => screen.out.flush(),
                false => Ok(()),
            });
        match shown {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Ok(ExitCode::SUCCESS);
            }
            shown => shown.context("cannot write to stdout")?,
        }
    }
}

fn query(args: &LogsArgs, apps: &[LogApp], scope: Scope) -> Query {
    let bounded = args.since.is_some() || args.until.is_some() || args.boot.is_some();
    Query {
        lines: match args.lines {
            Some(Lines::Last(lines)) => Some(lines),
            None if !bounded => Some(LINES),
            Some(Lines::All) | None => None,
        },
        follow: args.follow,
        since: args.since.clone(),
        until: args.until.clone(),
        grep: args.grep.clone(),
        boot: args.boot.clone(),
        stream: match (args.err, args.out) {
            (true, _) => Some(Stream::Err),
            (false, true) => Some(Stream::Out),
            (false, false) => None,
        },
        ..Query::new(scope, apps.to_vec())
    }
}

fn form(args: &LogsArgs, terminal: bool, no_color: bool) -> Form {
    match (args.json, args.raw) {
        (true, _) => Form::Json,
        (false, true) => Form::Raw,
        (false, false) => Form::Text {
            colour: terminal && !no_color,
        },
    }
}

struct Screen<W> {
    form: Form,
    timestamp: Option<String>,
    apps: Vec<LogApp>,
    zone: TimeZone,
    out: W,
}

impl<W: Write> Screen<W> {
    fn show(&mut self, entry: &Entry) -> io::Result<()> {
        let app = self
            .apps
            .iter()
            .find(|app| entry.app.as_deref() == Some(&app.name));
        let format = self
            .timestamp
            .as_deref()
            .or(app.and_then(|app| app.date_format.as_deref()));
        self.out
            .write_all(&show(entry, self.form, format, &self.zone))?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: LogsArgs,
    }

    fn parse(line: &str) -> Result<LogsArgs, clap::Error> {
        let words = std::iter::once("logs").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.args)
    }

    fn asked(line: &str) -> Query {
        query(&parse(line).unwrap(), &[], Scope::System)
    }

    #[test]
    fn how_much_of_the_past() {
        assert_eq!(asked("").lines, Some(100));
        assert_eq!(asked("api -n 5").lines, Some(5));
        assert_eq!(asked("-n all").lines, None);
        assert_eq!(asked("--since -2h").lines, None);
        assert_eq!(asked("--since -2h -n 3").lines, Some(3));
        assert_eq!(asked("api -b").boot.as_deref(), Some("0"));
        assert_eq!(asked("-b -1").boot.as_deref(), Some("-1"));
        assert!(parse("-n many").is_err() && parse("-n -1").is_err());
    }

    #[test]
    fn streams_and_forms() {
        assert_eq!(asked("--err").stream, Some(Stream::Err));
        assert_eq!(asked("--out -f").stream, Some(Stream::Out));
        assert_eq!(asked("api --nostream").stream, None);
        for both in [
            "--err --out",
            "--json --raw",
            "-f --nostream",
            "-f --until now",
        ] {
            assert!(parse(both).is_err(), "{both}");
        }
        let form = |line: &str, terminal, no_color| form(&parse(line).unwrap(), terminal, no_color);
        assert_eq!(form("", true, false), Form::Text { colour: true });
        assert_eq!(form("", true, true), Form::Text { colour: false });
        assert_eq!(form("", false, false), Form::Text { colour: false });
        assert_eq!(form("--json", true, false), Form::Json);
    }

    #[test]
    fn an_app_has_its_own_date_format_unless_one_is_asked_for() {
        let entry = crate::journal::entry::parse(
            br#"{"__REALTIME_TIMESTAMP":"0","__CURSOR":"c","_TRANSPORT":"stdout","SYSLOG_IDENTIFIER":"api@0","MESSAGE":"x"}"#,
        );
        let app = LogApp {
            name: "api".into(),
            stem: "api".into(),
            instances: None,
            date_format: Some("YYYY".into()),
        };
        let mut screen = Screen {
            form: Form::Text { colour: false },
            timestamp: None,
            apps: vec![app],
            zone: TimeZone::UTC,
            out: Vec::new(),
        };
        screen.show(entry.as_ref().unwrap()).unwrap();
        screen.timestamp = Some("HH".into());
        screen.show(entry.as_ref().unwrap()).unwrap();
        assert_eq!(screen.out, b"api@0 | 1970: x\napi@0 | 00: x\n");
    }
}
