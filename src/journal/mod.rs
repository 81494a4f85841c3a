//! Reading the systemd journal: which lines are an app's (`query`), what a line holds (`entry`, `export`), how it looks (`text`, `date`).
//!
//! `read` and `send` alone have effects: one runs journalctl(1) and sends what it prints, the other writes lines of rpmctl's own. Everything else is
//! values.

pub mod date;
pub mod entry;
pub mod export;
pub mod query;
pub mod read;
pub mod send;
pub mod text;
pub mod trouble;

pub use entry::{Entry, Stream};
pub use query::{LogApp, Query, Scope};
