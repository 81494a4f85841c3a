//! An app as one: what its instances are together.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::marks::{self, Ground};
use super::{Ended, Row, State};
use crate::apply::Machine;
use crate::apply::target::Selected;
use crate::plan::Observed;
use crate::process::{self, Queue};
use crate::units::{AppUnits, Facts};

/// An app as it is.
#[derive(Clone, Debug)]
pub struct App<'a> {
    pub facts: &'a Facts,
    /// In the order of their numbers; at least one.
    pub rows: Vec<Row<'a>>,
    /// Starts at boot: what is down then is missed.
    pub boots: bool,
    /// The listen queues of all its listeners together.
    pub queue: Option<Queue>,
    pub marks: Vec<Mark>,
    /// Whether [`Mark::Old`] could be found out: only who may read the generations can.
    pub old_known: bool,
    /// The generation (`rollback --list`) that its units are of, where that is known.
    pub generation: Option<u64>,
}

/// How the instances of an app fare that are asked how they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Healths {
    /// An answer or a failure of their run is known.
    pub asked: usize,
    /// They have answered well, and have not failed too often since.
    pub healthy: usize,
    pub unhealthy: usize,
}

/// Where what runs and what rpmctl wrote are not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The text of a unit is not the one that rpmctl wrote.
    Edited(PathBuf),
    /// A drop-in that is not rpmctl's changes one of its units.
    DropIn(PathBuf),
    /// systemd has not read the unit files since they changed.
    NeedsReload,
    /// Instances that were started before their unit was written as it is now.
    Old(Vec<u32>),
}

/// Each selected app with its selected instances, by name.
pub async fn apps<'a>(
    machine: &Machine,
    observed: &'a Observed,
    apps: &'a BTreeMap<String, AppUnits>,
    selected: &[Selected<'a>],
) -> anyhow::Result<Vec<App<'a>>> {
    let ground = Ground::read(&machine.places, apps);
    let of: Vec<&AppUnits> = selected
        .iter()
        .map(|one| &apps[one.facts.app.as_str()])
        .collect();
    let (rows, need_reload) = tokio::try_join!(
        super::rows(&machine.places, &machine.manager, apps, selected),
        marks::need_reload(machine, &of, &ground)
    )?;
    let need_reload: BTreeMap<&str, bool> = of
        .iter()
        .map(|app| app.facts.app.as_str())
        .zip(need_reload)
        .collect();
    let mut by_app: BTreeMap<&str, Vec<Row<'a>>> = BTreeMap::new();
    for row in rows {
        by_app.entry(row.facts.app.as_str()).or_default().push(row);
    }
    let boots = |facts: &Facts| {
        let target = facts.app.target();
        observed.links.iter().any(|(_, unit)| *unit == target)
    };
    let listens: Vec<&[String]> = by_app
        .values()
        .map(|rows| rows[0].facts.listen.as_slice())
        .collect();
    let queues = process::queues(&listens);
    Ok(by_app
        .into_iter()
        .zip(queues)
        .map(|((name, rows), queue)| {
            let (mut marks, generation) =
                marks::of_app(&machine.places, &ground, &apps[name], &rows);
            if need_reload[name] {
                marks.push(Mark::NeedsReload);
            }
            App {
                facts: rows[0].facts,
                boots: boots(rows[0].facts),
                queue,
                marks,
                old_known: ground.tells_old(),
                generation,
                rows,
            }
        })
        .collect())
}

impl App<'_> {
    pub fn online(&self) -> usize {
        let online = |row: &&Row<'_>| row.state == State::Online;
        self.rows.iter().filter(online).count()
    }

    /// Instances that run and are not unhealthy.
    pub fn ready(&self) -> usize {
        let ready = |row: &&Row<'_>| row.state == State::Online && !row.is_unhealthy();
        self.rows.iter().filter(ready).count()
    }

    /// None for an app without `health`.
    pub fn health(&self) -> Option<Healths> {
        self.facts.health.as_ref()?;
        let known = self.rows.iter().filter_map(|row| row.health.as_ref());
        let mut all = Healths::default();
        for health in known {
            all.asked += 1;
            all.healthy += usize::from(health.is_well());
            all.unhealthy += usize::from(!health.ok);
        }
        Some(all)
    }

    /// Something wanted is not running, or is unhealthy.
    pub fn lacks(&self) -> bool {
        // A job that has ended well is not missed.
        let missed = |row: &Row<'_>| match row.state {
            State::Online => false,
            State::Stopped => row.facts.autorestart,
            _ => true,
        };
        self.boots && self.rows.iter().any(missed)
            || self.rows.iter().any(|row| {
                matches!(row.state, State::Errored | State::WaitingRestart) || row.is_unhealthy()
            })
    }

    /// The state that a person should hear of first: `errored`, `restarting`, `unhealthy`, `online`, `launching`, `stopping`, `partly`, `stopped`; of a job that does not run
    /// `waiting` for its clock, or `ended`.
    pub fn state(&self) -> &'static str {
        let any = |state| self.rows.iter().any(|row| row.state == state);
        let online = self.online();
        if any(State::Errored) {
            "errored"
        } else if any(State::WaitingRestart) {
            "restarting"
        } else if self.rows.iter().any(Row::is_unhealthy) {
            "unhealthy"
        } else if online == self.rows.len() {
            "online"
        } else if any(State::Launching) {
            "launching"
        } else if any(State::Stopping) {
            "stopping"
        } else if online > 0 && !self.facts.autorestart {
            "online"
        } else if online > 0 {
            "partly"
        } else if !self.facts.autorestart && self.next_run().is_some() {
            "waiting"
        } else if self.ended().is_some() {
            "ended"
        } else {
            "stopped"
        }
    }

    /// Bytes of all instances together.
    pub fn memory(&self) -> Option<u64> {
        let known = self.rows.iter().filter_map(|row| row.memory);
        known.reduce(|a, b| a + b)
    }

    /// Percent of one processor, all instances together.
    pub fn cpu(&self) -> Option<f64> {
        let known = self.rows.iter().filter_map(|row| row.cpu);
        known.reduce(|a, b| a + b)
    }

    pub fn restarts(&self) -> Option<u32> {
        let known = self.rows.iter().filter_map(|row| row.restarts);
        known.reduce(u32::saturating_add)
    }

    /// Of the instance that was started last.
    pub fn youngest(&self) -> Option<Duration> {
        self.rows.iter().filter_map(|row| row.uptime).min()
    }

    /// Of a job: the end that came last.
    pub fn ended(&self) -> Option<&Ended> {
        let ends = self.rows.iter().filter_map(|row| row.ended.as_ref());
        ends.max_by_key(|ended| ended.at)
    }

    pub fn next_run(&self) -> Option<SystemTime> {
        self.rows.iter().find_map(|row| row.next_run)
    }
}
