//! A screen from the state. Nothing is decided here, and nothing done.

mod figures;
mod list;
mod logs;
mod over;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::cluster::{App, Instance, Standing};
use super::layout::LEAST;
use super::state::{Mode, Pane, State};
use crate::apply::view;
use crate::terminal::text;

/// What something means; its look follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Plain,
    Good,
    Bad,
    Busy,
    Faint,
    /// Titles of the pane that has the keys, keys in hints.
    Strong,
    /// Bars.
    Bar,
}

fn style(state: &State, tone: Tone) -> Style {
    let plain = Style::new();
    if !state.colour {
        // no-color.org is about colour: bold and faint are none.
        return match tone {
            Tone::Bad | Tone::Strong => plain.add_modifier(Modifier::BOLD),
            Tone::Faint => plain.add_modifier(Modifier::DIM),
            _ => plain,
        };
    }
    match tone {
        Tone::Plain => plain,
        Tone::Good => plain.fg(Color::Green),
        Tone::Bad => plain.fg(Color::Red),
        Tone::Busy => plain.fg(Color::Yellow),
        Tone::Faint => plain.add_modifier(Modifier::DIM),
        Tone::Strong => plain.add_modifier(Modifier::BOLD),
        Tone::Bar => plain.fg(Color::Cyan),
    }
}

fn span<'a>(state: &State, text: impl Into<std::borrow::Cow<'a, str>>, tone: Tone) -> Span<'a> {
    Span::styled(text, style(state, tone))
}

fn tone_of(state: view::State) -> Tone {
    match state {
        view::State::Online => Tone::Good,
        view::State::Errored => Tone::Bad,
        view::State::Stopped => Tone::Faint,
        view::State::Launching | view::State::Stopping | view::State::WaitingRestart => Tone::Busy,
    }
}

fn tone_of_standing(standing: Standing) -> Tone {
    match standing {
        Standing::Well => Tone::Good,
        Standing::Resting => Tone::Faint,
        Standing::Passing => Tone::Busy,
        Standing::Bad => Tone::Bad,
    }
}

fn tone_of_app(app: &App) -> Tone {
    match app.standing() {
        // A job of several that has some to do.
        Standing::Resting if app.ready() > 0 => Tone::Good,
        standing => tone_of_standing(standing),
    }
}

fn tone_of_instance(app: &App, one: &Instance) -> Tone {
    tone_of_standing(app.standing_of(one))
}

/// Instances that run of those that are to: `5/6`. Jobs that rest are not missed.
fn online<'a>(apps: impl Iterator<Item = &'a App> + Clone) -> (String, Tone) {
    let all = || {
        apps.clone()
            .flat_map(|app| app.instances.iter().map(move |one| (app, one)))
    };
    let wanted = all().filter(|(app, one)| !app.rests(one)).count();
    let ready = apps.clone().map(App::ready).sum::<usize>();
    let worst = all().map(|(app, one)| app.standing_of(one)).max();
    let tone = match worst {
        None | Some(Standing::Well | Standing::Resting) => Tone::Good,
        Some(worst) => tone_of_standing(worst),
    };
    (format!("{ready}/{wanted}"), tone)
}

pub fn draw(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.as_size() != Size::new(state.columns, state.rows) {
        // What was laid out for another size would stand outside of this one: the new size is on its way.
        return;
    }
    let Some(layout) = state.layout() else {
        too_small(state, area, frame.buffer_mut());
        return;
    };
    let buffer = frame.buffer_mut();
    header(state, layout.header, buffer);
    list::draw(state, layout.list, buffer);
    if layout.changes.height > 0 {
        list::changes(state, layout.changes, buffer);
    }
    if layout.figures.height > 0 {
        figures::draw(state, layout.figures, buffer);
    }
    logs::draw(state, layout.logs, buffer);
    if let Some(rule) = layout.rule {
        for y in rule.rows() {
            buffer.set_string(y.x, y.y, "│", style(state, Tone::Faint));
        }
    }
    over::footer(state, layout.footer, buffer);
    match &state.mode {
        Mode::Help(row) => over::help(state, *row, area, buffer),
        Mode::Said(row) => over::said(state, *row, area, buffer),
        Mode::Asking(order) => over::question(state, order, area, buffer),
        Mode::Normal | Mode::Typing(_) => {}
    }
}

fn too_small(state: &State, area: Rect, buffer: &mut Buffer) {
    let lines = [
        "too small".to_owned(),
        format!(
            "{}×{}, needs {}×{}",
            area.width, area.height, LEAST.0, LEAST.1
        ),
        "q quits".to_owned(),
    ];
    for (row, line) in area.rows().zip(&lines) {
        put(buffer, row, span(state, line.as_str(), Tone::Plain).into());
    }
}

/// A line into one row; what is too long is cut off, and `…` says so.
fn put(buffer: &mut Buffer, row: Rect, line: Line<'_>) {
    if row.width < 2 || line.width() <= row.width.into() {
        buffer.set_line(row.x, row.y, &line, row.width);
        return;
    }
    let (end, _) = buffer.set_line(row.x, row.y, &line, row.width - 1);
    let look = buffer[(end.saturating_sub(1).max(row.x), row.y)].style();
    buffer.set_string(end, row.y, "…", look);
}

/// The row above a pane: its title, and a rule to the end.
fn title(state: &State, pane: Rect, name: &str, keys: bool, more: &str, buffer: &mut Buffer) {
    let row = Rect::new(pane.x, pane.y.saturating_sub(1), pane.width, 1);
    let faint = style(state, Tone::Faint);
    buffer.set_string(row.x, row.y, "─".repeat(row.width.into()), faint);
    let look = match keys {
        true => style(state, Tone::Strong).add_modifier(Modifier::REVERSED),
        false => style(state, Tone::Strong),
    };
    let room = usize::from(row.width).saturating_sub(4);
    let (name, used) = text::start(name, room);
    buffer.set_string(row.x + 1, row.y, format!(" {name} "), look);
    let room = room.saturating_sub(used + 3);
    let shown = text::width(more);
    if !more.is_empty() && shown <= room {
        let x = row.right() - 3 - u16::try_from(shown).unwrap_or(0);
        buffer.set_string(x, row.y, format!(" {more} "), style(state, Tone::Plain));
    }
}

fn header(state: &State, row: Rect, buffer: &mut Buffer) {
    let mut spans = vec![
        span(state, " rpmctl monit ", Tone::Strong),
        span(state, state.host.as_str(), Tone::Plain),
    ];
    if let Some(trouble) = &state.trouble {
        let text = format!("  not up to date: {trouble}");
        spans.push(span(state, text, Tone::Bad));
    } else if let Some(cluster) = &state.cluster {
        let apps = match cluster.len() {
            1 => "1 app".to_owned(),
            count => format!("{count} apps"),
        };
        spans.push(span(state, format!("  {apps}"), Tone::Plain));
        let (up, tone) = online(cluster.values());
        spans.push(span(state, format!("  {up} online"), tone));
        let instances = || {
            let apps = cluster.values();
            apps.flat_map(|app| app.instances.iter().map(|one| app.word(one)))
        };
        for (word, tone) in [
            ("errored", Tone::Bad),
            ("unhealthy", Tone::Bad),
            ("waiting restart", Tone::Busy),
            ("stopped", Tone::Plain),
            ("waiting", Tone::Faint),
            ("ended", Tone::Faint),
        ] {
            let count = instances().filter(|one| *one == word).count();
            if count > 0 {
                spans.push(span(state, format!("  {count} {word}"), tone));
            }
        }
    }
    put(buffer, row, Line::from(spans));
}

fn has_keys(state: &State, pane: Pane) -> bool {
    state.pane == pane
}

/// `12.3%`, from ten on `123%`.
fn percent(cpu: f64) -> String {
    match cpu < 9.95 {
        true => format!("{cpu:.1}%"),
        false => format!("{cpu:.0}%"),
    }
}

/// `53mb`, `1.2gb`: as [`crate::model::Bytes`], in at most five characters.
fn bytes(amount: u64) -> String {
    let mut value = amount as f64;
    for unit in ["b", "kb", "mb", "gb", "tb"] {
        if value < 999.5 || unit == "tb" {
            return match unit == "b" || value >= 9.95 {
                true => format!("{value:.0}{unit}"),
                false => format!("{value:.1}{unit}"),
            };
        }
        value /= 1024.0;
    }
    unreachable!("the last unit returns")
}
