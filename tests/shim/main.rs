//! The listen shim in real processes: unchanged servers share the socket a unit hands them.

mod balance;
mod launch;
mod share;
mod spare;
