//! What every screen of ours needs of a terminal: to stop and go on as a job of a shell, and text of others that cannot steer it.

pub mod job;
pub mod text;
