//! The lines of what is selected, from the journal as they come.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::Tell;
use crate::journal::text::label;
use crate::journal::{Entry, LogApp, Query, Scope, read};
use crate::monit::action::Action;
use crate::monit::lines::{KEPT, Line};
use crate::terminal::text;

/// Lines of the past.
const PAST: u64 = 200;
/// Lines taken of one message.
const OF_ONE: usize = 100;
/// Entries told at once.
const BATCH: usize = 256;
/// Before journalctl is started: who moves through the list does not want the lines of each.
const PAUSE: Duration = Duration::from_millis(120);
/// Before it is tried again.
const AGAIN: Duration = Duration::from_secs(3);

/// Follows one selection at a time.
pub struct Follower {
    scope: Scope,
    tell: Tell,
    task: Option<JoinHandle<()>>,
}

impl Follower {
    pub fn new(scope: Scope, tell: Tell) -> Follower {
        Follower {
            scope,
            tell,
            task: None,
        }
    }

    /// Ends the journalctl that runs, and follows these.
    pub fn follow(&mut self, of: u64, apps: Vec<LogApp>) {
        let pause = self.task.is_some();
        if let Some(task) = self.task.take() {
            task.abort();
        }
        if apps.is_empty() {
            return;
        }
        let query = Query {
            lines: Some(PAST),
            follow: true,
            ..Query::new(self.scope.clone(), apps)
        };
        let tell = self.tell.clone();
        self.task = Some(tokio::spawn(async move {
            if pause {
                tokio::time::sleep(PAUSE).await;
            }
            run(of, query, &tell).await;
        }));
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

async fn run(of: u64, mut query: Query, tell: &Tell) {
    let mut last = None;
    loop {
        let mut entries = read::entries(query.clone());
        let why = loop {
            let Some(entry) = entries.recv().await else {
                break "the journal ended".to_owned();
            };
            let mut lines = Vec::new();
            let mut problem = None;
            let mut taken = 0;
            let mut next = Some(entry);
            while let Some(entry) = next {
                match entry {
                    Ok(entry) => {
                        last = last.max(Some(entry.at));
                        lines.extend(lines_of(&entry));
                    }
                    Err(error) => problem = Some(format!("{error:#}")),
                }
                taken += 1;
                next = (taken < BATCH).then(|| entries.try_recv().ok()).flatten();
            }
            if !lines.is_empty() && tell.send(Action::Lines { of, lines }).await.is_err() {
                return;
            }
            if let Some(problem) = problem {
                break problem;
            }
        };
        if tell.send(Action::LinesTrouble { of, why }).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
        if let Some(last) = last {
            go_on(&mut query, last);
        }
    }
}

/// What is on the screen already is not wanted twice, and what came since then is not to be missed. `last`: the newest line's time, microseconds since the
/// epoch.
fn go_on(query: &mut Query, last: u64) {
    let next = last.saturating_add(1);
    query.since = Some(format!("@{}.{:06}", next / 1_000_000, next % 1_000_000));
    query.lines = Some(KEPT as u64);
}

fn lines_of(entry: &Entry) -> impl Iterator<Item = Line> {
    let label = text::harmless(&label(entry));
    let stream = entry.stream;
    text::lines(&entry.text(), OF_ONE)
        .into_iter()
        .map(move |text| Line {
            label: label.clone(),
            stream,
            text,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_an_end_it_goes_on_behind_the_last_line() {
        let mut query = Query {
            lines: Some(PAST),
            follow: true,
            ..Query::new(Scope::System, Vec::new())
        };
        go_on(&mut query, 1_700_000_000_000_041);
        let args = query.past_args(&[]);
        assert!(
            args.contains(&"--since=@1700000000.000042".into()),
            "{args:?}"
        );
        assert!(args.contains(&"--lines=5000".into()), "{args:?}");
    }
}
