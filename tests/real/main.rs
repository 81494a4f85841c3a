//! What holds on a real systemd: every test here runs in a booted bed, see tests/bed.

#[path = "../bed/mod.rs"]
mod bed;
#[path = "../hostile/mod.rs"]
mod hostile;
#[path = "../nodes/mod.rs"]
mod nodes;
#[path = "../metrics/scrapers.rs"]
mod scrapers;

mod actions;
mod apply;
mod apps;
mod backoff;
mod bed_itself;
mod bus;
mod bytes;
mod changes;
mod client;
mod clock;
mod control;
mod doctor;
mod examples;
mod failing;
mod flush;
mod health;
mod hosts;
mod limits;
mod log_files;
mod logs;
mod logs_follow;
mod logs_form;
mod metrics;
mod metrics_endpoint;
mod monit;
mod monit_ends;
mod namespaces;
mod polkit;
mod preload;
mod put_back;
mod readers;
mod refusals;
mod reload;
mod reload_stops;
mod restart_policy;
mod reuseport;
mod rotation;
mod run;
mod runtimes;
mod safety;
mod scale;
mod screen;
mod sockets;
mod status;
mod status_watch;
mod status_watch_stops;
mod steered;
mod sticky;
mod talker;
mod user;
mod versions;
mod view;
mod watch;
mod watch_files;
