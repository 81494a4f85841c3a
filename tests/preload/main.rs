//! The Node preload in real processes of Node 14 to 24, each with the sockets that a unit hands it.

mod client;
mod drain;
mod handlers;
mod io;
#[path = "../shim/launch.rs"]
#[allow(dead_code)] // Shared with the tests of the shim, which use the rest.
mod launch;
mod launchers;
mod nodes;
mod protocols;
mod requests;
mod spared;
mod start;
mod worker;
