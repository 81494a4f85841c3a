//! The manager object: the calls rpmctl makes, and no others (org.freedesktop.systemd1(5)).

use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use super::alive::Wait;
use super::call::{self, CHANGE, MANAGER, MANAGER_PATH, PROPERTIES, READ};
use super::connect::{self, Bus, ConnectError, bus_call};
use super::link::{Heard, Link};

/// The service manager of the machine or of a user. Clones share the connection.
#[derive(Clone)]
pub struct Manager {
    shared: Arc<Shared>,
}

struct Shared {
    bus: Bus,
    link: Mutex<Arc<Link>>,
    reconnecting: tokio::sync::Mutex<()>,
    interactive: bool,
    /// Hears that an answer takes long.
    told: OnceLock<fn(Duration)>,
}

impl Manager {
    /// Connects within five seconds, or says why not.
    pub async fn connect(bus: Bus) -> Result<Manager, ConnectError> {
        let link = connect::connect(&bus).await?;
        Ok(Manager {
            shared: Arc::new(Shared {
                bus,
                link: Mutex::new(Arc::new(link)),
                reconnecting: tokio::sync::Mutex::new(()),
                // polkit may ask for a password only where somebody can type one.
                interactive: std::io::stdin().is_terminal(),
                told: OnceLock::new(),
            }),
        })
    }

    /// `told` hears of each question that has not been answered for so long; the first one given stays.
    pub fn on_wait(&self, told: fn(Duration)) {
        let _ = self.shared.told.set(told);
    }

    pub(super) fn waits(&self, silence: Duration) {
        if let Some(told) = self.shared.told.get() {
            told(silence);
        }
    }

    /// How it is reached, for a connection beside this one.
    pub fn bus(&self) -> Bus {
        self.shared.bus.clone()
    }

    pub(super) fn link(&self) -> Arc<Link> {
        let link = self.shared.link.lock();
        link.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The connection as it is now; it is another one after the bus was restarted.
    pub fn connection(&self) -> zbus::Connection {
        self.link().connection().clone()
    }

    pub(super) fn interactive(&self) -> bool {
        self.shared.interactive
    }

    /// Waits until the manager is on the bus again, connecting anew when the connection ended.
    pub(super) async fn wait_back(&self, patience: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + patience;
        let _alone = self.shared.reconnecting.lock().await;
        let link = self.link();
        if link.is_lost() {
            // dbus-daemon being restarted: its socket is away, or systemd is not on the new bus yet.
            let mut pause = Duration::from_millis(20);
            let link = loop {
                match connect::connect(&self.shared.bus).await {
                    Ok(link) => break link,
                    Err(cause) if Instant::now() + pause > until => {
                        return Err(anyhow!(cause).context(
                            "the connection to the bus ended and could not be made again",
                        ));
                    }
                    Err(_) => sleep(pause).await,
                }
                pause = (pause * 2).min(Duration::from_millis(500));
            };
            let mut shared = self.shared.link.lock();
            let shared = shared.as_mut().map_err(|_| anyhow!("a thread panicked"))?;
            **shared = Arc::new(link);
            return Ok(());
        }
        let (ear, mut queue) = mpsc::unbounded_channel();
        link.listen(&ear);
        let mut wait = Wait::new(patience);
        while !link.has_owner() {
            match timeout_at(wait.next(), queue.recv()).await {
                Ok(Some(Heard::Lost) | None) => anyhow::bail!(call::NoAnswer::Lost),
                Ok(Some(_)) => {}
                Err(_) if wait.goes_on(&link) => {}
                Err(_) => anyhow::bail!(
                    "systemd left the bus and did not come back within {} s",
                    wait.waited().as_secs()
                ),
            }
        }
        Ok(())
    }

    /// Makes the manager send its signals, and the bus hand on those of these rules, each once a connection however
    /// many watches and jobs it sees.
    pub(super) async fn subscribe(&self, link: &Link, rules: &[String]) -> anyhow::Result<()> {
        // Held until the answers are here: nobody goes on before the rules of another are there.
        let mut there = link.rules.lock().await;
        let new: Vec<&String> = rules.iter().filter(|rule| !there.contains(*rule)).collect();
        let mut calls = Vec::new();
        for rule in &new {
            calls.push(bus_call("AddMatch", rule)?);
        }
        if !link.subscribed.load(Ordering::Relaxed) {
            calls.push(call::message(
                false,
                MANAGER_PATH,
                MANAGER,
                "Subscribe",
                &(),
            )?);
        }
        for answer in call::send_all(link, calls, READ).await? {
            match answer {
                Ok(_) => {}
                Err(refusal) if refusal.name.ends_with(".AlreadySubscribed") => {}
                Err(refusal) => {
                    return Err(anyhow!(refusal).context("systemd does not send signals"));
                }
            }
        }
        there.extend(new.into_iter().cloned());
        link.subscribed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The manager's version as it writes it, e.g. `252.39-1~deb12u2`.
    pub async fn version(&self) -> anyhow::Result<String> {
        self.property("Version").await
    }

    async fn property(&self, name: &str) -> anyhow::Result<String> {
        let reply = self
            .ask_one(READ, MANAGER_PATH, PROPERTIES, "Get", &(MANAGER, name))
            .await
            .with_context(|| format!("cannot read systemd's {name}"))?;
        let body = reply.body();
        let value: zbus::Variant<'_> = body.deserialize()?;
        Ok(String::try_from(value)?)
    }

    /// The process of the manager.
    pub async fn pid(&self) -> anyhow::Result<u32> {
        let answers = self
            .ask(READ, || {
                Ok(vec![bus_call(
                    "GetConnectionUnixProcessID",
                    "org.freedesktop.systemd1",
                )?])
            })
            .await?;
        let reply = answers.into_iter().next().context("no answer")??;
        Ok(reply.body().deserialize()?)
    }

    /// daemon-reload. Returns when all unit files have been read again; about 1 ms a loaded unit.
    pub async fn reload(&self) -> anyhow::Result<()> {
        self.ask_one(CHANGE, MANAGER_PATH, MANAGER, "Reload", &())
            .await
            .map(drop)
            .context("systemd could not read the unit files again (daemon-reload)")
    }

    /// Clears the failed state and the counters of the units: systemctl reset-failed. A unit that is not loaded has
    /// nothing to clear.
    pub async fn reset_failed(&self, units: &[String]) -> anyhow::Result<()> {
        let answers = self
            .ask(CHANGE, || {
                units
                    .iter()
                    .map(|unit| {
                        let member = "ResetFailedUnit";
                        call::message(self.interactive(), MANAGER_PATH, MANAGER, member, &unit)
                    })
                    .collect()
            })
            .await?;
        for (unit, answer) in units.iter().zip(answers) {
            match answer {
                Ok(_) => {}
                Err(refusal) if refusal.is_no_such_unit() => {}
                Err(refusal) => {
                    return Err(explain(&refusal, unit)).with_context(|| {
                        format!("the failed state of {unit} could not be cleared")
                    });
                }
            }
        }
        Ok(())
    }
}

/// systemd's words, and under them what to do.
fn explain(refusal: &call::Refusal, unit: &str) -> anyhow::Error {
    match refusal.hint(unit) {
        Some(hint) => anyhow!("{refusal}; {hint}"),
        None => anyhow!("{refusal}"),
    }
}
