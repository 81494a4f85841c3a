//! Several journals read as one: an app may have its own (`namespace`).

use std::collections::{BTreeSet, VecDeque};

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::entry::Entry;
use super::query::Query;
use super::read::{AHEAD, follow, send_past};

/// What is read of one journal.
pub struct Part {
    pub query: Query,
    pub seen: Vec<BTreeSet<u32>>,
    /// When reading began, in microseconds since the epoch.
    start: u64,
    /// Cursor and time of the newest line sent.
    pub newest: Option<(String, u64)>,
}

impl Part {
    pub fn new(query: Query, start: u64) -> Part {
        Part {
            query,
            seen: vec![],
            start,
            newest: None,
        }
    }

    /// Sends what comes from now on, until nobody receives it.
    pub async fn follow(self, sender: &mpsc::Sender<Result<Entry>>) -> Result<()> {
        // From an older line on would mean every line of the manager since then; the past is read up to `start` at least.
        let newest = self.newest.filter(|(_, at)| *at >= self.start);
        let cursor = newest.map(|(cursor, _)| cursor);
        follow(&self.query, &self.seen, cursor, self.start, sender).await
    }
}

/// Sends what several journals hold now, by time; with `lines` the last so many of all together.
pub async fn send_merged(
    parts: &mut [Part],
    lines: Option<u64>,
    sender: &mpsc::Sender<Result<Entry>>,
) -> Result<()> {
    let mut reading = JoinSet::new();
    let mut heads = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let (sender, mut receiver) = mpsc::channel(AHEAD);
        let (query, seen) = (part.query.clone(), part.seen.clone());
        reading.spawn(async move { (index, send_past(&query, &seen, &sender).await) });
        let first = receiver.recv().await.transpose()?;
        heads.push((first, receiver));
    }
    let mut last = VecDeque::new();
    loop {
        let heads = heads.iter_mut().filter(|(head, _)| head.is_some());
        let earliest = heads.min_by_key(|(head, _)| head.as_ref().map(|entry| entry.at));
        let Some((head, receiver)) = earliest else {
            break;
        };
        let next = receiver.recv().await.transpose()?;
        let Some(entry) = std::mem::replace(head, next) else {
            break;
        };
        match lines {
            Some(lines) => {
                last.push_back(entry);
                if last.len() as u64 > lines {
                    last.pop_front();
                }
            }
            None if sender.send(Ok(entry)).await.is_err() => return Ok(()),
            None => {}
        }
    }
    while let Some(done) = reading.join_next().await {
        let (index, newest) = done.context("a reader of the journal ended")?;
        parts[index].newest = newest?;
    }
    for entry in last {
        if sender.send(Ok(entry)).await.is_err() {
            break;
        }
    }
    Ok(())
}
