//! Emptying a journal namespace.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::namespace;
use super::read::journalctl;

/// Longest wait for a journald to start.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Whether the namespace has a journal at all.
pub fn is_there(namespace: &str) -> bool {
    namespace::has_folder(namespace)
}

/// Closes the file that is written and removes all closed ones; the namespace's journald must run. Root only. Errors: what journalctl said.
pub async fn all(namespace: &str) -> Result<()> {
    let args = [
        format!("--namespace={namespace}"),
        "--rotate".to_owned(),
        // The least that is not "no limit".
        "--vacuum-size=1".to_owned(),
    ];
    let mut command = journalctl(&args.map(Into::into));
    command.stdout(Stdio::null());
    let output = command.output().await.context("cannot run journalctl")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("journalctl failed: {}", said.trim())
}
