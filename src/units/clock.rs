//! `app-cron.timer` and `app-cron.service`: what `cron_restart` asks for, and what then happens. A job, which ends by itself, is started, by systemd alone;
//! instances that run are restarted in turns.

use tera::Context;

use super::compile::Site;
use super::{calendar, quote};
use crate::model::{App, Name, Schedule};

/// How late systemd may be, so that timers can go together; every second of a pattern counts where it names seconds.
const MINUTES: &str = "1s";
const SECONDS: &str = "100ms";

pub fn fill_timer(context: &mut Context, schedule: &Schedule) {
    let whole_minutes = schedule.times.seconds.iter().eq([0]);
    context.insert("cron", &quote::prose(&schedule.cron));
    context.insert("on_calendar", &calendar::on_calendar(&schedule.times));
    context.insert("accuracy", if whole_minutes { MINUTES } else { SECONDS });
}

/// Errors: rpmctl's own path cannot stand in a unit.
pub fn fill_service(context: &mut Context, app: &App, site: &Site) -> Result<(), String> {
    let name = &app.name;
    let (does, commands) = if app.restart.auto {
        ("restarts the instances in turns", turns(app, site)?)
    } else {
        // One that still runs is up already: nothing is started twice. `Wants=` would start them whatever the condition says.
        let start = start(name, app.instances, site.user_manager);
        ("starts what does not run", vec![start])
    };
    context.insert("does", does);
    context.insert("exec_condition", &due(app, site));
    context.insert("exec_start", &commands);
    Ok(())
}

/// The command that starts the instances of a job.
pub(super) fn start(name: &Name, count: u32, user_manager: bool) -> String {
    let units: Vec<String> = (0..count)
        .map(|number| quote::word(&name.instance(number)))
        .collect();
    let user = user(user_manager);
    format!("systemctl {user}--no-block start {}", units.join(" "))
}

/// A timer that is started again has systemd look for the next time from its activation before (seen with 252), so that it fires at once when one has
/// passed since. The script has the first 2 s of a timer begin nothing unless the time that elapsed comes after its activation. Both are told in
/// whole seconds, so an activation and a time in the same second leave that time out. Later, and if the clock was set, all triggers hold.
fn due(app: &App, site: &Site) -> String {
    let script = include_str!("../../templates/clock.sh").trim_end();
    format!(
        ":/bin/sh -c {} {} {}{} {}",
        quote::word(script),
        quote::word(app.name.as_str()),
        user(site.user_manager),
        quote::word(&app.name.timer()),
        quote::word(&app.name.clock())
    )
}

fn user(user_manager: bool) -> &'static str {
    if user_manager { "--user " } else { "" }
}

fn turns(app: &App, site: &Site) -> Result<Vec<String>, String> {
    let name = &app.name;
    let user = user(site.user_manager);
    if site.foreground {
        let restart = |unit: String| format!("systemctl {user}restart {}", quote::word(&unit));
        return Ok((0..app.instances)
            .map(|number| restart(name.instance(number)))
            .collect());
    }
    let rpmctl = site
        .rpmctl
        .to_str()
        .ok_or("the path of rpmctl itself is not valid UTF-8")?;
    // The program's path may hold anything as an argument only, systemd.service(5).
    Ok(vec![format!(
        ":/bin/sh -c {} {} {user}reload --by-clock {}",
        quote::word("exec \"$0\" \"$@\""),
        quote::word(rpmctl),
        quote::word(name.as_str())
    )])
}
