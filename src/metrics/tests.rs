//! Made-up machines as they are told: `snapshots/NAME.prom` and `NAME.openmetrics`, which UPDATE_EXPECTED=1 rewrites. tests/metrics.rs gives them to
//! readers of others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::apply::view::{Ended, Mark, State};
use crate::process::requests::{Histogram, Requests};
use crate::process::{Queue, Usage, custom};
use crate::unit_files::health::Health;
use crate::unit_files::reasons::Restarts;
use crate::units::Facts;

fn facts(name: &str, instances: u32, more: &str) -> Facts {
    let text = format!(
        "[X-Rpmctl]\nApp={name}\nFile=/srv/ecosystem.toml\nInstances={instances}\nMode=cluster\nNamespace=shop\nScript=app.js\nInterpreter=node\n\
         Cwd=/srv\nAutostart=true\nAutorestart=true\nNotifies=true\nSettleMs=1000\nReadyMs=30000\n{more}"
    );
    Facts::read(&text).expect("facts")
}

fn row(facts: &Facts, instance: u32) -> Row<'_> {
    Row {
        facts,
        id: instance as usize,
        instance,
        unit: facts.app.instance(instance),
        state: State::Online,
        active: "active".into(),
        sub: "running".into(),
        pid: Some(4711),
        uptime: Some(Duration::from_secs(3600)),
        restarts: Some(3),
        crashes: Some(1),
        usage: Some(Usage {
            main_pid: Some(4711),
            processes: 2,
            cpu_usec: Some(12_345_678),
            started: Some(Duration::from_millis(1_234_560)),
            ..Usage::default()
        }),
        cpu: Some(0.3),
        memory: Some(50 << 20),
        restarted: Some(Restarts {
            counts: BTreeMap::from([("memory".to_owned(), 2)]),
            reason: "memory".into(),
            detail: String::new(),
            at: UNIX_EPOCH,
        }),
        why: None,
        ended: None,
        next_run: None,
        requests: None,
        health: None,
        custom: custom::Metrics::default(),
    }
}

/// 3 of 1 ms, 5 of 2.5 ms, one of half a minute, none between.
fn requests() -> Requests {
    Requests {
        total: Histogram {
            count: 9,
            sum: 30_015_500,
            buckets: vec![(1000, 3), (2500, 5), (30_000_000, 1)],
        },
        failed: 2,
        aborted: 1,
        ..Requests::default()
    }
}

fn app<'a>(facts: &'a Facts, rows: Vec<Row<'a>>) -> App<'a> {
    App {
        facts,
        rows,
        boots: true,
        queue: None,
        marks: vec![],
        old_known: true,
        generation: None,
    }
}

fn seen<'a>(apps: &'a [App<'a>]) -> Seen<'a> {
    Seen {
        apps,
        watcher: Some(true),
        booted: Some(1_795_000_000),
        took: Duration::from_micros(12_500),
    }
}

fn compare(name: &str, seen: &Seen<'_>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metrics/snapshots");
    for (format, ending) in [
        (Format::Prometheus, "prom"),
        (Format::OpenMetrics, "openmetrics"),
    ] {
        let text = text(seen, format);
        let path = folder.join(format!("{name}.{ending}"));
        if std::env::var_os("UPDATE_EXPECTED").is_some_and(|value| value == "1") {
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, expected, "{}", path.display());
    }
}

#[test]
fn a_machine() {
    let api = facts(
        "api \\\"server\\\"",
        2,
        "MaxMemoryRestart=104857600\nSchedule=0 3 * * *\n",
    );
    let web = facts("web", 1, "");
    let mut first = row(&api, 0);
    first.requests = Some(requests());
    first.next_run = Some(UNIX_EPOCH + Duration::from_secs(1_795_046_400));
    first.health = Some(Health {
        ok: false,
        latency: Some(Duration::from_micros(2500)),
        failures: 4,
        detail: "GET /healthz answered 503".into(),
        at: UNIX_EPOCH,
    });
    let down = Row {
        state: State::Errored,
        usage: None,
        memory: None,
        crashes: None,
        restarted: None,
        ended: Some(Ended {
            ok: false,
            words: "exited with code 3".into(),
            at: Some(UNIX_EPOCH + Duration::from_millis(1_795_000_100_500)),
        }),
        ..row(&api, 1)
    };
    let apps = [
        App {
            queue: Some(Queue {
                waiting: 17,
                limit: Some(4096),
            }),
            marks: vec![
                Mark::Edited("/etc/systemd/system/api@.service".into()),
                Mark::NeedsReload,
                Mark::Old(vec![0, 1]),
            ],
            generation: Some(12),
            ..app(&api, vec![first, down])
        },
        app(&web, vec![row(&web, 0)]),
    ];
    compare("machine", &seen(&apps));
}

#[test]
fn nothing_is_there() {
    let seen = Seen {
        watcher: None,
        ..seen(&[])
    };
    compare("empty", &seen);
}

/// Whatever apps tell, the rest is told, and can be read.
#[test]
fn apps_tell_of_themselves() {
    let shop = facts("shop", 2, "");
    let told = r#"# HELP orders_total Orders "taken",\nall
# TYPE orders_total counter
orders_total{app="mine",index="7",__x="no",0x="no",kind="a\"b"} 5
orders_total{kind="a\"b",app="mine",index="7"} 6
# TYPE orders gauge
orders 3
# TYPE users gauge
users 12
# TYPE wait_seconds histogram
wait_seconds_bucket{le="1.0"} 1
wait_seconds_bucket{le="nonsense"} 1
wait_seconds_count 1
# TYPE sales_total counter
sales_total 7
# TYPE debts_total counter
debts_total -1
rpmctl_app_up 0
nothing NaN
"#;
    let mut first = row(&shop, 0);
    first.custom = custom::parse(told);
    let mut second = row(&shop, 1);
    second.custom =
        custom::parse("# TYPE users counter\nusers 1\n# TYPE sales_total counter\nsales_total 8\n");
    let apps = [app(&shop, vec![first, second])];
    let seen = seen(&apps);
    compare("custom", &seen);
    let text = text(&seen, Format::Prometheus);
    assert_eq!(text.matches("\nrpmctl_app_up{").count(), 1);
    assert!(text.contains("# TYPE rpmctl_custom_sales_total counter\n"));
    assert!(
        text.contains("# TYPE rpmctl_custom_users untyped\n"),
        "they do not agree"
    );
}

#[test]
fn every_family_is_told_as_the_table_says() {
    let names: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
    assert_eq!(names.len(), FAMILIES.len());
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/metrics/snapshots/machine.prom"
    ));
    let text = text.unwrap();
    for family in &FAMILIES {
        let name = family.name;
        assert!(!family.help.ends_with('.'), "{name}");
        let part = text
            .split(&format!("# TYPE {name} "))
            .nth(1)
            .unwrap_or_else(|| panic!("the made-up machine has no {name}"));
        let part = part.split("# HELP").next().unwrap_or_default();
        for line in part.lines().skip(1) {
            let labels = line.split_once('{').map_or("", |(_, rest)| rest);
            let labels: Vec<&str> = labels
                .split("=\"")
                .filter_map(|part| part.rsplit([',', '{', '"']).next())
                .filter(|name| name.bytes().all(|b| b.is_ascii_lowercase()) && !name.is_empty())
                .filter(|name| *name != "le")
                .collect();
            assert_eq!(labels, family.labels, "{line}");
        }
    }
}

/// A job that rests is not down.
#[test]
fn a_job_is_up_while_it_runs() {
    let job = Facts {
        autorestart: false,
        ..facts("job", 1, "")
    };
    let web = facts("web", 1, "");
    let up = |state| {
        let of = |facts| Row {
            state,
            ..row(facts, 0)
        };
        let apps = [app(&job, vec![of(&job)]), app(&web, vec![of(&web)])];
        let text = text(&seen(&apps), Format::Prometheus);
        ["job", "web"].map(|name| {
            let sample = format!("rpmctl_instance_up{{app=\"{name}\",index=\"0\"}} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&sample));
            value.map(str::to_owned)
        })
    };
    let said = |value: &str| Some(value.to_owned());
    assert_eq!(up(State::Online), [said("1"), said("1")]);
    assert_eq!(up(State::Launching), [said("0"), said("0")]);
    for state in [State::Stopped, State::Errored] {
        assert_eq!(up(state), [None, said("0")]);
    }
}

#[test]
fn instances_that_may_be_old_are_not_counted_as_none() {
    let api = facts("api", 1, "");
    let old = |old_known| {
        let app = App {
            old_known,
            ..app(&api, vec![row(&api, 0)])
        };
        let mut marks = values::drift(&app);
        marks.find(|(mark, _)| *mark == "old_instances")
    };
    assert_eq!(old(true), Some(("old_instances", 0)));
    assert_eq!(old(false), None);
}
