//! The families of metrics, each once: name, kind, labels, meaning, and where its values come from.

use std::time::UNIX_EPOCH;

use super::exposition::Labels;
use super::family::{Family, Kind};
use super::values::{STATES, cumulative, drift, flag, reasons_of, some};
use crate::apply::view::State;

const APP: &[&str] = &["app"];
const INSTANCE: &[&str] = &["app", "index"];

/// In the order in which they are written.
pub const FAMILIES: [Family; 25] = [
    Family {
        name: "rpmctl_app_up",
        kind: Kind::Gauge,
        labels: APP,
        help: "0 when something wanted is not running or is unhealthy, for which rpmctl status exits with 3, else 1",
        samples: |view, out| {
            for (labels, app) in &view.apps {
                out.add(labels, flag(!app.lacks()));
            }
        },
    },
    Family {
        name: "rpmctl_app_instances",
        kind: Kind::Gauge,
        labels: &["app", "namespace", "state"],
        help: "Instances in each state; all states together are those wanted",
        samples: |view, out| {
            for (labels, app) in &view.apps {
                let labels = labels.with("namespace", &app.facts.namespace);
                for (state, word) in STATES {
                    let count = app.rows.iter().filter(|row| row.state == state).count();
                    out.add_with(&labels, ("state", word), count as f64);
                }
            }
        },
    },
    Family {
        name: "rpmctl_app_drift",
        kind: Kind::Gauge,
        labels: &["app", "mark"],
        help: "What is not as rpmctl wrote it: units edited or changed by a drop-in, systemd in need of a daemon-reload (0 or 1), instances older than their unit",
        samples: |view, out| {
            for (labels, app) in &view.apps {
                for (word, count) in drift(app) {
                    out.add_with(labels, ("mark", word), count as f64);
                }
            }
        },
    },
    Family {
        name: "rpmctl_app_generation",
        kind: Kind::Gauge,
        labels: APP,
        help: "The generation (rpmctl rollback --list) that the app's units are of",
        samples: |view, out| {
            for (labels, app) in &view.apps {
                some(out, labels, app.generation.map(|number| number as f64));
            }
        },
    },
    Family {
        name: "rpmctl_app_next_run_timestamp_seconds",
        kind: Kind::Gauge,
        labels: APP,
        help: "When cron_restart strikes next, since the epoch",
        samples: |view, out| {
            for (labels, app) in &view.apps {
                let time = app
                    .next_run()
                    .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                some(out, labels, time.map(|time| time.as_secs_f64()));
            }
        },
    },
    Family {
        name: "rpmctl_listen_queue_connections",
        kind: Kind::Gauge,
        labels: APP,
        help: "Connections that wait in the listen queues until an instance takes them",
        samples: |view, out| {
            for (labels, app) in &view.apps {
                some(out, labels, app.queue.map(|queue| f64::from(queue.waiting)));
            }
        },
    },
    Family {
        name: "rpmctl_listen_queue_limit",
        kind: Kind::Gauge,
        labels: APP,
        help: "How many connections may wait; the kernel drops or refuses what comes beyond",
        samples: |view, out| {
            for (labels, app) in &view.apps {
                let limit = app.queue.and_then(|queue| queue.limit);
                some(out, labels, limit.map(f64::from));
            }
        },
    },
    Family {
        name: "rpmctl_instance_up",
        kind: Kind::Gauge,
        labels: INSTANCE,
        help: "1 for an instance that is online, else 0; of a job (autorestart = false) only while it runs",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                let rests = matches!(row.state, State::Stopped | State::Errored);
                // How it ended is told of by a metric of its own.
                let up = (row.facts.autorestart || !rests).then_some(row.state);
                some(out, labels, up.map(|state| flag(state == State::Online)));
            }
        },
    },
    Family {
        name: "rpmctl_instance_start_time_seconds",
        kind: Kind::Gauge,
        labels: INSTANCE,
        help: "When the main process was started, since the epoch",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                let started = row.usage.as_ref().and_then(|usage| usage.started);
                let both = view.seen.booted.zip(started);
                some(
                    out,
                    labels,
                    both.map(|(booted, after)| booted as f64 + after.as_secs_f64()),
                );
            }
        },
    },
    Family {
        name: "rpmctl_instance_cpu_seconds_total",
        kind: Kind::Counter,
        labels: INSTANCE,
        help: "Processor time used since the last start, all processes of the instance together",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                let used = row.usage.as_ref().and_then(|usage| usage.cpu_usec);
                some(out, labels, used.map(|usec| usec as f64 / 1e6));
            }
        },
    },
    Family {
        name: "rpmctl_instance_memory_bytes",
        kind: Kind::Gauge,
        labels: INSTANCE,
        help: "Memory of the instance's own, as max_memory_restart counts it",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                some(out, labels, row.memory.map(|bytes| bytes as f64));
            }
        },
    },
    Family {
        name: "rpmctl_instance_memory_limit_bytes",
        kind: Kind::Gauge,
        labels: INSTANCE,
        help: "max_memory_restart",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                some(
                    out,
                    labels,
                    row.facts.memory_restart.map(|bytes| bytes as f64),
                );
            }
        },
    },
    Family {
        name: "rpmctl_instance_processes",
        kind: Kind::Gauge,
        labels: INSTANCE,
        help: "How many processes the instance has",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                some(
                    out,
                    labels,
                    row.usage.as_ref().map(|usage| usage.processes as f64),
                );
            }
        },
    },
    Family {
        name: "rpmctl_instance_restarts_total",
        kind: Kind::Counter,
        labels: &["app", "index", "reason"],
        help: "Restarts since the last start by hand, by what they were for: crash (systemd's own), and what rpmctl restarted it for",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                let counted = row.causes();
                // From 0 on, so that the first one is seen as an increase.
                let mut reasons = counted.clone();
                if row.crashes.is_some() {
                    for reason in reasons_of(row.facts) {
                        reasons.entry(reason.to_owned()).or_default();
                    }
                }
                for (reason, count) in &reasons {
                    out.add_with(labels, ("reason", reason), f64::from(*count));
                }
            }
        },
    },
    Family {
        name: "rpmctl_http_request_duration_seconds",
        kind: Kind::Histogram,
        labels: INSTANCE,
        help: "Response times since the start of the instance, where something in it counts them",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                if let Some(requests) = &row.requests {
                    let total = &requests.total;
                    let sum = total.sum as f64 / 1e6;
                    out.histogram(labels, &cumulative(total), total.count, sum);
                }
            }
        },
    },
    Family {
        name: "rpmctl_http_requests_failed_total",
        kind: Kind::Counter,
        labels: INSTANCE,
        help: "Requests that were answered with a status of 500 or more",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                let failed = row.requests.as_ref().map(|requests| requests.failed);
                some(out, labels, failed.map(|count| count as f64));
            }
        },
    },
    Family {
        name: "rpmctl_http_requests_aborted_total",
        kind: Kind::Counter,
        labels: INSTANCE,
        help: "Requests whose client went away before the answer was complete",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                let aborted = row.requests.as_ref().map(|requests| requests.aborted);
                some(out, labels, aborted.map(|count| count as f64));
            }
        },
    },
    Family {
        name: "rpmctl_instance_healthy",
        kind: Kind::Gauge,
        labels: INSTANCE,
        help: "0 for an instance whose health probe failed threshold times in a row, else 1",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                let ok = row.health.as_ref().map(|health| flag(health.ok));
                some(out, labels, ok);
            }
        },
    },
    Family {
        name: "rpmctl_instance_health_failures",
        kind: Kind::Gauge,
        labels: INSTANCE,
        help: "How often in a row the health probe failed, up to now",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                let failures = row.health.as_ref().map(|health| health.failures);
                some(out, labels, failures.map(f64::from));
            }
        },
    },
    Family {
        name: "rpmctl_instance_health_latency_seconds",
        kind: Kind::Gauge,
        labels: INSTANCE,
        help: "How long the last good answer to the health probe took",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                let latency = row.health.as_ref().and_then(|health| health.latency);
                some(out, labels, latency.map(|latency| latency.as_secs_f64()));
            }
        },
    },
    Family {
        name: "rpmctl_job_last_run_success",
        kind: Kind::Gauge,
        labels: INSTANCE,
        help: "Of a job (autorestart = false) that has run since boot and does not run now: 0 when it failed, else 1",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                some(out, labels, row.ended.as_ref().map(|ended| flag(ended.ok)));
            }
        },
    },
    Family {
        name: "rpmctl_job_last_run_timestamp_seconds",
        kind: Kind::Gauge,
        labels: INSTANCE,
        help: "When that run of the job ended, since the epoch",
        samples: |view, out| {
            for (labels, row) in &view.rows {
                let at = row.ended.as_ref().and_then(|ended| ended.at);
                let time = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                some(out, labels, time.map(|time| time.as_secs_f64()));
            }
        },
    },
    Family {
        name: "rpmctl_watcher_up",
        kind: Kind::Gauge,
        labels: &[],
        help: "Whether rpmctl-watch.service runs, where an app needs it",
        samples: |view, out| some(out, &Labels::default(), view.seen.watcher.map(flag)),
    },
    Family {
        name: "rpmctl_build_info",
        kind: Kind::Info,
        labels: &["version"],
        help: "The rpmctl that tells all this",
        samples: |_, out| {
            let version = ("version", env!("CARGO_PKG_VERSION"));
            out.add_with(&Labels::default(), version, 1.0);
        },
    },
    Family {
        name: "rpmctl_collection_duration_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "How long it took to find all this out",
        samples: |view, out| out.add(&Labels::default(), view.seen.took.as_secs_f64()),
    },
];
