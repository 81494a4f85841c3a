//! `rpmctl trigger`: actions that an app offers, asked of its instances; without one, which there are.

mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::report::{self, Shown, Stop};
use super::table::{self, Cell};
use super::{control, machine, out};
use crate::apply::Machine;
use crate::apply::target::Selected;
use crate::model::runtime_folder;
use crate::process::Hierarchy;
use crate::process::actions::{self, LONGEST, NoReply, Reply, UNKNOWN};
pub use told::plain;
use told::{Asked, failures, json_of, lines, offered, outcome};

/// How many instances are asked at once, a few descriptors each.
const AT_ONCE: usize = 64;

#[derive(Args, Debug)]
pub struct TriggerArgs {
    /// name, name@2, id, namespace, all or /regex/
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// What to do; without it, the actions that there are
    #[arg(value_name = "ACTION", value_parser = word)]
    pub action: Option<String>,
    /// What the action is given
    #[arg(value_name = "PARAM", value_parser = parameter)]
    pub param: Option<String>,
    /// How long an instance may take to reply
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub timeout: Duration,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

fn word(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("an action's name is not empty and has no control characters");
    }
    parameter(text)
}

fn parameter(text: &str) -> Result<String, &'static str> {
    if text.contains(['\n', '\r']) {
        return Err("it goes to the app as one line: it cannot have a line break");
    }
    // Either leaves room for the other.
    if text.len() > LONGEST / 2 - 1 {
        return Err("it is longer than 32 KiB");
    }
    Ok(text.to_owned())
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let known = text.parse().ok().filter(|seconds| *seconds > 0.0);
    known
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or("write seconds, such as 5 or 0.5")
}

pub async fn run(args: TriggerArgs, user: bool) -> anyhow::Result<ExitCode> {
    let machine = machine::connect(user).await?;
    let apps = control::apps(&machine)?;
    let selected = control::select(&apps, std::slice::from_ref(&args.target))?;
    let Some(action) = &args.action else {
        let asked = ask(&machine, &selected, "", args.timeout).await?;
        return list(&asked, &args);
    };
    let request = match &args.param {
        Some(param) => format!("{action}\t{param}"),
        None => action.clone(),
    };
    let asked = ask(&machine, &selected, &request, args.timeout).await?;
    let results: Vec<Result<&Reply, String>> = asked
        .iter()
        .map(|one| outcome(one, action, args.timeout))
        .collect();
    if args.json {
        let rows = asked
            .iter()
            .zip(&results)
            .map(|(one, result)| json_of(one, action, &args.param, result));
        out::line(&Value::from_iter(rows).to_string())?;
    } else {
        let terminal = std::io::stdout().is_terminal();
        for (one, result) in asked.iter().zip(&results) {
            if let Ok(reply) = result {
                out::text(&lines(one, reply, terminal))?;
            }
        }
    }
    if results.iter().all(Result::is_ok) {
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        return Err(Shown.into());
    }
    let mut stop = Stop::new(failures(&asked, &results).join("\nerror: "));
    for hint in hints(&machine, &selected, &asked, action, args.timeout).await? {
        stop = stop.hint(hint);
    }
    Err(stop.into())
}

/// Every instance at the same time, in the list's order.
async fn ask(
    machine: &Machine,
    selected: &[Selected<'_>],
    request: &str,
    timeout: Duration,
) -> anyhow::Result<Vec<Asked>> {
    let wanted: Vec<(&Selected<'_>, u32)> = selected
        .iter()
        .flat_map(|one| {
            let mut numbers = match &one.instances {
                Some(numbers) => numbers.clone(),
                None => (0..one.facts.instances).collect(),
            };
            numbers.sort_unstable();
            numbers.into_iter().map(move |number| (one, number))
        })
        .collect();
    let units: Vec<String> = wanted
        .iter()
        .map(|(one, number)| one.facts.app.instance(*number))
        .collect();
    let states = machine.manager.states(&units).await?;
    let groups = machine.manager.likely_control_groups(&states).await?;
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut asking = JoinSet::new();
    for (place, (unit, group)) in units.iter().zip(groups).enumerate() {
        let runtime = machine.places.on_disk(&machine.places.run);
        let folder = runtime.join(runtime_folder(unit));
        let (turns, request) = (turns.clone(), request.to_owned());
        asking.spawn(async move {
            let _turn = turns.acquire().await;
            let is_its = |pid| {
                let known = group.as_deref();
                let pids = known.and_then(|group| Hierarchy::of_this_machine().pids(group));
                pids.is_some_and(|pids| pids.contains(&pid))
            };
            let said = actions::ask(&folder, &request, timeout, is_its).await;
            (place, said)
        });
    }
    let mut said: BTreeMap<usize, Result<Reply, NoReply>> = BTreeMap::new();
    while let Some(one) = asking.join_next().await {
        let (place, reply) = one?;
        said.insert(place, reply);
    }
    let instances = wanted.into_iter().zip(states).zip(said.into_values());
    Ok(instances
        .map(|(((one, instance), state), said)| Asked {
            app: one.facts.app.to_string(),
            instance,
            runs: state.is_up_or_moving(),
            unit: state.name,
            said,
        })
        .collect())
}

/// What to do about it: the actions that there are, the one that was meant.
async fn hints(
    machine: &Machine,
    selected: &[Selected<'_>],
    asked: &[Asked],
    action: &str,
    timeout: Duration,
) -> anyhow::Result<Vec<String>> {
    let any = |test: fn(&Asked) -> bool| asked.iter().any(test);
    let unknown = |one: &Asked| matches!(&one.said, Ok(reply) if reply.text.starts_with(UNKNOWN));
    let mut hints = Vec::new();
    if any(unknown) {
        let listed = ask(machine, selected, "", timeout).await?;
        let names: BTreeSet<String> = listed
            .iter()
            .flat_map(|one| offered(one).into_iter().map(|(name, _)| name))
            .collect();
        let near = names
            .iter()
            .map(|name| (strsim::damerau_levenshtein(name, action), name))
            .filter(|(distance, name)| *distance <= 1.max(name.len() / 3))
            .min();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match near {
            Some((_, name)) => hints.push(format!("did you mean {name}?")),
            None if names.is_empty() => {}
            None => hints.push(format!("there are: {}", names.join(", "))),
        }
    }
    if any(|one| one.runs && matches!(one.said, Err(NoReply::NoSocket))) {
        hints.push(NONE.to_owned());
    }
    if any(
        |one| matches!(&one.said, Err(NoReply::Io(error)) if error.kind() == std::io::ErrorKind::PermissionDenied),
    ) {
        hints.push("run it with sudo, or as the app's user".to_owned());
    }
    Ok(hints)
}

const NONE: &str = "an app offers actions with io.action of @pm2/io, or on the socket $RPMCTL_ACTIONS: man ecosystem.toml";

fn list(asked: &[Asked], args: &TriggerArgs) -> anyhow::Result<ExitCode> {
    let failed: Vec<Result<&Reply, String>> = asked
        .iter()
        .map(|one| outcome(one, "the list", args.timeout))
        .collect();
    if args.json {
        let rows = asked.iter().zip(&failed).map(|(one, result)| {
            let actions = offered(one).into_iter();
            json!({
                "name": one.app,
                "instance": one.instance,
                "unit": one.unit,
                "actions": actions.map(|(name, about)| json!({ "name": name, "about": about })).collect::<Vec<_>>(),
                "error": result.as_ref().err(),
            })
        });
        out::line(&Value::from_iter(rows).to_string())?;
    } else {
        let known: BTreeSet<(&str, String, String)> = asked
            .iter()
            .flat_map(|one| {
                offered(one)
                    .into_iter()
                    .map(|(name, about)| (one.app.as_str(), name, about))
            })
            .collect();
        let rows: Vec<Vec<Cell>> = known
            .into_iter()
            .map(|(app, name, about)| vec![Cell::from(app), Cell::from(name), Cell::from(about)])
            .collect();
        if !rows.is_empty() {
            out::text(&table::table(
                &["app", "action", ""],
                &rows,
                &[],
                table::colour(),
            ))?;
        }
    }
    if failed.iter().all(Result::is_ok) {
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        return Ok(ExitCode::from(report::FAILED));
    }
    let mut stop = Stop::new(failures(asked, &failed).join("\nerror: "));
    if asked
        .iter()
        .any(|one| one.runs && matches!(one.said, Err(NoReply::NoSocket)))
    {
        stop = stop.hint(NONE);
    }
    Err(stop.into())
}
