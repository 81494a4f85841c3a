//! Reading the systemd journal: which lines are an app's (`query`), what a line holds (`entry`), how it looks (`text`, `date`).
//!
//! `read` alone has effects: it runs journalctl(1) and sends what it prints. Everything else is values.

pub mod date;
pub mod entry;
pub mod query;
pub mod read;
pub mod text;
pub mod trouble;

pub use entry::{Entry, Stream};
pub use query::{LogApp, Query, Scope};
