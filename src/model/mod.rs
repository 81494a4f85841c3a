//! What an ecosystem file means, valid by construction.
//!
//! A value of these types has passed every check that needs no machine: names encode to unit names, sizes and times are in range, the command is
//! an argument vector with an absolute program. `config` makes them, `units` compiles them; nothing else needs to know how a file is written.

pub mod app;
pub mod bytes;
pub mod command;
pub mod cron;
pub mod ending;
pub mod env;
pub mod flushed;
pub mod glob;
pub mod health;
pub mod host;
pub mod listen;
pub mod name;
pub mod pattern;
pub mod reason;
pub mod rotation;
pub mod signal;
pub mod span;
pub mod unseen;
pub mod watch;

pub use app::{
    App, Balance, Dependency, Directives, LogFiles, Memory, Mode, Model, Readiness, Restart,
    Schedule, Stop,
};
pub use bytes::Bytes;
pub use command::Command;
pub use cron::Cron;
pub use env::{EnvName, Environment};
pub use flushed::Flushed;
pub use glob::Glob;
pub use health::{Door, Health, Probe};
pub use listen::Listen;
pub use name::{Name, of_runtime_folder, runtime_folder};
pub use pattern::Pattern;
pub use reason::Reason;
pub use rotation::Rotation;
pub use signal::Signal;
pub use span::{Span, parse_duration};
pub use unseen::unseen;
pub use watch::Watch;
