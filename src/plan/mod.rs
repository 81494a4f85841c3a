//! From what is wanted and what is there to what must be done. Decides everything; touches nothing.

pub mod action;
pub mod check;
pub mod decide;
pub mod observed;
pub mod put_back;
pub mod scale;
pub mod show;
pub mod sockets;
pub mod turns;

pub use action::{AppPlan, Change, FileChange, Plan};
pub use decide::{Refusal, Scope, decide, removal};
pub use observed::{Observed, Pending, Running};
pub use put_back::put_back;
pub use scale::scale;
pub use sockets::{Queue, SocketPlan};
pub use turns::turns;
