//! What is heard of the machine.

use std::collections::BTreeMap;

use super::super::action::{Action, Effect, Measured};
use super::super::cluster::{App, Target};
use super::super::history::Point;
use super::super::state::{Change, State};

pub fn heard(state: &mut State, news: Action) -> Vec<Effect> {
    match news {
        Action::Tick(now) => {
            state.now = now;
            state.forget();
            return vec![Effect::Measure(state.visible())];
        }
        Action::Cluster(apps) => return cluster(state, apps),
        Action::Apps(apps) => {
            for app in apps {
                replace(state, app);
            }
        }
        Action::Changed {
            app,
            number,
            state: now,
            at,
        } => changed(state, app, number, now, at),
        Action::Trouble(trouble) => state.trouble = trouble,
        Action::Measured(all) => measured(state, all),
        Action::Lines { of, lines } if of == state.following => {
            state.lines_trouble = None;
            lines.into_iter().for_each(|line| state.lines.add(line));
        }
        Action::LinesTrouble { of, why } if of == state.following => {
            state.lines_trouble = Some(why);
        }
        Action::OrderSaid { id, line } => {
            if let Some(given) = state.orders.iter_mut().find(|given| given.id == id) {
                given.say(line);
            }
        }
        Action::OrderEnded { id, done } => {
            if let Some(given) = state.orders.iter_mut().find(|given| given.id == id) {
                given.done = Some(done);
                given.ended = Some(state.now);
            }
            // Of those that are over, the last is of interest, and what failed until it was told.
            let last = state.orders.last().map(|given| given.id);
            state.orders.retain(|given| {
                given.done.is_none()
                    || Some(given.id) == last
                    || given.done == Some(false) && !given.told
            });
        }
        _ => {}
    }
    vec![]
}

fn cluster(state: &mut State, apps: Vec<App>) -> Vec<Effect> {
    state.trouble = None;
    let first = state.cluster.is_none();
    if first {
        // All of it when there is room, else the apps.
        let instances: usize = apps.iter().map(|app| app.instances.len()).sum();
        if 1 + apps.len() + instances <= state.list_rows() {
            state.open = apps.iter().map(|app| app.name.clone()).collect();
        }
    }
    let known = state.cluster.take().unwrap_or_default();
    state.cluster = Some(known);
    let names: Vec<&String> = apps.iter().map(|app| &app.name).collect();
    if let Some(known) = &mut state.cluster {
        known.retain(|name, _| names.contains(&name));
    }
    apps.into_iter().for_each(|app| replace(state, app));
    match first {
        // There is something to measure at last.
        true => vec![Effect::Measure(state.visible())],
        false => vec![],
    }
}

/// The app as it was just read; what is measured from moment to moment stays as it was measured last.
fn replace(state: &mut State, mut app: App) {
    let Some(cluster) = &mut state.cluster else {
        return;
    };
    if let Some(before) = cluster.get(&app.name) {
        for one in &mut app.instances {
            let same = before
                .instances
                .iter()
                .find(|other| other.number == one.number && other.pid == one.pid);
            if let Some(before) = same.filter(|_| one.pid.is_some()) {
                one.cpu = before.cpu.or(one.cpu);
            }
        }
    }
    cluster.insert(app.name.clone(), app);
}

fn changed(
    state: &mut State,
    app: String,
    number: u32,
    now: crate::apply::view::State,
    at: String,
) {
    let cluster = state.cluster.as_mut();
    let known = cluster.and_then(|cluster| cluster.get_mut(&app));
    let one = known.and_then(|app| app.instances.iter_mut().find(|one| one.number == number));
    if let Some(one) = one {
        one.state = now;
    }
    let what = Target::Instance(app, number);
    state.note_change(Change {
        at,
        what,
        state: now,
    });
}

fn measured(state: &mut State, all: Vec<Measured>) {
    state.history.begin();
    let Some(cluster) = &mut state.cluster else {
        return;
    };
    let mut apps: BTreeMap<String, Point> = BTreeMap::new();
    let mut whole = Point::default();
    for one in all {
        let Some(app) = cluster.get_mut(&one.app) else {
            continue;
        };
        let same = |known: &&mut super::super::cluster::Instance| known.number == one.number;
        let Some(known) = app.instances.iter_mut().find(same) else {
            continue;
        };
        // Until there are two looks, the average since the start is what is known.
        known.cpu = one.cpu.or(known.cpu.filter(|_| one.memory.is_some()));
        known.memory = one.memory;
        known.requests = one.requests;
        known.health = one.health;
        if let Some(custom) = one.custom {
            known.custom = custom;
        }
        if let Some(queue) = one.queue {
            app.queue = queue;
        }
        let point = Point {
            cpu: one.cpu,
            memory: one.memory,
        };
        state.history.add(&known.unit, point);
        add(apps.entry(one.app).or_default(), point);
        add(&mut whole, point);
    }
    for (name, point) in apps {
        // No name of an app, and no unit, has a slash.
        state.history.add(&format!("{name}/"), point);
    }
    if state.selected == Target::All {
        state.history.add("/", whole);
    }
}

fn add(sum: &mut Point, point: Point) {
    sum.cpu = match (sum.cpu, point.cpu) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    };
    sum.memory = match (sum.memory, point.memory) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    };
}
