//! Reload: running instances are restarted in turns, those that are down come up first.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::Machine;
use super::boot;
use super::control::{instances, start_and_follow};
use super::interrupt::Interrupt;
use super::observe;
use super::progress::{Arrival, Progress};
use super::rolling::{self, Arrived, Restart, Restarted};
use super::target::Selected;
use crate::plan::{Running, turns};
use crate::systemd::{Job, Verb};
use crate::unit_files::pending;
use crate::units::Facts;

/// Restarts the selection, at most `at_once` instances of an app at a time, apps side by side. Call it with the apps' locks and the machine's shared one
/// held.
pub async fn reload(
    machine: &Machine,
    selected: &[Selected<'_>],
    at_once: usize,
    interrupt: &Interrupt,
    show: &RefCell<impl FnMut(Progress<'_>)>,
) -> anyhow::Result<Restarted> {
    let stems: BTreeSet<String> = selected
        .iter()
        .map(|one| one.facts.app.stem().to_owned())
        .collect();
    let states = observe::running(&machine.manager, stems).await?;
    let state = |unit: &str| states.get(unit).copied().unwrap_or(Running::Down);
    // As a restart does: what a stop took away comes back, the start at boot and the target.
    boot::set(machine, selected, true, show)?;
    let mut done = Restarted::default();
    let mut restarts = Vec::new();
    for one in selected {
        let mut units: Vec<(String, Running)> = instances(std::slice::from_ref(one))
            .into_iter()
            .map(|(unit, _)| (unit.clone(), state(&unit)))
            .collect();
        let target = one.facts.app.target();
        if one.instances.is_none() && state(&target) != Running::Up {
            // It was stopped as a whole: its target starts whatever is down in one go.
            let down: Vec<String> = units
                .extract_if(.., |(_, state)| {
                    matches!(state, Running::Down | Running::Failed)
                })
                .map(|(unit, _)| unit)
                .collect();
            start_stopped(machine, one.facts, target, down, &mut done, show).await?;
        }
        restarts.push(Restart {
            facts: one.facts,
            turns: turns(&units, at_once),
            word: Arrival::Reloaded,
            renew: false,
            tried: false,
        });
    }
    let failed = |app: &str| done.failures.iter().any(|failure| failure.app == app);
    let (stopped, going): (Vec<_>, Vec<_>) = restarts
        .into_iter()
        .partition(|restart| failed(restart.facts.app.as_str()));
    done.left.extend(
        stopped
            .into_iter()
            .flat_map(|restart| restart.turns.concat()),
    );
    let restarted = rolling::restart(machine, &going, interrupt, show).await?;
    done.arrived.extend(restarted.arrived);
    done.failures.extend(restarted.failures);
    done.left.extend(restarted.left);
    pending::paid(&machine.places, |unit| {
        let came_up = |one: &Arrived| one.unit == unit && one.how != Arrival::Failed;
        done.arrived.iter().any(came_up)
    })?;
    Ok(done)
}

async fn start_stopped(
    machine: &Machine,
    facts: &Facts,
    target: String,
    down: Vec<String>,
    done: &mut Restarted,
    show: &RefCell<impl FnMut(Progress<'_>)>,
) -> anyhow::Result<()> {
    let begun = std::time::Instant::now();
    machine.manager.reset_failed(&down).await?;
    let jobs: Vec<Job> = down
        .iter()
        .chain([&target])
        .map(|unit| Job::new(Verb::Start, unit.as_str()))
        .collect();
    let units: Vec<(String, &Facts)> = down.iter().map(|unit| (unit.clone(), facts)).collect();
    let failures = start_and_follow(machine, &jobs, &units, Arrival::Started, show).await?;
    let took = begun.elapsed();
    done.arrived.extend(down.into_iter().map(|unit| {
        let how = match failures.iter().any(|failure| failure.unit == unit) {
            true => Arrival::Failed,
            false => Arrival::Started,
        };
        Arrived { unit, how, took }
    }));
    done.failures.extend(failures);
    Ok(())
}
