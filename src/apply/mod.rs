//! Make the machine what the plan says: observe, decide, act, observe again.

mod boot;
pub mod control;
pub mod guest;
pub mod health;
pub mod interrupt;
mod last_lines;
mod left_over;
pub mod machine;
pub mod metrics;
pub mod observe;
pub mod progress;
pub mod put_back;
pub mod reload;
pub mod rolling;
pub mod run;
pub mod sockets;
pub mod target;
mod together;
pub mod verify;
pub mod view;
pub mod watch;

pub use interrupt::Interrupt;
pub use left_over::left_over;
pub use machine::Machine;
pub use progress::Progress;
pub use verify::Failure;
