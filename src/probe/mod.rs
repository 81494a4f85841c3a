//! Asks an instance whether it is well: a request, or a connection, to that instance and no other.
//!
//! Instances that share a socket cannot be told apart from outside, so a connection is made here and one end of it put into the instance's inbox
//! (`src/shim/balance/inbox.rs`), from where it takes it as any other. An instance that has none waits for its listener without epoll(7); then the address
//! is asked, and whoever accepts answers.

mod connect;
mod http;
mod inbox;

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::model::{Door, Health, Listen, Probe};
use connect::Stream;

/// How long an instance that has just come up is waited for to open its inbox: it does when it first waits for its listener.
pub const NEW: Duration = Duration::from_secs(2);

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub struct Whom<'a> {
    pub number: u32,
    /// So many instances the app has.
    pub instances: u32,
    /// The instance's runtime folder, `/run/rpmctl/api@2`. It belongs to the app's user.
    pub folder: &'a Path,
    /// How long its inbox may take to be there.
    pub patience: Duration,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// Until the answer began; or why there was none, or a bad one: `GET /healthz answered 503`.
    pub result: Result<Duration, String>,
    /// Any instance of the app may have answered.
    pub by_any: bool,
}

/// One question, over within the timeout of `health` (and `patience`). A command is none of it: see `apply::health`.
pub async fn ask(health: &Health, whom: Whom<'_>) -> Said {
    let Some(door) = health.door() else {
        return Said {
            result: Err("a command is not asked over a connection".to_owned()),
            by_any: false,
        };
    };
    let mut by_any = false;
    let asked = async {
        let mut way = match door {
            Door::Shared(listen) => inboxed(listen, whom).await,
            Door::Address(listen) => Way::Address(listen.clone()),
            Door::Ports(base) => match u16::try_from(whom.number)
                .ok()
                .and_then(|number| base.checked_add(number))
            {
                Some(port) => Way::Address(Listen::Port(port)),
                None => return Err(format!("there is no port {base} + {}", whom.number)),
            },
        };
        by_any = matches!(
            (&way, door),
            (Way::Address(_), Door::Shared(_) | Door::Address(_))
        ) && whom.instances > 1;
        let question = question(&health.probe, &mut way);
        match timeout(health.timeout, question).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {}", seconds(health.timeout))),
        }
    }
    .await;
    Said {
        result: asked.map_err(|why| said(&health.probe, &why)),
        by_any,
    }
}

/// How the instance is reached.
enum Way {
    Inbox(Stream, inbox::Sent),
    Address(Listen),
}

async fn inboxed(listen: &Listen, whom: Whom<'_>) -> Way {
    let until = Instant::now() + whom.patience;
    loop {
        match inbox::hand_over(whom.folder, listen) {
            Ok((stream, sent)) => return Way::Inbox(stream, sent),
            Err(_) if Instant::now() < until => sleep(Duration::from_millis(20)).await,
            Err(_) => return Way::Address(listen.clone()),
        }
    }
}

async fn question(probe: &Probe, way: &mut Way) -> Result<Duration, String> {
    let begun = Instant::now();
    let mut made;
    let (stream, sent) = match way {
        Way::Inbox(stream, sent) => (stream, Some(sent)),
        Way::Address(listen) => {
            made = connect::to(listen).await?;
            (&mut made, None)
        }
    };
    match probe {
        Probe::Http { path, statuses, .. } => {
            let status = http::get(stream, path).await?;
            let took = begun.elapsed();
            http::drain(stream).await;
            let good = match statuses.as_slice() {
                [] => (200..400).contains(&status),
                some => some.contains(&status),
            };
            match good {
                true => Ok(took),
                false => Err(format!("answered {status}")),
            }
        }
        _ => {
            if let Some(sent) = sent {
                sent.taken().await;
            }
            Ok(begun.elapsed())
        }
    }
}

/// `GET /healthz answered 503`, `GET /healthz: no answer within 2 s`.
fn said(probe: &Probe, why: &str) -> String {
    match why.starts_with("answered") {
        true => format!("{probe} {why}"),
        false => format!("{probe}: {why}"),
    }
}

pub fn seconds(span: Duration) -> String {
    format!("{} s", span.as_millis() as f64 / 1000.0)
}

#[cfg(test)]
mod tests;
