//! New connections at a fixed pace, one request on each, whether or not earlier ones were answered: what a visitor
//! waits for while something happens to the server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::http::{Connection, Failure};
use super::{Meter, Running};
use crate::bed::Bed;

#[derive(Clone, Copy)]
pub struct Visitors {
    pub port: u16,
    pub path: &'static str,
    pub every: Duration,
}

#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// When `connect` was called.
    pub at: Instant,
    /// From there until the first byte of the response, or until it had failed.
    pub wait: Duration,
    /// Who answered.
    pub outcome: Result<u32, Failure>,
}

impl Visitors {
    /// Visits in the order in which they began.
    pub fn start(self, bed: &Bed) -> Running<Vec<Visit>> {
        Running::start(bed, move |meter| async move {
            let mut clock = interval(self.every);
            clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut visits = JoinSet::new();
            while !meter.is_over() {
                clock.tick().await;
                visits.spawn(self.visit(Arc::clone(&meter)));
            }
            let mut all = visits.join_all().await;
            all.sort_by_key(|visit| visit.at);
            all
        })
    }

    async fn visit(self, meter: Arc<Meter>) -> Visit {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let at = Instant::now();
        let answer = async {
            let mut connection = Connection::open(address).await?;
            connection.get(self.path, false).await
        };
        match answer.await {
            Ok(answer) => {
                meter.count();
                Visit {
                    at,
                    wait: answer.first_byte - at,
                    outcome: Ok(answer.worker),
                }
            }
            Err(why) => Visit {
                at,
                wait: at.elapsed(),
                outcome: Err(why),
            },
        }
    }
}

/// Those that began within this span of time.
pub fn between(visits: &[Visit], from: Instant, to: Instant) -> Vec<Visit> {
    let within = |visit: &&Visit| visit.at >= from && visit.at < to;
    visits.iter().filter(within).copied().collect()
}

pub fn longest(visits: &[Visit]) -> Duration {
    let waits = visits.iter().map(|visit| visit.wait);
    waits.max().unwrap_or_default()
}

pub fn failures(visits: &[Visit]) -> Vec<Failure> {
    let outcomes = visits.iter().filter_map(|visit| visit.outcome.err());
    outcomes.collect()
}
