//! The unit that runs the command of `health`, as the app's user and in its surroundings.

use tera::Context;

use super::quote;
use super::service::millis;
use crate::model::{App, Probe};

/// Directives of `[apps.systemd.Service]` by the start of their names that are about how the app runs, not about where.
const OF_THE_RUN: [&str; 21] = [
    "Exec",
    "Type",
    "Restart",
    "Timeout",
    "RuntimeMaxSec",
    "RuntimeDirectory",
    "Watchdog",
    "NotifyAccess",
    "RemainAfterExit",
    "PIDFile",
    "BusName",
    "GuessMainPID",
    "FileDescriptorStore",
    "Sockets",
    "OpenFile",
    "OOMPolicy",
    "SuccessExitStatus",
    "SuccessAction",
    "FailureAction",
    "Standard",
    "TTY",
];

/// The command, where it is one that is asked.
pub fn command(app: &App) -> Option<&str> {
    match &app.health.as_ref()?.probe {
        Probe::Exec { command } => Some(command),
        _ => None,
    }
}

pub fn fill(context: &mut Context, app: &App, command: &str) {
    let timeout = app.health.as_ref().map(|health| millis(health.timeout));
    context.insert("timeout", &timeout);
    context.insert("instance", &format!("{}@%i.service", app.name.stem()));
    let line = format!(
        ":/bin/sh -c {} {}",
        quote::word(command),
        quote::word(app.name.as_str())
    );
    context.insert("exec_start", &line);
    context.insert("log_namespace", &app.logs.namespace);
    let identifier = quote::prose(app.name.as_str()) + "-health@%i";
    context.insert("identifier", &identifier);
    let around: Vec<String> = app
        .directives
        .service
        .iter()
        .filter(|(key, _)| !OF_THE_RUN.iter().any(|start| key.starts_with(start)))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    context.insert("service_directives", &around);
}
