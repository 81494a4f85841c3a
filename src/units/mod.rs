//! From the model to the text of systemd units.
//!
//! `compile` makes the set; one file a kind of unit; `quote` alone knows systemd's quoting; the texts are `templates/`.

pub mod calendar;
mod clock;
pub mod compile;
mod environment;
pub mod facts;
mod health;
mod health_fact;
mod install;
pub mod marker;
pub mod metrics;
pub mod packaged;
mod preload;
pub mod quote;
mod scale;
pub mod section;
mod service;
pub mod set;
mod socket;
mod target;
pub mod template;
mod watch_fact;
pub mod watcher;

pub use compile::{Site, compile};
pub use facts::Facts;
pub use scale::scale;
pub use set::{AppUnits, EnvFile, UnitFile, UnitSet};
