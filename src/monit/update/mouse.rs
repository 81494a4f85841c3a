//! What the mouse does: a click selects, the wheel scrolls.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::super::action::Effect;
use super::super::state::{Mode, Pane, State};
use super::{fold, step};

/// Rows of the logs that a notch of the wheel scrolls.
const NOTCH: isize = 3;

pub fn used(state: &mut State, event: MouseEvent) -> Vec<Effect> {
    let Some(layout) = state.layout() else {
        return vec![];
    };
    let at = Position::new(event.column, event.row);
    let by = match event.kind {
        MouseEventKind::ScrollUp => Some(-1),
        MouseEventKind::ScrollDown => Some(1),
        MouseEventKind::Down(MouseButton::Left) => None,
        _ => return vec![],
    };
    match &mut state.mode {
        Mode::Help(row) | Mode::Said(row) => match by {
            Some(by) => *row = row.saturating_add_signed(by),
            None => state.mode = Mode::Normal,
        },
        // Neither yes nor no, nor typed.
        Mode::Asking(_) | Mode::Typing(_) => {}
        Mode::Normal => {
            if layout.list.contains(at) {
                in_list(state, layout.list, at, by);
            } else if layout.logs.contains(at) {
                match by {
                    Some(by) => {
                        let room = state.room();
                        state.lines.scroll(by * NOTCH, &room);
                    }
                    None => state.pane = Pane::Logs,
                }
            }
        }
    }
    vec![]
}

fn in_list(state: &mut State, list: Rect, at: Position, wheel: Option<isize>) {
    if let Some(by) = wheel {
        step(state, by);
        return;
    }
    state.pane = Pane::List;
    state.note = None;
    let row = state.top + usize::from(at.y - list.y);
    let Some(target) = state.nodes().get(row).map(|node| node.target()) else {
        return;
    };
    let again = target == state.selected;
    state.selected = target;
    // On the mark of an app, or a second time on the app itself.
    let app = matches!(state.selected, super::Target::App(_));
    if app && (again || at.x < list.x + 2) {
        fold(state, None);
    }
}
