//! The watcher: what systemd has no directive for, in one small process that is never the parent of an app.
//!
//! It keeps nothing about apps: what to watch stands in their targets (`[X-Rpmctl]`), which it reads again whenever the folder of the units changes. So
//! killing it at any moment harms nothing, and no command of rpmctl's needs to tell it anything. `run` is the loop; `sources` are what it listens to, each
//! giving [`Event`]s; `restart` does what they ask for; `folder` says when to read again; `notify` is what systemd is told.

mod event;
mod files;
mod folder;
mod health;
pub mod logs;
mod memory;
mod notify;
mod places;
mod resident;
pub mod restart;
mod rights;
pub mod rule;
mod run;
mod sources;

pub use event::{Event, Request};
pub use run::{Ground, run, until};
