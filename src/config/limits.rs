//! Restarting, stopping, readiness, memory, and the clock.

use std::time::Duration;

use crate::model::{Memory, Readiness, Restart, Schedule, Stop};

use super::fields::Fields;
use super::problem::Problem;
use super::value::Kind;
use super::{cron, defaults};

pub fn restart(fields: &mut Fields) -> Restart {
    let backoff = fields
        .duration("exp_backoff_restart_delay")
        .map(|(wait, _)| wait)
        .filter(|wait| !wait.is_zero());
    // PM2 counts no failed starts while it backs off, unless told to. Its 0 means what 1 does: the first failed start is the last.
    let max = match fields.count("max_restarts") {
        Some(count) => Some(count.max(1) as u32),
        None if backoff.is_some() => None,
        None => Some(defaults::MAX_RESTARTS),
    };
    Restart {
        auto: fields.bool("autorestart").unwrap_or(true),
        delay: fields
            .duration("restart_delay")
            .map_or(defaults::RESTART_DELAY, |(wait, _)| wait),
        backoff,
        min_uptime: fields
            .duration("min_uptime")
            .map_or(defaults::MIN_UPTIME, |(time, _)| time),
        max,
        stop_codes: fields.codes("stop_exit_codes"),
    }
}

pub fn stop(fields: &mut Fields) -> Stop {
    Stop {
        signal: fields
            .signal("stop_signal")
            .unwrap_or(defaults::STOP_SIGNAL),
        timeout: positive(fields, "kill_timeout").unwrap_or(defaults::KILL_TIMEOUT),
        tree: fields.bool("treekill").unwrap_or(true),
        message: fields.bool("shutdown_with_message").unwrap_or(false),
    }
}

pub fn readiness(fields: &mut Fields) -> Readiness {
    Readiness {
        wait: fields.bool("wait_ready").unwrap_or(false),
        timeout: positive(fields, "listen_timeout").unwrap_or(defaults::LISTEN_TIMEOUT),
    }
}

/// A timeout of 0 is none at all for systemd (systemd.service(5)), and at once for PM2: neither is guessed.
fn positive(fields: &mut Fields, key: &str) -> Option<Duration> {
    let (time, span) = fields.duration(key)?;
    if time.is_zero() {
        fields.problems.push(
            Problem::at(&span, format!("`{key}` is 0")).label("write at least 1 (millisecond)"),
        );
        return None;
    }
    Some(time)
}

pub fn memory(fields: &mut Fields) -> Option<Memory> {
    let (restart, span) = fields.size("max_memory_restart")?;
    if restart.0 == 0 {
        return None;
    }
    if restart.0 < defaults::MEMORY_MIN {
        let number = restart.0;
        fields.problems.push(
            Problem::at(
                &span,
                format!("`max_memory_restart` is {number} bytes, less than any program needs"),
            )
            .label(format!("did you mean \"{number}M\"?")),
        );
        return None;
    }
    Some(Memory { restart })
}

/// None also for 0, "0" and false, which switch it off.
pub fn schedule(fields: &mut Fields) -> Option<Schedule> {
    let field = fields.field("cron_restart")?;
    let pattern = match &field.value.kind {
        Kind::Integer(0) | Kind::Bool(false) => return None,
        Kind::Text(text) if matches!(text.trim(), "0" | "false") => return None,
        Kind::Text(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        _ => {
            fields.wrong(field, &field.value);
            return None;
        }
    };
    match cron::parse(&pattern) {
        Ok(times) => Some(Schedule {
            cron: pattern,
            times,
        }),
        Err(why) => {
            fields.bad(field, &field.value, &why);
            None
        }
    }
}
