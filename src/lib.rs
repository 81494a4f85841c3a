//! rpmctl: PM2-style ecosystem files compiled to systemd units, and systemd driven over D-Bus.
//!
//! One spine, pure in the middle, effects at the edges:
//!
//! ```text
//! text ──config──▶ Model ──units──▶ UnitSet ──┐
//!                                             ├─plan──▶ Plan ──apply──▶ effects, then observe again
//! systemd, unit files ──observe──▶ Observed ──┘
//! ```
//!
//! What may import what (`tests/layering.rs` reads the sources and enforces it):
//!
//! | folder | may import |
//! |---|---|
//! | `model` | nothing of ours |
//! | `config`, `units` | `model` |
//! | `plan` | `model`, `units` |
//! | `host`, `systemd`, `unit_files`, `journal`, `process`, `probe`, `terminal` | `model`; never each other |
//! | `apply`, `private` | `plan`, `units`, `model` and the edges |
//! | `watch`, `monit`, `metrics`, `doctor` | `apply`, `plan`, `units`, `model` and the edges |
//! | `cli` | everything; nobody imports `cli` |
//!
//! `src/shim` is no module but a crate of its own, which `build.rs` compiles and `unit_files::shim` embeds.
//! `src/preload` is JavaScript, which `unit_files::preload` embeds.

pub mod apply;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod host;
pub mod journal;
pub mod metrics;
pub mod model;
pub mod monit;
pub mod plan;
pub mod private;
pub mod probe;
pub mod process;
pub mod systemd;
pub mod terminal;
pub mod unit_files;
pub mod units;
pub mod watch;
