//! Environment files: values stay out of the units, which everyone may read.

use std::collections::BTreeMap;

use super::compile::Site;
use super::service::{Start, shim_variables};
use super::{EnvFile, preload, quote};
use crate::model::{App, Environment};

/// One file for all instances, and with `increment_var` a small one for each.
pub fn files(app: &App, start: Start, site: &Site) -> Vec<EnvFile> {
    let mut values: BTreeMap<&str, &str> = app
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    // The unit sets it to the instance's number; the file would win over the unit.
    values.remove(app.instance_var.as_str());
    let mut ours = shim_variables(start, app, site);
    ours.extend(preload::variables(app, site));
    join_preload(&mut ours, &app.env);
    for (name, value) in &ours {
        values.insert(name, value);
    }
    let mut files = vec![EnvFile {
        name: app.name.env_file(),
        text: values
            .into_iter()
            .map(|(name, value)| quote::env_line(name, value))
            .collect(),
    }];
    if let Some(variable) = &app.increment_var {
        let base: i64 = app
            .env
            .get(variable)
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(0);
        files.extend((0..app.instances).map(|index| EnvFile {
            name: format!("{}@{index}.env", app.name.stem()),
            text: quote::env_line(variable.as_str(), &(base + i64::from(index)).to_string()),
        }));
    }
    files
}

/// The user's own preloads and options stay, behind ours.
fn join_preload(variables: &mut [(&'static str, String)], env: &Environment) {
    for (name, value) in variables {
        let separator = match *name {
            "LD_PRELOAD" => ':',
            "NODE_OPTIONS" => ' ',
            _ => continue,
        };
        if let Some((_, theirs)) = env.iter().find(|(theirs, _)| theirs.as_str() == *name)
            && !theirs.is_empty()
        {
            value.push(separator);
            value.push_str(theirs);
        }
    }
}
