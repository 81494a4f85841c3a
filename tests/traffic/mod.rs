//! Traffic for a server in a bed, and the server: what the load tests and the benchmark of cluster mode have in common.
//!
//! [`wrk`] is the public load generator; [`strict`] counts what wrk does not see; [`paced`] and [`held`] open new
//! connections at a fixed pace, and hold them.
#![allow(dead_code)] // each program that includes it uses a part of it

pub mod express;
pub mod held;
pub mod http;
pub mod paced;
mod running;
pub mod strict;
pub mod wrk;

pub use running::{Meter, Running};
