//! `rpmctl __targets`: what may stand where a command takes apps, a name a line.

use std::collections::BTreeSet;
use std::process::ExitCode;

use crate::apply::observe;
use crate::cli::{machine, out};

#[derive(clap::Args, Debug)]
pub struct TargetsArgs {
    /// Whole apps alone
    #[arg(long)]
    pub apps: bool,
}

/// Prints nothing where nothing can be read: a shell that completes has no place for errors.
pub fn targets(args: &TargetsArgs, user: bool) -> anyhow::Result<ExitCode> {
    let Ok(observed) = machine::places(user).and_then(|places| observe::apps(&places)) else {
        return Ok(ExitCode::SUCCESS);
    };
    let mut names = Vec::new();
    let mut instances = Vec::new();
    let mut namespaces = BTreeSet::new();
    for app in observed.apps().into_values() {
        let name = app.facts.app.as_str();
        if app.facts.instances > 1 && !args.apps {
            instances.extend((0..app.facts.instances).map(|one| format!("{name}@{one}")));
        }
        namespaces.insert(app.facts.namespace.clone());
        names.push(name.to_owned());
    }
    let all = (!names.is_empty()).then(|| "all".to_owned());
    let several = namespaces.len() > 1;
    let spaces = namespaces.into_iter().filter(|_| several);
    let mut seen = BTreeSet::new();
    let text: String = names
        .into_iter()
        .chain(instances)
        .chain(spaces)
        .chain(all)
        .filter(|name| !name.contains(['\n', '\r', '\x1b']) && seen.insert(name.clone()))
        .map(|name| name + "\n")
        .collect();
    out::text(&text)?;
    Ok(ExitCode::SUCCESS)
}
