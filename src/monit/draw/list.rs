//! The apps and instances on the left, and below them what changed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::super::cluster::{App, Instance, Standing};
use super::super::state::{Mode, Node, Pane, State};
use super::{
    Tone, bytes, has_keys, online, percent, put, span, style, title, tone_of, tone_of_app,
    tone_of_instance,
};
use crate::apply::view;
use crate::terminal::text;

pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let typing = state.mode == Mode::Typing(Pane::List);
    let name = match (typing, state.filter.as_str()) {
        (false, "") => "apps".to_owned(),
        (true, filter) => format!("apps /{filter}_"),
        (false, filter) => format!("apps /{filter}"),
    };
    let keys = has_keys(state, Pane::List);
    title(state, area, &name, keys, "", buffer);
    headings(state, area, text::width(&name) + 3, buffer);
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

/// From this width on restarts are shown as well.
const WIDE: u16 = 44;

/// What stands behind a name, right-aligned: up, processor, memory, and where there is room restarts.
struct Cells {
    up: (String, Tone),
    cpu: Option<f64>,
    memory: Option<u64>,
    restarts: Option<u32>,
}

impl Cells {
    fn spans(self, state: &State, width: u16) -> Vec<Span<'static>> {
        let dash = || "-".to_owned();
        let cpu = self.cpu.map_or_else(dash, percent);
        let memory = self.memory.map_or_else(dash, bytes);
        let mut cells = vec![
            span(state, format!("{:>6}", self.up.0), self.up.1),
            span(state, format!("{cpu:>6}{memory:>6}"), Tone::Plain),
        ];
        if width >= WIDE {
            let restarts = self.restarts.map_or_else(dash, |count| format!("{count}↻"));
            cells.push(span(state, format!("{restarts:>6}"), Tone::Faint));
        }
        cells
    }
}

/// Above the cells, in the row of the title.
fn headings(state: &State, list: Rect, used: usize, buffer: &mut Buffer) {
    let restarts = if list.width >= WIDE { "      " } else { "" };
    let words = format!("{:>6}{:>6}{:>6}{restarts} ", "up", "cpu", "mem");
    let width = u16::try_from(words.len()).unwrap_or(u16::MAX);
    if usize::from(list.width) >= used + words.len() {
        let row = list.y.saturating_sub(1);
        buffer.set_string(list.right() - width, row, words, style(state, Tone::Faint));
    }
}

fn line<'a>(state: &'a State, node: &Node<'a>, width: u16) -> Line<'a> {
    let cells = match node {
        Node::All => {
            let known = || state.apps();
            Cells {
                up: online(state.apps()),
                cpu: known().filter_map(App::cpu).reduce(|a, b| a + b),
                memory: known().filter_map(App::memory).reduce(u64::saturating_add),
                restarts: known()
                    .filter_map(App::restarts)
                    .reduce(u32::saturating_add),
            }
        }
        Node::App(app) => Cells {
            up: (
                format!("{}/{}", app.ready(), app.instances.len()),
                tone_of_app(app),
            ),
            cpu: app.cpu(),
            memory: app.memory(),
            restarts: app.restarts(),
        },
        Node::Instance(app, one) => Cells {
            up: (mark(app, one).to_owned(), tone_of_instance(app, one)),
            cpu: one.cpu,
            memory: one.memory,
            restarts: one.restarts,
        },
    };
    let cells = cells.spans(state, width);
    let taken: usize = cells.iter().map(|cell| text::width(&cell.content)).sum();
    let room = usize::from(width).saturating_sub(taken + 1);
    let mut spans = match node {
        Node::All => {
            let name = match state.filter.is_empty() {
                true => "all apps",
                false => "all that match",
            };
            vec![span(state, text::fit(name, room), Tone::Plain)]
        }
        Node::App(app) => {
            let fold = if state.open.contains(&app.name) {
                "▾"
            } else {
                "▸"
            };
            let (look, tone) = attention(app);
            vec![
                span(state, fold, Tone::Plain),
                span(state, look, tone),
                span(
                    state,
                    text::fit(&app.name, room.saturating_sub(2)),
                    tone_of_app(app),
                ),
            ]
        }
        Node::Instance(app, one) => {
            let word = match app.word(one) {
                "online" => "",
                other => other,
            };
            let name = text::fit(&format!("  @{} {word}", one.number), room);
            vec![span(state, name, tone_of_instance(app, one))]
        }
    };
    spans.extend(cells);
    Line::from(spans)
}

/// `!` where somebody should look: what is down, ill or crowded, and what is not as rpmctl wrote it.
fn attention(app: &App) -> (&'static str, Tone) {
    let missed = |one: &Instance| one.state == view::State::Stopped && !app.rests(one);
    if app.standing() == Standing::Bad || app.is_crowded() {
        ("!", Tone::Bad)
    } else if !app.drift.is_empty() || app.boots && app.instances.iter().any(missed) {
        ("!", Tone::Busy)
    } else {
        (" ", Tone::Plain)
    }
}

/// Told apart without colour too.
fn mark(app: &App, one: &Instance) -> &'static str {
    match one.state {
        view::State::Online if one.is_unhealthy() => "bad",
        view::State::Online => "up",
        view::State::Errored => "err",
        view::State::Stopped if app.rests(one) => "-",
        view::State::Stopped => "down",
        view::State::Launching | view::State::Stopping | view::State::WaitingRestart => "…",
    }
}

pub fn changes(state: &State, area: Rect, buffer: &mut Buffer) {
    title(state, area, "changes", false, "", buffer);
    if state.changes.is_empty() && state.cluster.is_some() {
        put(buffer, area, span(state, " none yet", Tone::Faint).into());
    }
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
