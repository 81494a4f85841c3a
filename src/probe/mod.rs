//! Asks an instance whether it is well: a request, or a connection, to that instance and no other.
//!
//! Instances that share a socket cannot be told apart from outside, so a connection is made here and one end of it put into the instance's inbox
//! (`src/shim/balance/inbox.rs`), from where it takes it as any other. Where none of them has one, they wait for their listener without epoll(7); then the
//! address is asked, and whoever accepts answers. Where others have one, an instance that has none takes no connections:
//! their answer would not be its own.

mod connect;
mod http;
mod inbox;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep, timeout};

use crate::model::{Door, Health, Listen, Probe};
use connect::Stream;

/// How long an instance that has just come up is waited for to open its inbox: it does when it first waits for its listener.
pub const NEW: Duration = Duration::from_secs(2);

/// Between two connections into an inbox: the first pause, and the longest.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A connection that lasts so long after it was taken is served; a peer that takes it closes it at once.
const SERVED: Duration = Duration::from_millis(20);

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub struct Whom<'a> {
    pub number: u32,
    /// So many instances the app has.
    pub instances: u32,
    /// The instance's runtime folder, `/run/rpmctl/api@2`. It belongs to the app's user.
    pub folder: &'a Path,
    /// What the instance with that folder runs, where that is known.
    pub program: fn(&Path) -> Option<PathBuf>,
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
            Door::Shared(listen) => inboxed(listen, whom, health.timeout).await?,
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
        let mut why = None;
        let question = async {
            let mut pause = PAUSE;
            let begun = Instant::now();
            loop {
                match (question(&health.probe, &mut way, begun).await, door) {
                    // A peer has thrown it away: they empty the inbox of one that takes nothing out of it.
                    (Err(Bad::Closed), Door::Shared(listen))
                        if whom.instances > 1 && matches!(way, Way::Inbox(..)) =>
                    {
                        sleep(pause).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                        way = again(listen, whom, &mut why).await;
                    }
                    (answer, _) => return answer.map_err(Bad::in_words),
                }
            }
        };
        match timeout(health.timeout, question).await {
            Ok(answer) => answer,
            Err(_) => Err(why.unwrap_or(format!("no answer within {}", seconds(health.timeout)))),
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

/// Errors: its inbox takes nothing, or none can be sent to; another's answer would not be its own.
async fn inboxed(listen: &Listen, whom: Whom<'_>, timeout: Duration) -> Result<Way, String> {
    let begun = Instant::now();
    loop {
        let error = match inbox::hand_over(whom.folder, listen) {
            Ok((stream, sent)) => return Ok(Way::Inbox(stream, sent)),
            Err(error) => error,
        };
        let patience = match has_none(&error) {
            true => whom.patience,
            false => whom.patience.max(timeout),
        };
        match begun.elapsed() < patience {
            true => sleep(PAUSE).await,
            false if !has_none(&error) => return Err(refused(&error)),
            false => {
                // Only while it comes up: afterwards an answer of any is no failure of this one.
                let peer = || peer(whom).filter(|_| !whom.patience.is_zero());
                return match peer() {
                    Some(peer) => Err(format!("does not take connections yet, as {peer} does")),
                    None => Ok(Way::Address(listen.clone())),
                };
            }
        }
    }
}

/// Another instance of the app that has an inbox, as this one should: `api@1`. One that runs another program says nothing of this one, whose release
/// may have moved from Node to a static binary.
fn peer(whom: Whom<'_>) -> Option<String> {
    if whom.number >= inbox::INSTANCES {
        return None;
    }
    let own = whom.folder.file_name()?.to_str()?;
    let (app, _) = own.rsplit_once('@')?;
    (0..whom.instances.min(inbox::INSTANCES))
        .filter(|number| *number != whom.number)
        .map(|number| format!("{app}@{number}"))
        .find(|peer| {
            let folder = whom.folder.with_file_name(peer);
            let differ = || match ((whom.program)(whom.folder), (whom.program)(&folder)) {
                (Some(own), Some(theirs)) => own != theirs,
                _ => false,
            };
            inbox::is_open(&folder) && !differ()
        })
}

/// Another connection into an inbox that it had; `why` is what is wrong with it meanwhile.
async fn again(listen: &Listen, whom: Whom<'_>, why: &mut Option<String>) -> Way {
    loop {
        match inbox::hand_over(whom.folder, listen) {
            Ok((stream, sent)) => {
                *why = None;
                return Way::Inbox(stream, sent);
            }
            Err(error) => {
                *why = (!has_none(&error)).then(|| refused(&error));
                sleep(LONGEST_PAUSE).await;
            }
        }
    }
}

/// It has not opened an inbox, or its folder is not one that is looked into (a link, as with DynamicUser=).
fn has_none(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound, PermissionDenied};
    let link = Errno::from_io_error(error) == Some(Errno::LOOP);
    let kinds = [NotFound, ConnectionRefused, NotADirectory, PermissionDenied];
    link || kinds.contains(&error.kind())
}

fn refused(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock => "does not take connections from its inbox".to_owned(),
        _ => format!("its inbox: {}", connect::words(error)),
    }
}

/// No good answer.
enum Bad {
    /// Ended before the first byte of an answer.
    Closed,
    Said(String),
}

impl Bad {
    fn in_words(self) -> String {
        match self {
            Bad::Closed => "closed without an answer".to_owned(),
            Bad::Said(why) => why,
        }
    }
}

/// `begun`: when it was asked first.
async fn question(probe: &Probe, way: &mut Way, begun: Instant) -> Result<Duration, Bad> {
    let mut made;
    let (stream, sent) = match way {
        Way::Inbox(stream, sent) => (stream, Some(sent)),
        Way::Address(listen) => {
            made = connect::to(listen).await.map_err(Bad::Said)?;
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
                false => Err(Bad::Said(format!("answered {status}"))),
            }
        }
        _ => {
            let Some(sent) = sent else {
                return Ok(begun.elapsed());
            };
            sent.taken().await;
            let took = begun.elapsed();
            match timeout(SERVED, stream.read(&mut [0])).await {
                Ok(Ok(0) | Err(_)) => Err(Bad::Closed),
                Ok(Ok(_)) | Err(_) => Ok(took),
            }
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
