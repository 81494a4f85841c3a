//! When instances restart by themselves: two sections of ecosystem.toml(5).

use super::roff::Page;

pub fn sections(page: &mut Page) {
    page.section("SCHEDULES");
    page.text(
        "cron_restart is what PM2 takes: minute, hour, day of the month, month, day of the week, with the seconds in front of them\n\
         where there are six. Each is *, a number, a range 1-5, steps */15, 5/10 or 10-40/5, or several of them with commas; months\n\
         and days of the week also by name (jan, MON-FRI); 0 and 7 are Sunday. Days of the month also: L, the last; LW, the last\n\
         weekday; 15W, the weekday (Monday to Friday) nearest to the 15th in that month. Days of the week also: 5L, the last Friday;\n\
         1#2, the second Monday. ? is * there. @hourly, @daily, @weekly, @monthly and @yearly are patterns too. What a timer cannot\n\
         express is refused.",
    );
    page.paragraph(
        "Where both days are given, either will do, as cron(8) has it: \"0 4 13 * FRI\" is every 13th and every Friday. With + both\n\
         must hold: \"0 4 13 * +FRI\" is Friday the 13th. (The croner of PM2 7.0 takes every such pattern so, and 5/10 for a day as 6,\n\
         16, 26.)",
    );
    page.paragraph(
        "The times are the machine's local ones. A time that the clock skips when summer time begins is skipped; one that it repeats\n\
         when that ends counts once, the first time. AccuracySec= is 1 s, with seconds in the pattern 100 ms. A time that passed while the app was stopped, or before the pattern was changed, is not made up for; one in the very second in which the timer starts may be left out.",
    );
    page.paragraph(
        "An app's instances are restarted in turns, as rpmctl reload does it; where a round still goes on when the next is due, that\n\
         one is skipped, and while somebody else reloads the app nothing is done. Unlike under PM2, an app that was stopped stays\n\
         stopped: its timer stops with it. A single instance that is down comes up. Under rpmctl run, systemctl restarts them one\n\
         after another.",
    );
    page.paragraph(
        "With autorestart = false the app is a job: the timer starts what does not run, and needs no rpmctl for it; a run that still\n\
         goes on is neither ended nor doubled. It also runs at apply and at boot, unless autostart = false: then the clock alone\n\
         starts it, and what changes in the file holds from its next run on. (A job that listens is not started with its clock alone:\n\
         that begins with rpmctl start.) rpmctl start runs it at once.",
    );
    page.section("RESTARTS");
    page.text(
        "PM2's waits for exp_backoff_restart_delay: the first as given, each next one half as much longer, rounded down to a\n\
         millisecond, 15 s at most. They are from the end of a run to the next start; systemd takes up to a third of a second for a\n\
         restart, so shorter waits may be as long. After a run of 30 s, and after any start, restart or reload by hand, the first\n\
         wait comes next. While it waits the instance is in ExecStartPre= (activating, start-pre), which rpmctl list shows as waiting\n\
         restart; listen_timeout begins after it. max_restarts is not counted then, unless it is given. Only a systemctl stop in the\n\
         tenth of a second between the end of a run and the next wait leaves no trace: a start within a minute of it goes on with\n\
         the series. (rpmctl stop ends it there as well.)",
    );
}
