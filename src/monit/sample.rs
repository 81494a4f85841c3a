//! A cluster for tests of `update` and `draw`.

use std::time::{Duration, SystemTime};

use super::action::{Action, Measured};
use super::cluster::{App, Instance};
use super::lines::Line;
use super::state::State;
use super::update::update;
use crate::apply::view;
use crate::journal::{LogApp, Stream};
use crate::process::requests::Histogram;
use crate::process::{Queue, Requests};
use crate::unit_files::health::Health;

pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000)
}

pub fn app(name: &str, state: &'static str, states: &[view::State]) -> App {
    let instance = |(number, state): (u32, &view::State)| {
        let up = *state == view::State::Online;
        Instance {
            number,
            unit: format!("{name}@{number}.service"),
            state: *state,
            pid: up.then_some(1000 + number),
            started: up.then(|| now() - Duration::from_secs(3600 * (2 + u64::from(number)))),
            restarts: Some(number),
            why: None,
            restarted: None,
            cpu: up.then_some(1.5 + f64::from(number)),
            memory: up.then_some((50 + u64::from(number)) << 20),
            requests: None,
            health: None,
            custom: vec![],
            group: up.then(|| format!("/system.slice/{name}@{number}.service")),
        }
    };
    App {
        name: name.to_owned(),
        state,
        instances: (0..).zip(states).map(instance).collect(),
        listen: vec![],
        probed: false,
        queue: None,
        job: false,
        boots: state != "stopped",
        drift: vec![],
        runs: vec![],
        memory_limit: None,
        log: LogApp {
            name: name.to_owned(),
            stem: name.to_owned(),
            ..LogApp::default()
        },
    }
}

fn requests(count: u64) -> Requests {
    let counted = Histogram {
        count,
        sum: count * 2000,
        buckets: vec![
            (1_500, count * 6 / 10),
            (12_000, count * 3 / 10),
            (250_000, count - count * 6 / 10 - count * 3 / 10),
        ],
    };
    Requests {
        total: counted.clone(),
        failed: 3,
        aborted: 1,
        recent: counted,
        span: Duration::from_secs(60),
    }
}

/// Five apps: one that serves, one between restarts, one that gave up, one that is stopped, one with a name in wide characters.
pub fn cluster() -> Vec<App> {
    use view::State::{Errored, Launching, Online, Stopped, WaitingRestart};
    let mut api = app("api-server", "online", &[Online; 4]);
    api.listen = vec!["3000".to_owned()];
    api.queue = Some(Queue {
        waiting: 7,
        limit: Some(511),
    });
    api.memory_limit = Some(512 << 20);
    api.drift = vec![
        "changed by a drop-in: /etc/systemd/system/api-server@.service.d/more.conf".to_owned(),
    ];
    for one in &mut api.instances {
        one.requests = Some(requests(600 * u64::from(one.number + 1)));
        one.health = Some(Health {
            ok: true,
            latency: Some(Duration::from_millis(3)),
            failures: 0,
            detail: String::new(),
            at: now(),
        });
    }
    api.instances[3].health = Some(Health {
        ok: false,
        latency: None,
        failures: 3,
        detail: "no answer within 2 s".to_owned(),
        at: now(),
    });
    api.instances[1].custom = vec![
        "jobs_waiting 12".to_owned(),
        "cache_hits 98.5 percent".to_owned(),
    ];
    let mut crash = app("crash", "errored", &[Errored]);
    crash.instances[0].why = Some("exited with code 3, 16 starts in a row".to_owned());
    let mut mail = app("mailer", "restarting", &[Online, WaitingRestart, Launching]);
    mail.instances[1].why = Some("killed by SIGKILL (out of memory)".to_owned());
    let mut night = app("nightly-report", "waiting", &[Stopped]);
    night.job = true;
    night.runs = vec![
        "next run 03:00:00".to_owned(),
        "last run ok, 03:00:12".to_owned(),
    ];
    let wide = app("報告書-ワーカー", "online", &[Online; 2]);
    vec![api, crash, mail, night, wide]
}

pub fn line(label: &str, stream: Stream, text: &str) -> Line {
    Line {
        label: label.to_owned(),
        stream,
        text: crate::terminal::text::harmless(text),
    }
}

/// What was written lately: of all kinds.
pub fn lines() -> Vec<Line> {
    let mut lines = vec![
        line(
            "api-server@0",
            Stream::Manager,
            "Started api-server@0.service - api-server (instance 0).",
        ),
        line("api-server@0", Stream::Out, "listening on 3000"),
        line(
            "api-server@1",
            Stream::Err,
            "\x1b[31mError:\x1b[0m connect ECONNREFUSED 127.0.0.1:5432",
        ),
        line(
            "api-server@1",
            Stream::Err,
            "    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16) and so on, a line that is longer than most screens are wide",
        ),
        line(
            "api-server@2",
            Stream::Out,
            "日本語のログ行です\tafter a tab",
        ),
    ];
    for number in 0..60 {
        let text = format!("GET /things/{number} 200 in {} ms", number % 7);
        lines.push(line(
            &format!("api-server@{}", number % 4),
            Stream::Out,
            &text,
        ));
    }
    lines.push(line("api-server@3", Stream::Err, "Error: the last one"));
    lines
}

/// After a while: read, measured, followed.
pub fn state(columns: u16, rows: u16) -> State {
    let mut state = State::new(columns, rows, "web-1".to_owned(), true, now());
    update(&mut state, Action::Cluster(cluster()));
    for round in 0..90u32 {
        let all = measured(&state, round);
        update(&mut state, Action::Measured(all));
    }
    for (number, is, at) in [
        (1, view::State::WaitingRestart, "14:30:01"),
        (2, view::State::Launching, "14:30:02"),
    ] {
        let app = "mailer".to_owned();
        let at = at.to_owned();
        let changed = Action::Changed {
            app,
            number,
            state: is,
            at,
        };
        update(&mut state, changed);
    }
    let of = state.following;
    let lines = lines();
    update(&mut state, Action::Lines { of, lines });
    state
}

fn measured(state: &State, round: u32) -> Vec<Measured> {
    let wave = f64::from(round % 20);
    let of = |wanted: super::action::Wanted| {
        let up = wanted.group.is_some();
        let app = state.app(&wanted.app);
        let one = app.and_then(|app| app.instances.iter().find(|one| one.number == wanted.number));
        Measured {
            cpu: up.then_some(wave + f64::from(wanted.number)),
            memory: up.then_some((50 + u64::from(round) / 3) << 20),
            requests: one.and_then(|one| one.requests.clone()),
            health: one.and_then(|one| one.health.clone()),
            custom: one.map(|one| one.custom.clone()),
            queue: None,
            app: wanted.app,
            number: wanted.number,
        }
    };
    state.visible().into_iter().map(of).collect()
}
