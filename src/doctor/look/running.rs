//! What systemd says, and what runs.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv6Addr, SocketAddr};

use crate::apply::target::Selected;
use crate::apply::view::{self, State};
use crate::apply::{Machine, observe};
use crate::doctor::apps::{App, Holder};
use crate::doctor::directives;
use crate::doctor::leftovers::Leftovers;
use crate::doctor::watcher::Watcher;
use crate::model::Listen;
use crate::plan::Observed;
use crate::process::taken;
use crate::unit_files::health::Health;
use crate::units::section::Sections;
use crate::units::{AppUnits, watcher};

/// Directives that this systemd does not heed.
pub fn unknown(observed: &Observed, apps: &mut BTreeMap<String, App>, systemd: u32) {
    for (name, app) in observed.apps() {
        let Some(seen) = apps.get_mut(&name) else {
            continue;
        };
        for unit in &app.units {
            let sections = Sections::parse(&unit.text);
            for section in ["Unit", "Service", "Socket"] {
                for (directive, _) in sections.section(section) {
                    if let Some((directive, known)) = directives::unknown(directive, systemd) {
                        seen.unknown.push((unit.name.clone(), directive, known));
                    }
                }
            }
        }
    }
}

pub async fn look(
    machine: &Machine,
    observed: &Observed,
    seen: &mut BTreeMap<String, App>,
    watcher: &mut Watcher,
    leftovers: &mut Leftovers,
    candidates: &[String],
) -> anyhow::Result<()> {
    let known = observed.apps();
    if !known.is_empty() {
        rows(machine, observed, &known, seen).await?;
    }
    if !watcher.needed_by.is_empty() {
        let unit = [watcher::UNIT.to_owned()];
        let states = machine.manager.states(&unit).await?;
        watcher.active = states.into_iter().next().map(|state| state.active);
        if let Some(details) = machine.manager.details(&unit).await?.into_iter().next() {
            let program = details
                .main_pid
                .and_then(|pid| fs::read_link(format!("/proc/{pid}/exe")).ok());
            watcher.replaced = program
                .is_some_and(|path| path.as_os_str().as_encoded_bytes().ends_with(b" (deleted)"));
            watcher.says = details.status_text;
        }
    }
    // Instances that failed and that nothing asks for any more stay loaded.
    let failed = machine
        .manager
        .not_simply_running(&["*@*.service".to_owned()])
        .await?;
    let mut orphans: BTreeMap<String, bool> = failed
        .into_iter()
        .filter(|state| state.active == "failed" && is_surplus(&known, &state.name))
        .map(|state| (state.name, false))
        .collect();
    for state in machine.manager.states(candidates).await? {
        match state.active.as_str() {
            "failed" => orphans.insert(state.name, false),
            "inactive" => None,
            _ => orphans.insert(state.name, true),
        };
    }
    leftovers.orphans = orphans.into_iter().collect();
    Ok(())
}

/// An instance of an app of ours with a number that it does not have.
fn is_surplus(known: &BTreeMap<String, AppUnits>, unit: &str) -> bool {
    known.values().any(|app| {
        let facts = &app.facts;
        let number = unit.strip_prefix(facts.app.stem()).and_then(|rest| {
            rest.strip_prefix('@')?
                .strip_suffix(".service")?
                .parse::<u32>()
                .ok()
        });
        number.is_some_and(|number| number >= facts.instances)
    })
}

async fn rows(
    machine: &Machine,
    observed: &Observed,
    known: &BTreeMap<String, AppUnits>,
    seen: &mut BTreeMap<String, App>,
) -> anyhow::Result<()> {
    let selected: Vec<Selected<'_>> = known
        .values()
        .map(|app| Selected {
            facts: &app.facts,
            instances: None,
        })
        .collect();
    for app in view::apps(machine, observed, known, &selected).await? {
        let Some(seen) = seen.get_mut(app.facts.app.as_str()) else {
            continue;
        };
        seen.online = app.online();
        seen.boots = app.boots && app.facts.autorestart;
        seen.marks = app.marks.clone();
        for row in &app.rows {
            let instance = || format!("{}@{}", row.facts.app, row.instance);
            match row.state {
                State::Errored | State::WaitingRestart => {
                    let state = match row.state {
                        State::WaitingRestart => "down, and waits for its next start",
                        state => state.as_str(),
                    };
                    let state = state.to_owned();
                    seen.down.push((instance(), state, row.why.clone()));
                }
                State::Stopped => seen.stopped.push(instance()),
                // In a loop of restarts it is seen at any point of it.
                State::Launching | State::Stopping => {
                    let crashes = row.crashes.or(row.restarts).unwrap_or(0);
                    if crashes > 0 {
                        let state = format!("not up, after {crashes} restarts");
                        seen.down.push((instance(), state, row.why.clone()));
                    }
                }
                State::Online => {}
            }
            if let Some(why) = row.health.as_ref().and_then(Health::why) {
                seen.unhealthy.push((instance(), why));
            }
        }
    }
    ports(machine, known, seen).await
}

/// Sockets that are not open though their app is to run.
async fn ports(
    machine: &Machine,
    known: &BTreeMap<String, AppUnits>,
    seen: &mut BTreeMap<String, App>,
) -> anyhow::Result<()> {
    let stems = known.values().map(|app| app.facts.app.stem().to_owned());
    let running = observe::running(&machine.manager, stems.collect()).await?;
    let mut listeners = None;
    for (name, app) in known {
        let Some(seen) = seen
            .get_mut(name)
            .filter(|seen| seen.boots || !seen.down.is_empty())
        else {
            continue;
        };
        let sockets = app.facts.sockets();
        let open = |unit: &String| {
            running
                .get(unit)
                .is_some_and(|state| *state == crate::plan::Running::Up)
        };
        if sockets.is_empty() || sockets.iter().any(open) {
            continue;
        }
        for text in &app.facts.listen {
            let wanted: SocketAddr = match Listen::parse(text) {
                Ok(Listen::Port(port)) => (Ipv6Addr::UNSPECIFIED, port).into(),
                Ok(Listen::Address(address)) => address,
                _ => continue,
            };
            let all = listeners.get_or_insert_with(taken::listeners);
            if let Some(other) = all.iter().find(|one| one.is_in_the_way(wanted)) {
                let process = other.holder();
                seen.taken.push((text.clone(), Holder { process }));
            }
        }
    }
    Ok(())
}
