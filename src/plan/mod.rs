//! From what is wanted and what is there to what must be done. Decides everything; touches nothing.

pub mod action;
pub mod check;
pub mod decide;
mod files;
pub mod observed;
pub mod put_back;
pub mod scale;
pub mod show;
mod show_watch;
pub mod sockets;
pub mod turns;
pub mod watch;

pub use action::{AppPlan, Change, FileChange, Plan};
pub use decide::{Refusal, Scope, decide, removal};
pub use observed::{Observed, Pending, Running, Watcher};
pub use put_back::put_back;
pub use scale::scale;
pub use sockets::{Queue, SocketPlan};
pub use turns::turns;
pub use watch::WatchPlan;
