//! What only a whole machine shows: memory as cgroup v2 counts it, and a reboot. Every test here runs in the guest of
//! machine/, one after another.

mod diary;
mod guest_itself;
mod machine;
mod memory;
mod memory_kinds;
mod reboot;
