//! What is known of what is selected: its state, bars of the last minutes, requests, queue, health.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{RenderDirection, Sparkline, SparklineBar, Widget};

use super::super::cluster::{App, Instance, Target};
use super::super::history::Point;
use super::super::state::State;
use super::super::text;
use super::{Tone, age, bytes, percent, put, span, style, title, tone_of, tone_of_app};
use crate::process::{Queue, Requests};

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
    for app in state.apps() {
        for one in app.instances.iter().filter(|one| one.why.is_some()) {
            let why = one.why.as_deref().unwrap_or_default();
            let text = format!("{}@{}: {why}", app.name, one.number);
            lines.push(span(state, text, tone_of(one.state)).into());
        }
        for note in &app.notes {
            lines.push(span(state, format!("{}: {note}", app.name), Tone::Plain).into());
        }
    }
    lines
}

fn of_app(state: &State, app: &App) -> Vec<Line<'static>> {
    let mut first = vec![span(
        state,
        format!("{} {}/{}", app.state, app.online(), app.instances.len()),
        tone_of_app(app),
    )];
    let youngest = app
        .youngest()
        .and_then(|at| state.now.duration_since(at).ok());
    if let Some(up) = youngest {
        first.push(span(
            state,
            format!("  youngest up {}", age(up)),
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
    let ill = |one: &&Instance| one.health.as_ref().is_some_and(|health| !health.ok);
    for one in app.instances.iter().filter(ill) {
        lines.push(health(state, &format!("@{} ", one.number), one));
    }
    for one in app.instances.iter().filter(|one| one.why.is_some()) {
        let why = one.why.as_deref().unwrap_or_default();
        let text = format!("@{}: {why}", one.number);
        lines.push(span(state, text, tone_of(one.state)).into());
    }
    lines.extend(notes(state, app));
    lines
}

fn of_instance(state: &State, app: &App, one: &Instance) -> Vec<Line<'static>> {
    let mut first = vec![span(state, one.state.as_str(), tone_of(one.state))];
    if let Some(pid) = one.pid {
        first.push(span(state, format!("  pid {pid}"), Tone::Plain));
    }
    let up = one.started.and_then(|at| state.now.duration_since(at).ok());
    if let Some(up) = up {
        first.push(span(state, format!("  up {}", age(up)), Tone::Plain));
    }
    first.extend(restarted(state, one.restarts.unwrap_or(0)));
    let mut lines = vec![Line::from(first)];
    if let Some(why) = &one.why {
        lines.push(span(state, why.clone(), tone_of(one.state)).into());
    }
    lines.extend(requests_of(state, [one]));
    if one.health.is_some() {
        lines.push(health(state, "", one));
    }
    lines.extend(queue(state, app.queue));
    for told in &one.custom {
        lines.push(span(state, told.clone(), Tone::Plain).into());
    }
    lines.extend(notes(state, app));
    lines
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
    let line = |note: &String| span(state, note.clone(), Tone::Plain).into();
    app.notes.iter().map(line).collect()
}

fn requests_of<'a>(
    state: &State,
    of: impl IntoIterator<Item = &'a Instance>,
) -> Option<Line<'static>> {
    let counted = of.into_iter().filter_map(|one| one.requests.as_ref());
    let all = Requests::sum(counted)?;
    let rate = all.per_second().unwrap_or(0.0);
    let mut text = match rate < 10.0 {
        true => format!("{rate:.1} req/s"),
        false => format!("{rate:.0} req/s"),
    };
    for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
        if let Some(time) = all.recent.quantile(share).filter(|_| all.recent.count > 0) {
            text.push_str(&format!("  {name} {}", short(time)));
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

/// `850 µs`, `1.2 ms`, `85 ms`, `1.2 s`.
fn short(time: std::time::Duration) -> String {
    let micros = time.as_micros() as f64;
    match micros {
        ..1000.0 => format!("{micros:.0} µs"),
        ..9950.0 => format!("{:.1} ms", micros / 1e3),
        ..999_500.0 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.1} s", micros / 1e6),
    }
}

fn queue(state: &State, queue: Option<Queue>) -> Option<Line<'static>> {
    let queue = queue?;
    let text = match queue.limit {
        Some(limit) => format!("queue  {} of {limit}", queue.waiting),
        None => format!("queue  {}", queue.waiting),
    };
    let tone = match queue.waiting {
        0 => Tone::Plain,
        waiting
            if queue
                .limit
                .is_some_and(|limit| waiting.saturating_mul(2) >= limit) =>
        {
            Tone::Bad
        }
        _ => Tone::Busy,
    };
    Some(span(state, text, tone).into())
}

fn health(state: &State, before: &str, one: &Instance) -> Line<'static> {
    let (text, tone) = match &one.health {
        Some(health) => match (health.why(), health.latency) {
            (Some(why), _) => (format!("{before}{}", text::harmless(&why)), Tone::Bad),
            (None, Some(time)) => (
                format!("{before}healthy, answers in {}", short(time)),
                Tone::Good,
            ),
            (None, None) => (format!("{before}healthy"), Tone::Good),
        },
        None => (String::new(), Tone::Plain),
    };
    span(state, text, tone).into()
}
