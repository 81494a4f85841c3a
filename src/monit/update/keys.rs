//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::super::action::{Effect, Verb};
use super::super::keys::{self, Command};
use super::super::state::{Mode, Pane, State};
use super::{close, fold, orders, step};

/// Characters of a filter or a search.
const TYPED: usize = 200;
/// Columns by which the logs are scrolled sideways.
const SIDEWAYS: usize = 8;

pub fn pressed(state: &mut State, event: &KeyEvent) -> Vec<Effect> {
    if event.kind == KeyEventKind::Release {
        return vec![];
    }
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    if (event.code, event.modifiers) == (interrupt.code, interrupt.modifiers) {
        return vec![Effect::Quit];
    }
    if state.layout().is_none() {
        // Nothing is done that nobody can see.
        if matches!(state.mode, Mode::Asking(_)) {
            close(state);
        }
        return match keys::command(event) {
            Some(command @ (Command::Quit | Command::Suspend | Command::Redraw)) => {
                given(state, command)
            }
            _ => vec![],
        };
    }
    match state.mode.clone() {
        Mode::Normal => {
            let command = keys::command(event);
            // Esc itself looks for what there is to be put away.
            if command != Some(Command::Leave) {
                state.note = None;
            }
            match command {
                Some(command) => given(state, command),
                None => vec![],
            }
        }
        Mode::Typing(pane) => typed(state, pane, event),
        Mode::Asking(order) => {
            close(state);
            match event.code {
                KeyCode::Char('y' | 'Y') => orders::give(state, order),
                _ => {
                    state.say(format!("not done: {}", order.words()));
                    vec![]
                }
            }
        }
        Mode::Help(row) => {
            state.mode = scrolled(event, row).map_or(Mode::Normal, Mode::Help);
            vec![]
        }
        Mode::Said(row) => {
            state.mode = scrolled(event, row).map_or(Mode::Normal, Mode::Said);
            vec![]
        }
    }
}

/// The first row in view of a text that lies over the screen; None when it is put away.
fn scrolled(event: &KeyEvent, row: usize) -> Option<usize> {
    match keys::command(event)? {
        Command::Up => Some(row.saturating_sub(1)),
        Command::Down => Some(row + 1),
        Command::PageUp => Some(row.saturating_sub(10)),
        Command::PageDown => Some(row + 10),
        Command::Top => Some(0),
        Command::Bottom => Some(usize::MAX / 2),
        _ => None,
    }
}

fn given(state: &mut State, command: Command) -> Vec<Effect> {
    let page = match state.pane {
        Pane::List => state.list_rows(),
        Pane::Logs => state.room().rows,
    };
    let page = isize::try_from(page.saturating_sub(1).max(1)).unwrap_or(1);
    match command {
        Command::Up => moved(state, -1),
        Command::Down => moved(state, 1),
        Command::PageUp => moved(state, -page),
        Command::PageDown => moved(state, page),
        Command::Top => moved(state, isize::MIN),
        Command::Bottom => moved(state, isize::MAX),
        Command::Left | Command::Right => sideways(state, command == Command::Right),
        Command::OtherPane => {
            state.pane = match state.pane {
                Pane::List => Pane::Logs,
                Pane::Logs => Pane::List,
            }
        }
        Command::Fold => fold(state, None),
        Command::Reload => return orders::wish(state, Verb::Reload),
        Command::Restart => return orders::wish(state, Verb::Restart),
        Command::Start => return orders::wish(state, Verb::Start),
        Command::Stop => return orders::wish(state, Verb::Stop),
        Command::More => return orders::wish(state, Verb::More),
        Command::Fewer => return orders::wish(state, Verb::Fewer),
        Command::Interrupt => return orders::interrupt(state),
        Command::Details => {
            match state.last_order() {
                Some(_) => state.mode = Mode::Said(0),
                None => state.say("no command was given yet"),
            };
        }
        Command::Find => state.mode = Mode::Typing(state.pane),
        Command::NextUp | Command::NextDown => seek(state, command == Command::NextUp),
        Command::Follow => hold(state),
        Command::Wrap => {
            state.wrap = !state.wrap;
            state.lines.left = 0;
        }
        Command::Mouse => {
            state.mouse = !state.mouse;
            state.say(match state.mouse {
                true => "the mouse is taken: a click selects, the wheel scrolls".to_owned(),
                false => "the mouse is the terminal's: m takes it back".to_owned(),
            });
            return vec![Effect::Mouse(state.mouse)];
        }
        Command::Help => state.mode = Mode::Help(0),
        Command::Redraw => return vec![Effect::Redraw],
        Command::Suspend => return vec![Effect::Suspend],
        Command::Leave => leave(state),
        Command::Quit => return vec![Effect::Quit],
    }
    vec![]
}

fn moved(state: &mut State, by: isize) {
    match state.pane {
        Pane::List => step(state, by),
        Pane::Logs => {
            let room = state.room();
            match by {
                isize::MIN => state.lines.show_first(&room),
                isize::MAX => state.lines.place = None,
                _ => state.lines.scroll(by, &room),
            }
        }
    }
}

fn sideways(state: &mut State, right: bool) {
    match (state.pane, right) {
        (Pane::List, _) => fold(state, Some(right)),
        (Pane::Logs, true) if !state.wrap => state.lines.left += SIDEWAYS,
        (Pane::Logs, _) => state.lines.left = state.lines.left.saturating_sub(SIDEWAYS),
    }
    state.lines.left = state.lines.left.min(crate::terminal::text::LONGEST);
}

fn hold(state: &mut State) {
    let room = state.room();
    match state.lines.place {
        Some(_) => state.lines.place = None,
        None => state.lines.hold(&room),
    }
}

/// Esc takes back one thing at a time, and never ends monit: who presses it once too often would lose the screen.
fn leave(state: &mut State) {
    let told = state.put_away();
    if !state.search.is_empty() && (state.pane == Pane::Logs || state.filter.is_empty()) {
        state.search.clear();
        state.lines.search("");
    } else if !state.filter.is_empty() {
        state.filter.clear();
    } else if !told {
        state.say("nothing is open; q quits");
    }
}

fn typed(state: &mut State, pane: Pane, event: &KeyEvent) -> Vec<Effect> {
    let control = event.modifiers.contains(KeyModifiers::CONTROL);
    match event.code {
        KeyCode::Enter => {
            close(state);
            if pane == Pane::Logs {
                seek(state, true);
            }
        }
        KeyCode::Esc => {
            close(state);
            change(state, pane, String::clear);
        }
        KeyCode::Backspace => change(state, pane, |text| {
            text.pop();
        }),
        KeyCode::Char('u' | 'w') if control => change(state, pane, String::clear),
        KeyCode::Char(c) if !control => change(state, pane, |text| text.push(c)),
        _ => {}
    }
    vec![]
}

/// Pasted text is typed where something is typed, and nothing elsewhere: no letter of it is to be taken for a command.
pub fn pasted(state: &mut State, text: &str) -> Vec<Effect> {
    if let Mode::Typing(pane) = state.mode {
        let line = text.lines().next().unwrap_or_default();
        change(state, pane, |typed| typed.push_str(line));
    }
    vec![]
}

fn change(state: &mut State, pane: Pane, how: impl FnOnce(&mut String)) {
    let text = match pane {
        Pane::List => &mut state.filter,
        Pane::Logs => &mut state.search,
    };
    how(text);
    text.retain(|c| !c.is_control());
    if let Some((end, _)) = text.char_indices().nth(TYPED) {
        text.truncate(end);
    }
    if pane == Pane::Logs {
        state.lines.search(&state.search);
    }
}

fn seek(state: &mut State, up: bool) {
    let room = state.room();
    if state.search.is_empty() {
        state.say("nothing is searched: Tab to the logs, then /".to_owned());
        return;
    }
    if !state.lines.seek(up, &room) {
        state.say(match state.lines.found() {
            0 => format!("no line matches {}", state.search),
            _ if up => "no earlier line matches".to_owned(),
            _ => "no later line matches".to_owned(),
        });
    }
}
