//! Unit files on disk: where they live, whose they are, atomic writes, the lock, generations.

pub mod asked;
pub mod drop_ins;
pub mod flushed;
pub mod generations;
pub mod health;
pub mod loaded;
pub mod lock;
pub mod pending;
pub mod places;
pub mod preload;
pub mod reasons;
pub mod scan;
pub mod shim;
pub mod starts;
pub mod write;

pub use places::Places;
