//! `rpmctl logs`: what the apps wrote, and what systemd said of them.

use std::collections::BTreeSet;
use std::future::pending;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use jiff::tz::TimeZone;
use tokio::io::Interest;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::journal::text::{Form, show};
use crate::journal::{Entry, LogApp, Query, Scope, Stream, read};

/// Shown when neither --lines nor a time says how much.
const LINES: u64 = 100;
/// How long the last lines may take to come.
const REST: Duration = Duration::from_secs(2);
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
    /// From this time on, also from before a flush: "2026-11-22 14:30", "yesterday", "-2h", "1 hour ago"
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Up to this time
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<String>,
    /// Only of this boot of the machine, also from before a flush: 0 is this one, -1 the one before
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
    let mut screen = Screen::new(args, apps);
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut entries = read::entries(query(args, apps, scope));
    let mut unread = pin!(unread());
    loop {
        let entry = tokio::select! {
            biased;
            _ = interrupt.recv() => return Ok(ExitCode::from(130)),
            _ = terminate.recv() => return Ok(ExitCode::from(143)),
            () = &mut unread => return Ok(ExitCode::SUCCESS),
            entry = entries.recv() => entry,
        };
        let Some(entry) = entry else {
            return Ok(ExitCode::SUCCESS);
        };
        if screen.show(&entry?, entries.is_empty())? == Reader::Gone {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Shows the lines of these apps while `work` goes on, then those that were written until its end. `gone` is told when they cannot be shown any
/// longer: the reader of our stdout went away (no error), or the journal cannot be read.
pub async fn during<T>(
    work: impl Future<Output = T>,
    args: &LogsArgs,
    apps: &[LogApp],
    scope: Scope,
    gone: oneshot::Sender<()>,
) -> (T, Result<()>) {
    let mut screen = Screen::new(args, apps);
    let query = query(args, apps, scope);
    let mut entries = read::entries(query.clone());
    let mut newest = 0;
    let mut work = pin!(work);
    let mut unread = pin!(unread());
    let trouble = loop {
        let entry = tokio::select! {
            entry = entries.recv() => entry,
            () = &mut unread => break Ok(()),
            done = &mut work => {
                let rest = rest(&query, &mut entries, &mut screen, newest);
                let rest = tokio::time::timeout(REST, rest).await;
                return (done, rest.unwrap_or(Ok(())));
            }
        };
        let shown = match entry {
            None => Err(anyhow!("the journal ended")),
            Some(entry) => entry.and_then(|entry| {
                newest = newest.max(entry.at);
                screen.show(&entry, entries.is_empty())
            }),
        };
        match shown {
            Ok(Reader::Here) => {}
            Ok(Reader::Gone) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let _ = gone.send(());
    (work.await, trouble)
}

/// Waits until nobody reads the pipe that our stdout is, which a follower without new lines would not find out by writing.
async fn unread() {
    let stdout = io::stdout().as_fd().try_clone_to_owned();
    // As it is: it is not ours alone to make it non-blocking. A file cannot be waited for, nor does anybody leave it.
    if let Ok(watched) = stdout.and_then(pipe::Sender::from_owned_fd_unchecked)
        && watched.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    pending().await
}

/// Shows what the journal has beyond `newest` (microseconds since the epoch) by now.
async fn rest(
    query: &Query,
    entries: &mut mpsc::Receiver<Result<Entry>>,
    screen: &mut Screen<impl Write>,
    mut newest: u64,
) -> Result<()> {
    let namespaces: BTreeSet<&str> = query
        .apps
        .iter()
        .filter_map(|app| app.namespace.as_deref())
        .collect();
    read::sync_all(namespaces).await;
    let last = Query {
        lines: Some(1),
        ..query.clone()
    };
    let until = read::past(&last).await?.pop().map_or(0, |entry| entry.at);
    while newest < until {
        let Some(entry) = entries.recv().await else {
            break;
        };
        let entry = entry?;
        newest = newest.max(entry.at);
        if screen.show(&entry, entries.is_empty())? == Reader::Gone {
            break;
        }
    }
    Ok(())
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

/// Whether anybody reads our stdout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reader {
    Here,
    Gone,
}

struct Screen<W: Write> {
    form: Form,
    timestamp: Option<String>,
    apps: Vec<LogApp>,
    zone: TimeZone,
    out: io::BufWriter<W>,
}

impl Screen<io::Stdout> {
    fn new(args: &LogsArgs, apps: &[LogApp]) -> Self {
        Screen {
            form: form(
                args,
                io::stdout().is_terminal(),
                std::env::var_os("NO_COLOR").is_some_and(|set| !set.is_empty()),
            ),
            timestamp: args.timestamp.clone(),
            apps: apps.to_vec(),
            zone: TimeZone::system(),
            out: io::BufWriter::new(io::stdout()),
        }
    }
}

impl<W: Write> Screen<W> {
    /// `flush`: when no other line waits to be shown.
    fn show(&mut self, entry: &Entry, flush: bool) -> Result<Reader> {
        let app = self
            .apps
            .iter()
            .find(|app| entry.app.as_deref() == Some(&app.name));
        let format = self
            .timestamp
            .as_deref()
            .or(app.and_then(|app| app.date_format.as_deref()));
        let shown = show(entry, self.form, format, &self.zone);
        let written = self
            .out
            .write_all(&shown)
            .and_then(|()| if flush { self.out.flush() } else { Ok(()) });
        match written {
            Ok(()) => Ok(Reader::Here),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(error).context("cannot write to stdout"),
        }
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
            date_format: Some("YYYY".into()),
            ..LogApp::default()
        };
        let mut screen = Screen {
            form: Form::Text { colour: false },
            timestamp: None,
            apps: vec![app],
            zone: TimeZone::UTC,
            out: io::BufWriter::new(Vec::new()),
        };
        screen.show(entry.as_ref().unwrap(), false).unwrap();
        screen.timestamp = Some("HH".into());
        screen.show(entry.as_ref().unwrap(), true).unwrap();
        assert_eq!(screen.out.get_ref(), b"api@0 | 1970: x\napi@0 | 00: x\n");
    }
}
