//! Calls to the manager: sent a window at a time, answered, refused with systemd's own words, or late.

use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{timeout, timeout_at};
use zbus::Message;
use zbus::message::{Flags, Type};

use super::alive::Wait;
use super::link::{Heard, Link, SYSTEMD};
use super::manager::Manager;

pub(super) const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
pub(super) const MANAGER: &str = "org.freedesktop.systemd1.Manager";
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// How long an answer to a call that only reads may take, from the manager's last sign of life.
pub(super) const READ: Duration = Duration::from_secs(30);
/// The same of a call that changes something, an authorization dialogue included.
pub(super) const CHANGE: Duration = Duration::from_secs(120);
/// After so long without an answer whoever wants to know is told of it: see [`Manager::on_wait`].
const SILENCE: Duration = Duration::from_secs(10);
/// How long the manager may be off the bus (daemon-reexec), or the bus away (dbus-daemon restarted).
pub(super) const AWAY: Duration = Duration::from_secs(10);

/// systemd's answer 'no', in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The name of the D-Bus error, e.g. `org.freedesktop.systemd1.NoSuchUnit`.
    pub name: String,
    /// What systemd said.
    pub words: String,
}

impl Refusal {
    pub(super) fn of(reply: &Message) -> Refusal {
        let name = reply
            .header()
            .error_name()
            .map_or(String::new(), |n| n.to_string());
        let body = reply.body();
        let words = body
            .deserialize_ignore_signature::<&str>()
            .unwrap_or_default();
        let words = words.trim_end_matches('.').to_owned();
        Refusal {
            words: if words.is_empty() {
                name.clone()
            } else {
                words
            },
            name,
        }
    }

    fn last(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or_default()
    }

    pub fn is_no_such_unit(&self) -> bool {
        self.last() == "NoSuchUnit"
    }

    pub fn is_denied(&self) -> bool {
        matches!(
            self.last(),
            "AccessDenied" | "InteractiveAuthorizationRequired" | "AuthFailed"
        )
    }

    /// The manager was not on the bus when the call came: it executes itself anew, or is going down.
    pub(super) fn is_away(&self) -> bool {
        matches!(
            self.last(),
            "NoReply" | "NameHasNoOwner" | "ServiceUnknown" | "Disconnected"
        ) || self.name.contains(".Spawn.")
    }

    /// What to do about it, for the unit the call was about.
    pub fn hint(&self, unit: &str) -> Option<String> {
        let hint = match self.last() {
            "NoSuchUnit" => {
                "there is no unit file of that name; `rpmctl apply` writes it".to_owned()
            }
            "UnitMasked" => format!("unmask it: systemctl unmask {unit}"),
            "BadUnitSetting" | "LoadFailed" | "InvalidArgs" => {
                format!("see which line it is: systemctl status {unit}")
            }
            _ if self.is_denied() => "use sudo, or --user for your own manager".to_owned(),
            "ShuttingDown" => "the machine is going down".to_owned(),
            "TransactionIsDestructive" | "TransactionJobsConflicting" => {
                "another job is in the way: systemctl list-jobs".to_owned()
            }
            "TransactionOrderIsCyclic" => {
                format!(
                    "units wait for each other; see: systemd-analyze verify --recursive-errors=no {unit}"
                )
            }
            "OnlyByDependency" => "the unit refuses manual start or stop \
                 (RefuseManualStart=/RefuseManualStop=)"
                .to_owned(),
            "LimitsExceeded" => "too many calls are unanswered on the bus; try again".to_owned(),
            _ => return None,
        };
        Some(hint)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Refusal {}

pub(super) type Answer = Result<Message, Refusal>;

/// Why there is no answer at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAnswer {
    Lost,
    Late(Duration),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAnswer::Lost => f.write_str("the connection to the bus ended"),
            NoAnswer::Late(after) => write!(
                f,
                "systemd did not answer within {} s; is it frozen? see: systemctl status",
                after.as_secs()
            ),
        }
    }
}

impl std::error::Error for NoAnswer {}

/// A call to the manager. Serial numbers are given when it is built, so it is sent once.
pub(super) fn message<B>(
    interactive: bool,
    path: &str,
    interface: &str,
    member: &str,
    body: &B,
) -> zbus::Result<Message>
where
    B: serde::Serialize + zbus::DynamicType,
{
    let builder = Message::method_call(path, member)
        .destination(SYSTEMD)
        .interface(interface);
    let builder = if interactive {
        builder.with_flags(Flags::ALLOW_INTERACTIVE_AUTH)
    } else {
        builder
    };
    builder.build(body)
}

/// Sends all, no more than the window at a time; the answers stand in the order of the calls. `patience`: how long the manager may be without any sign of
/// life.
pub(super) async fn send_all(
    link: &Link,
    calls: Vec<Message>,
    patience: Duration,
) -> Result<Vec<Answer>, NoAnswer> {
    let mut wait = Wait::new(patience);
    let (ear, mut queue) = mpsc::unbounded_channel();
    let mut answers: Vec<Option<Answer>> = calls.iter().map(|_| None).collect();
    let mut left = answers.len();
    let mut next = calls.into_iter().enumerate();
    let mut unanswered = 0;
    while left > 0 {
        let mut batch = Vec::new();
        if next.len() > 0 && unanswered == 0 {
            let permit = loop {
                match timeout_at(wait.next(), link.permit()).await {
                    Ok(permit) => break permit,
                    Err(_) if wait.goes_on(link) => {}
                    Err(_) => return Err(NoAnswer::Late(wait.waited())),
                }
            };
            batch.extend(next.next().map(|(number, call)| (number, call, permit)));
        }
        while next.len() > 0
            && let Some(permit) = link.try_permit()
        {
            batch.extend(next.next().map(|(number, call)| (number, call, permit)));
        }
        if !batch.is_empty() {
            unanswered += batch.len();
            link.send(batch, &ear).await;
        }
        let mut heard = loop {
            match timeout_at(wait.next(), queue.recv()).await {
                Ok(heard) => break heard,
                Err(_) if wait.goes_on(link) => {}
                Err(_) => return Err(NoAnswer::Late(wait.waited())),
            }
        };
        // Everything that is here already is taken before the next batch goes out: fewer, larger writes.
        while let Some(one) = heard {
            match one {
                Heard::Reply(number, reply) => {
                    answers[number] = Some(answer(reply));
                    left -= 1;
                    unanswered -= 1;
                }
                Heard::Lost => return Err(NoAnswer::Lost),
                Heard::Signal(_) | Heard::Present(_) => {}
            }
            heard = queue.try_recv().ok();
        }
    }
    Ok(answers.into_iter().flatten().collect())
}

pub(super) fn answer(reply: Message) -> Answer {
    match reply.message_type() {
        Type::Error => Err(Refusal::of(&reply)),
        _ => Ok(reply),
    }
}

impl Manager {
    /// Calls that may be repeated when the bus or the manager goes away in the middle: reads, and changes that come to
    /// the same when done twice. `make` builds them anew for each try.
    pub(super) async fn ask(
        &self,
        patience: Duration,
        make: impl Fn() -> zbus::Result<Vec<Message>>,
    ) -> anyhow::Result<Vec<Answer>> {
        let mut tries = 0;
        loop {
            tries += 1;
            let link = self.link();
            let mut asked = std::pin::pin!(send_all(&link, make()?, patience));
            let answers = match timeout(SILENCE, &mut asked).await {
                Ok(answers) => answers,
                Err(_) => {
                    self.waits(SILENCE);
                    asked.await
                }
            };
            match answers {
                Ok(answers) => {
                    let away = answers
                        .iter()
                        .any(|a| matches!(a, Err(refusal) if refusal.is_away()));
                    if !away || tries == 3 {
                        return Ok(answers);
                    }
                }
                Err(NoAnswer::Lost) if tries < 3 => {}
                Err(no_answer) => return Err(no_answer.into()),
            }
            self.wait_back(AWAY).await?;
        }
    }

    /// One call that may be repeated; a refusal is the error.
    pub(super) async fn ask_one<B>(
        &self,
        patience: Duration,
        path: &str,
        interface: &str,
        member: &str,
        body: &B,
    ) -> anyhow::Result<Message>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        let interactive = self.interactive() && patience >= CHANGE;
        let answers = self
            .ask(patience, || {
                Ok(vec![message(interactive, path, interface, member, body)?])
            })
            .await?;
        match answers.into_iter().next() {
            Some(answer) => Ok(answer?),
            None => Err(NoAnswer::Lost.into()),
        }
    }
}
