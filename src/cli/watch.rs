//! `rpmctl watch`: the watcher in the foreground, as rpmctl-watch.service runs it.

use std::process::ExitCode;
use std::sync::Arc;

use super::machine;
use crate::systemd::Bus;
use crate::watch::{self, Ground};

pub async fn run(user: bool) -> anyhow::Result<ExitCode> {
    let ground = Ground {
        places: Arc::new(machine::places(user)?),
        bus: if user { Bus::User } else { Bus::System },
        journal: machine::journal(user),
    };
    watch::run(ground).await?;
    Ok(ExitCode::SUCCESS)
}
