//! `rpmctl monit`: the cluster on a screen, as it changes, and keys that act on it.
//!
//! Pure in the middle: `state` and an `action` go through `update` to the next state and its effects, and `draw` makes a screen of it. At the edges
//! `source` hears of the machine and gives commands, and `terminal` is the screen, which is left as it was found however this ends.

mod action;
mod cluster;
mod draw;
pub mod guard;
mod history;
pub mod keys;
mod layout;
mod lines;
mod run;
#[cfg(test)]
mod sample;
mod source;
mod state;
mod terminal;
mod update;

pub use run::{Options, run};
