//! From the text of an ecosystem file to a checked model: every problem of the file in one run.
//!
//! [`read`] takes the text apart, [`questions`] says what must be looked up on the machine, [`check`] decides. All three are pure: the machine's
//! answers, the home folder and the profile come in as values. What keys there are stands in [`keys`] alone; their defaults in [`defaults`].

pub mod becomes;
mod check;
mod cluster;
mod command;
pub mod cron;
pub mod defaults;
mod depends;
mod directives;
mod env;
mod excerpt;
mod fields;
mod file;
pub mod health;
mod identity;
mod interpreter;
pub mod keys;
mod limits;
mod logs;
mod lookup;
mod notes;
mod place;
pub mod problem;
pub mod rotate;
pub mod schema;
mod shell;
mod suggest;
mod syntax;
mod together;
mod value;
mod watch;
pub mod watch_options;

pub use check::{Checked, Options, check, questions};
pub use file::{Written, read};
pub use notes::Note;
pub use place::normal;
pub use problem::{Problem, Report};
