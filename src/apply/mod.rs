//! Make the machine what the plan says: observe, decide, act, observe again.

pub mod control;
pub mod machine;
pub mod observe;
pub mod rolling;
pub mod run;
pub mod target;
pub mod verify;
pub mod view;

pub use machine::Machine;
pub use verify::Failure;
