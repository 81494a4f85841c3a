//! Connections that are opened, asked once and held: who has how many of them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;

use super::Running;
use super::http::{Answer, Connection, Failure};
use crate::bed::Bed;

/// Opens `count` keep-alive connections to `port`, all at once or one every `pace`, each held to the end, with one
/// request as soon as it is open. Connections by the worker that answered.
pub fn spread(
    bed: &Bed,
    port: u16,
    count: usize,
    pace: Option<Duration>,
) -> Result<BTreeMap<u32, usize>, Failure> {
    let held = Running::start(bed, move |_| async move {
        let mut connections = JoinSet::new();
        for _ in 0..count {
            connections.spawn(ask(port));
            if let Some(pace) = pace {
                tokio::time::sleep(pace).await;
            }
        }
        connections.join_all().await
    });
    let mut workers = BTreeMap::new();
    // Held until here: a connection lives as long as its answer is kept.
    for one in held.finish() {
        *workers.entry(one?.1.worker).or_default() += 1;
    }
    Ok(workers)
}

async fn ask(port: u16) -> Result<(Connection, Answer), Failure> {
    let mut connection = Connection::open(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let answer = connection.get("/", true).await?;
    Ok((connection, answer))
}
