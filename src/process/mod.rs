//! What the processes of a control group use: memory, processor time, and which of them is the main one.

mod cgroup;
mod sample;

pub use cgroup::Hierarchy;
pub use sample::{Usage, cpu_percent, cpu_percent_since_start, read};
