//! Users and groups, from whatever source the machine has (nsswitch.conf(5)).

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::Context;

/// Which of the names or numbers `database` ("passwd" or "group") knows; one getent(1) for all.
pub fn known(database: &str, names: &[String]) -> anyhow::Result<BTreeMap<String, bool>> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let output = Command::new("getent")
        .args(["--", database])
        .args(names)
        .stdin(Stdio::null())
        .output()
        .context("cannot run getent, which looks up users and groups; install libc-bin (Debian) or glibc-common (Fedora)")?;
    // 2: some are not known (getent(1)).
    if !matches!(output.status.code(), Some(0 | 2)) {
        anyhow::bail!(
            "getent {database} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(':').collect()).collect();
    Ok(names
        .iter()
        .map(|name| {
            let found = lines.iter().any(|fields| {
                fields.first() == Some(&name.as_str()) || fields.get(2) == Some(&name.as_str())
            });
            (name.clone(), found)
        })
        .collect())
}
