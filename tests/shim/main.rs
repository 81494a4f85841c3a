//! The listen shim in real processes: unchanged servers share the socket a unit hands them.

mod balance;
mod launch;
#[path = "../nodes/mod.rs"]
mod nodes;
mod releases;
mod share;
mod spare;
