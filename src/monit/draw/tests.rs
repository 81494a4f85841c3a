//! Screens as they are drawn, in three sizes and some odd ones: `UPDATE_EXPECTED=1 cargo test --lib monit::draw` writes them to tests/screens.

use std::collections::VecDeque;
use std::path::PathBuf;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use super::draw;
use crate::monit::action::Action;
use crate::monit::sample;
use crate::monit::state::State;
use crate::monit::update::update;
use crate::terminal::text;

#[test]
fn a_terminal_of_another_size_than_the_state_is_drawn_nothing_on() {
    let state = sample::state(120, 40);
    let mut terminal = Terminal::new(TestBackend::new(60, 12)).unwrap();
    terminal.draw(|frame| draw(&state, frame)).unwrap();
    assert_eq!(text_of(terminal.backend().buffer()).trim(), "");
}

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn drawn(state: &State) -> Buffer {
    let backend = TestBackend::new(state.columns, state.rows);
    let mut terminal = Terminal::new(backend).unwrap();
    terminal.draw(|frame| draw(state, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// What a person sees; where a wide character stands there is no second one.
fn text_of(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(symbol.width()).unwrap().max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn press(state: &mut State, keys: &str) {
    for c in keys.chars() {
        let code = match c {
            '\t' => KeyCode::Tab,
            '\n' => KeyCode::Enter,
            '↓' => KeyCode::Down,
            c => KeyCode::Char(c),
        };
        update(state, Action::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }
}

/// Lines of what was selected since, as the follower would send them.
fn followed(state: &mut State) {
    let of = state.following;
    let lines = sample::lines();
    update(state, Action::Lines { of, lines });
}

fn compare(name: &str, state: &State) {
    let shown = text_of(&drawn(state));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/screens")
        .join(format!("{name}-{}x{}.txt", state.columns, state.rows));
    if std::env::var_os("UPDATE_EXPECTED").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &shown).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == shown,
        "{} is not what is drawn:\n{}",
        path.display(),
        similar::TextDiff::from_lines(expected.as_str(), &shown).unified_diff()
    );
}

fn in_three_sizes(name: &str, prepare: impl Fn(&mut State)) {
    for (columns, rows) in SIZES {
        let mut state = sample::state(columns, rows);
        prepare(&mut state);
        compare(name, &state);
    }
}

#[test]
fn normal() {
    in_three_sizes("normal", |_| {});
}

#[test]
fn an_app_and_an_instance() {
    in_three_sizes("app", |state| {
        press(state, "↓");
        followed(state);
    });
    in_three_sizes("instance", |state| {
        state.open.insert("api-server".to_owned());
        press(state, "↓↓↓w");
        followed(state);
    });
}

#[test]
fn filter() {
    in_three_sizes("filter", |state| press(state, "/mail"));
    in_three_sizes("filter-nothing", |state| press(state, "/nothing\n"));
}

#[test]
fn search() {
    in_three_sizes("search", |state| press(state, "\t/error\nn"));
}

#[test]
fn help() {
    in_three_sizes("help", |state| press(state, "?"));
}

#[test]
fn confirm() {
    in_three_sizes("confirm", |state| press(state, "↓s"));
    in_three_sizes("confirm-all", |state| press(state, "r"));
}

#[test]
fn a_command_goes_on_and_fails() {
    let began = |state: &mut State| {
        press(state, "↓l");
        let line = "  reloaded  api-server@0.service in 1.2 s".to_owned();
        update(state, Action::OrderSaid { id: 1, line });
    };
    in_three_sizes("going-on", began);
    let failed = |state: &mut State| {
        began(state);
        for line in [
            "error: api-server@1.service: exited with code 3",
            "  api-server@1 | Error: Cannot find module 'express'",
            "  mend it, then: rpmctl reload api-server",
        ] {
            let line = line.to_owned();
            update(state, Action::OrderSaid { id: 1, line });
        }
        update(state, Action::OrderEnded { id: 1, done: false });
    };
    in_three_sizes("failed", failed);
    in_three_sizes("failed-whole", |state| {
        failed(state);
        press(state, "e");
    });
}

#[test]
fn no_apps_and_not_read_yet_and_not_to_be_read() {
    for (columns, rows) in SIZES {
        let mut state = State::new(columns, rows, "web-1".to_owned(), true, sample::now());
        compare("reading", &state);
        update(&mut state, Action::Cluster(vec![]));
        compare("no-apps", &state);
    }
    in_three_sizes("trouble", |state| {
        let trouble = "systemd did not answer within 30 s; is it frozen? see: systemctl status";
        update(state, Action::Trouble(Some(trouble.to_owned())));
        let of = state.following;
        let why = "the journal cannot be read: it is not yours\nuse sudo, or join the group systemd-journal".to_owned();
        update(state, Action::LinesTrouble { of, why });
    });
}

#[test]
fn too_small_and_narrow() {
    for (columns, rows) in [(20, 5), (39, 30), (60, 20), (40, 10), (1, 1), (300, 12)] {
        compare("odd", &sample::state(columns, rows));
    }
}

/// Whatever is open, at any size: nothing panics, and all that is drawn is drawn inside.
#[test]
fn any_size() {
    let first = sample::state(80, 24);
    for keys in ["", "?", "s", "/x", "\t/e\n", "r", "wf", "↓le"] {
        let mut before = first.clone();
        press(&mut before, keys);
        for columns in [0, 1, 5, 20, 39, 40, 69, 70, 71, 133, 250] {
            for rows in [0, 1, 3, 9, 10, 11, 12, 23, 24, 50, 90] {
                let mut state = before.clone();
                update(&mut state, Action::Resize(columns, rows));
                press(&mut state, "↓");
                drawn(&state);
            }
        }
    }
}

#[test]
fn without_colour_there_is_none_and_what_is_selected_still_shows() {
    for keys in ["", "?", "s", "\t/error\n", "↓l"] {
        let mut state = sample::state(120, 40);
        state.colour = false;
        press(&mut state, keys);
        let buffer = drawn(&state);
        for cell in buffer.content() {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
        }
    }
    let mut state = sample::state(120, 40);
    assert!(
        drawn(&state)
            .content()
            .iter()
            .any(|cell| cell.fg == Color::Red)
    );
    press(&mut state, "↓");
    let list = state.layout().unwrap().list;
    let buffer = drawn(&state);
    for y in list.y..list.bottom() {
        let reversed = buffer[(list.x, y)].modifier.contains(Modifier::REVERSED);
        assert_eq!(reversed, y == list.y + 1, "row {y}");
    }
}

/// A log line may hold anything; what is drawn of it commands no terminal.
#[test]
fn no_control_character_is_drawn() {
    let mut state = sample::state(80, 24);
    let of = state.following;
    let evil: String = (0..0x250).filter_map(char::from_u32).collect();
    let texts = [
        evil.as_str(),
        "\x1b]0;title\x07\x1b[2J\x1b[?1049lx",
        "\u{202e}txt.exe",
    ];
    let lines = texts
        .iter()
        .flat_map(|text| text::lines(text, 9))
        .map(|text| sample::line("api@0", crate::journal::Stream::Out, &text))
        .collect();
    update(&mut state, Action::Lines { of, lines });
    state.wrap = true;
    update(&mut state, Action::OrderEnded { id: 9, done: true });
    for cell in drawn(&state).content() {
        assert!(
            !cell.symbol().chars().any(char::is_control),
            "{:?}",
            cell.symbol()
        );
        assert!(!cell.symbol().contains('\u{202e}'));
    }
}

#[test]
fn what_a_command_said_is_harmless_too() {
    let mut state = sample::state(80, 24);
    press(&mut state, "↓l");
    let line = "error: \x1b[2J\x1b]0;x\x07gone".to_owned();
    update(&mut state, Action::OrderSaid { id: 1, line });
    for keys in ["", "e"] {
        press(&mut state, keys);
        let text = text_of(&drawn(&state));
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "{text:?}"
        );
    }
    state.changes = VecDeque::new();
    drawn(&state);
}
