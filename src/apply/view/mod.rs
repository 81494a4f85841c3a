//! The cluster as it is: one row an instance, read in a handful of calls however many there are.

mod app;
mod job;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::model::ending;
use crate::process::{self, Hierarchy, Requests, custom, requests};
use crate::systemd::{Manager, UnitState};
use crate::unit_files::health::{self, Health};
use crate::unit_files::{Places, reasons};
use crate::units::{AppUnits, Facts};

use super::target::{self, Selected};

pub use app::{App, Mark, apps};
pub use job::Ended;

/// An instance as it is.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    pub facts: &'a Facts,
    /// Position in the list of everything, as PM2's id.
    pub id: usize,
    pub instance: u32,
    pub unit: String,
    pub state: State,
    /// systemd's words: `active`, `running`.
    pub active: String,
    pub sub: String,
    pub pid: Option<u32>,
    /// Since the start of its main process.
    pub uptime: Option<Duration>,
    /// Automatic restarts since the last start by hand: systemd's, and those that the watcher asked for since the last stop.
    pub restarts: Option<u32>,
    /// Of these, those that systemd made of itself: crashes, and ends that `autorestart` does not put up with.
    pub crashes: Option<u32>,
    /// What its processes use, as two looks need it: [`process::cpu_percent`].
    pub usage: Option<process::Usage>,
    /// Percent of one processor, on average since the start.
    pub cpu: Option<f64>,
    /// Bytes, as `max_memory_restart` counts them.
    pub memory: Option<u64>,
    /// What rpmctl itself restarted it for.
    pub restarted: Option<reasons::Restarts>,
    /// Why it is down, in words.
    pub why: Option<String>,
    /// How the last run of a job ended; none while it runs, and where systemd does not know.
    pub ended: Option<Ended>,
    /// `cron_restart`: when the app's clock strikes next; none while the app is stopped, or what the clock began goes on.
    pub next_run: Option<SystemTime>,
    /// Its requests and their response times, where something in it counts them.
    pub requests: Option<Requests>,
    /// What its app tells of itself.
    pub custom: custom::Metrics,
    /// What its `health` probe said last to the watcher; only while it runs.
    pub health: Option<Health>,
}

/// PM2's words for a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Online,
    Launching,
    Stopping,
    Stopped,
    WaitingRestart,
    Errored,
}

impl Row<'_> {
    /// How often it was restarted for what, in the words of `--json`: `crash`, and those of [`crate::model::Reason`]. What never happened is left out.
    pub fn causes(&self) -> BTreeMap<String, u32> {
        let restarted = self.restarted.as_ref();
        let mut causes = restarted.map_or_else(BTreeMap::new, |known| known.counts.clone());
        if let Some(crashes) = self.crashes.filter(|count| *count > 0) {
            causes.insert("crash".to_owned(), crashes);
        }
        causes
    }
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Online => "online",
            State::Launching => "launching",
            State::Stopping => "stopping",
            State::Stopped => "stopped",
            State::WaitingRestart => "waiting restart",
            State::Errored => "errored",
        }
    }

    /// `again`: it waits longer before each automatic restart, and this is one.
    pub fn of(unit: &UnitState, again: bool) -> State {
        match (unit.active.as_str(), unit.sub.as_str()) {
            ("activating", "start-pre") if again => State::WaitingRestart,
            ("active" | "reloading" | "refreshing", _) => State::Online,
            ("activating", "auto-restart" | "auto-restart-queued") => State::WaitingRestart,
            ("activating", _) => State::Launching,
            ("deactivating", _) => State::Stopping,
            ("failed", _) => State::Errored,
            _ => State::Stopped,
        }
    }
}

/// One row for each selected instance, in the list's order.
pub async fn rows<'a>(
    places: &Places,
    manager: &Manager,
    apps: &'a BTreeMap<String, AppUnits>,
    selected: &[Selected<'a>],
) -> anyhow::Result<Vec<Row<'a>>> {
    let wanted = |app: &str, instance: u32| {
        selected.iter().any(|one| {
            let numbers = one.instances.as_ref();
            one.facts.app.as_str() == app && numbers.is_none_or(|n| n.contains(&instance))
        })
    };
    let chosen: Vec<(usize, &Facts, u32)> = target::ids(apps)
        .enumerate()
        .filter(|(_, (app, instance))| wanted(app, *instance))
        .map(|(id, (app, instance))| (id, &apps[app].facts, instance))
        .collect();
    let names: Vec<String> = chosen
        .iter()
        .map(|(_, facts, instance)| facts.app.instance(*instance))
        .collect();
    let states = manager.states(&names).await?;
    let groups = manager.likely_control_groups(&states).await?;
    // The kernel's files are read while systemd answers.
    let reading = tokio::task::spawn_blocking(move || usage(&groups));
    let facts = manager.facts(&states).await?;
    let usage = reading.await?;
    let of: Vec<&Facts> = chosen.iter().map(|(_, facts, _)| *facts).collect();
    let mut ended = job::ended(manager, &of, &states, &facts).await?;
    let next_runs = next_runs(manager, selected).await?;
    let mut rows = Vec::with_capacity(chosen.len());
    let known = chosen.into_iter().zip(states).zip(&facts).zip(usage);
    for (index, (((chosen, state), fact), usage)) in known.enumerate() {
        let (id, app, instance) = chosen;
        // A start that is under way for the first time has not ended yet.
        let ending = fact.ending.as_ref().filter(|ending| {
            let none = ending.code == 0 && matches!(ending.result.as_str(), "" | "success");
            state.active != "inactive" && !none
        });
        let restarted = reasons::read(places, &state.name);
        let uptime = usage.as_ref().and_then(|usage| usage.age);
        // What was killed leaves its file behind.
        let started = uptime.and_then(|uptime| SystemTime::now().checked_sub(uptime));
        let custom = started.and_then(|started| {
            let instance = state.name.strip_suffix(".service")?;
            custom::read(&places.on_disk(&places.run).join(instance), Some(started))
        });
        rows.push(Row {
            facts: app,
            id,
            instance,
            state: State::of(
                &state,
                app.backoff.is_some() && fact.restarts.is_some_and(|count| count > 0),
            ),
            pid: usage.as_ref().and_then(|usage| usage.main_pid),
            uptime,
            cpu: usage.as_ref().and_then(process::cpu_percent_since_start),
            memory: usage.as_ref().and_then(|usage| usage.memory),
            usage,
            crashes: fact.restarts,
            restarts: fact
                .restarts
                .map(|count| count + restarted.as_ref().map_or(0, reasons::Restarts::automatic)),
            restarted,
            why: ending.map(|ending| {
                ending::in_words(&ending.result, ending.code, ending.status, app.max_restarts)
            }),
            ended: ended.remove(&index),
            next_run: next_runs.get(app.app.as_str()).copied(),
            requests: requests::read(&runtime_folder(places, &state.name)),
            custom: custom.unwrap_or_default(),
            health: app
                .health
                .as_ref()
                .filter(|_| state.active == "active")
                .and_then(|_| health::read(places, &state.name)),
            unit: state.name,
            active: state.active,
            sub: state.sub,
        });
    }
    Ok(rows)
}

/// `RuntimeDirectory=rpmctl/%N`
fn runtime_folder(places: &Places, unit: &str) -> PathBuf {
    let instance = unit.strip_suffix(".service").unwrap_or(unit);
    places.on_disk(&places.run).join(instance)
}

async fn next_runs<'a>(
    manager: &Manager,
    selected: &[Selected<'a>],
) -> anyhow::Result<BTreeMap<&'a str, SystemTime>> {
    let apps: Vec<&Facts> = selected
        .iter()
        .map(|one| one.facts)
        .filter(|facts| facts.schedule.is_some())
        .collect();
    let timers: Vec<String> = apps.iter().map(|facts| facts.app.timer()).collect();
    let times = manager.next_elapses(&timers).await?;
    let named = apps.iter().zip(times);
    Ok(named
        .filter_map(|(facts, time)| Some((facts.app.as_str(), time?)))
        .collect())
}

fn usage(groups: &[Option<String>]) -> Vec<Option<process::Usage>> {
    let known: Vec<&str> = groups.iter().flatten().map(String::as_str).collect();
    let mut read =
        process::read(&Hierarchy::of_this_machine(), Path::new("/proc"), &known).into_iter();
    groups
        .iter()
        .map(|group| group.as_ref().and_then(|_| read.next().flatten()))
        .collect()
}
