//! What is known of what is selected: its state, bars of the last minutes, requests, queue, health.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{RenderDirection, Sparkline, SparklineBar, Widget};

use super::super::cluster::{App, Instance, Target};
use super::super::history::Point;
use super::super::state::State;
use super::{Tone, bytes, percent, put, span, style, title, tone_of_app, tone_of_instance};
use crate::apply::view::words;
use crate::process::{Queue, Requests};
use crate::terminal::text;
use crate::unit_files::health::Health;

/// Columns before the bars.
const WORDS: u16 = 15;

pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    title(state, area, &name(state), false, "", buffer);
    let (facts, key, limit) = match &state.selected {
        Target::All => (of_all(state), "/".to_owned(), None),
        Target::App(name) => match state.app(name) {
            Some(app) => {
                let limit = app
                    .memory_limit
                    .map(|limit| limit.saturating_mul(app.instances.len() as u64));
                (of_app(state, app), format!("{name}/"), limit)
            }
            None => return,
        },
        Target::Instance(name, number) => {
            let Some(app) = state.app(name) else {
                return;
            };
            let Some(one) = app.instances.iter().find(|one| one.number == *number) else {
                return;
            };
            (
                of_instance(state, app, one),
                one.unit.clone(),
                app.memory_limit,
            )
        }
    };
    // The first line, the bars, and then as many of the others as there is room for.
    let mut rows = area.rows();
    let mut facts = facts.into_iter();
    if let (Some(row), Some(line)) = (rows.next(), facts.next()) {
        put(buffer, row, line);
    }
    let height = match area.height {
        12.. => 3,
        9.. => 2,
        5.. => 1,
        _ => 0,
    };
    if height > 0 {
        let points = state
            .history
            .last(&key, area.width.saturating_sub(WORDS).into());
        for (number, what) in [What::Cpu, What::Memory].into_iter().enumerate() {
            let y = area.y + 1 + height * u16::try_from(number).unwrap_or(0);
            let bars = Rect::new(area.x, y, area.width, height);
            bar(state, &what, &points, limit, bars, buffer);
        }
        rows = Rect {
            y: area.y + 1 + 2 * height,
            height: area.height - 1 - 2 * height,
            ..area
        }
        .rows();
    }
    for (row, line) in rows.zip(facts) {
        put(buffer, row, line);
    }
}

/// What is selected, in words.
fn name(state: &State) -> String {
    match (&state.selected, state.filter.as_str()) {
        (Target::All, "") => "all apps".to_owned(),
        (Target::All, filter) => format!("all that match {filter}"),
        (target, _) => target.to_string(),
    }
}

enum What {
    Cpu,
    Memory,
}

fn bar(
    state: &State,
    what: &What,
    points: &[Point],
    limit: Option<u64>,
    area: Rect,
    buffer: &mut Buffer,
) {
    // Tenths of a percent, bytes.
    let value = |point: &Point| match what {
        What::Cpu => point.cpu.map(|cpu| (cpu * 10.0) as u64),
        What::Memory => point.memory,
    };
    let words = |value: u64| match what {
        What::Cpu => percent(value as f64 / 10.0),
        What::Memory => bytes(value),
    };
    let name = match what {
        What::Cpu => "cpu",
        What::Memory => "memory",
    };
    let now = points.last().and_then(value).map_or("-".to_owned(), words);
    let most = points.iter().filter_map(value).max().unwrap_or(0);
    // A processor that idles is no mountain range.
    let top = match what {
        What::Cpu => most.max(100),
        What::Memory => most.max(1 << 20),
    };
    put(
        buffer,
        area,
        span(state, format!("{name:<6} {now:>6}"), Tone::Plain).into(),
    );
    if area.height > 1 {
        let row = Rect {
            y: area.y + 1,
            height: 1,
            ..area
        };
        let line = format!("{:<6} {:>6}", "  most", words(most));
        put(buffer, row, span(state, line, Tone::Faint).into());
    }
    if area.height > 2
        && let (What::Memory, Some(limit)) = (what, limit)
    {
        let row = Rect {
            y: area.y + 2,
            height: 1,
            ..area
        };
        let line = format!("{:<6} {:>6}", "    of", bytes(limit));
        put(buffer, row, span(state, line, Tone::Faint).into());
    }
    let bars: Vec<SparklineBar> = points
        .iter()
        .rev()
        // What is little, but there, has a bar.
        .map(|point| value(point).map(|value| value.max(top / (8 * u64::from(area.height)) + 1)))
        .map(SparklineBar::from)
        .collect();
    let chart = Rect {
        x: area.x + WORDS - 1,
        width: area.width.saturating_sub(WORDS),
        ..area
    };
    Sparkline::default()
        .data(bars)
        .max(top)
        .direction(RenderDirection::RightToLeft)
        .style(style(state, Tone::Bar))
        .absent_value_style(style(state, Tone::Faint))
        .absent_value_symbol(" ")
        .render(chart, buffer);
}

fn of_all(state: &State) -> Vec<Line<'static>> {
    let all = || state.apps().flat_map(|app| &app.instances);
    let apps = counted(state.apps().count(), "app");
    let instances = counted(all().count(), "instance");
    let mut first = vec![span(state, format!("{apps}, {instances}"), Tone::Plain)];
    let restarts = state
        .apps()
        .filter_map(App::restarts)
        .fold(0, u32::saturating_add);
    first.extend(restarted(state, restarts));
    let mut lines = vec![Line::from(first)];
    lines.extend(requests_of(state, all()));
    let of = |app: &App, words: &str, tone| -> Line<'static> {
        span(state, format!("{}{words}", app.name), tone).into()
    };
    // What is worst comes first: there may be no room for the rest.
    for app in state.apps() {
        for one in &app.instances {
            let told = trouble(one).map(|why| format!("@{}: {why}", one.number));
            lines.extend(told.map(|words| of(app, &words, tone_of_instance(app, one))));
        }
        if let Some(queue) = app.queue.filter(|_| app.is_crowded()) {
            lines.push(of(app, &format!(": {}", waiting(queue)), Tone::Bad));
        }
    }
    for app in state.apps() {
        let all = app.drift.iter();
        lines.extend(all.map(|words| of(app, &format!(": {words}"), Tone::Busy)));
    }
    for app in state.apps() {
        let all = app.runs.iter();
        lines.extend(all.map(|words| of(app, &format!(": {words}"), Tone::Plain)));
    }
    lines
}

fn of_app(state: &State, app: &App) -> Vec<Line<'static>> {
    let mut first = vec![span(
        state,
        format!("{} {}/{}", app.state, app.ready(), app.instances.len()),
        tone_of_app(app),
    )];
    let youngest = app
        .youngest()
        .and_then(|at| state.now.duration_since(at).ok());
    if let Some(up) = youngest {
        first.push(span(
            state,
            format!("  youngest up {}", words::age(up)),
            Tone::Plain,
        ));
    }
    first.extend(restarted(state, app.restarts().unwrap_or(0)));
    if !app.listen.is_empty() {
        let listen = format!("  listens on {}", app.listen.join(" "));
        first.push(span(state, listen, Tone::Plain));
    }
    let mut lines = vec![Line::from(first)];
    lines.extend(requests_of(state, app.instances.iter()));
    lines.extend(queue(state, app.queue));
    for one in &app.instances {
        let told = trouble(one).map(|why| format!("@{}: {why}", one.number));
        lines.extend(told.map(|text| span(state, text, tone_of_instance(app, one)).into()));
    }
    lines.extend(healthy(state, app));
    lines.extend(notes(state, app));
    for one in &app.instances {
        let told = one.restarted.as_ref();
        let told = told.map(|words| format!("@{}: {words}", one.number));
        lines.extend(told.map(|text| span(state, text, Tone::Faint).into()));
    }
    lines
}

fn of_instance(state: &State, app: &App, one: &Instance) -> Vec<Line<'static>> {
    let mut first = vec![span(state, app.word(one), tone_of_instance(app, one))];
    if let Some(pid) = one.pid {
        first.push(span(state, format!("  pid {pid}"), Tone::Plain));
    }
    let up = one.started.and_then(|at| state.now.duration_since(at).ok());
    if let Some(up) = up {
        first.push(span(state, format!("  up {}", words::age(up)), Tone::Plain));
    }
    first.extend(restarted(state, one.restarts.unwrap_or(0)));
    let mut lines = vec![Line::from(first)];
    if let Some(why) = &one.why {
        lines.push(span(state, why.clone(), tone_of_instance(app, one)).into());
    }
    lines.extend(requests_of(state, [one]));
    lines.extend(health(state, one));
    lines.extend(queue(state, app.queue));
    for told in &one.custom {
        lines.push(span(state, told.clone(), Tone::Plain).into());
    }
    lines.extend(notes(state, app));
    let restarted = one.restarted.clone();
    lines.extend(restarted.map(|words| span(state, words, Tone::Faint).into()));
    lines
}

/// Why it is down, or what its probe says.
fn trouble(one: &Instance) -> Option<String> {
    let ill = one.health.as_ref().filter(|_| one.is_unhealthy());
    let ill = ill.and_then(Health::why).map(|why| text::harmless(&why));
    one.why.clone().or(ill)
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

fn restarted(state: &State, count: u32) -> Option<ratatui::text::Span<'static>> {
    let text = format!("  {}", counted(usize::try_from(count).ok()?, "restart"));
    (count > 0).then(|| span(state, text, Tone::Plain))
}

fn notes(state: &State, app: &App) -> Vec<Line<'static>> {
    let drift = app.drift.iter().map(|words| (words, Tone::Busy));
    let runs = app.runs.iter().map(|words| (words, Tone::Plain));
    drift
        .chain(runs)
        .map(|(words, tone)| span(state, words.clone(), tone).into())
        .collect()
}

fn requests_of<'a>(
    state: &State,
    of: impl IntoIterator<Item = &'a Instance>,
) -> Option<Line<'static>> {
    let counted = of.into_iter().filter_map(|one| one.requests.as_ref());
    let all = Requests::sum(counted)?;
    let rate = all.per_second().unwrap_or(0.0);
    let mut text = format!("{} req/s", words::rate(rate));
    for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
        if let Some(time) = all.recent.quantile(share).filter(|_| all.recent.count > 0) {
            text.push_str(&format!("  {name} {}", words::response(time)));
        }
    }
    let (failed, aborted) = (all.failed, all.aborted);
    let mut spans = vec![span(state, text, Tone::Plain)];
    if failed > 0 {
        spans.push(span(state, format!("  5xx {failed}"), Tone::Bad));
    }
    if aborted > 0 {
        spans.push(span(state, format!("  aborted {aborted}"), Tone::Busy));
    }
    Some(Line::from(spans))
}

fn queue(state: &State, queue: Option<Queue>) -> Option<Line<'static>> {
    let queue = queue?;
    let text = waiting(queue);
    let tone = match queue.waiting {
        0 => Tone::Plain,
        _ if queue.is_crowded() => Tone::Bad,
        _ => Tone::Busy,
    };
    Some(span(state, text, tone).into())
}

/// `queue  7 of 511`
fn waiting(queue: Queue) -> String {
    match queue.limit {
        Some(limit) => format!("queue  {} of {limit}", queue.waiting),
        None => format!("queue  {}", queue.waiting),
    }
}

/// How many answer their probe, and how slow the slowest is; nothing of an app without one.
fn healthy(state: &State, app: &App) -> Option<Line<'static>> {
    let known = || app.instances.iter().filter_map(|one| one.health.as_ref());
    let slowest = known().filter_map(|health| health.latency).max()?;
    let well = known().filter(|health| health.is_well()).count();
    let text = format!(
        "healthy {well} of {}, slowest answer {}",
        app.instances.len(),
        words::response(slowest)
    );
    Some(span(state, text, Tone::Plain).into())
}

fn health(state: &State, one: &Instance) -> Option<Line<'static>> {
    let health = one.health.as_ref()?;
    let (text, tone) = match (health.why(), health.latency) {
        (Some(why), _) => (text::harmless(&why), Tone::Bad),
        (None, _) if !health.detail.is_empty() && health.failures > 0 => {
            let detail = text::harmless(&health.detail);
            let times = counted(usize::try_from(health.failures).ok()?, "time");
            (format!("its probe failed {times}: {detail}"), Tone::Busy)
        }
        (None, Some(time)) => (
            format!("healthy, answers in {}", words::response(time)),
            Tone::Good,
        ),
        (None, None) => ("its probe has not answered yet".to_owned(), Tone::Plain),
    };
    Some(span(state, text, tone).into())
}
