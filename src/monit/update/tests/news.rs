use super::super::super::action::Measured;
use super::*;
use crate::apply::view;
use crate::process::Queue;

#[test]
fn an_app_that_goes_leaves_something_selected() {
    let mut state = state();
    select(&mut state, &instance("mailer", 1));
    let mut fewer = sample::cluster();
    fewer[2].instances.truncate(1);
    update(&mut state, Action::Cluster(fewer.clone()));
    assert_eq!(state.selected, app("mailer"));
    fewer.remove(2);
    let effects = update(&mut state, Action::Cluster(fewer));
    assert_ne!(state.selected.app(), Some("mailer"));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Follow { .. }))
    );
    update(&mut state, Action::Cluster(vec![]));
    assert_eq!(state.selected, Target::All);
    assert_eq!(press(&mut state, "sSlr+-"), []);
    // News of what is not there any more.
    let changed = Action::Changed {
        app: "mailer".to_owned(),
        number: 7,
        state: view::State::Online,
        at: "12:00:00".to_owned(),
    };
    update(&mut state, changed);
    let gone = Measured {
        app: "mailer".to_owned(),
        number: 7,
        cpu: None,
        memory: None,
        requests: None,
        health: None,
        custom: None,
        queue: None,
    };
    update(&mut state, Action::Measured(vec![gone]));
}

#[test]
fn only_what_is_in_view_is_measured() {
    let mut state = state();
    state.open.clear();
    update(&mut state, Action::Resize(80, 10));
    select(&mut state, &app("crash"));
    let wanted = |state: &mut State| match update(state, Action::Tick(sample::now())).as_slice() {
        [Effect::Measure(wanted)] => wanted.len(),
        other => panic!("{other:?}"),
    };
    // All five apps are in view, folded: their sums are shown.
    assert_eq!(wanted(&mut state), 11);
    let many: Vec<_> = (0..50)
        .map(|n| sample::app(&format!("app-{n:02}"), "online", &[view::State::Online; 3]))
        .collect();
    update(&mut state, Action::Cluster(many));
    select(&mut state, &app("app-20"));
    assert_eq!(wanted(&mut state), state.list_rows() * 3);
    select(&mut state, &Target::All);
    assert_eq!(wanted(&mut state), 150);
}

#[test]
fn a_state_that_systemd_tells_of_shows_at_once_and_is_noted() {
    let mut state = state();
    let changed = Action::Changed {
        app: "api-server".to_owned(),
        number: 2,
        state: view::State::Stopping,
        at: "12:00:00".to_owned(),
    };
    assert_eq!(update(&mut state, changed), []);
    let api = state.app("api-server").unwrap();
    // One more is unhealthy.
    assert_eq!(
        (api.ready(), api.instances[2].state),
        (2, view::State::Stopping)
    );
    assert_eq!(
        state.changes.back().unwrap().what,
        instance("api-server", 2)
    );
}

#[test]
fn a_queue_that_closes_goes_and_one_that_was_not_asked_for_stays() {
    let mut state = state();
    let measured = |queue| {
        Action::Measured(vec![Measured {
            app: "api-server".to_owned(),
            number: 0,
            cpu: None,
            memory: None,
            requests: None,
            health: None,
            custom: None,
            queue,
        }])
    };
    let open = Queue {
        waiting: 3,
        limit: Some(128),
    };
    for (told, shown) in [
        (Some(Some(open)), Some(open)),
        (None, Some(open)),
        (Some(None), None),
    ] {
        update(&mut state, measured(told));
        assert_eq!(state.app("api-server").unwrap().queue, shown);
    }
}

#[test]
fn what_the_last_row_tells_of_is_over_after_a_while_or_with_esc() {
    let ticked = |state: &mut State, seconds| {
        let later = state.now + std::time::Duration::from_secs(seconds);
        update(state, Action::Tick(later));
    };
    let ended = |done| {
        let mut state = state();
        select(&mut state, &app("crash"));
        press(&mut state, "S");
        ticked(&mut state, 600);
        assert!(!state.last_order().unwrap().told, "it goes on");
        update(&mut state, Action::OrderEnded { id: 1, done });
        state
    };
    for (done, within, after) in [(true, 9, 10), (false, 59, 60)] {
        let mut state = ended(done);
        ticked(&mut state, within);
        assert!(!state.last_order().unwrap().told);
        ticked(&mut state, after - within);
        assert!(state.last_order().unwrap().told);
        // All of it is still there.
        press(&mut state, "e");
        assert_eq!(state.mode, Mode::Said(0));
    }
    let mut state = ended(false);
    press(&mut state, "c");
    assert!(state.note.is_some());
    key(&mut state, KeyCode::Esc);
    assert_eq!((state.note.as_deref(), state.orders[0].told), (None, true));
    press(&mut state, "c");
    ticked(&mut state, 8);
    assert_eq!(state.note, None);
}
