//! What holds on a real systemd: every test here runs in a booted bed, see tests/bed.

#[path = "../bed/mod.rs"]
mod bed;

mod apply;
mod apps;
mod bed_itself;
mod bus;
mod changes;
mod control;
mod examples;
mod failing;
mod limits;
mod readers;
mod safety;
