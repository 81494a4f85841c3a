//! Every key, once: what it does, the help on `?` and the table in rpmctl(1) come from here.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for, whatever is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Left,
    Right,
    OtherPane,
    Fold,
    Reload,
    Restart,
    Start,
    Stop,
    More,
    Fewer,
    Interrupt,
    Details,
    Find,
    NextUp,
    NextDown,
    Follow,
    Wrap,
    Mouse,
    Help,
    Redraw,
    Suspend,
    Leave,
    Quit,
}

/// Keys that do the same.
#[derive(Debug)]
pub struct Binding {
    pub command: Command,
    keys: &'static [(KeyModifiers, KeyCode)],
    /// As the help names them.
    pub shown: &'static str,
    pub what: &'static str,
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

const fn char(c: char) -> (KeyModifiers, KeyCode) {
    (NONE, KeyCode::Char(c))
}

const fn control(c: char) -> (KeyModifiers, KeyCode) {
    (CONTROL, KeyCode::Char(c))
}

const fn key(code: KeyCode) -> (KeyModifiers, KeyCode) {
    (NONE, code)
}

const fn binding(
    command: Command,
    keys: &'static [(KeyModifiers, KeyCode)],
    shown: &'static str,
    what: &'static str,
) -> Binding {
    Binding {
        command,
        keys,
        shown,
        what,
    }
}

pub const BINDINGS: [Binding; 29] = [
    binding(
        Command::Up,
        &[key(KeyCode::Up), char('k')],
        "Up, k",
        "one up in the list, or one line up in the logs",
    ),
    binding(
        Command::Down,
        &[key(KeyCode::Down), char('j')],
        "Down, j",
        "one down",
    ),
    binding(
        Command::PageUp,
        &[key(KeyCode::PageUp)],
        "PgUp",
        "a page up",
    ),
    binding(
        Command::PageDown,
        &[key(KeyCode::PageDown)],
        "PgDn",
        "a page down",
    ),
    binding(
        Command::Top,
        &[key(KeyCode::Home), char('g')],
        "Home, g",
        "to the top",
    ),
    binding(
        Command::Bottom,
        &[key(KeyCode::End), char('G')],
        "End, G",
        "to the bottom",
    ),
    binding(
        Command::Left,
        &[key(KeyCode::Left)],
        "Left",
        "fold the app; in the logs, scroll to the left",
    ),
    binding(
        Command::Right,
        &[key(KeyCode::Right)],
        "Right",
        "unfold the app; in the logs, scroll to the right",
    ),
    binding(
        Command::Fold,
        &[key(KeyCode::Enter), char(' ')],
        "Enter, Space",
        "fold or unfold the app",
    ),
    binding(
        Command::OtherPane,
        &[key(KeyCode::Tab), key(KeyCode::BackTab)],
        "Tab",
        "between the list and the logs",
    ),
    binding(
        Command::Reload,
        &[char('l')],
        "l",
        "reload what is selected: one instance after another",
    ),
    binding(
        Command::Restart,
        &[char('r')],
        "r",
        "restart what is selected, all at once; asks first where nothing of an app would stay up",
    ),
    binding(Command::Start, &[char('S')], "S", "start it"),
    binding(Command::Stop, &[char('s')], "s", "stop it; asks first"),
    binding(
        Command::More,
        &[char('+'), char('=')],
        "+",
        "one instance more",
    ),
    binding(
        Command::Fewer,
        &[char('-')],
        "-",
        "one instance fewer; asks first",
    ),
    binding(
        Command::Interrupt,
        &[char('c')],
        "c",
        "end a reload or scale that is going on, after the instance at hand",
    ),
    binding(
        Command::Details,
        &[char('e')],
        "e",
        "all that the last command said",
    ),
    binding(
        Command::Find,
        &[char('/')],
        "/",
        "filter the list by name or state; in the logs, search",
    ),
    binding(
        Command::NextUp,
        &[char('n')],
        "n",
        "the next match, upwards to older lines",
    ),
    binding(
        Command::NextDown,
        &[char('N')],
        "N",
        "the next match, downwards",
    ),
    binding(
        Command::Follow,
        &[char('f')],
        "f",
        "follow the logs, or hold them",
    ),
    binding(Command::Wrap, &[char('w')], "w", "wrap long lines, or not"),
    binding(
        Command::Mouse,
        &[char('m')],
        "m",
        "leave the mouse to the terminal, for selecting text, or take it back",
    ),
    binding(
        Command::Help,
        &[char('?'), key(KeyCode::F(1))],
        "?, F1",
        "these keys",
    ),
    binding(
        Command::Redraw,
        &[control('l')],
        "Ctrl-L",
        "draw the screen anew",
    ),
    binding(
        Command::Suspend,
        &[control('z')],
        "Ctrl-Z",
        "back to the shell until fg",
    ),
    binding(
        Command::Leave,
        &[key(KeyCode::Esc)],
        "Esc",
        "close what is open, end the filter or the search",
    ),
    binding(
        Command::Quit,
        &[char('q'), control('c')],
        "q, Ctrl-C",
        "quit; what was begun goes on",
    ),
];

/// What this key asks for outside of a question or a line of input.
pub fn command(event: &KeyEvent) -> Option<Command> {
    // Shift is in the letter already, and terminals differ on whether they tell of it.
    let modifiers = event.modifiers & (CONTROL | KeyModifiers::ALT);
    let pressed = (modifiers, event.code);
    let bound = BINDINGS
        .iter()
        .find(|binding| binding.keys.contains(&pressed))?;
    Some(bound.command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_does_one_thing() {
        let mut seen = Vec::new();
        for binding in &BINDINGS {
            for (modifiers, code) in binding.keys {
                assert!(!seen.contains(&(*modifiers, *code)), "{code:?}");
                seen.push((*modifiers, *code));
                let event = KeyEvent::new(*code, *modifiers);
                assert_eq!(command(&event), Some(binding.command));
            }
        }
        let shift = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(command(&shift), Some(Command::Bottom));
        let alt = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::ALT);
        assert_eq!(command(&alt), None);
    }
}
