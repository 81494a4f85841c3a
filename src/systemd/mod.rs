//! The service manager over D-Bus.
//!
//! `connect` reaches it or says why not, `manager` is the calls used, `job` runs start/stop/restart to their end,
//! `state` and `details` read what is there, `watch` follows it.

mod alive;
mod call;
mod connect;
mod details;
mod job;
mod link;
mod manager;
mod outcome;
mod place;
mod state;
mod timers;
mod watch;

pub use call::Refusal;
pub use connect::{Bus, ConnectError, Unreachable};
pub use details::{Details, Ending, Facts};
pub use job::AT_ONCE;
pub use manager::Manager;
pub use outcome::{Job, JobResult, Outcome, Verb};
pub use place::{escaped as group_name, usual as usual_place};
pub use state::UnitState;
pub use watch::{News, Seen, Settled, Verdict, Watch};
