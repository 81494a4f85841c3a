//! Another number of instances for an app that is there: what compiling its file with that number would give, from its own files.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::marker;
use super::{AppUnits, EnvFile, UnitFile, clock, quote, target};

/// The app with `count` instances, at least 1. All but its target, and the environment files of single instances, stays as it is.
/// Errors: files that were not made as ours are, in words.
pub fn scale(app: &AppUnits, count: u32) -> Result<AppUnits, String> {
    let facts = Facts {
        instances: count,
        ..app.facts.clone()
    };
    let mut units: Vec<UnitFile> = app.units.clone();
    // The clock's service names the instances of a job, and the target of one that runs by the clock alone does not.
    let (target, clock) = (facts.app.target(), facts.app.clock());
    for unit in &mut units {
        let body = if unit.name == target && !facts.by_clock_alone() {
            wanting(&app.facts, unit, count)?
        } else if unit.name == clock && !facts.autorestart {
            starting(&app.facts, unit, count)?
        } else if unit.name == target {
            marker::body(&unit.text).to_owned()
        } else {
            continue;
        };
        unit.text = marker::mark(&body, &facts, unit.name == target);
    }
    Ok(AppUnits {
        units,
        env: environment(app, count)?,
        facts,
        enabled_by: app.enabled_by.clone(),
        notes: vec![],
    })
}

/// The unit's own text, its `Wants=` lines of instances made anew.
fn wanting(facts: &Facts, unit: &UnitFile, count: u32) -> Result<String, String> {
    let body = marker::body(&unit.text);
    let of_instances = |line: &&str| {
        let mut words = line.strip_prefix("Wants=").unwrap_or("").split(' ');
        words.all(|word| word.contains('@') && word.ends_with(".service") && facts.app.owns(word))
    };
    let mut lines: Vec<String> = Vec::new();
    let mut made = false;
    for line in body.lines() {
        if !of_instances(&line) {
            lines.push(line.to_owned());
        } else if !made {
            made = true;
            let wants = target::instances(&facts.app, count);
            lines.extend(wants.into_iter().map(|units| format!("Wants={units}")));
        }
    }
    match made {
        true => Ok(lines.join("\n")),
        false => Err(not_ours(facts, unit, "Wants=")),
    }
}

/// The clock's own text for a job, the line that starts its instances made anew.
fn starting(facts: &Facts, unit: &UnitFile, count: u32) -> Result<String, String> {
    let line = |count, user_manager| {
        let command = clock::start(&facts.app, count, user_manager);
        format!("\nExecStart={command}\n")
    };
    let body = marker::body(&unit.text);
    [false, true]
        .into_iter()
        .map(|user| (line(facts.instances, user), line(count, user)))
        .find(|(old, _)| body.contains(old))
        .map(|(old, new)| body.replace(&old, &new))
        .ok_or_else(|| not_ours(facts, unit, "ExecStart="))
}

fn not_ours(facts: &Facts, unit: &UnitFile, key: &str) -> String {
    format!(
        "{} does not name its instances in {key} as rpmctl's own template does: change instances in {} and apply it",
        unit.name,
        facts.file.display()
    )
}

/// With `increment_var` each instance has a file of its own: a variable that counts up from instance 0's.
fn environment(app: &AppUnits, count: u32) -> Result<Vec<EnvFile>, String> {
    let name = |number: u32| format!("{}@{number}.env", app.facts.app.stem());
    let texts: BTreeMap<&str, &str> = app
        .env
        .iter()
        .map(|file| (file.name.as_str(), file.text.as_str()))
        .collect();
    let common = |file: &&EnvFile| file.name == app.facts.app.env_file();
    let mut files: Vec<EnvFile> = app.env.iter().filter(common).cloned().collect();
    let Some(first) = texts.get(name(0).as_str()) else {
        return Ok(files);
    };
    let (variable, base) = counted(first)
        .ok_or_else(|| format!("{} does not hold a number: apply the file again", name(0)))?;
    files.extend((0..count).map(|number| EnvFile {
        name: name(number),
        text: quote::env_line(variable, &(base + i64::from(number)).to_string()),
    }));
    Ok(files)
}

/// `PORT="3000"` as its two parts.
fn counted(line: &str) -> Option<(&str, i64)> {
    let (name, value) = line.trim_end().split_once('=')?;
    let number = value.strip_prefix('"')?.strip_suffix('"')?.parse().ok()?;
    Some((name, number))
}
