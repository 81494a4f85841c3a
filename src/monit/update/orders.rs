//! Commands that are given: which are asked about first, and which have to wait.

use std::collections::VecDeque;

use super::super::action::{Effect, Order, Verb};
use super::super::cluster::Target;
use super::super::state::{Given, Mode, State};
use crate::apply::view;

/// A key asks for it: asks back where it would take something down, else gives it.
pub fn wish(state: &mut State, verb: Verb) -> Vec<Effect> {
    let targets: Vec<Target> = match (&state.selected, verb) {
        (Target::All, Verb::More | Verb::Fewer) => {
            state.say("scale takes one app: select it".to_owned());
            return vec![];
        }
        // Those that are shown: the filter leaves the others alone.
        (Target::All, _) => state
            .apps()
            .map(|app| Target::App(app.name.clone()))
            .collect(),
        (Target::Instance(app, _), Verb::More | Verb::Fewer) => vec![Target::App(app.clone())],
        (one, _) => vec![one.clone()],
    };
    if targets.is_empty() {
        state.say("there are no apps".to_owned());
        return vec![];
    }
    let order = Order { verb, targets };
    if let Some(busy) = in_the_way(state, &order) {
        state.say(busy);
        return vec![];
    }
    if takes_down(state, &order) {
        state.mode = Mode::Asking(order);
        return vec![];
    }
    give(state, order)
}

/// What goes on with one of the apps already.
fn in_the_way(state: &State, order: &Order) -> Option<String> {
    let same = |given: &&Given| {
        let apps = || order.targets.iter().filter_map(Target::app);
        let theirs = || given.order.targets.iter().filter_map(Target::app);
        given.done.is_none() && apps().any(|app| theirs().any(|other| other == app))
    };
    let given = state.orders.iter().find(same)?;
    Some(format!("{} goes on: wait for its end", given.order.words()))
}

/// Whether it is to be asked about: something would be down, or several apps are meant.
fn takes_down(state: &State, order: &Order) -> bool {
    match order.verb {
        Verb::Stop | Verb::Fewer => true,
        Verb::Start | Verb::More => false,
        Verb::Reload => order.targets.len() > 1,
        Verb::Restart => order.targets.iter().any(|target| match target {
            Target::All | Target::App(_) => true,
            Target::Instance(app, number) => {
                let others = state.app(app).into_iter().flat_map(|app| &app.instances);
                let up = |one: &super::super::cluster::Instance| {
                    one.number != *number && one.state == view::State::Online
                };
                !others.into_iter().any(up)
            }
        }),
    }
}

pub fn give(state: &mut State, order: Order) -> Vec<Effect> {
    let id = state.next_order;
    state.next_order += 1;
    state.orders.retain(|given| given.done.is_none());
    let args = order.args();
    state.orders.push(Given {
        id,
        order,
        said: VecDeque::new(),
        done: None,
        interrupted: false,
        ended: None,
        told: false,
    });
    vec![Effect::Order { id, args }]
}

/// The others cannot be ended half-way: systemd does them whole.
pub fn interrupt(state: &mut State) -> Vec<Effect> {
    let ends = |given: &&mut Given| {
        given.done.is_none()
            && matches!(given.order.verb, Verb::Reload | Verb::More | Verb::Fewer)
            && !given.interrupted
    };
    match state.orders.iter_mut().rev().find(ends) {
        Some(given) => {
            given.interrupted = true;
            vec![Effect::Interrupt { id: given.id }]
        }
        None => {
            state.say("no reload or scale is going on that could be ended".to_owned());
            vec![]
        }
    }
}
