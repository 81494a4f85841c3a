//! Reading the systemd journal: which lines are an app's (`query`), what a line holds (`entry`, `export`), how it looks (`text`, `date`),
//! and that an app may have a journal of its own (`namespace`, `merge`).
//!
//! `read`, `vacuum` and `send` alone have effects: the first two run journalctl(1), the third writes lines of rpmctl's own. Everything else is values.

pub mod date;
pub mod entry;
pub mod export;
mod merge;
pub mod namespace;
pub mod query;
pub mod read;
pub mod send;
pub mod text;
pub mod trouble;
pub mod vacuum;

pub use entry::{Entry, Stream};
pub use query::{LogApp, Query, Scope};
