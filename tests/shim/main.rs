//! The listen shim in real processes: unchanged servers share the socket a unit hands them.

mod launch;
mod share;
mod spare;
