//! What lies over the screen or below it: hints, questions, the help, what a command said.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Clear, Widget};

use super::super::action::{Order, Verb};
use super::super::cluster::Target;
use super::super::keys::BINDINGS;
use super::super::state::{Given, Mode, Pane, State};
use super::{Tone, put, span, style};
use crate::terminal::text;

/// The last row: what goes on or went wrong, else which keys there are.
pub fn footer(state: &State, row: Rect, buffer: &mut Buffer) {
    let typing = |what: &str, typed: &str| {
        let head = format!(" {what}: {typed}");
        let tail = "_  Enter keeps it, Esc ends it";
        // Of what is long its end: there the next letter comes.
        let over = (text::width(&head) + tail.len()).saturating_sub(row.width.into());
        let (before, _) = text::start(&head, over);
        Line::from(vec![
            span(state, head[before.len()..].to_owned(), Tone::Strong),
            span(state, tail, Tone::Plain),
        ])
    };
    let told_of = state.last_order().filter(|given| !given.told);
    let line = match (&state.mode, &state.note, told_of) {
        (Mode::Typing(Pane::List), _, _) => typing("filter", &state.filter),
        (Mode::Typing(Pane::Logs), _, _) => typing("search", &state.search),
        (_, Some(note), _) => span(state, format!(" {note}"), Tone::Busy).into(),
        (_, None, Some(given)) => told(state, given, row.width),
        _ => hints(state, row.width),
    };
    put(buffer, row, line);
}

fn told<'a>(state: &State, given: &Given, columns: u16) -> Line<'a> {
    let words = given.order.words();
    let gist = text::harmless(given.gist());
    let (head, tone) = match given.done {
        None if given.interrupted => (
            format!(" {words}: ends after the instance at hand"),
            Tone::Busy,
        ),
        None => (format!(" {words} …"), Tone::Busy),
        Some(true) => (format!(" {words}: done"), Tone::Good),
        Some(false) => (format!(" {words}: failed"), Tone::Bad),
    };
    let others = state.orders.iter().filter(|one| one.done.is_none()).count();
    let more = match others.saturating_sub(usize::from(given.done.is_none())) {
        0 => String::new(),
        count => format!("  and {count} more going on"),
    };
    let tail = if given.done.is_some() {
        "  e: all of it"
    } else {
        ""
    };
    let room =
        usize::from(columns).saturating_sub(text::width(&head) + more.len() + tail.len() + 2);
    let gist = match text::width(&gist) > room {
        true => text::fit(&gist, room),
        false => gist,
    };
    Line::from(vec![
        span(state, head, tone),
        span(state, format!("  {gist}{more}"), Tone::Plain),
        span(state, tail, Tone::Faint),
    ])
}

fn hints<'a>(state: &State, columns: u16) -> Line<'a> {
    let find = match state.pane {
        Pane::List => "filter",
        Pane::Logs => "search",
    };
    let mut spans = Vec::new();
    let mut used = 0;
    for (key, what) in [
        ("?", "help"),
        ("q", "quit"),
        ("l", "reload"),
        ("r", "restart"),
        ("s", "stop"),
        ("S", "start"),
        ("+-", "scale"),
        ("/", find),
        ("Tab", "logs"),
        ("f", "follow"),
        ("w", "wrap"),
        ("n N", "next match"),
        ("e", "what the last command said"),
        ("m", "mouse"),
    ] {
        used += key.len() + what.len() + 3;
        if used > usize::from(columns) {
            break;
        }
        spans.push(span(state, format!(" {key}"), Tone::Strong));
        spans.push(span(state, format!(" {what} "), Tone::Faint));
    }
    Line::from(spans)
}

/// A box in the middle; the place inside its frame.
fn frame(
    state: &State,
    screen: Rect,
    name: &str,
    width: u16,
    height: u16,
    buffer: &mut Buffer,
) -> Rect {
    let width = (width + 4).min(screen.width);
    let height = (height + 2).min(screen.height);
    let area = Rect::new(
        screen.x + (screen.width - width) / 2,
        screen.y + (screen.height - height) / 2,
        width,
        height,
    );
    Clear.render(area, buffer);
    let plain = style(state, Tone::Plain);
    let inner = usize::from(width - 2);
    for (number, row) in area.rows().enumerate() {
        let line = match number + 1 {
            1 => format!("┌{}┐", "─".repeat(inner)),
            last if last == usize::from(height) => format!("└{}┘", "─".repeat(inner)),
            _ => format!("│{}│", " ".repeat(inner)),
        };
        buffer.set_string(row.x, row.y, line, plain);
    }
    let name = format!(
        " {} ",
        text::fit(name, text::width(name).min(inner.saturating_sub(4)))
    );
    buffer.set_string(area.x + 2, area.y, name, style(state, Tone::Strong));
    Rect::new(area.x + 2, area.y + 1, width - 4, height - 2)
}

pub fn help(state: &State, row: usize, screen: Rect, buffer: &mut Buffer) {
    let keys = BINDINGS.iter().map(|binding| text::width(binding.shown));
    let keys = keys.max().unwrap_or(0) + 2;
    let width = BINDINGS
        .iter()
        .map(|binding| keys + text::width(binding.what));
    let width = u16::try_from(width.max().unwrap_or(0)).unwrap_or(u16::MAX);
    let columns = usize::from(width.min(screen.width.saturating_sub(4)));
    let mut lines: Vec<(String, String)> = Vec::new();
    for binding in &BINDINGS {
        let what = wrapped(binding.what, columns.saturating_sub(keys).max(8));
        for (number, part) in what.into_iter().enumerate() {
            let key = if number == 0 { binding.shown } else { "" };
            lines.push((text::fit(key, keys), part));
        }
    }
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let area = frame(state, screen, "keys", width, height, buffer);
    let first = row.min(lines.len().saturating_sub(area.height.into()));
    below(state, area, first, lines.len(), buffer);
    for (row, (key, what)) in area.rows().zip(lines.into_iter().skip(first)) {
        let line = Line::from(vec![
            span(state, key, Tone::Strong),
            span(state, what, Tone::Plain),
        ]);
        put(buffer, row, line);
    }
}

/// Says in the lower edge of the frame that there is more.
fn below(state: &State, area: Rect, first: usize, lines: usize, buffer: &mut Buffer) {
    if lines > usize::from(area.height) {
        let last = first + usize::from(area.height);
        let words = format!(
            " {}–{last} of {lines}, up and down scroll, Esc closes ",
            first + 1
        );
        let words = text::fit(&words, text::width(&words).min(area.width.into()));
        buffer.set_string(area.x, area.bottom(), words, style(state, Tone::Faint));
    }
}

/// Lines of whole words.
fn wrapped(words: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        let line = lines.last_mut();
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if text::width(line) + 1 + text::width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

pub fn said(state: &State, row: usize, screen: Rect, buffer: &mut Buffer) {
    let Some(given) = state.last_order() else {
        return;
    };
    let width = screen.width.saturating_sub(8).min(100);
    let mut lines: Vec<String> = Vec::new();
    for line in &given.said {
        let line = text::harmless(line);
        lines.extend(
            text::wrap(&line, width.max(1).into())
                .into_iter()
                .map(str::to_owned),
        );
    }
    if lines.is_empty() {
        lines.push("nothing yet".to_owned());
    }
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let height = height.min(screen.height.saturating_sub(4));
    let area = frame(state, screen, &given.order.words(), width, height, buffer);
    let first = row.min(lines.len().saturating_sub(area.height.into()));
    below(state, area, first, lines.len(), buffer);
    for (row, line) in area.rows().zip(lines.into_iter().skip(first)) {
        let tone = if line.starts_with("error: ") {
            Tone::Bad
        } else {
            Tone::Plain
        };
        put(buffer, row, span(state, line, tone).into());
    }
}

pub fn question(state: &State, order: &Order, screen: Rect, buffer: &mut Buffer) {
    let mut lines = vec![format!("{}?", order.words())];
    if order.targets.len() > 1 {
        let names: Vec<String> = order.targets.iter().map(Target::to_string).collect();
        lines.push(names.join(", "));
    }
    lines.push(consequence(order));
    lines.push(String::new());
    lines.push("y: yes    any other key: no".to_owned());
    let width = lines
        .iter()
        .map(|line| text::width(line))
        .max()
        .unwrap_or(0);
    let width = u16::try_from(width)
        .unwrap_or(u16::MAX)
        .min(screen.width.saturating_sub(4))
        .min(72);
    let lines: Vec<String> = lines
        .iter()
        .flat_map(|line| wrapped(line, width.into()))
        .collect();
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let area = frame(state, screen, "sure?", width, height, buffer);
    let cut = lines.len().saturating_sub(area.height.into());
    let rows = lines.len() - cut;
    // What is asked, and how it is answered, are always there: a list of names may be cut.
    let shown = lines
        .iter()
        .take(rows.saturating_sub(3))
        .chain(&lines[lines.len() - rows.min(3)..]);
    for (row, line) in area.rows().zip(shown) {
        put(buffer, row, span(state, line.as_str(), Tone::Plain).into());
    }
}

fn consequence(order: &Order) -> String {
    let one = matches!(order.targets.as_slice(), [Target::Instance(..)]);
    match order.verb {
        Verb::Stop if one => "it stays down until it is started".to_owned(),
        Verb::Stop => "it stays down, after a boot too, and its sockets close".to_owned(),
        Verb::Restart => {
            "nothing of it answers until it is back; l reloads one after another".to_owned()
        }
        Verb::Fewer => "the instance with the highest number ends".to_owned(),
        Verb::Reload => "one instance of each after another".to_owned(),
        Verb::Start | Verb::More => String::new(),
    }
}
