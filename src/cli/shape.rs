//! The stable shapes of `list --json`, `status --json` and `show --json`: rpmctl(1) has them in words, and what is there is never renamed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::own_metrics;
use crate::apply::view::figures::{Figures, Since};
use crate::apply::view::{App, Mark, Row};

/// An instance. What is not known is null.
pub fn row(row: &Row<'_>, since: &Since) -> Value {
    let figures = Figures::of(std::slice::from_ref(row), since);
    let mut value = json!({
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
        "crashes": row.crashes,
        "schedule": row.facts.schedule,
        "next_run": row.next_run.and_then(time),
        "ended": row.ended.as_ref().map(|ended| json!({
            "ok": ended.ok,
            "words": ended.words,
            "at": ended.at.and_then(time),
        })),
        "why": row.why,
        "restarted": row.restarted.as_ref().map(|restarts| json!({
            "counts": restarts.counts,
            "reason": restarts.reason,
            "detail": restarts.detail,
            "at": restarts.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        })),
        "health": row.health.as_ref().map(|health| json!({
            "ok": health.ok,
            "latency_ms": health.latency.map(milliseconds),
            "failures": health.failures,
            "detail": health.detail,
            "at": time(health.at),
        })),
        "custom": own_metrics::json(&row.custom),
        "custom_trouble": row.custom.trouble,
        "file": row.facts.file,
    });
    add(&mut value, figured(&figures));
    value
}

/// An app and its instances.
pub fn app(app: &App<'_>, since: &Since) -> Value {
    let facts = app.facts;
    let figures = Figures::of(&app.rows, since);
    let mut value = json!({
        "name": facts.app.as_str(),
        "namespace": facts.namespace,
        "mode": facts.mode.as_str(),
        "status": app.state(),
        "online": app.online(),
        "ready": app.ready(),
        "instances": app.rows.len(),
        "boots": app.boots,
        "lacks": app.lacks(),
        "worst_memory_bytes": figures.worst,
        "max_memory_restart": facts.memory_restart,
        "health": app.health().map(|health| json!({
            "asked": health.asked,
            "healthy": health.healthy,
            "unhealthy": health.unhealthy,
        })),
        "queue": app.queue.map(|queue| json!({ "waiting": queue.waiting, "limit": queue.limit })),
        "schedule": facts.schedule,
        "next_run": app.next_run().and_then(time),
        "marks": app.marks.iter().map(mark).collect::<Vec<_>>(),
        "generation": app.generation,
        "listen": facts.listen,
        "file": facts.file,
        "rows": app.rows.iter().map(|one| row(one, since)).collect::<Vec<_>>(),
    });
    add(&mut value, figured(&figures));
    value
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// What both have.
fn figured(figures: &Figures) -> Value {
    json!({
        "uptime_ms": figures.uptime.map(|age| age.as_millis() as u64),
        "restarts": figures.restarts,
        "causes": figures.causes,
        "cpu_percent": figures.cpu.map(|cpu| (cpu * 10.0).round() / 10.0),
        "memory_bytes": figures.memory,
        "requests_per_second": figures.per_second.map(|rate| (rate * 100.0).round() / 100.0),
        "response_ms": figures.response.map(|[p50, p95, p99]| json!({
            "p50": milliseconds(p50),
            "p95": milliseconds(p95),
            "p99": milliseconds(p99),
        })),
        "requests": figures.requests.map(|[total, failed, aborted]| json!({
            "total": total,
            "failed": failed,
            "aborted": aborted,
        })),
    })
}

fn mark(mark: &Mark) -> Value {
    match mark {
        Mark::Edited(path) => json!({ "kind": "edited", "path": path }),
        Mark::DropIn(path) => json!({ "kind": "drop-in", "path": path }),
        Mark::NeedsReload => json!({ "kind": "needs-daemon-reload" }),
        Mark::Old(instances) => json!({ "kind": "old", "instances": instances }),
    }
}

/// RFC 3339.
fn time(at: SystemTime) -> Option<String> {
    let at = jiff::Timestamp::try_from(at).ok()?;
    Some(at.to_string())
}

/// Puts the fields of `more` into `value`.
pub fn add(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}
