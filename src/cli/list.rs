//! `rpmctl list`: one row an instance, under PM2's words.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::table::{self, Cell, Tone};
use super::{control, machine, out, own_metrics};
use crate::apply::target::Selected;
use crate::apply::view::{self, Row, State};
use crate::apply::{Machine, watch};
use crate::model::Bytes;

pub async fn run(targets: &[String], as_json: bool, user: bool) -> anyhow::Result<ExitCode> {
    let machine = machine::connect(user).await?;
    let apps = control::apps(&machine)?;
    let all = ["all".to_owned()];
    let targets = if targets.is_empty() { &all } else { targets };
    let selected = if apps.is_empty() && targets == all {
        vec![]
    } else {
        control::select(&apps, targets)?
    };
    let rows = view::rows(&machine.places, &machine.manager, &apps, &selected).await?;
    if as_json {
        out::line(&Value::from_iter(rows.iter().map(json_of)).to_string())?;
    } else if rows.is_empty() {
        out::line("no apps; start with: rpmctl apply ecosystem.toml")?;
    } else {
        out::text(&text(&rows, table::colour()))?;
    }
    watcher_down(&machine, &selected).await?;
    Ok(ExitCode::SUCCESS)
}

/// On stderr, so that what is read by programs stays as it is.
pub async fn watcher_down(machine: &Machine, selected: &[Selected<'_>]) -> anyhow::Result<()> {
    if let Some(note) = watch::down(machine, selected).await? {
        out::say(&note);
    }
    Ok(())
}

fn text(rows: &[Row<'_>], colour: bool) -> String {
    // Where no app goes by the clock, nothing tells of it.
    let clock = rows.iter().any(|row| row.facts.schedule.is_some());
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| {
            let mut cells = vec![
                Cell::from(row.id),
                Cell::from(format!("{}@{}", row.facts.app, row.instance)),
                Cell::from(row.facts.mode.as_str()),
                optional(row.pid),
                optional(row.uptime.map(table::age)),
                optional(row.restarts),
                Cell::new(row.state.as_str(), tone(row.state)),
                optional(row.cpu.map(|cpu| format!("{cpu:.1}%"))),
                optional(row.memory.map(Bytes)),
                Cell::from(
                    row.why
                        .clone()
                        .or_else(|| restarted(row))
                        .unwrap_or_default(),
                ),
            ];
            if clock {
                let next = row
                    .next_run
                    .map(|at| format!("in {}", table::age(until(at))));
                cells.insert(WHY, optional(next));
            }
            cells
        })
        .collect();
    let mut heading = vec![
        "id", "name", "mode", "pid", "uptime", "restarts", "status", "cpu", "memory", "",
    ];
    if clock {
        heading.insert(WHY, "next run");
    }
    table::table(
        &heading,
        &cells,
        &["id", "pid", "uptime", "restarts", "cpu", "memory"],
        colour,
    )
}

/// `memory 3x, the last 2m ago`: what rpmctl restarted it for.
pub fn restarted(row: &Row<'_>) -> Option<String> {
    let restarts = row.restarted.as_ref()?;
    let since = restarts.at.elapsed().unwrap_or_default();
    let counts: Vec<String> = restarts
        .counts
        .iter()
        .map(|(word, count)| format!("{word} {count}x"))
        .collect();
    Some(format!(
        "restarted for {}, last {} ago",
        counts.join(", "),
        table::age(since)
    ))
}

/// Where the last column stands.
const WHY: usize = 9;

pub fn until(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::now()).unwrap_or_default()
}

pub fn optional<T: ToString>(value: Option<T>) -> Cell {
    value.map_or_else(|| Cell::new("-", Tone::Faint), Cell::from)
}

pub fn tone(state: State) -> Tone {
    match state {
        State::Online => Tone::Good,
        State::Errored => Tone::Bad,
        State::Stopped => Tone::Faint,
        State::Launching | State::Stopping | State::WaitingRestart => Tone::Busy,
    }
}

/// The stable shape of an instance in `list --json`, `status --json` and `show --json`:
///
/// `id` (number), `name`, `instance` (number), `unit`, `namespace`, `mode` (fork, cluster), `status` (PM2's words: online, launching, stopping,
/// stopped, waiting restart, errored), `active` and `sub` (systemd's words), `pid`, `uptime_ms`, `restarts`, `cpu_percent` (of one processor, average
/// since the start), `memory_bytes` (as `max_memory_restart` counts them), `schedule` (`cron_restart`), `next_run` (of it, RFC 3339), `why` (why it is down), `restarted` (what rpmctl restarted it for: `counts` by
/// reason, and of the last one `reason`, `detail`, `at`: seconds since the epoch), `custom` (what the app tells of itself: [`own_metrics::json`]),
/// `custom_trouble` (what of it is not understood), `file` (the ecosystem file). What is not known is null.
pub fn json_of(row: &Row<'_>) -> Value {
    json!({
        "id": row.id,
        "name": row.facts.app.as_str(),
        "instance": row.instance,
        "unit": row.unit,
        "namespace": row.facts.namespace,
        "mode": row.facts.mode.as_str(),
        "status": row.state.as_str(),
        "active": row.active,
        "sub": row.sub,
        "pid": row.pid,
        "uptime_ms": row.uptime.map(|age| age.as_millis() as u64),
        "restarts": row.restarts,
        "cpu_percent": row.cpu.map(|cpu| (cpu * 10.0).round() / 10.0),
        "memory_bytes": row.memory,
        "schedule": row.facts.schedule,
        "next_run": row.next_run.and_then(|at| jiff::Timestamp::try_from(at).ok()).map(|at| at.to_string()),
        "why": row.why,
        "restarted": row.restarted.as_ref().map(|restarts| json!({
            "counts": restarts.counts,
            "reason": restarts.reason,
            "detail": restarts.detail,
            "at": restarts.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        })),
        "custom": own_metrics::json(&row.custom),
        "custom_trouble": row.custom.trouble,
        "file": row.facts.file,
    })
}
