//! The apps as they are, read once and then again where systemd tells of a change; all of them where the unit files were read anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use jiff::Zoned;
use tokio::time::{Instant, sleep, timeout_at};

use super::Tell;
use crate::apply::target::{self, Selected};
use crate::apply::view::{self, Mark};
use crate::apply::{Machine, observe};
use crate::journal::LogApp;
use crate::monit::action::Action;
use crate::monit::cluster::{App, Instance};
use crate::systemd::News;
use crate::terminal::text;
use crate::unit_files::flushed;
use crate::units::{AppUnits, Facts};

/// Changes come in heaps: what changed is read this long after the first of them.
const HEAP: Duration = Duration::from_millis(50);
/// Between two readings of apps that change without end.
const BREATH: Duration = Duration::from_millis(250);
/// What no signal tells of (an edited unit file, a drop-in) is found out this late.
const LATE: Duration = Duration::from_secs(30);
/// Before it is tried again after an error.
const AGAIN: Duration = Duration::from_secs(1);

/// Tells of the apps that `targets` mean, for ever.
pub async fn run(machine: Rc<Machine>, targets: Vec<String>, tell: Tell) {
    loop {
        let Err(error) = once(&machine, &targets, &tell).await else {
            continue;
        };
        if tell.is_closed() {
            return;
        }
        let trouble = text::harmless(&format!("{error:#}").replace('\n', " "));
        let _ = tell.send(Action::Trouble(Some(trouble))).await;
        sleep(AGAIN).await;
    }
}

/// What an app of these names is now; a name that means nothing any more is left out.
fn select<'a>(apps: &'a BTreeMap<String, AppUnits>, targets: &[String]) -> Vec<Selected<'a>> {
    let known: Vec<String> = targets
        .iter()
        .filter(|one| target::select(apps, std::slice::from_ref(one)).is_ok())
        .cloned()
        .collect();
    target::select(apps, &known).unwrap_or_default()
}

/// Until the unit files change, or nothing has for so long that they are looked at again.
async fn once(machine: &Machine, targets: &[String], tell: &Tell) -> anyhow::Result<()> {
    let places = machine.places.clone();
    let observed = tokio::task::spawn_blocking(move || observe::apps(&places)).await??;
    let apps = observed.apps();
    let selected = select(&apps, targets);
    let units: Vec<(String, &Facts, u32)> = selected
        .iter()
        .flat_map(|one| {
            let all = (0..one.facts.instances).collect();
            let numbers: Vec<u32> = one.instances.clone().unwrap_or(all);
            let unit = |number: u32| (one.facts.app.instance(number), one.facts, number);
            numbers.into_iter().map(unit)
        })
        .collect();
    let names: Vec<String> = units.iter().map(|(unit, ..)| unit.clone()).collect();
    let of_unit: HashMap<&str, usize> = names
        .iter()
        .enumerate()
        .map(|(index, name)| (name.as_str(), index))
        .collect();
    let mut watch = machine.manager.watch(&names).await?;
    let seen = read(machine, &observed, &apps, &selected).await?;
    let mut states = states(&seen);
    tell.send(Action::Cluster(seen)).await.context("over")?;
    let mut changed: BTreeSet<&str> = BTreeSet::new();
    let mut read_at = Instant::now();
    let mut due = read_at + LATE;
    loop {
        if let Ok(news) = timeout_at(due, watch.news()).await {
            let seen = match news? {
                News::FilesRead => return Ok(()),
                News::Unit(seen) => seen,
            };
            let Some(index) = of_unit.get(seen.state.name.as_str()) else {
                continue;
            };
            let (unit, facts, number) = &units[*index];
            // systemd forgets units for a moment while it reads their files: only a look tells whether one is really gone.
            let told = seen.state.load != "not-found";
            let now = view::State::of(&seen.state, facts.backoff.is_some() && seen.restarts > 0);
            if told && states.insert(unit.clone(), now) == Some(now) {
                continue;
            }
            // What changes within a moment is told at once, and read together.
            if changed.is_empty() {
                due = (Instant::now() + HEAP).max(read_at + BREATH);
            }
            changed.insert(facts.app.as_str());
            if !told {
                continue;
            }
            let told = Action::Changed {
                app: facts.app.to_string(),
                number: *number,
                state: now,
                at: Zoned::now().strftime("%H:%M:%S").to_string(),
            };
            tell.send(told).await.context("over")?;
            continue;
        }
        if changed.is_empty() {
            // Files that somebody edited, too.
            return Ok(());
        }
        let again: Vec<Selected<'_>> = selected
            .iter()
            .filter(|one| changed.contains(one.facts.app.as_str()))
            .cloned()
            .collect();
        changed.clear();
        let seen = read(machine, &observed, &apps, &again).await?;
        states.extend(self::states(&seen));
        read_at = Instant::now();
        due = read_at + LATE;
        tell.send(Action::Apps(seen)).await.context("over")?;
    }
}

fn states(apps: &[App]) -> HashMap<String, view::State> {
    let instances = apps.iter().flat_map(|app| &app.instances);
    instances.map(|one| (one.unit.clone(), one.state)).collect()
}

async fn read<'a>(
    machine: &Machine,
    observed: &'a crate::plan::Observed,
    apps: &'a BTreeMap<String, AppUnits>,
    selected: &[Selected<'a>],
) -> anyhow::Result<Vec<App>> {
    let seen = view::apps(machine, observed, apps, selected).await?;
    let units: Vec<String> = seen
        .iter()
        .flat_map(|app| app.rows.iter().map(|row| row.unit.clone()))
        .collect();
    let states = machine.manager.states(&units).await?;
    let groups = machine.manager.likely_control_groups(&states).await?;
    let mut groups = groups.into_iter();
    let now = SystemTime::now();
    Ok(seen
        .iter()
        .map(|app| App {
            name: app.facts.app.to_string(),
            state: app.state(),
            instances: app
                .rows
                .iter()
                .map(|row| instance(row, groups.next().flatten(), now))
                .collect(),
            listen: app.facts.listen.clone(),
            probed: app.facts.health.is_some(),
            queue: app.queue,
            job: !app.facts.autorestart,
            boots: app.boots,
            drift: drift(app),
            runs: runs(app, now),
            memory_limit: app.facts.memory_restart,
            log: LogApp {
                name: app.facts.app.to_string(),
                stem: app.facts.app.stem().to_owned(),
                sockets: app.facts.sockets(),
                instances: None,
                date_format: None,
                namespace: app.facts.logs.namespace.clone(),
                flushed: flushed::read(&machine.places, &app.facts.app),
            },
        })
        .collect())
}

fn instance(row: &view::Row<'_>, group: Option<String>, now: SystemTime) -> Instance {
    let restarted = row.restarted.as_ref().and_then(|restarts| {
        let counts: Vec<String> = restarts
            .counts
            .iter()
            .map(|(word, count)| format!("{word} {count}x"))
            .collect();
        (!counts.is_empty()).then(|| format!("restarted for {}", counts.join(", ")))
    });
    Instance {
        number: row.instance,
        unit: row.unit.clone(),
        state: row.state,
        pid: row.pid,
        started: row.uptime.and_then(|age| now.checked_sub(age)),
        restarts: row.restarts,
        why: row.why.as_deref().map(text::harmless),
        restarted: restarted.as_deref().map(text::harmless),
        cpu: row.cpu,
        memory: row.memory,
        requests: row.requests.clone(),
        health: row.health.clone(),
        custom: super::figures::told(&row.custom),
        group,
    }
}

fn drift(app: &view::App<'_>) -> Vec<String> {
    let words = |mark: &Mark| match mark {
        Mark::Edited(path) => format!("edited by hand: {}", path.display()),
        Mark::DropIn(path) => format!("changed by a drop-in: {}", path.display()),
        Mark::NeedsReload => "systemd has not read its unit files since they changed".to_owned(),
        Mark::Old(numbers) => {
            let numbers: Vec<String> = numbers.iter().map(|number| format!("@{number}")).collect();
            format!("started before its unit changed: {}", numbers.join(" "))
        }
    };
    let all = app.marks.iter().map(words);
    all.map(|words| text::harmless(&words)).collect()
}

fn runs(app: &view::App<'_>, now: SystemTime) -> Vec<String> {
    let next = app
        .next_run()
        .and_then(|at| Some(format!("next run {}", clock(at, now)?)));
    let last = app.ended().map(|ended| {
        let at = ended.at.and_then(|at| clock(at, now));
        let at = at.map(|at| format!(", {at}")).unwrap_or_default();
        let words = if ended.ok { "ok" } else { &ended.words };
        format!("last run {}{at}", text::harmless(words))
    });
    next.into_iter().chain(last).collect()
}

/// `03:00:00`, with its day where that is not near.
fn clock(at: SystemTime, now: SystemTime) -> Option<String> {
    let apart = at
        .duration_since(now)
        .unwrap_or_else(|before| before.duration());
    let near = apart < Duration::from_secs(20 * 3600);
    let form = if near { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" };
    let zoned = jiff::Timestamp::try_from(at)
        .ok()?
        .to_zoned(jiff::tz::TimeZone::system());
    Some(zoned.strftime(form).to_string())
}
