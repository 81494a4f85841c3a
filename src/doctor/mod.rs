//! `rpmctl doctor`: what commonly goes wrong, looked for and told with its remedy. It changes nothing.
//!
//! `look` asks the machine and judges nothing; the other files judge what was seen, purely: values in, findings out.

mod apps;
#[cfg(test)]
mod apps_tests;
pub mod directives;
mod exec;
mod finding;
mod journal;
mod leftovers;
mod limits;
mod look;
mod machine;
mod pm2;
mod watcher;
mod words;

pub use finding::{CHECKS, Finding, Level, worst};
pub use look::{Asked, examine};
pub use machine::GROUP;
