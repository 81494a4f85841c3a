//! What is to be told, found out.

use std::path::Path;
use std::time::Instant;

use super::{Format, Seen, text};
use crate::apply::{Machine, observe, target, view, watch};
use crate::process;

/// All metrics of all apps. Errors: as `status` has them.
pub async fn collect(machine: &Machine, format: Format) -> anyhow::Result<String> {
    let begun = Instant::now();
    let observed = observe::apps(&machine.places)?;
    let apps = observed.apps();
    // Where there are no apps, there is nothing to select, and that is no error.
    let selected = target::select(&apps, &["all".to_owned()]).unwrap_or_default();
    let seen = view::apps(machine, &observed, &apps, &selected).await?;
    let watcher = match selected.iter().any(|one| one.facts.needs_watcher()) {
        true => Some(watch::down(machine, &selected).await?.is_none()),
        false => None,
    };
    let seen = Seen {
        apps: &seen,
        watcher,
        booted: process::booted(Path::new("/proc")),
        took: begun.elapsed(),
    };
    Ok(text(&seen, format))
}
