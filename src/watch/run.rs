//! The loop: signals, the units' folder, the sources, restarts, the watchdog.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, Interval, sleep};

use super::event::Event;
use super::folder::Folder;
use super::notify::{self, Notify};
use super::resident;
use super::restart::Restarts;
use super::sources::Sources;
use crate::apply::Machine;
use crate::journal::Scope;
use crate::journal::send::{Line, Priority, TROUBLE};
use crate::systemd::{Bus, ConnectError, Manager};
use crate::unit_files::{Places, scan};
use crate::units::{Facts, marker};

/// After so long with nothing to do, it is idle.
const REST: Duration = Duration::from_secs(2);

/// Whose apps are watched, and how their manager is reached. Clones are cheap: sources may keep one.
#[derive(Clone)]
pub struct Ground {
    pub places: Arc<Places>,
    pub bus: Bus,
    /// Where the apps' lines are read.
    pub journal: Scope,
}

impl Ground {
    /// A connection of its own: made when there is something to do, dropped when it is done.
    pub async fn machine(&self) -> Result<Machine, ConnectError> {
        Ok(Machine {
            places: (*self.places).clone(),
            manager: Manager::connect(self.bus.clone()).await?,
            journal: self.journal.clone(),
        })
    }

    /// What stands in the targets of the apps that something is to be done for, by name.
    /// Errors: the folder cannot be read.
    pub fn apps(&self) -> anyhow::Result<Vec<Facts>> {
        let mut apps = Vec::new();
        scan::targets(&self.places, |name, text| {
            if marker::is_ours(name, text)
                && let Some(facts) = Facts::read(text)
                && facts.needs_watcher()
            {
                apps.push(facts);
            }
        })
        .context("the unit folder cannot be read")?;
        apps.sort_by(|one, other| one.app.cmp(&other.app));
        Ok(apps)
    }
}

/// Watches until SIGTERM or SIGINT; reads everything again on SIGHUP.
/// Errors: the machine's limits, or folders that cannot be read.
pub async fn run(ground: Ground) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let asked = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    watch(ground, asked, Some(signal(SignalKind::hangup())?)).await
}

/// Watches until `asked` is done, within a process that has signals of its own.
/// Errors: as of [`run`].
pub async fn until(ground: Ground, asked: impl Future<Output = ()>) -> anyhow::Result<()> {
    watch(ground, asked, None).await
}

async fn watch(
    ground: Ground,
    asked: impl Future<Output = ()>,
    mut hangup: Option<Signal>,
) -> anyhow::Result<()> {
    let mut folder = Folder::new(&ground.places.on_disk(&ground.places.units))?;
    let mut sources = Sources::new(&ground);
    let mut restarts = Restarts::new(ground.clone());
    let mut told = Notify::new();
    let mut watchdog = notify::watchdog();
    let mut asked = pin!(asked);
    sources.set(&ground.apps()?);
    restarts.resume();
    told.ready(sources.says());
    let mut rest = pin!(sleep(REST));
    let mut busy = true;
    loop {
        tokio::select! {
            () = &mut asked => break,
            () = heard(&mut hangup) => {
                told.reloading();
                read_again(&ground, &mut sources);
                told.ready(sources.says());
            }
            changed = folder.changed() => {
                changed.context("the unit folder cannot be watched")?;
                read_again(&ground, &mut sources);
                busy = true;
                rest.as_mut().reset(Instant::now() + REST);
            }
            event = sources.next() => match event {
                Event::Restart(request) => restarts.ask(request),
                Event::Says => {}
                Event::Trouble { app, text } => trouble(app.as_ref().map(|app| app.as_str()), &text),
            },
            () = restarts.work() => {
                busy = true;
                rest.as_mut().reset(Instant::now() + REST);
            }
            () = &mut rest, if busy => {
                busy = false;
                resident::give_back();
            }
            () = tick(&mut watchdog) => told.alive(),
        }
        told.status(sources.says());
    }
    told.stopping();
    sources.close().await;
    Ok(())
}

/// A folder that cannot be read now leaves everything as it was.
fn read_again(ground: &Ground, sources: &mut Sources) {
    match ground.apps() {
        Ok(apps) => sources.set(&apps),
        Err(error) => trouble(None, &format!("{error:#}")),
    }
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

async fn tick(watchdog: &mut Option<Interval>) {
    match watchdog {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// In the journal, under the app's lines; where there is no journal, on stderr.
pub(super) fn trouble(app: Option<&str>, text: &str) {
    let mut line = Line::new(TROUBLE, Priority::Warning, text);
    if let Some(app) = app {
        line = line.about(app, None);
    }
    if line.send().is_err() {
        eprintln!("rpmctl watch: {text}");
    }
}
