//! Following units as they change, by signals, not by asking again and again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use zbus::{Message, Variant};

use super::call::{AWAY, MANAGER, MANAGER_PATH};
use super::link::{Heard, Link, Queue};
use super::manager::Manager;
use super::state::{UnitState, object_path};

/// A unit, and since when it is as it is.
#[derive(Debug, Clone)]
pub struct Seen {
    pub state: UnitState,
    /// When its state, or its start (InvocationID), last changed, or was first looked at.
    pub since: Instant,
    /// How often systemd started it again by itself while we looked (NRestarts, less what it was at first).
    pub restarts: u32,
    invocation: Vec<u8>,
    counter: Option<u32>,
}

/// What a look at a unit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Up,
    Down,
    /// Not to be said before something changes.
    Undecided,
    /// Not to be said before this moment, if nothing changes until then.
    At(Instant),
}

/// What became of a unit that was waited for.
#[derive(Debug, Clone)]
pub struct Settled {
    pub unit: String,
    /// `Up` or `Down`; `Undecided` when the time was over first.
    pub verdict: Verdict,
    pub seen: Seen,
}

/// What a [`Watch`] hears.
#[derive(Debug)]
pub enum News<'a> {
    /// A unit of it changed.
    Unit(&'a Seen),
    /// systemd has read the unit files again, or began anew: there may be others than those that are followed.
    FilesRead,
}

/// The changes of a set of units, in order, from the moment it was made. Starts with one `Seen` of each.
pub struct Watch {
    manager: Manager,
    link: Arc<Link>,
    queue: Queue,
    units: Vec<String>,
    by_path: HashMap<String, usize>,
    seen: Vec<Seen>,
    changed: VecDeque<usize>,
    /// Changes may have been missed: look at all units before anything else.
    stale: bool,
}

impl Manager {
    /// Follows these units. Nothing that happens after this call returned is missed; several changes that systemd
    /// reports as one come as one.
    pub async fn watch(&self, units: &[String]) -> anyhow::Result<Watch> {
        if self.link().is_lost() {
            self.wait_back(AWAY).await?;
        }
        let (link, queue) = listen(self).await?;
        let now = Instant::now();
        let states = self.states(units).await?;
        let seen: Vec<Seen> = states
            .into_iter()
            .map(|state| Seen {
                state,
                since: now,
                restarts: 0,
                invocation: Vec::new(),
                counter: None,
            })
            .collect();
        Ok(Watch {
            manager: self.clone(),
            link,
            queue,
            by_path: (0..units.len())
                .map(|index| (object_path(&units[index]), index))
                .collect(),
            units: units.to_vec(),
            changed: (0..seen.len()).collect(),
            stale: false,
            seen,
        })
    }

    /// Waits, by signals, until `until` has said `Up` or `Down` of each unit, or `patience` is over; `on_settled` hears
    /// of each as it is decided. The results stand in the order of `units`.
    pub async fn wait_settled(
        &self,
        units: &[String],
        until: impl Fn(&Seen, Instant) -> Verdict,
        patience: Duration,
        mut on_settled: impl FnMut(&Settled),
    ) -> anyhow::Result<Vec<Settled>> {
        let end = Instant::now() + patience;
        let mut watch = self.watch(units).await?;
        let mut settled: Vec<Option<Settled>> = units.iter().map(|_| None).collect();
        let mut alarm = vec![Some(Instant::now()); units.len()];
        loop {
            let now = Instant::now();
            let due = |index: &usize| {
                settled[*index].is_none() && alarm[*index].is_some_and(|at| at <= now)
            };
            let due: Vec<usize> = (0..units.len()).filter(due).collect();
            watch.confirm(&due, |seen| until(seen, now)).await?;
            for index in due {
                let seen = &watch.seen[index];
                match until(seen, now) {
                    Verdict::Undecided => alarm[index] = None,
                    Verdict::At(at) => alarm[index] = Some(at.max(now + Duration::from_millis(1))),
                    verdict => {
                        let one = Settled {
                            unit: units[index].clone(),
                            verdict,
                            seen: seen.clone(),
                        };
                        on_settled(&one);
                        settled[index] = Some(one);
                    }
                }
            }
            if settled.iter().all(Option::is_some) || now >= end {
                break;
            }
            let next = (0..units.len())
                .filter(|index| settled[*index].is_none())
                .filter_map(|index| alarm[index])
                .min();
            let wake = next.map_or(end, |at| at.min(end));
            match timeout_at(wake, watch.next_index()).await {
                Ok(index) => alarm[index?] = Some(now),
                Err(_) => continue,
            }
        }
        Ok(settled
            .into_iter()
            .enumerate()
            .map(|(index, one)| {
                one.unwrap_or_else(|| Settled {
                    unit: units[index].clone(),
                    verdict: Verdict::Undecided,
                    seen: watch.seen[index].clone(),
                })
            })
            .collect())
    }
}

async fn listen(manager: &Manager) -> anyhow::Result<(Arc<Link>, Queue)> {
    let link = manager.link();
    let (ear, queue) = mpsc::unbounded_channel();
    link.listen(&ear);
    let mut rules = vec![format!(
        "type='signal',interface='{MANAGER}',path='{MANAGER_PATH}'"
    )];
    for interface in ["Unit", "Service"] {
        rules.push(format!(
            "type='signal',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',\
             path_namespace='/org/freedesktop/systemd1/unit',arg0='org.freedesktop.systemd1.{interface}'"
        ));
    }
    manager.subscribe(&link, &rules).await?;
    Ok((link, queue))
}

impl Watch {
    /// The next unit that changed. Waits as long as it takes; an error when the bus or systemd went away for good.
    pub async fn next(&mut self) -> anyhow::Result<&Seen> {
        let index = self.next_index().await?;
        Ok(&self.seen[index])
    }

    /// As [`next`](Watch::next), and tells of unit files that were read again.
    pub async fn news(&mut self) -> anyhow::Result<News<'_>> {
        let index = self.next_or_files().await?;
        Ok(index.map_or(News::FilesRead, |index| News::Unit(&self.seen[index])))
    }

    /// All units as they were last seen, in the order they were asked for.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    async fn next_index(&mut self) -> anyhow::Result<usize> {
        loop {
            if let Some(index) = self.next_or_files().await? {
                return Ok(index);
            }
        }
    }

    /// None: the unit files were read again. Safe to drop half-way: what was heard is kept.
    async fn next_or_files(&mut self) -> anyhow::Result<Option<usize>> {
        loop {
            if let Some(index) = self.changed.pop_front() {
                return Ok(Some(index));
            }
            if self.link.is_lost() && self.queue.is_empty() {
                self.manager.wait_back(AWAY).await?;
                (self.link, self.queue) = listen(&self.manager).await?;
                self.stale = true;
            }
            if self.stale {
                self.manager.subscribe(&self.link, &[]).await?;
                self.look_again().await?;
                self.stale = false;
                return Ok(None);
            }
            match self.queue.recv().await {
                Some(Heard::Signal(signal)) => {
                    self.stale |= self.signal(&signal);
                }
                Some(Heard::Present(true)) => {
                    self.stale = true;
                    self.link.subscribed.store(false, Ordering::Relaxed);
                }
                Some(Heard::Present(false) | Heard::Reply(..) | Heard::Lost) | None => {}
            }
        }
    }

    /// Takes a signal; says whether changes may have been missed.
    fn signal(&mut self, signal: &Message) -> bool {
        let header = signal.header();
        let body = signal.body();
        let member = header.member().map(|m| m.as_str());
        if member == Some("PropertiesChanged") {
            let path = header.path().map(|path| path.as_str());
            let Some(index) = path.and_then(|path| self.by_path.get(path)).copied() else {
                return false;
            };
            type Changed<'a> = (&'a str, HashMap<&'a str, Variant<'a>>, Vec<&'a str>);
            if let Ok((_, changed, _)) = body.deserialize::<Changed<'_>>() {
                self.apply(index, &changed);
            }
            return false;
        }
        match member {
            Some("UnitRemoved") => {
                if let Ok((name, _)) = body.deserialize::<(&str, zbus::ObjectPath<'_>)>()
                    && let Some(index) = self.units.iter().position(|unit| unit == name)
                    && self.seen[index].state != UnitState::gone(name)
                {
                    self.update(index, UnitState::gone(name));
                }
                false
            }
            Some("Reloading") => matches!(body.deserialize::<bool>(), Ok(false)),
            _ => false,
        }
    }

    fn apply(&mut self, index: usize, changed: &HashMap<&str, Variant<'_>>) {
        let text = |name| {
            changed
                .get(name)
                .and_then(|value| <&str>::try_from(value).ok())
        };
        let mut state = self.seen[index].state.clone();
        if let Some(active) = text("ActiveState") {
            state.active = active.to_owned();
            // A unit that was not found and has a state now was loaded meanwhile.
            if state.active != "inactive" && state.load == "not-found" {
                state.load = "loaded".to_owned();
            }
        }
        if let Some(sub) = text("SubState") {
            state.sub = sub.to_owned();
        }
        if let Some(Variant::Structure(job)) = changed.get("Job") {
            // (id, path), 0 for none; the kind of job is not in it.
            let id = job.fields().first().and_then(|id| u32::try_from(id).ok());
            if id == Some(0) {
                state.job = None;
            } else if state.job.is_none() {
                state.job = Some("queued".to_owned());
            }
        }
        let seen = &mut self.seen[index];
        let mut news = false;
        if let Some(counter) = changed.get("NRestarts").and_then(|n| u32::try_from(n).ok()) {
            let before = seen.counter.replace(counter);
            // The first value heard is one more than before, else it would not have changed; 0 is a manual start.
            let more = before.map_or(u32::from(counter > 0), |before| {
                counter.saturating_sub(before)
            });
            seen.restarts += more;
            news |= more > 0;
        }
        if let Some(Variant::Array(id)) = changed.get("InvocationID") {
            let id: Vec<u8> = id.iter().filter_map(|b| u8::try_from(b).ok()).collect();
            if seen.invocation != id {
                seen.invocation = id;
                seen.since = Instant::now();
                news = true;
            }
        }
        if news {
            self.changed.push_back(index);
        }
        if state != self.seen[index].state {
            self.update(index, state);
        }
    }

    fn update(&mut self, index: usize, state: UnitState) {
        let seen = &mut self.seen[index];
        let before = (&seen.state.active, &seen.state.sub);
        if before != (&state.active, &state.sub) {
            seen.since = Instant::now();
        }
        seen.state = state;
        if self.changed.back() != Some(&index) {
            self.changed.push_back(index);
        }
    }

    /// Looks again at those of the units about which a verdict is due. When a start job fails, systemd tells of `failed` in the midst of an automatic
    /// restart (what is pending is sent before JobRemoved); and what it told before the first look is heard after it, so that a restart which had begun
    /// by then shows the old run once more.
    async fn confirm(
        &mut self,
        units: &[usize],
        until: impl Fn(&Seen) -> Verdict,
    ) -> anyhow::Result<()> {
        let due: Vec<usize> = units
            .iter()
            .copied()
            .filter(|index| matches!(until(&self.seen[*index]), Verdict::Up | Verdict::Down))
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = due.iter().map(|index| self.units[*index].clone()).collect();
        let states = self.manager.states(&names).await?;
        for (index, state) in due.into_iter().zip(states) {
            if self.seen[index].state != state {
                self.update(index, state);
            }
        }
        Ok(())
    }

    /// Signals may have been missed (reload, reexec, bus restarted): looks at all units.
    async fn look_again(&mut self) -> anyhow::Result<()> {
        let states = self.manager.states(&self.units).await?;
        for (index, state) in states.into_iter().enumerate() {
            if self.seen[index].state != state {
                self.update(index, state);
            }
        }
        Ok(())
    }
}
