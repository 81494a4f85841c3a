//! State and what happened, to the next state and what is to be done. No effects here.

mod keys;
mod mouse;
mod news;
mod orders;
#[cfg(test)]
mod tests;

use super::action::{Action, Effect};
use super::cluster::Target;
use super::state::{Mode, State};
use crate::journal::LogApp;

pub fn update(state: &mut State, action: Action) -> Vec<Effect> {
    // These come often, and change neither which rows there are nor which is selected.
    if matches!(
        action,
        Action::Tick(_)
            | Action::Measured(_)
            | Action::Lines { .. }
            | Action::LinesTrouble { .. }
            | Action::OrderSaid { .. }
            | Action::OrderEnded { .. }
            | Action::Trouble(_)
    ) {
        return news::heard(state, action);
    }
    let before = state.place();
    let mut effects = match action {
        Action::Key(event) => keys::pressed(state, &event),
        Action::Mouse(event) => mouse::used(state, event),
        Action::Paste(text) => keys::pasted(state, &text),
        Action::Resize(columns, rows) => {
            (state.columns, state.rows) = (columns, rows);
            vec![]
        }
        news => news::heard(state, news),
    };
    state.settle(before);
    effects.extend(follow(state));
    effects
}

/// The lines of another app are wanted, or the same app's are found in another way.
fn follow(state: &mut State) -> Option<Effect> {
    state.cluster.as_ref()?;
    let apps = wanted_lines(state);
    let same = state.followed.as_ref() == Some(&state.selected) && state.followed_apps == apps;
    if same {
        return None;
    }
    state.following += 1;
    state.followed = Some(state.selected.clone());
    state.followed_apps = apps.clone();
    state.lines.clear();
    state.lines_trouble = None;
    Some(Effect::Follow {
        of: state.following,
        apps,
    })
}

fn wanted_lines(state: &State) -> Vec<LogApp> {
    match &state.selected {
        Target::All => state.apps().map(|app| app.log.clone()).collect(),
        Target::App(name) => {
            let app = state.app(name);
            app.map(|app| app.log.clone()).into_iter().collect()
        }
        Target::Instance(name, number) => {
            let app = state.app(name);
            app.map(|app| LogApp {
                instances: Some(vec![*number]),
                ..app.log.clone()
            })
            .into_iter()
            .collect()
        }
    }
}

/// The node so many rows away from the one that is selected, or the first or last.
fn step(state: &mut State, by: isize) {
    let nodes = state.nodes();
    let place = nodes
        .iter()
        .position(|node| node.is(&state.selected))
        .unwrap_or(0);
    let next = place.saturating_add_signed(by).min(nodes.len() - 1);
    state.selected = nodes[next].target();
}

/// Shows the instances of the app that is selected, or no longer. None: the other way than now.
fn fold(state: &mut State, open: Option<bool>) {
    let Some(app) = state.selected.app().map(str::to_owned) else {
        return;
    };
    let is_open = state.open.contains(&app);
    if open.unwrap_or(!is_open) {
        state.open.insert(app);
    } else {
        state.open.remove(&app);
        state.selected = Target::App(app);
    }
}

fn close(state: &mut State) {
    state.mode = Mode::Normal;
}
