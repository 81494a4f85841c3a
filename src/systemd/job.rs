//! Start, stop and restart, followed to their end.
//!
//! The answer to StartUnit only says that a job was queued. What became of it comes as `JobRemoved`, which is listened
//! for before the call is made.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use zbus::Message;

use super::alive::Wait;
use super::call::{self, AWAY, MANAGER, MANAGER_PATH};
use super::link::{Ear, Heard, Link, Queue};
use super::manager::Manager;
use super::outcome::{Job, JobResult, Outcome, Verb};
use super::state;

enum Phase {
    Unsent,
    Called,
    Queued(String),
    Ended(Outcome),
}

/// Longest wait for the answer to a call that queues a job.
const ANSWERED: Duration = Duration::from_secs(60);

/// As [`ANSWERED`], when jobs have to wait for the end of others.
const TAKEN: Duration = Duration::from_secs(120);

/// Jobs of a run that systemd has at a time, and of runs side by side. It keeps a match rule on the bus for each job that somebody asked for, and
/// leaves the bus when dbus-daemon refuses it one (512 a connection, max_match_rules_per_connection).
pub const AT_ONCE: usize = 200;

/// The number of the state call that finds jobs whose end was not heard.
const RECHECK: usize = usize::MAX;

struct Run<'a, F> {
    manager: &'a Manager,
    jobs: &'a [Job],
    phases: Vec<Phase>,
    /// Jobs whose end came before the answer that names them.
    early: HashMap<String, Outcome>,
    queued: HashMap<String, Vec<usize>>,
    left: usize,
    resent: usize,
    /// Done when every call is answered, not when every job has ended.
    queue_only: bool,
    on_end: F,
}

impl Manager {
    /// Queues all jobs, 200 at a time, and waits until each has ended, or `patience` is over. `on_end` hears of each as it ends;
    /// the results stand in the order of `jobs`. An error only when the bus or systemd went away and did not come back.
    ///
    /// Survives daemon-reload, daemon-reexec and a restart of the bus: a job whose end was not heard is judged by the
    /// unit's state, a call whose answer was lost is made again.
    pub async fn run_jobs(
        &self,
        jobs: &[Job],
        patience: Duration,
        on_end: impl FnMut(&JobResult),
    ) -> anyhow::Result<Vec<JobResult>> {
        let mut run = Run::new(self, jobs, on_end);
        run.drive(patience).await?;
        let ended = |(job, phase): (&Job, Phase)| JobResult {
            verb: job.verb,
            unit: job.unit.clone(),
            outcome: match phase {
                Phase::Ended(outcome) => outcome,
                _ => Outcome::Unfinished(patience),
            },
        };
        Ok(jobs.iter().zip(run.phases).map(ended).collect())
    }

    /// As [`run_jobs`](Manager::run_jobs), for stops: one that the job of another cancels is ordered again, three times. A restart that the clock, the watcher
    /// or somebody by hand ordered in that moment comes before what is to stop for good, not after it.
    pub async fn stop_jobs(
        &self,
        stops: &[Job],
        patience: Duration,
        mut on_end: impl FnMut(&JobResult),
    ) -> anyhow::Result<Vec<JobResult>> {
        let mut results = self.run_jobs(stops, patience, &mut on_end).await?;
        for _ in 0..3 {
            let (at, again): (Vec<usize>, Vec<Job>) = results
                .iter()
                .enumerate()
                .filter(|(_, result)| result.outcome == Outcome::Canceled)
                .map(|(number, _)| (number, stops[number].clone()))
                .unzip();
            if again.is_empty() {
                break;
            }
            let second = self.run_jobs(&again, patience, &mut on_end).await?;
            for (number, result) in at.into_iter().zip(second) {
                results[number] = result;
            }
        }
        Ok(results)
    }

    /// Queues all jobs, 200 at a time, and returns when systemd has answered: what it refused, in words. What becomes of the others their units tell. For starts
    /// of targets: as long as an instance fails and starts again, its target's job waits.
    pub async fn queue_jobs(&self, jobs: &[Job]) -> anyhow::Result<Vec<JobResult>> {
        let mut refused = Vec::new();
        let mut run = Run::new(self, jobs, |result: &JobResult| {
            if matches!(result.outcome, Outcome::Refused(_)) {
                refused.push(result.clone());
            }
        });
        run.queue_only = true;
        let patience = if jobs.len() > AT_ONCE {
            TAKEN
        } else {
            ANSWERED
        };
        run.drive(patience).await?;
        Ok(refused)
    }

    /// As [`run_jobs`](Manager::run_jobs), for one.
    pub async fn run_job(
        &self,
        verb: Verb,
        unit: &str,
        patience: Duration,
    ) -> anyhow::Result<JobResult> {
        let results = self
            .run_jobs(&[Job::new(verb, unit)], patience, |_| {})
            .await?;
        results
            .into_iter()
            .next()
            .ok_or_else(|| call::NoAnswer::Lost.into())
    }
}

impl<'a, F: FnMut(&JobResult)> Run<'a, F> {
    fn new(manager: &'a Manager, jobs: &'a [Job], on_end: F) -> Run<'a, F> {
        Run {
            manager,
            jobs,
            phases: jobs.iter().map(|_| Phase::Unsent).collect(),
            early: HashMap::new(),
            queued: HashMap::new(),
            left: jobs.len(),
            resent: 0,
            queue_only: false,
            on_end,
        }
    }

    fn is_finished(&self) -> bool {
        let unanswered = |phase: &Phase| matches!(phase, Phase::Unsent | Phase::Called);
        self.left == 0 || self.queue_only && !self.phases.iter().any(unanswered)
    }

    async fn drive(&mut self, patience: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + patience;
        let mut wait = Wait::new(patience);
        let (mut link, mut ear, mut queue) = self.begin().await?;
        let mut away: Option<Wait> = None;
        while !self.is_finished() {
            if away.is_none() {
                self.send(&link, &ear).await?;
            }
            // Answers come as long as it is at work; jobs end in their time or do not.
            let end = match self.queue_only {
                true => wait.next(),
                false => until,
            };
            let stop = away.as_ref().map_or(end, |away| away.next().min(end));
            let Ok(heard) = timeout_at(stop, queue.recv()).await else {
                let over = match self.queue_only {
                    true => !wait.goes_on(&link),
                    false => Instant::now() >= until,
                };
                if over {
                    return Ok(());
                }
                if let Some(away) = away.as_mut()
                    && !away.goes_on(&link)
                {
                    anyhow::bail!(
                        "systemd left the bus and did not come back within {} s; see what became of the units: rpmctl list",
                        away.waited().as_secs()
                    );
                }
                continue;
            };
            match heard {
                Some(Heard::Reply(RECHECK, reply)) => self.rechecked(&reply)?,
                Some(Heard::Reply(number, reply)) => {
                    let again = self.replied(number, reply)?;
                    if again && !link.has_owner() {
                        away.get_or_insert_with(|| Wait::new(AWAY));
                    }
                }
                Some(Heard::Signal(signal)) => {
                    if self.signal(&signal)? {
                        self.recheck(&link, &ear).await?;
                    }
                }
                Some(Heard::Present(false)) => {
                    away.get_or_insert_with(|| Wait::new(AWAY));
                }
                Some(Heard::Present(true)) => {
                    away = None;
                    link.subscribed.store(false, Ordering::Relaxed);
                    self.manager.subscribe(&link, &[]).await?;
                    self.recheck(&link, &ear).await?;
                }
                Some(Heard::Lost) | None => {
                    self.manager.wait_back(AWAY).await?;
                    self.lost();
                    (link, ear, queue) = self.begin().await?;
                    self.recheck(&link, &ear).await?;
                    away = None;
                }
            }
        }
        Ok(())
    }

    /// Listens before the first call is made.
    async fn begin(&self) -> anyhow::Result<(Arc<Link>, Ear, Queue)> {
        if self.manager.link().is_lost() {
            self.manager.wait_back(AWAY).await?;
        }
        let link = self.manager.link();
        let (ear, queue) = mpsc::unbounded_channel();
        link.listen(&ear);
        let rule = format!("type='signal',interface='{MANAGER}',path='{MANAGER_PATH}'");
        self.manager.subscribe(&link, &[rule]).await?;
        Ok((link, ear, queue))
    }

    async fn send(&mut self, link: &Link, ear: &Ear) -> anyhow::Result<()> {
        let mut batch = Vec::new();
        let there = |phase: &&Phase| matches!(phase, Phase::Called | Phase::Queued(_));
        let there = self.phases.iter().filter(there).count();
        for (number, job) in self.jobs.iter().enumerate() {
            if !matches!(self.phases[number], Phase::Unsent) {
                continue;
            }
            if there + batch.len() >= AT_ONCE {
                break;
            }
            let Some(permit) = link.try_permit() else {
                break;
            };
            let body = &(job.unit.as_str(), job.mode());
            let interactive = self.manager.interactive();
            let member = job.verb.member();
            let call = call::message(interactive, MANAGER_PATH, MANAGER, member, body)?;
            self.phases[number] = Phase::Called;
            batch.push((number, call, permit));
        }
        if !batch.is_empty() {
            link.send(batch, ear).await;
        }
        Ok(())
    }

    /// Takes the answer to a call; says whether the call is to be made again.
    fn replied(&mut self, number: usize, reply: Message) -> anyhow::Result<bool> {
        match call::answer(reply) {
            Ok(reply) => {
                let body = reply.body();
                let path: zbus::ObjectPath<'_> = body.deserialize()?;
                let path = path.as_str().to_owned();
                match self.early.remove(&path) {
                    Some(outcome) => self.end(number, outcome),
                    None => {
                        self.queued.entry(path.clone()).or_default().push(number);
                        self.phases[number] = Phase::Queued(path);
                    }
                }
            }
            Err(refusal) if refusal.is_away() && self.resent < 3 * self.jobs.len() => {
                self.resent += 1;
                self.phases[number] = Phase::Unsent;
                return Ok(true);
            }
            // A unit that is not loaded and has no file has nothing to stop.
            Err(refusal) if refusal.is_no_such_unit() && self.jobs[number].verb == Verb::Stop => {
                self.end(number, Outcome::Done);
            }
            Err(refusal) => self.end(number, Outcome::Refused(refusal)),
        }
        Ok(false)
    }

    /// Takes a signal; says whether ends may have been missed.
    fn signal(&mut self, signal: &Message) -> anyhow::Result<bool> {
        let header = signal.header();
        let body = signal.body();
        match header.member().map(|m| m.as_str()) {
            Some("JobRemoved") => {
                let (_, path, _, word): (u32, zbus::ObjectPath<'_>, &str, &str) =
                    body.deserialize()?;
                match self.queued.remove(path.as_str()) {
                    Some(numbers) => {
                        for number in numbers {
                            self.end(number, Outcome::from(word));
                        }
                    }
                    None if self.phases.iter().any(|p| matches!(p, Phase::Called)) => {
                        self.early
                            .insert(path.as_str().to_owned(), Outcome::from(word));
                    }
                    None => {}
                }
                Ok(false)
            }
            Some("Reloading") => Ok(!body.deserialize::<bool>()?),
            _ => Ok(false),
        }
    }

    /// The connection ended: calls without an answer are to be made again, the others to be looked at.
    fn lost(&mut self) {
        self.early.clear();
        for phase in &mut self.phases {
            if matches!(phase, Phase::Called) {
                *phase = Phase::Unsent;
            }
        }
    }

    async fn recheck(&mut self, link: &Link, ear: &Ear) -> anyhow::Result<()> {
        let units: Vec<String> = self
            .jobs
            .iter()
            .zip(&self.phases)
            .filter(|(_, phase)| matches!(phase, Phase::Queued(_)))
            .map(|(job, _)| job.unit.clone())
            .collect();
        if !units.is_empty() {
            let permit = link.permit().await;
            link.send(vec![(RECHECK, state::by_names(&units)?, permit)], ear)
                .await;
        }
        Ok(())
    }

    /// A job that is not there any more ended while nobody could say so: the unit's state is the verdict.
    fn rechecked(&mut self, reply: &Message) -> anyhow::Result<()> {
        let Ok(states) = state::parse(reply) else {
            return Ok(()); // an error reply: systemd went away again, and coming back asks again
        };
        for (number, job) in self.jobs.iter().enumerate() {
            let Phase::Queued(path) = &self.phases[number] else {
                continue;
            };
            let Some(unit) = states.iter().find(|state| state.name == job.unit) else {
                continue;
            };
            if unit.job_path.as_ref() == Some(path) {
                continue;
            }
            let wanted = match job.verb {
                Verb::Stop => matches!(unit.active.as_str(), "inactive" | "failed"),
                _ => unit.active == "active",
            };
            self.queued.remove(path);
            let outcome = if wanted {
                Outcome::Done
            } else {
                Outcome::Failed
            };
            self.end(number, outcome);
        }
        Ok(())
    }

    fn end(&mut self, number: usize, outcome: Outcome) {
        let job = &self.jobs[number];
        let result = JobResult {
            verb: job.verb,
            unit: job.unit.clone(),
            outcome,
        };
        (self.on_end)(&result);
        self.phases[number] = Phase::Ended(result.outcome);
        self.left -= 1;
    }
}
