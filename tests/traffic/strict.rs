//! Clients that ask one request after another and count every one without a complete response: also the request that
//! is never answered, which wrk leaves out. A connection that is closed before the next request is sent is no failure.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::http::{Answer, Connection, Failure};
use super::{Meter, Running};
use crate::bed::Bed;

#[derive(Clone, Copy)]
pub struct Load {
    pub port: u16,
    pub path: &'static str,
    pub clients: usize,
    pub keep_alive: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Failed {
    pub why: Failure,
    /// When the client began with it.
    pub sent: Instant,
    /// After this it was over.
    pub after: Duration,
    /// Who answered the request before it on the same connection.
    pub worker: Option<u32>,
}

#[derive(Default)]
pub struct Tally {
    pub requests: u64,
    pub connections: u64,
    pub failed: Vec<Failed>,
    /// Answers by `processId`.
    pub workers: BTreeMap<u32, u64>,
    pub longest: Duration,
}

impl Load {
    pub fn start(self, bed: &Bed) -> Running<Tally> {
        Running::start(bed, move |meter| async move {
            let mut clients = JoinSet::new();
            for _ in 0..self.clients {
                clients.spawn(self.client(Arc::clone(&meter)));
            }
            let mut all = Tally::default();
            while let Some(one) = clients.join_next().await {
                all.add(one.expect("a client"));
            }
            all
        })
    }

    async fn client(self, meter: Arc<Meter>) -> Tally {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let mut tally = Tally::default();
        let mut open: Option<(Connection, u32)> = None;
        while !meter.is_over() {
            open = open.filter(|(connection, _)| !connection.is_over());
            let worker = open.as_ref().map(|(_, worker)| *worker);
            let sent = Instant::now();
            tally.requests += 1;
            match self.request(address, &mut tally.connections, open).await {
                Ok((connection, answer)) => {
                    meter.count();
                    *tally.workers.entry(answer.worker).or_default() += 1;
                    tally.longest = tally.longest.max(sent.elapsed());
                    let reusable = self.keep_alive && !answer.last;
                    open = reusable.then_some((connection, answer.worker));
                }
                Err(why) => {
                    open = None;
                    tally.failed.push(Failed {
                        why,
                        sent,
                        after: sent.elapsed(),
                        worker,
                    });
                    // A server that refuses at once would otherwise be asked a million times.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        tally
    }

    async fn request(
        &self,
        address: SocketAddr,
        connections: &mut u64,
        open: Option<(Connection, u32)>,
    ) -> Result<(Connection, Answer), Failure> {
        let mut connection = match open {
            Some((connection, _)) => connection,
            None => {
                *connections += 1;
                Connection::open(address).await?
            }
        };
        let answer = connection.get(self.path, self.keep_alive).await?;
        Ok((connection, answer))
    }
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.requests += other.requests;
        self.connections += other.connections;
        self.failed.extend(other.failed);
        for (worker, answers) in other.workers {
            *self.workers.entry(worker).or_default() += answers;
        }
        self.longest = self.longest.max(other.longest);
    }
}

/// How many of each kind: `3 Reset, 1 TimedOut`; `none`.
pub fn kinds(failures: impl IntoIterator<Item = Failure>) -> String {
    let mut counts = BTreeMap::<Failure, usize>::new();
    for failure in failures {
        *counts.entry(failure).or_default() += 1;
    }
    if counts.is_empty() {
        return "none".into();
    }
    let each: Vec<String> = counts
        .iter()
        .map(|(kind, count)| format!("{count} {kind:?}"))
        .collect();
    each.join(", ")
}
