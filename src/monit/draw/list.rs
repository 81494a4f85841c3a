//! The apps and instances on the left, and below them what changed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Line;

use super::super::cluster::{App, Instance};
use super::super::state::{Mode, Node, Pane, State};
use super::super::text;
use super::{Tone, bytes, has_keys, percent, put, span, style, title, tone_of, tone_of_app};
use crate::apply::view;

pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let typing = state.mode == Mode::Typing(Pane::List);
    let filter = match (typing, state.filter.as_str()) {
        (false, "") => String::new(),
        (true, filter) => format!("/{filter}_"),
        (false, filter) => format!("/{filter}"),
    };
    let keys = has_keys(state, Pane::List);
    title(state, area, "apps", keys, &filter, buffer);
    let nodes = state.nodes();
    for (row, node) in area.rows().zip(nodes.iter().skip(state.top)) {
        put(buffer, row, line(state, node, row.width));
        if node.is(&state.selected) {
            buffer.set_style(
                row,
                style(state, Tone::Plain).add_modifier(Modifier::REVERSED),
            );
        }
    }
    let empty = match &state.cluster {
        None if state.trouble.is_none() => "reading the apps …",
        None => "the apps cannot be read now",
        Some(apps) if apps.is_empty() => "no apps; start with: rpmctl apply",
        Some(_) if nodes.len() == 1 => "no app matches; Esc ends the filter",
        Some(_) => return,
    };
    if let Some(row) = area.rows().nth(1) {
        let empty = text::fit(empty, usize::from(row.width).saturating_sub(2));
        put(
            buffer,
            row,
            span(state, format!("  {empty}"), Tone::Faint).into(),
        );
    }
}

/// What stands behind a name, right-aligned: up, processor, memory, and where there is room restarts.
fn cells(
    state: &State,
    up: (String, Tone),
    cpu: Option<f64>,
    memory: Option<u64>,
    restarts: Option<u32>,
    width: u16,
) -> Vec<ratatui::text::Span<'static>> {
    let dash = || "-".to_owned();
    let mut cells = vec![
        span(state, format!("{:>6}", up.0), up.1),
        span(
            state,
            format!("{:>6}", cpu.map_or_else(dash, percent)),
            Tone::Plain,
        ),
        span(
            state,
            format!("{:>7}", memory.map_or_else(dash, bytes)),
            Tone::Plain,
        ),
    ];
    if width >= WIDE {
        let restarts = restarts.map_or_else(dash, |count| format!("{count}↻"));
        cells.push(span(state, format!("{restarts:>6}"), Tone::Faint));
    }
    cells
}

/// From this width on restarts are shown as well.
const WIDE: u16 = 44;

fn line<'a>(state: &'a State, node: &Node<'a>, width: u16) -> Line<'a> {
    let right = if width >= WIDE { 25 } else { 19 };
    let room = usize::from(width).saturating_sub(right + 1);
    let mut spans = match node {
        Node::All => {
            let name = match state.filter.is_empty() {
                true => "all apps",
                false => "all that match",
            };
            vec![span(state, text::fit(name, room), Tone::Plain)]
        }
        Node::App(app) => {
            let mark = match (state.open.contains(&app.name), app.notes.is_empty()) {
                (true, true) => "▾ ",
                (false, true) => "▸ ",
                (true, false) => "▾!",
                (false, false) => "▸!",
            };
            let name = text::fit(&app.name, room.saturating_sub(2));
            vec![
                span(state, mark, Tone::Plain),
                span(state, name, tone_of_app(app)),
            ]
        }
        Node::Instance(app, one) => {
            let word = match one.state {
                view::State::Online => "",
                other => other.as_str(),
            };
            let name = format!("   @{} {word}", one.number);
            let tone = match app.instances.len() {
                0 => Tone::Plain,
                _ => tone_of(one.state),
            };
            vec![span(state, text::fit(&name, room), tone)]
        }
    };
    spans.extend(match node {
        Node::All => {
            let all = || state.apps().flat_map(|app| &app.instances);
            let online = all().filter(|one| one.state == view::State::Online).count();
            let count = all().count();
            let tone = if online == count {
                Tone::Good
            } else {
                Tone::Busy
            };
            let cpu = state.apps().filter_map(App::cpu).reduce(|a, b| a + b);
            let memory = state
                .apps()
                .filter_map(App::memory)
                .reduce(u64::saturating_add);
            let restarts = state
                .apps()
                .filter_map(App::restarts)
                .reduce(u32::saturating_add);
            cells(
                state,
                (format!("{online}/{count}"), tone),
                cpu,
                memory,
                restarts,
                width,
            )
        }
        Node::App(app) => {
            let up = format!("{}/{}", app.online(), app.instances.len());
            let up = (up, tone_of_app(app));
            cells(state, up, app.cpu(), app.memory(), app.restarts(), width)
        }
        Node::Instance(_, one) => {
            let up = (mark(one).to_owned(), tone_of(one.state));
            cells(state, up, one.cpu, one.memory, one.restarts, width)
        }
    });
    Line::from(spans)
}

/// Told apart without colour too.
fn mark(one: &Instance) -> &'static str {
    match one.state {
        view::State::Online => "up",
        view::State::Errored => "err",
        view::State::Stopped => "down",
        view::State::Launching | view::State::Stopping | view::State::WaitingRestart => "…",
    }
}

pub fn changes(state: &State, area: Rect, buffer: &mut Buffer) {
    title(state, area, "changes", false, "", buffer);
    let shown = state.changes.iter().rev().take(area.height.into());
    for (row, change) in area.rows().zip(shown.collect::<Vec<_>>().into_iter().rev()) {
        let line = Line::from(vec![
            span(state, format!(" {} ", change.at), Tone::Faint),
            span(state, format!("{} ", change.what), Tone::Plain),
            span(state, change.state.as_str(), tone_of(change.state)),
        ]);
        put(buffer, row, line);
    }
}
