//! From what is wanted and what is there to what must be done. Decides everything; touches nothing.

pub mod action;
pub mod check;
pub mod decide;
pub mod observed;
pub mod show;

pub use action::{AppPlan, Change, FileChange, Plan};
pub use decide::{Refusal, Scope, decide, removal};
pub use observed::{Observed, Pending, Running};
