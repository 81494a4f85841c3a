//! `rpmctl reload-logs`: the watcher opens log files anew, for logrotate.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::report::Stop;
use super::{machine, out};
use crate::systemd::Verb;
use crate::units::watcher::UNIT as WATCHER;
use crate::watch::logs::state;

/// From the signal until every file is there again.
const PATIENCE: Duration = Duration::from_secs(10);

pub async fn run(user: bool) -> anyhow::Result<ExitCode> {
    let machine = machine::connect(user).await?;
    let count = state::moved(&machine.places)?.of;
    if count == 0 {
        out::line("no app has log files")?;
        return Ok(ExitCode::SUCCESS);
    }
    let result = machine
        .manager
        .run_job(Verb::Reload, WATCHER, PATIENCE)
        .await?;
    if let Some(problem) = result.problem() {
        return Err(Stop::new(problem)
            .hint(format!(
                "the watcher writes log files: systemctl status {WATCHER}"
            ))
            .into());
    }
    let begun = Instant::now();
    loop {
        let moved = state::moved(&machine.places)?;
        if moved.paths.is_empty() {
            out::line(&match moved.of {
                1 => "reopened 1 log file".to_owned(),
                of => format!("reopened {of} log files"),
            })?;
            return Ok(ExitCode::SUCCESS);
        }
        if begun.elapsed() > PATIENCE {
            let paths: Vec<String> = moved
                .paths
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            return Err(Stop::new(format!(
                "not opened anew within {} s: {}",
                PATIENCE.as_secs(),
                paths.join(", ")
            ))
            .hint(format!(
                "journalctl -t rpmctl -n 20; systemctl status {WATCHER}"
            ))
            .into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
