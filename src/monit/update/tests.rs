mod news;

use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::super::action::{Action, Effect, Order, Verb};
use super::super::cluster::Target;
use super::super::sample;
use super::super::state::{Mode, Pane, State};
use super::update;
use crate::journal::Stream;

fn state() -> State {
    sample::state(120, 40)
}

fn key(state: &mut State, code: KeyCode) -> Vec<Effect> {
    update(state, Action::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let effects = keys.chars().map(|c| key(state, KeyCode::Char(c)));
    effects.collect::<Vec<_>>().concat()
}

fn select(state: &mut State, target: &Target) {
    state.selected = target.clone();
    update(state, Action::Apps(vec![]));
    assert_eq!(state.selected, *target);
}

fn app(name: &str) -> Target {
    Target::App(name.to_owned())
}

fn instance(name: &str, number: u32) -> Target {
    Target::Instance(name.to_owned(), number)
}

fn args(effects: &[Effect]) -> Vec<String> {
    match effects {
        [Effect::Order { args, .. }] => args.clone(),
        other => panic!("no order: {other:?}"),
    }
}

#[test]
fn the_list_is_walked_and_folded() {
    let mut state = state();
    // There is room for all of it.
    assert_eq!(state.nodes().len(), 1 + 5 + 11);
    press(&mut state, "jjj");
    assert_eq!(state.selected, instance("api-server", 1));
    key(&mut state, KeyCode::Enter);
    assert_eq!(state.selected, app("api-server"));
    assert_eq!(state.nodes().len(), 1 + 5 + 7);
    key(&mut state, KeyCode::Right);
    press(&mut state, "G");
    assert_eq!(state.selected, instance("報告書-ワーカー", 1));
    press(&mut state, "jk");
    assert_eq!(state.selected, instance("報告書-ワーカー", 0));
    press(&mut state, "g");
    assert_eq!(state.selected, Target::All);
    key(&mut state, KeyCode::Left);
    assert_eq!(state.selected, Target::All);
    // In little room what is selected stays in view.
    update(&mut state, Action::Resize(80, 12));
    press(&mut state, "G");
    assert!(state.place() < state.top + state.list_rows() && state.top > 0);
    key(&mut state, KeyCode::PageUp);
    assert!((state.top..state.top + state.list_rows()).contains(&state.place()));
}

#[test]
fn lines_are_those_of_what_is_selected_and_of_nothing_before() {
    let mut state = state();
    let before = state.following;
    let effects = press(&mut state, "jj");
    let followed: Vec<_> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Follow { of, apps } => (*of, apps[0].name.as_str(), apps[0].instances.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        (before + 1, "api-server", None),
        (before + 2, "api-server", Some(vec![0])),
    ];
    assert_eq!(followed, expected);
    assert!(state.lines.is_empty());
    let late = sample::line("x@0", Stream::Out, "late");
    let lines = vec![late.clone()];
    update(
        &mut state,
        Action::Lines {
            of: before,
            lines: lines.clone(),
        },
    );
    assert!(state.lines.is_empty());
    let of = state.following;
    update(&mut state, Action::Lines { of, lines });
    assert_eq!(state.lines.len(), 1);
    // The same app read anew is followed as before; one that was flushed is followed anew.
    assert_eq!(update(&mut state, Action::Apps(sample::cluster())), []);
    let mut flushed = sample::cluster();
    flushed[0].log.sockets = vec!["api-server@tcp-3000.socket".to_owned()];
    let effects = update(&mut state, Action::Apps(flushed));
    assert!(matches!(effects.as_slice(), [Effect::Follow { .. }]));
}

#[test]
fn what_takes_something_down_is_asked_about() {
    use Verb::{Fewer, More, Reload, Restart, Start, Stop};
    let api = || app("api-server");
    for (selected, pressed, verb, asks) in [
        (api(), "s", Stop, true),
        (instance("api-server", 1), "s", Stop, true),
        (api(), "r", Restart, true),
        (instance("api-server", 1), "r", Restart, false),
        // Nothing else of it is up.
        (instance("mailer", 0), "r", Restart, true),
        (api(), "l", Reload, false),
        (Target::All, "l", Reload, true),
        (Target::All, "r", Restart, true),
        (Target::All, "S", Start, false),
        (api(), "S", Start, false),
        (api(), "+", More, false),
        (api(), "-", Fewer, true),
    ] {
        let mut state = state();
        select(&mut state, &selected);
        let effects = press(&mut state, pressed);
        match &state.mode {
            Mode::Asking(order) => {
                assert!(asks, "{pressed} of {selected}");
                assert_eq!(order.verb, verb);
                assert_eq!(effects, []);
                // Nothing but y is yes.
                let mut other = state.clone();
                assert_eq!(key(&mut other, KeyCode::Enter), []);
                assert_eq!((&other.mode, other.orders.len()), (&Mode::Normal, 0));
                assert_eq!(args(&press(&mut state, "y"))[0], verb.as_str());
            }
            _ => {
                assert!(!asks, "{pressed} of {selected}");
                assert_eq!(args(&effects)[0], verb.as_str());
            }
        }
        assert_eq!(state.orders.len(), 1);
    }
}

#[test]
fn what_is_typed_for_it() {
    let mut state = state();
    select(&mut state, &instance("mailer", 2));
    assert_eq!(args(&press(&mut state, "S")), ["start", "--", "mailer@2"]);
    select(&mut state, &instance("api-server", 2));
    assert_eq!(
        args(&press(&mut state, "+")),
        ["scale", "--", "api-server", "+1"]
    );
    press(&mut state, "/mai");
    key(&mut state, KeyCode::Enter);
    press(&mut state, "g");
    // The filter leaves the others alone.
    press(&mut state, "s");
    let order = Order {
        verb: Verb::Stop,
        targets: vec![app("mailer")],
    };
    assert_eq!(state.mode, Mode::Normal, "something goes on with it");
    update(&mut state, Action::OrderEnded { id: 1, done: true });
    press(&mut state, "s");
    assert_eq!(state.mode, Mode::Asking(order));
    press(&mut state, "ng+");
    assert!(
        state
            .note
            .as_deref()
            .is_some_and(|note| note.contains("one app"))
    );
}

#[test]
fn one_command_of_an_app_at_a_time_and_a_reload_can_be_ended() {
    let mut state = state();
    select(&mut state, &app("api-server"));
    assert_eq!(press(&mut state, "l").len(), 1);
    assert_eq!(press(&mut state, "l"), []);
    assert!(
        state
            .note
            .as_deref()
            .is_some_and(|note| note.starts_with("reload api-server goes on"))
    );
    select(&mut state, &app("crash"));
    assert_eq!(press(&mut state, "S").len(), 1);
    assert_eq!(press(&mut state, "c"), [Effect::Interrupt { id: 1 }]);
    assert_eq!(press(&mut state, "c"), [], "once is enough");
    let line = "error: no".to_owned();
    update(&mut state, Action::OrderSaid { id: 2, line });
    update(&mut state, Action::OrderEnded { id: 1, done: true });
    update(&mut state, Action::OrderEnded { id: 2, done: false });
    assert_eq!(state.orders.len(), 1);
    let last = state.last_order().unwrap();
    assert_eq!((last.id, last.done, last.gist()), (2, Some(false), "no"));
    // One that fails while a later one goes on is told of first.
    assert_eq!(press(&mut state, "+").len(), 1);
    select(&mut state, &app("mailer"));
    assert_eq!(press(&mut state, "S").len(), 1);
    update(&mut state, Action::OrderEnded { id: 3, done: false });
    assert_eq!(state.last_order().map(|given| given.id), Some(3));
    key(&mut state, KeyCode::Esc);
    assert_eq!(state.last_order().map(|given| given.id), Some(4));
    // It can be done again.
    select(&mut state, &app("api-server"));
    assert_eq!(press(&mut state, "l").len(), 1);
}

#[test]
fn filter_and_search_are_typed_and_taken_back() {
    let mut state = state();
    press(&mut state, "/errored");
    let names: Vec<&str> = state.apps().map(|app| app.name.as_str()).collect();
    assert_eq!(names, ["crash"]);
    for _ in 0.."errored".len() {
        key(&mut state, KeyCode::Backspace);
    }
    press(&mut state, "API");
    assert_eq!(state.apps().count(), 0, "with capitals case matters");
    key(&mut state, KeyCode::Esc);
    assert_eq!((state.filter.as_str(), &state.mode), ("", &Mode::Normal));
    key(&mut state, KeyCode::Tab);
    assert_eq!(state.pane, Pane::Logs);
    press(&mut state, "/qs");
    key(&mut state, KeyCode::Enter);
    assert!(
        state
            .note
            .as_deref()
            .is_some_and(|note| note.contains("no line"))
    );
    assert_eq!(key(&mut state, KeyCode::Esc), []);
    assert_eq!(state.search, "");
    // Nothing is left to be closed: it goes on.
    assert_eq!(key(&mut state, KeyCode::Esc), []);
    assert!(
        state
            .note
            .as_deref()
            .is_some_and(|note| note.contains("q quits"))
    );
    assert_eq!(key(&mut state, KeyCode::Esc), []);
    assert_eq!(state.note, None);
}

#[test]
fn pasted_text_is_no_command() {
    let mut state = state();
    select(&mut state, &app("crash"));
    assert_eq!(update(&mut state, Action::Paste("sy\nq".to_owned())), []);
    assert_eq!((&state.mode, state.orders.len()), (&Mode::Normal, 0));
    press(&mut state, "/");
    update(&mut state, Action::Paste("mai\nl".to_owned()));
    assert_eq!(state.filter, "mai");
}

#[test]
fn logs_are_held_scrolled_and_followed() {
    let mut state = state();
    key(&mut state, KeyCode::Tab);
    press(&mut state, "k");
    assert!(state.lines.place.is_some());
    press(&mut state, "f");
    assert_eq!(state.lines.place, None);
    press(&mut state, "f");
    assert!(state.lines.place.is_some());
    press(&mut state, "G");
    assert_eq!(state.lines.place, None);
    key(&mut state, KeyCode::Right);
    assert_eq!(state.lines.left, 8);
    press(&mut state, "w");
    assert_eq!((state.wrap, state.lines.left), (true, 0));
    key(&mut state, KeyCode::Right);
    assert_eq!(state.lines.left, 0);
}

#[test]
fn the_mouse_selects_scrolls_and_says_neither_yes_nor_no() {
    let mut state = state();
    let mouse = |kind, column, row| {
        Action::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        })
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    let layout = state.layout().unwrap();
    update(&mut state, mouse(click, 5, layout.list.y + 1));
    assert_eq!(state.selected, app("api-server"));
    let open = state.open.len();
    update(&mut state, mouse(click, 0, layout.list.y + 1));
    assert_eq!(state.open.len(), open - 1);
    update(
        &mut state,
        mouse(MouseEventKind::ScrollDown, 5, layout.list.y),
    );
    assert_eq!(state.selected, app("crash"));
    let of = state.following;
    let lines = sample::lines();
    update(&mut state, Action::Lines { of, lines });
    update(
        &mut state,
        mouse(MouseEventKind::ScrollUp, layout.logs.x, layout.logs.y),
    );
    assert_eq!(state.lines.below(), 3);
    update(&mut state, mouse(click, layout.logs.x, layout.logs.y));
    assert_eq!(state.pane, Pane::Logs);
    // Beyond the last row of the list nothing is.
    update(&mut state, mouse(click, 5, layout.list.bottom() - 1));
    assert_eq!(state.selected, app("crash"));
    press(&mut state, "s");
    update(&mut state, mouse(click, 5, layout.list.y));
    assert!(matches!(state.mode, Mode::Asking(_)));
}

#[test]
fn control_c_quits_from_anywhere() {
    for before in ["", "/x", "?", "s", "e"] {
        let mut state = state();
        press(&mut state, before);
        let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(update(&mut state, Action::Key(control)), [Effect::Quit]);
    }
}
