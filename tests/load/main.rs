//! What visitors of a busy site notice of rpmctl at work: nothing. A program of its own, so that nothing else of the
//! tests takes the processors meanwhile; its tests take turns for the same reason.

#[path = "../bed/mod.rs"]
mod bed;
#[allow(dead_code)] // in full only the benchmark itself measures
#[path = "../bench/measure/mod.rs"]
mod measure;
#[path = "../traffic/mod.rs"]
mod traffic;

mod all_down;
mod bad_release;
mod benchmark;
mod killed;
mod leaking;
mod pressure;
mod rolling;
mod site;
mod verbs;
