//! Sockets that open, change and close while their app goes on; `plan::sockets` says which and when.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use super::Machine;
use super::verify::{self, Failure};
use crate::model::Listen;
use crate::plan::{AppPlan, Plan};
use crate::process::listener;
use crate::systemd::{Job, Verb};

/// A socket opens and closes at once; systemd may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often opening is tried when the holder comes in between.
const TRIES: usize = 5;

/// Tries whether the new addresses can be had, so that a port that is taken is found out before anything changes. What only systemd can tell (an address
/// that comes later, `FreeBind=`) is left to it. Errors: the address, and why.
pub fn look(plan: &Plan) -> anyhow::Result<()> {
    for app in &plan.apps {
        for address in &app.sockets.free {
            let tried = match address {
                Listen::Port(port) => TcpListener::bind(("::", *port)),
                Listen::Address(address) => TcpListener::bind(address),
                Listen::Path(_) => continue,
            };
            match tried.map_err(|error| error.kind()) {
                Err(io::ErrorKind::AddrInUse) => anyhow::bail!(
                    "{}: cannot listen on {address}: it is taken; `ss -ltnp` shows by whom\nnothing was changed",
                    app.facts.app
                ),
                Err(io::ErrorKind::PermissionDenied) => anyhow::bail!(
                    "{}: cannot listen on {address}: permission denied\nnothing was changed",
                    app.facts.app
                ),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Closes these and nothing else: what requires them runs on, with its own copy of the listener. Errors: systemd's, with the unit.
pub async fn close(machine: &Machine, units: &[String]) -> anyhow::Result<()> {
    let jobs: Vec<Job> = units
        .iter()
        .map(|unit| Job::alone(Verb::Stop, unit.as_str()))
        .collect();
    for result in machine.manager.run_jobs(&jobs, PATIENCE, |_| {}).await? {
        if let Some(problem) = result.problem() {
            anyhow::bail!(problem);
        }
    }
    Ok(())
}

/// Opens the app's new sockets beside the others. systemd opens none while the service that it would start is up, so the holder steps aside meanwhile.
/// Some when one could not be opened; the sockets that were open, and their holder, are as before then.
pub async fn open(machine: &Machine, app: &AppPlan) -> anyhow::Result<Option<Failure>> {
    let sockets = &app.sockets.open;
    if sockets.is_empty() {
        return Ok(None);
    }
    let failure = open_beside(machine, app).await?;
    // It requires all sockets, and traffic on those that are open must find it up even when another is not: alone.
    let job = Job::alone(Verb::Start, app.facts.app.holder());
    machine.manager.run_jobs(&[job], PATIENCE, |_| {}).await?;
    Ok(failure)
}

async fn open_beside(machine: &Machine, app: &AppPlan) -> anyhow::Result<Option<Failure>> {
    let sockets = &app.sockets.open;
    let holder = app.facts.app.holder();
    let jobs: Vec<Job> = sockets
        .iter()
        .map(|unit| Job::new(Verb::Start, unit.as_str()))
        .collect();
    // With no instance up, traffic on another socket may start the holder in between.
    for _ in 0..TRIES {
        close(machine, std::slice::from_ref(&holder)).await?;
        let results = machine.manager.run_jobs(&jobs, PATIENCE, |_| {}).await?;
        let Some(failed) = results.iter().find(|result| !result.is_done()) else {
            return Ok(None);
        };
        let states = machine
            .manager
            .states(std::slice::from_ref(&holder))
            .await?;
        if states.iter().all(|state| state.active != "active") {
            return Ok(Some(
                verify::cannot_listen(machine, &app.facts, &failed.unit).await,
            ));
        }
    }
    Ok(Some(
        verify::cannot_listen(machine, &app.facts, &sockets[0]).await,
    ))
}

/// Closes what no instance holds any more; the start of the app opens it anew, in one go with the holder. The sockets first: traffic would start the
/// holder again, and systemd opens no socket whose service is up.
pub async fn let_go(machine: &Machine, app: &AppPlan) -> anyhow::Result<()> {
    let (sockets, holder): (Vec<String>, Vec<String>) = app
        .sockets
        .close
        .iter()
        .cloned()
        .partition(|unit| unit.ends_with(".socket"));
    close(machine, &sockets).await?;
    close(machine, &holder).await
}

/// Gives listeners another queue where they are. Returns what has to wait until the socket is opened anew, a sentence each: a user's manager may not
/// be looked into where Yama says so (ptrace(2)).
pub async fn set_queues(machine: &Machine, app: &AppPlan) -> anyhow::Result<Vec<String>> {
    let mut notes = Vec::new();
    if app.sockets.queues.is_empty() {
        return Ok(notes);
    }
    let process = machine.manager.pid().await?;
    for queue in &app.sockets.queues {
        let why = match listener::set_backlog(process, &queue.addresses, queue.length) {
            Ok(0) => "systemd does not hold it".to_owned(),
            Ok(_) => continue,
            Err(error) => error.to_string(),
        };
        notes.push(format!(
            "{} keeps the length of its queue until {} is stopped and started: {why}",
            queue.unit, app.facts.app
        ));
    }
    Ok(notes)
}

/// Instances stop, and with them their own sockets (`StopWhenUnneeded=`), which their next start opens anew.
pub async fn renew(machine: &Machine, instances: &[String]) -> anyhow::Result<()> {
    close_own(machine, instances).await?;
    let jobs: Vec<Job> = instances
        .iter()
        .map(|unit| Job::new(Verb::Stop, unit.as_str()))
        .collect();
    machine
        .manager
        .run_jobs(&jobs, super::run::PATIENCE, |_| {})
        .await?;
    Ok(())
}

/// Closes systemd's side of the sockets of single instances that are about to stop: each is then open as long as its instance listens and no longer, so
/// that nobody queues there while it finishes what it has.
pub async fn close_own(machine: &Machine, instances: &[String]) -> anyhow::Result<()> {
    let sockets: Vec<String> = instances
        .iter()
        .filter_map(|unit| unit.strip_suffix(".service"))
        .map(|unit| format!("{unit}.socket"))
        .collect();
    close(machine, &sockets).await
}
