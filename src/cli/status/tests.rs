//! Screens of made-up machines, as they are at 80, 120 and 200 columns and without an end: `screens/NAME-COLUMNS.txt`, which UPDATE_EXPECTED=1 rewrites.

mod figures;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use unicode_width::UnicodeWidthStr;

use super::columns::Moment;
use super::sheet::Sheet;
use crate::apply::view::figures::Since;
use crate::apply::view::{App, Ended, Mark, Row, State};
use crate::cli::list;
use crate::process::custom::Metrics;
use crate::process::requests::Histogram;
use crate::process::{Queue, Requests, Usage};
use crate::unit_files::health::Health;
use crate::unit_files::reasons::Restarts;
use crate::units::Facts;

const MB: u64 = 1 << 20;

/// 2026-11-23 12:00:00 UTC
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_435_200)
}

fn facts(name: &str, instances: u32, more: &str) -> Facts {
    let text = format!(
        "[X-Rpmctl]\nApp={name}\nFile=/srv/shop/ecosystem.toml\nInstances={instances}\nMode=cluster\nNamespace=default\nScript=app.js\n\
         Interpreter=node\nCwd=/srv/shop\nAutostart=true\nNotifies=true\nSettleMs=1000\nReadyMs=30000\n{more}"
    );
    let text = match more.contains("Autorestart=") {
        true => text,
        false => text + "Autorestart=true\n",
    };
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
        pid: Some(4711 + instance),
        uptime: Some(Duration::from_secs(7 * 3600)),
        restarts: Some(0),
        crashes: Some(0),
        usage: Some(usage(4711 + instance, 0)),
        cpu: Some(3.25),
        memory: Some(50 * MB + u64::from(instance) * 10 * MB),
        restarted: None,
        why: None,
        ended: None,
        next_run: None,
        requests: None,
        custom: Metrics::default(),
        health: None,
    }
}

fn usage(pid: u32, cpu_usec: u64) -> Usage {
    Usage {
        main_pid: Some(pid),
        cpu_usec: Some(cpu_usec),
        ..Usage::default()
    }
}

fn down<'a>(row: Row<'a>, state: State, why: &str) -> Row<'a> {
    Row {
        state,
        pid: None,
        uptime: None,
        cpu: None,
        memory: None,
        usage: None,
        why: Some(why.to_owned()).filter(|why| !why.is_empty()),
        ..row
    }
}

fn app<'a>(facts: &'a Facts, change: impl Fn(Row<'a>) -> Row<'a>) -> App<'a> {
    let rows = (0..facts.instances).map(|number| change(row(facts, number)));
    App {
        facts,
        rows: rows.collect(),
        boots: true,
        queue: None,
        marks: vec![],
        old_known: true,
        generation: Some(12),
    }
}

fn histogram(buckets: &[(u64, u64)]) -> Histogram {
    Histogram {
        count: buckets.iter().map(|(_, count)| count).sum(),
        sum: buckets.iter().map(|(upper, count)| upper * count).sum(),
        buckets: buckets.to_vec(),
    }
}

fn requests() -> Requests {
    Requests {
        total: histogram(&[(1_500, 90_000), (12_000, 8_000), (1_300_000, 2_000)]),
        failed: 12,
        aborted: 3,
        recent: histogram(&[(1_500, 900), (12_000, 80), (1_300_000, 20)]),
        span: Duration::from_secs(60),
    }
}

fn restarted(reason: &str, detail: &str, ago: u64, counts: &[(&str, u32)]) -> Option<Restarts> {
    let counts = counts
        .iter()
        .map(|(word, count)| ((*word).to_owned(), *count));
    Some(Restarts {
        counts: counts.collect(),
        reason: reason.to_owned(),
        detail: detail.to_owned(),
        at: now() - Duration::from_secs(ago),
    })
}

/// Every kind of app at once.
struct Shop(Vec<Facts>);

impl Shop {
    fn new() -> Shop {
        Shop(vec![
            facts("api-server", 4, "Listen=3000\nMaxMemoryRestart=104857600\n"),
            facts("mailer", 1, ""),
            facts("nightly", 1, "Schedule=0 3 * * *\nAutorestart=false\n"),
            facts("orders", 2, "Listen=127.0.0.1:3001\n"),
            facts("thumbnails-of-all-pictures-that-are-sold", 2, ""),
            facts("日本語の名前のとても長いアプリ", 2, ""),
        ])
    }

    fn apps(&self) -> Vec<App<'_>> {
        let [api, mailer, nightly, orders, long, wide] = self.0.as_slice() else {
            unreachable!("six")
        };
        let mut api = app(api, |row| Row {
            requests: Some(requests()),
            restarts: Some(u32::from(row.instance == 1) * 3),
            crashes: Some(u32::from(row.instance == 1) * 2),
            ..row
        });
        api.rows[1].restarted = restarted(
            "memory",
            "uses 112mb, more than max_memory_restart = 100mb",
            300,
            &[("memory", 1), ("deploy", 1)],
        );
        api.marks = vec![Mark::DropIn(
            "/etc/systemd/system/api-server@.service.d/more.conf".into(),
        )];
        api.queue = Some(Queue {
            waiting: 3,
            limit: Some(4096),
        });
        let mailer = app(mailer, |row| {
            down(row, State::Errored, "exited with code 3")
        });
        let nightly = app(nightly, |row| Row {
            next_run: Some(now() + Duration::from_secs(15 * 3600)),
            ended: Some(Ended {
                ok: true,
                words: "exited with code 0".to_owned(),
                at: Some(now() - Duration::from_secs(9 * 3600)),
            }),
            ..down(row, State::Stopped, "")
        });
        let mut orders = app(orders, |row| match row.instance {
            0 => row,
            _ => down(row, State::WaitingRestart, "killed by SIGSEGV, core dumped"),
        });
        orders.queue = Some(Queue {
            waiting: 400,
            limit: Some(511),
        });
        let mut long = app(long, |row| Row {
            health: Some(Health {
                ok: row.instance == 0,
                latency: Some(Duration::from_micros(1_240)),
                failures: 4 * row.instance,
                detail: "GET /healthz answered 503".to_owned(),
                at: now(),
            }),
            ..row
        });
        long.marks = vec![
            Mark::Edited("/etc/systemd/system/thumbnails@.service".into()),
            Mark::NeedsReload,
            Mark::Old(vec![0]),
        ];
        let mut wide = app(wide, |row| row);
        wide.marks = vec![
            Mark::DropIn("/etc/systemd/system/service.d/more.conf".into()),
            Mark::Old(vec![0, 1]),
        ];
        vec![api, mailer, nightly, orders, long, wide]
    }
}

static UTC: jiff::tz::TimeZone = jiff::tz::TimeZone::UTC;

/// In UTC, wherever the test runs.
fn at(since: &Since) -> Moment<'_> {
    Moment {
        now: now(),
        zone: &UTC,
        since,
    }
}

fn screens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/status/screens")
}

/// Compares with what is on record; no line is wider than there is room.
fn is_as_before(name: &str, sheet: &Sheet) {
    screens_are_as_before(name, |room, colour| sheet.text(room, colour));
}

fn screens_are_as_before(name: &str, text_of: impl Fn(Option<usize>, bool) -> String) {
    let colours = regex::Regex::new("\x1b\\[[0-9]*m").unwrap();
    for room in [Some(20), Some(80), Some(120), Some(200), None] {
        let text = text_of(room, false);
        for line in text.lines() {
            assert!(room.is_none_or(|room| line.width() <= room), "{line}");
        }
        let label = room.map_or("endless".to_owned(), |room| room.to_string());
        let path = screens().join(format!("{name}-{label}.txt"));
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::create_dir_all(screens()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, expected, "{}; UPDATE_EXPECTED=1", path.display());
        let coloured = text_of(room, true);
        assert_eq!(colours.replace_all(&coloured, ""), text);
        assert_ne!(coloured, text);
    }
}

#[test]
fn a_row_an_app() {
    let shop = Shop::new();
    let since = Since::default();
    is_as_before("apps", &Sheet::of_apps(&shop.apps(), false, at(&since)));
}

#[test]
fn one_app_opened_to_its_instances() {
    let shop = Shop::new();
    let since = Since::default();
    for (index, name) in [(0, "api"), (3, "orders"), (2, "job")] {
        let apps = shop.apps();
        is_as_before(name, &Sheet::of_instances(&apps[index], false, at(&since)));
    }
}

#[test]
fn a_row_an_instance() {
    let shop = Shop::new();
    let rows: Vec<Row<'_>> = shop
        .apps()
        .into_iter()
        .flat_map(|app| app.rows)
        .map(|mut row| {
            // Ages of what is told of by the clock of this machine.
            row.next_run = None;
            row.restarted = None;
            row
        })
        .collect();
    screens_are_as_before("list", |room, colour| list::text(&rows, room, colour));
}

#[test]
fn an_app_is_as_well_as_its_instances() {
    let facts = facts(
        "api",
        4,
        "HealthHttp=/healthz\nHealthPorts=3000\nHealthIntervalMs=10000\nHealthTimeoutMs=5000\nHealthThreshold=3\n",
    );
    let of = |bad: u32, asked: u32| {
        app(&facts, move |row| Row {
            health: (row.instance < asked).then(|| Health {
                ok: row.instance >= bad,
                latency: (row.instance != 3).then_some(Duration::from_millis(2)),
                failures: 0,
                detail: "GET /healthz answered 503".to_owned(),
                at: now(),
            }),
            ..row
        })
    };
    for (bad, asked, state, ready, healths, shown) in [
        (0, 0, "online", 4, [0, 0, 0], "4/4  online"),
        // The last has not answered yet.
        (0, 4, "online", 4, [4, 3, 0], "  3/4 ok  "),
        (2, 3, "unhealthy", 2, [3, 1, 2], "  1/3 ok  "),
        (4, 4, "unhealthy", 0, [4, 0, 4], "  0/4 ok  "),
    ] {
        let app = of(bad, asked);
        let known = app.health().expect("it is asked");
        let known = [known.asked, known.healthy, known.unhealthy];
        assert_eq!((app.state(), app.ready(), known), (state, ready, healths));
        assert_eq!((app.online(), app.lacks()), (4, bad > 0));
        let text = Sheet::of_apps(&[app], false, at(&Since::default())).text(None, false);
        assert!(text.contains(shown), "{shown}: {text}");
    }
    // One that stops is not asked.
    let mut stopping = of(1, 4);
    stopping.rows[0].state = State::Stopping;
    assert_eq!((stopping.state(), stopping.ready()), ("stopping", 3));
    let mut plain = of(0, 0);
    let none = self::facts("api", 4, "");
    plain.facts = &none;
    assert_eq!(plain.health(), None);
}

#[test]
fn what_no_app_has_takes_no_room() {
    let facts = facts("api", 2, "");
    let app = app(&facts, |row| row);
    let since = Since::default();
    let text = Sheet::of_apps(&[app], false, at(&since)).text(None, false);
    assert_eq!(
        text,
        "app   up  status   cpu  memory  worst  restarts  uptime  boot  generation\n\
         api  2/2  online  6.5%   110mb   60mb         0      7h  yes           12\n"
    );
}

#[test]
fn a_users_commands_name_the_user() {
    let facts = facts("my app", 1, "");
    let mut app = app(&facts, |row| {
        down(row, State::Errored, "exited with code 3")
    });
    app.marks = vec![Mark::NeedsReload, Mark::Edited("/x".into())];
    let problems = super::problems::of(&[app], true, Some(now()));
    assert_eq!(
        problems[0].text,
        "errored: exited with code 3; `rpmctl --user logs 'my app'` shows its last lines; /x edited by hand; \
         `rpmctl --user apply /srv/shop/ecosystem.toml` writes it anew; systemd has not read its unit files since they changed; \
         `systemctl --user daemon-reload`"
    );
}
