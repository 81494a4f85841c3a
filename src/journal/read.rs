//! Runs journalctl(1) and sends what it finds.
//!
//! Two runs a journal: one for the past, one that follows from the last line's cursor. The second is started again from there should it end, so a
//! journald that restarts, rotates or loses its files costs no line that is still in the journal.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use super::entry::{self, Entry};
use super::merge::{Part, send_merged};
use super::query::{Query, instances_seen};
use super::trouble;

/// Lines read ahead of the receiver.
pub(super) const AHEAD: usize = 256;
/// Of journalctl's complaints, the first so many bytes.
const COMPLAINTS: u64 = 8192;
/// Before a run that ended by itself is started again.
const AGAIN: Duration = Duration::from_millis(200);
/// Runs in a row that may end without a line before following is given up.
const FRUITLESS: u32 = 10;
/// How long journald may take to store what was sent to it: while somebody writes without end, it is never done.
const SYNC: Duration = Duration::from_secs(5);

/// Sends every line that the query asks for, oldest first, then, when it follows, each new one. An error is the last item. Dropping the receiver ends
/// journalctl. Needs a tokio runtime with I/O and time.
pub fn entries(query: Query) -> mpsc::Receiver<Result<Entry>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let gone = sender.clone();
        tokio::select! {
            () = gone.closed() => {}
            result = send_all(&query, &sender) => {
                if let Err(error) = result {
                    let _ = sender.send(Err(error)).await;
                }
            }
        }
    });
    receiver
}

/// All that the query asks for of what the journal holds now, oldest first; `follow` is ignored.
pub async fn past(query: &Query) -> Result<Vec<Entry>> {
    let follow = false;
    let mut receiver = entries(Query {
        follow,
        ..query.clone()
    });
    let mut found = Vec::new();
    while let Some(entry) = receiver.recv().await {
        found.push(entry?);
    }
    Ok(found)
}

/// Waits until journald has stored what was sent to it before (`journalctl --sync`; root only, without effect for others), five seconds at most.
pub async fn sync() {
    sync_all([]).await;
}

/// The same, and of these namespaces as well.
pub async fn sync_all(namespaces: impl IntoIterator<Item = &str>) {
    let own = namespaces.into_iter().map(Some);
    for namespace in std::iter::once(None).chain(own) {
        let mut args: Vec<OsString> = vec!["--sync".into()];
        args.extend(namespace.map(|name| format!("--namespace={name}").into()));
        let mut command = journalctl(&args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        if let Ok(mut child) = command.spawn() {
            let _ = tokio::time::timeout(SYNC, child.wait()).await;
        }
    }
}

async fn send_all(query: &Query, sender: &mpsc::Sender<Result<Entry>>) -> Result<()> {
    let start = SystemTime::now().duration_since(UNIX_EPOCH);
    let start = start.unwrap_or_default().as_micros() as u64;
    let seen = instances(query).await?;
    let mut parts: Vec<Part> = query
        .parts()
        .into_iter()
        .map(|query| Part::new(query, start))
        .collect();
    for part in &mut parts {
        let of = |app| query.apps.iter().position(|other| other == app);
        let own = part.query.apps.iter().filter_map(of);
        part.seen = own.map(|index| seen[index].clone()).collect();
    }
    if query.lines != Some(0) {
        match parts.as_mut_slice() {
            [only] => only.newest = send_past(&only.query, &only.seen, sender).await?,
            _ => send_merged(&mut parts, query.lines, sender).await?,
        }
    }
    if !query.follow {
        return Ok(());
    }
    let mut following = JoinSet::new();
    for part in parts {
        let sender = sender.clone();
        following.spawn(async move { part.follow(&sender).await });
    }
    // The first that ends: nobody receives any more, or one journal cannot be read.
    match following.join_next().await {
        Some(ended) => ended.context("a reader of the journal ended")?,
        None => Ok(()),
    }
}

/// For each app the instances that the manager wrote about. A query without apps of which all instances are asked for needs none.
async fn instances(query: &Query) -> Result<Vec<BTreeSet<u32>>> {
    if query.apps.iter().all(|app| app.instances.is_some()) {
        return Ok(vec![BTreeSet::new(); query.apps.len()]);
    }
    let mut run = Run::start(&query.units_args())?;
    let mut units = String::new();
    run.lines
        .read_to_string(&mut units)
        .await
        .context("cannot read from journalctl")?;
    let (_, complaints) = run.end().await?;
    match trouble::explain(&complaints, &query.scope, query.namespace.as_deref()) {
        Some(trouble) => bail!(trouble),
        None => Ok(instances_seen(&query.apps, &units)),
    }
}

/// Sends what the journal holds now, oldest first. Returns the newest line's cursor and time.
pub(super) async fn send_past(
    query: &Query,
    seen: &[BTreeSet<u32>],
    sender: &mpsc::Sender<Result<Entry>>,
) -> Result<Option<(String, u64)>> {
    let mut newest = None;
    if !query.is_there() {
        return Ok(newest);
    }
    let mut run = Run::start(&query.past_args(seen))?;
    let Some(lines) = query.lines else {
        while let Some(entry) = run.next(query).await? {
            newest = Some((entry.cursor.clone(), entry.at));
            if sender.send(Ok(entry)).await.is_err() {
                return Ok(newest);
            }
        }
        run.finish(query).await?;
        return Ok(newest);
    };
    let mut newest_first = Vec::new();
    while (newest_first.len() as u64) < lines {
        match run.next(query).await? {
            Some(entry) => newest_first.push(entry),
            None => {
                run.finish(query).await?;
                break;
            }
        }
    }
    for entry in newest_first.into_iter().rev() {
        newest = Some((entry.cursor.clone(), entry.at));
        if sender.send(Ok(entry)).await.is_err() {
            break;
        }
    }
    Ok(newest)
}

pub(super) async fn follow(
    query: &Query,
    seen: &[BTreeSet<u32>],
    mut cursor: Option<String>,
    start: u64,
    sender: &mpsc::Sender<Result<Entry>>,
) -> Result<()> {
    let mut fruitless = 0;
    loop {
        if !query.is_there() {
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        let mut run = Run::start(&query.follow_args(seen, cursor.as_deref(), start))?;
        while let Some(entry) = run.next_of_any(query).await? {
            fruitless = 0;
            cursor = Some(entry.cursor.clone());
            if query.wants(&entry) && sender.send(Ok(entry)).await.is_err() {
                return Ok(());
            }
        }
        let (status, complaints) = run.end().await?;
        if let Some(trouble) =
            trouble::explain(&complaints, &query.scope, query.namespace.as_deref())
        {
            bail!(trouble);
        }
        if !trouble::not_there_yet(&complaints, &query.scope, query.namespace.as_deref()) {
            fruitless += 1;
        }
        if fruitless == FRUITLESS {
            return Err(failed(status, &complaints));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// A running journalctl; dropping it kills it.
struct Run {
    child: Child,
    lines: BufReader<ChildStdout>,
    complaints: JoinHandle<String>,
}

impl Run {
    fn start(args: &[OsString]) -> Result<Run> {
        let mut child = journalctl(args)
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => anyhow!("journalctl is not installed (package systemd)"),
                _ => anyhow!("cannot run journalctl: {error}"),
            })?;
        let stdout = child.stdout.take().context("journalctl without stdout")?;
        let stderr = child.stderr.take().context("journalctl without stderr")?;
        Ok(Run {
            child,
            lines: BufReader::new(stdout),
            complaints: tokio::spawn(keep_start(stderr)),
        })
    }

    /// The next line of the query's apps; None at the end.
    async fn next(&mut self, query: &Query) -> Result<Option<Entry>> {
        loop {
            match self.next_of_any(query).await? {
                Some(entry) if !query.wants(&entry) => {}
                other => return Ok(other),
            }
        }
    }

    /// The next line that journalctl prints.
    async fn next_of_any(&mut self, query: &Query) -> Result<Option<Entry>> {
        let mut line = Vec::new();
        let size = self.lines.read_until(b'\n', &mut line).await;
        if size.context("cannot read from journalctl")? == 0 || line.last() != Some(&b'\n') {
            // A line without its end was cut off with the run; it is read again.
            return Ok(None);
        }
        match entry::parse(&line) {
            Ok(entry) => Ok(Some(entry)),
            Err(error) => {
                let (_, complaints) = self.stop().await?;
                let trouble =
                    trouble::explain(&complaints, &query.scope, query.namespace.as_deref());
                Err(anyhow!(trouble.unwrap_or_else(|| format!(
                    "journalctl printed what is {error}"
                ))))
            }
        }
    }

    /// After the last line: an error when there was trouble.
    async fn finish(self, query: &Query) -> Result<()> {
        let (status, complaints) = self.end().await?;
        if let Some(trouble) =
            trouble::explain(&complaints, &query.scope, query.namespace.as_deref())
        {
            bail!(trouble);
        }
        // With --grep, status 1 says that nothing matched.
        let nothing = status.code() == Some(1) && complaints.trim().is_empty();
        if status.success()
            || nothing
            || trouble::not_there_yet(&complaints, &query.scope, query.namespace.as_deref())
        {
            return Ok(());
        }
        Err(failed(status, &complaints))
    }

    async fn stop(&mut self) -> Result<(ExitStatus, String)> {
        let _ = self.child.start_kill();
        let status = self
            .child
            .wait()
            .await
            .context("cannot wait for journalctl")?;
        Ok((status, (&mut self.complaints).await.unwrap_or_default()))
    }

    async fn end(mut self) -> Result<(ExitStatus, String)> {
        let status = self
            .child
            .wait()
            .await
            .context("cannot wait for journalctl")?;
        Ok((status, self.complaints.await.unwrap_or_default()))
    }
}

fn failed(status: ExitStatus, complaints: &str) -> anyhow::Error {
    let complaints = complaints.trim();
    if complaints.is_empty() {
        anyhow!("journalctl failed ({status})")
    } else {
        anyhow!("journalctl failed: {complaints}")
    }
}

pub(super) fn journalctl(args: &[OsString]) -> Command {
    let mut command = Command::new("journalctl");
    command
        .args(args)
        .env("LC_ALL", "C")
        .env("SYSTEMD_COLORS", "0")
        // 247 colours what it complains of, terminal or not.
        .env("SYSTEMD_LOG_COLOR", "0")
        .env_remove("SYSTEMD_LOG_LEVEL")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The start of what a pipe carries; the rest is read so that the writer never blocks.
async fn keep_start(mut pipe: impl AsyncRead + Unpin) -> String {
    let mut start = Vec::new();
    let _ = (&mut pipe).take(COMPLAINTS).read_to_end(&mut start).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&start).into_owned()
}
