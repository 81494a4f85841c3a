//! `app-cron.timer` and `app-cron.service`: what `cron_restart` asks for, and what then happens. A job, which ends by itself, is started, by systemd alone;
//! instances that run are restarted in turns.

use tera::Context;

use super::compile::Site;
use super::{calendar, quote, target};
use crate::model::{App, Schedule};

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
    let (does, wants, commands) = if app.restart.auto {
        ("restarts the instances in turns", vec![], turns(app, site)?)
    } else {
        // One that still runs is up already: nothing is started twice.
        let wants = target::instances(name, app.instances);
        (
            "starts what does not run",
            wants,
            vec!["/bin/true".to_owned()],
        )
    };
    context.insert("does", does);
    context.insert("wants", &wants);
    context.insert("exec_start", &commands);
    Ok(())
}

fn turns(app: &App, site: &Site) -> Result<Vec<String>, String> {
    let name = &app.name;
    let user = if site.user_manager { "--user " } else { "" };
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
