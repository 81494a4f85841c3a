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

/// The command that restarts the instances that run, one after another: by rpmctl, or, on a machine that has none any more, by systemctl.
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
        ":/bin/sh -c {} {} {} {user}reload --by-clock {}",
        quote::word(include_str!("../../templates/turns.sh").trim_end()),
        quote::word(rpmctl),
        quote::word(&instances(name)),
        quote::word(name.as_str())
    )])
}

/// The pattern of them all, fnmatch(3). Of what means something there, an escaped name has the backslash alone.
fn instances(name: &Name) -> String {
    format!("{}@*.service", name.stem().replace('\\', r"\\"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    /// What /bin/sh does of turns.sh, where systemctl writes down what it is asked and knows two instances.
    #[test]
    fn turns_are_rpmctls_and_without_it_systemctls() {
        let folder = tempfile::tempdir().unwrap();
        let asked = folder.path().join("asked");
        let program = |name: &str, script: &str| {
            let file = folder.path().join(name);
            fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
            file
        };
        let note = format!("printf '%s\\n' \"${{0##*/}} $*\" >>{}", asked.display());
        let list = r"case $* in *list-units*) printf '%s\n' 'a\x20b@0.service loaded' 'a\x20b@1.service loaded' ;; esac";
        program("systemctl", &format!("{note}\n{list}"));
        let rpmctl = program("rpmctl", &note);
        let name = Name::new("a b").unwrap();
        let run = |user: &str| {
            let mut sh = Command::new("/bin/sh");
            sh.args(["-c", include_str!("../../templates/turns.sh").trim_end()]);
            sh.arg(&rpmctl).arg(instances(&name));
            sh.args(user.split_whitespace())
                .args(["reload", "--by-clock", "a b"]);
            assert!(sh.env("PATH", folder.path()).status().unwrap().success());
            let said = fs::read_to_string(&asked).unwrap();
            fs::remove_file(&asked).unwrap();
            said
        };
        assert_eq!(run(""), "rpmctl reload --by-clock a b\n");
        assert_eq!(run("--user"), "rpmctl --user reload --by-clock a b\n");
        fs::remove_file(&rpmctl).unwrap();
        for user in ["", "--user "] {
            let list = "list-units --plain --full --no-legend --state=active --";
            let expected = [
                format!(r"systemctl {user}{list} a\\x20b@*.service"),
                format!(r"systemctl {user}restart a\x20b@0.service"),
                format!(r"systemctl {user}restart a\x20b@1.service"),
            ];
            assert_eq!(run(user).trim_end(), expected.join("\n"));
        }
    }
}
