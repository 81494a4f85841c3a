//! The cluster as it is: one row an instance, read in a handful of calls however many there are.

mod app;
pub mod figures;
mod job;
mod look;
mod marks;
pub mod words;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};

use crate::model::ending;
use crate::process::{self, Requests, custom};
use crate::systemd::{self, Manager, UnitState};
use crate::unit_files::health::{self, Health};
use crate::unit_files::{Places, reasons};
use crate::units::{AppUnits, Facts};

use super::target::{self, Selected};

pub use app::{App, Healths, Mark, apps};
pub use job::Ended;
use look::{Group, Usual, Wanted, look};

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
    /// Of these, those that systemd made of itself: crashes, and ends that `autorestart` does not put up with. Those of the runs since it was last stopped.
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

impl State {
    /// It runs, and its `health` probe has failed too often.
    pub fn is_unhealthy(self, health: Option<&Health>) -> bool {
        self == State::Online && health.is_some_and(|health| !health.ok)
    }
}

impl Row<'_> {
    /// See [`State::is_unhealthy`].
    pub fn is_unhealthy(&self) -> bool {
        self.state.is_unhealthy(self.health.as_ref())
    }

    /// Its state as a person is told it: [`State`], or `unhealthy`.
    pub fn status(&self) -> &'static str {
        match self.is_unhealthy() {
            true => "unhealthy",
            false => self.state.as_str(),
        }
    }

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
        State::in_words(&unit.active, &unit.sub, again)
    }

    fn in_words(active: &str, sub: &str, again: bool) -> State {
        match (active, sub) {
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
    read(places, manager, apps, selected, true).await
}

/// The same without what their apps count and tell of themselves, `requests` and `custom`.
pub async fn plain_rows<'a>(
    places: &Places,
    manager: &Manager,
    apps: &'a BTreeMap<String, AppUnits>,
    selected: &[Selected<'a>],
) -> anyhow::Result<Vec<Row<'a>>> {
    read(places, manager, apps, selected, false).await
}

struct Chosen<'a> {
    id: usize,
    facts: &'a Facts,
    instance: u32,
    unit: String,
}

/// The kernel's files are read while systemd answers. What it leaves out of its answer runs where its control group has processes; only of the others, and
/// of those without a start script of ours, is asked more.
async fn read<'a>(
    places: &Places,
    manager: &Manager,
    apps: &'a BTreeMap<String, AppUnits>,
    selected: &[Selected<'a>],
    counted: bool,
) -> anyhow::Result<Vec<Row<'a>>> {
    let chosen = chosen(apps, selected);
    if chosen.is_empty() {
        return Ok(vec![]);
    }
    let mut usual = Usual::of(manager.bus());
    let wanted: Vec<Wanted> = chosen
        .iter()
        .map(|one| Wanted {
            instance: stem(&one.unit).to_owned(),
            group: usual.group(&one.facts.app.template()),
        })
        .collect();
    let ground = places.clone();
    let looking = tokio::task::spawn_blocking(move || look(&ground, &wanted, counted));
    let patterns = patterns(selected);
    let (other, next_runs) = tokio::try_join!(
        manager.not_simply_running(&patterns),
        next_runs(manager, selected)
    )?;
    let other: HashMap<&str, &UnitState> = other
        .iter()
        .map(|unit| (unit.name.as_str(), unit))
        .collect();
    let mut seen = looking.await?;

    // Neither here nor there: stopped, somewhere else, or on its way from one state to the next.
    let unclear: Vec<usize> = (0..chosen.len())
        .filter(|number| !seen[*number].runs())
        .collect();
    let names: Vec<String> = unclear
        .iter()
        .map(|number| chosen[*number].unit.clone())
        .collect();
    let found = manager.states(&names).await?;
    let groups = manager.likely_control_groups(&found).await?;
    let elsewhere: Vec<(usize, Wanted)> = unclear
        .iter()
        .zip(groups)
        .filter_map(|(number, group)| {
            let instance = stem(&chosen[*number].unit).to_owned();
            let group = Some(Group::At(group?));
            Some((*number, Wanted { instance, group }))
        })
        .collect();
    if !elsewhere.is_empty() {
        let (numbers, wanted): (Vec<usize>, Vec<Wanted>) = elsewhere.into_iter().unzip();
        let ground = places.clone();
        let looking = tokio::task::spawn_blocking(move || look(&ground, &wanted, counted));
        for (number, found) in numbers.into_iter().zip(looking.await?) {
            seen[number] = found;
        }
    }
    // None: it runs, and there is nothing more to say.
    let mut states: Vec<Option<UnitState>> = chosen
        .iter()
        .map(|one| other.get(one.unit.as_str()).map(|state| (*state).clone()))
        .collect();
    for (number, state) in unclear.into_iter().zip(found) {
        states[number] = Some(state);
    }
    let (asked, units): (Vec<usize>, Vec<UnitState>) = (0..chosen.len())
        .filter_map(|number| match &states[number] {
            Some(state) if state.active != "active" => Some((number, state.clone())),
            _ if seen[number].run_now().is_none() => {
                Some((number, UnitState::running(&chosen[number].unit)))
            }
            _ => None,
        })
        .unzip();
    let facts = manager.facts(&units).await?;
    let of: Vec<&Facts> = asked.iter().map(|number| chosen[*number].facts).collect();
    let mut ended: HashMap<usize, Ended> = job::ended(manager, &of, &units, &facts)
        .await?
        .into_iter()
        .map(|(place, ended)| (asked[place], ended))
        .collect();
    let mut facts: HashMap<usize, systemd::Facts> = asked.into_iter().zip(facts).collect();
    let noted = reasons::noted(places);
    let mut rows = Vec::with_capacity(chosen.len());
    for (number, ((chosen, state), seen)) in chosen.into_iter().zip(states).zip(seen).enumerate() {
        let app = chosen.facts;
        let fact = facts.remove(&number).unwrap_or_default();
        // A start that is under way for the first time has not ended yet.
        let (active, sub) = state.map_or_else(
            || ("active".to_owned(), "running".to_owned()),
            |state| (state.active, state.sub),
        );
        let ending = fact.ending.as_ref().filter(|ending| {
            let none = ending.code == 0 && matches!(ending.result.as_str(), "" | "success");
            active != "inactive" && !none
        });
        let counted = match active.as_str() {
            "active" => seen.run_now(),
            _ => seen.run,
        };
        let crashes = counted.map(|run| run.restarts).max(fact.restarts);
        let known = noted.contains(stem(&chosen.unit));
        let restarted = known.then(|| reasons::read(places, &chosen.unit)).flatten();
        let usage = seen.usage;
        let age = usage.as_ref().and_then(|usage| usage.age);
        rows.push(Row {
            facts: app,
            id: chosen.id,
            instance: chosen.instance,
            state: State::in_words(
                &active,
                &sub,
                app.backoff.is_some() && crashes.is_some_and(|count| count > 0),
            ),
            pid: usage.as_ref().and_then(|usage| usage.main_pid),
            uptime: age,
            cpu: usage.as_ref().and_then(process::cpu_percent_since_start),
            memory: usage.as_ref().and_then(|usage| usage.memory),
            usage,
            crashes,
            restarts: crashes.map(|count| {
                count.saturating_add(restarted.as_ref().map_or(0, reasons::Restarts::automatic))
            }),
            restarted,
            why: ending.map(|ending| {
                ending::in_words(&ending.result, ending.code, ending.status, app.max_restarts)
            }),
            ended: ended.remove(&number),
            next_run: next_runs.get(app.app.as_str()).copied(),
            requests: seen.requests,
            custom: seen.custom.unwrap_or_default(),
            health: app
                .health
                .as_ref()
                .filter(|_| active == "active")
                .and_then(|_| health::read(places, &chosen.unit))
                .filter(|health| health.is_of(age)),
            unit: chosen.unit,
            active,
            sub,
        });
    }
    Ok(rows)
}

fn chosen<'a>(apps: &'a BTreeMap<String, AppUnits>, selected: &[Selected<'a>]) -> Vec<Chosen<'a>> {
    let selected: HashMap<&str, Option<&Vec<u32>>> = selected
        .iter()
        .map(|one| (one.facts.app.as_str(), one.instances.as_ref()))
        .collect();
    let wanted = |app: &str, instance: u32| {
        let numbers = selected.get(app);
        numbers.is_some_and(|numbers| numbers.is_none_or(|n| n.contains(&instance)))
    };
    target::ids(apps)
        .enumerate()
        .filter(|(_, (app, instance))| wanted(app, *instance))
        .map(|(id, (app, instance))| {
            let facts = &apps[app].facts;
            Chosen {
                id,
                facts,
                instance,
                unit: facts.app.instance(instance),
            }
        })
        .collect()
}

/// systemd compares what it has not left out by its state with every pattern: beyond this many, with one that takes the units of others along.
const PATTERNS: usize = 32;

fn patterns(selected: &[Selected<'_>]) -> Vec<String> {
    let glob = |one: &Selected<'_>| format!("{}@*.service", one.facts.app.stem());
    match selected.len() {
        0..=PATTERNS => selected.iter().map(glob).collect(),
        _ => vec!["*@*.service".to_owned()],
    }
}

/// The name of an instance's unit without its ending, as `%N` has it.
fn stem(unit: &str) -> &str {
    unit.strip_suffix(".service").unwrap_or(unit)
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
