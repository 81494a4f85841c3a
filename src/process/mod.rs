//! What the processes of a control group use: memory, processor time, and which of them is the main one; what a process listens on, what it tells of itself, and asking it.

pub mod actions;
mod cgroup;
pub mod custom;
mod diag;
mod files;
pub mod listener;
mod probe;
mod queue;
pub mod requests;
mod sample;
pub mod taken;

pub use cgroup::Hierarchy;
pub use custom::Custom;
pub use probe::{Meminfo, Probe, Use, newest, own};
pub use queue::{Queue, queues};
pub use requests::Requests;
pub use sample::{Eye, Main, Usage, booted, cpu_percent, cpu_percent_since_start, read, read_with};
