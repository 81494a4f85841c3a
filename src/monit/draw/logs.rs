//! The lines of what is selected.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::super::lines::{self, label_width};
use super::super::state::{Mode, Pane, State};
use super::{Tone, has_keys, put, span, style, title};
use crate::journal::Stream;
use crate::terminal::text;

pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let of = match &state.followed {
        Some(target) => format!("logs of {target}"),
        None => "logs".to_owned(),
    };
    let keys = has_keys(state, Pane::Logs);
    title(state, area, &of, keys, &more(state), buffer);
    if let Some(why) = &state.lines_trouble {
        for (row, line) in area.rows().zip(text::lines(why, area.height.into())) {
            put(buffer, row, span(state, line, Tone::Bad).into());
        }
        return;
    }
    if state.lines.is_empty() {
        let word = if state.followed.is_some() {
            "no lines yet"
        } else {
            ""
        };
        put(buffer, area, span(state, word, Tone::Faint).into());
        return;
    }
    let room = state.room();
    for (row, (line, part)) in area.rows().zip(state.lines.view(&room)) {
        // Cut off without a mark, which could be of the line itself: Right scrolls.
        buffer.set_line(row.x, row.y, &shown(state, line, part), row.width);
    }
}

/// Whether they are followed, what is searched, and how the lines stand.
fn more(state: &State) -> String {
    let mut words = Vec::new();
    match (&state.mode, state.search.as_str()) {
        (Mode::Typing(Pane::Logs), search) => words.push(format!("/{search}_")),
        (_, "") => {}
        (_, search) => words.push(format!("/{search}: {}", state.lines.found())),
    }
    match (state.lines.place, state.lines.below()) {
        (None, _) => {}
        (Some(_), 0) => words.push("held".to_owned()),
        (Some(_), below) => words.push(format!("held, {below} more")),
    }
    if state.wrap {
        words.push("wrapped".to_owned());
    } else if state.lines.left > 0 {
        words.push(format!("from column {}", state.lines.left + 1));
    }
    words.join("  ")
}

fn shown<'a>(state: &'a State, line: &'a lines::Line, part: usize) -> Line<'a> {
    let room = state.room();
    let label = label_width(line, &room);
    let look = match line.stream {
        Stream::Err => style(state, Tone::Bad),
        Stream::Manager => style(state, Tone::Faint),
        Stream::Out => Style::new(),
    };
    let mut spans = Vec::new();
    if label > 0 {
        let name = match part {
            0 => text::fit(&line.label, label - 1),
            _ => " ".repeat(label - 1),
        };
        spans.push(span(state, format!("{name} "), Tone::Strong));
    }
    let columns = room.columns.saturating_sub(label);
    let (text, from) = match room.wrap {
        true => {
            let pieces = text::wrap(&line.text, columns);
            let from = pieces.iter().take(part).map(|piece| piece.len()).sum();
            (pieces.get(part).copied().unwrap_or_default(), from)
        }
        false => {
            let (skipped, _) = text::start(&line.text, state.lines.left);
            (&line.text[skipped.len()..], skipped.len())
        }
    };
    let mut at = 0;
    for (start, end) in state.lines.matches(&line.text) {
        // What of the match lies in this piece.
        let start = start.saturating_sub(from).clamp(at, text.len());
        let end = end.saturating_sub(from).min(text.len());
        if start < end {
            spans.push(Span::styled(&text[at..start], look));
            let hit = look.add_modifier(Modifier::REVERSED);
            spans.push(Span::styled(&text[start..end], hit));
            at = end;
        }
    }
    spans.push(Span::styled(&text[at..], look));
    Line::from(spans)
}
