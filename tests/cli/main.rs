//! The program as its user meets it: exit code, standard output and standard error, compared whole.

mod files;
mod flush;
mod here;
mod hosts;
mod monit;
mod names;
mod no_systemd;
mod render;
mod streams;
mod usage;
