//! Of both pages: whether instances are well.

use rpmctl::config::health::KEYS;

use super::file_page::all_names;
use super::roff::Page;

/// In ecosystem.toml(5).
pub fn of_file(page: &mut Page) {
    page.section("HEALTH");
    page.text(
        "health = \"/healthz\" asks each instance so every 10 seconds; a table says more. rpmctl-watch(8) asks while the app runs, and apply, start, restart and\n\
         reload wait for the first good answer of an instance after systemd has it as active: one that does not come within listen_timeout is a failed start\n\
         as any other, so that reload stops there. At boot, and after a crash, systemd alone decides. Keys of the table:",
    );
    for (key, what) in [
        (
            "http",
            "GET of this path, without a redirect being followed; at the port of the app unless port says another.",
        ),
        (
            "status",
            "The good answers: a number or an array of them. Default: 200 to 399.",
        ),
        (
            "tcp",
            "true, or a port: a connection is accepted. For a listener that systemd holds it must be the instance that takes it, which it does where it waits\n\
             with epoll(7).",
        ),
        (
            "exec",
            "A command in one line, for /bin/sh in cwd as the app's user, with its environment, its number and its directives of [apps.systemd.Service] that\n\
             restrict it: a unit NAME\\x2dhealth@.service, which is a child of systemd. It is well when it ends with 0. A start of a unit costs some\n\
             milliseconds, a question over a connection less than one.",
        ),
        (
            "port",
            "Where http asks, such as a port for administration.",
        ),
        (
            "interval",
            "From one question to the next; 100 ms at least. Default: 10s.",
        ),
        (
            "timeout",
            "Longest wait for an answer. Default: 2s, or the interval where that is shorter.",
        ),
        (
            "threshold",
            "Failures in a row after which an instance is unhealthy. Default: 3.",
        ),
        (
            "restart",
            "Restart an unhealthy instance, one of an app at a time. Default: false, it is shown and told.",
        ),
    ] {
        page.tagged(&all_names(KEYS, key), what);
    }
    page.paragraph(
        "In cluster mode each instance is asked by itself through the socket that they share, if its runtime waits for connections with epoll(7), as Node and\n\
         asyncio do. From the 65th instance on, with listen_fds, with balance = \"reuseport\", with several listeners, at a port that no instance has alone, and for those\n\
         that wait with poll(2) or in accept(2), whoever accepts answers for all: then no instance can be restarted for it. With increment_var = \"PORT\" each\n\
         is asked at its own. A question is an ordinary request, with the User-Agent rpmctl-health.",
    );
    page.paragraph(
        "What comes up is asked in the same way. While others of the app are asked by themselves, an instance that does not wait for connections yet is waited\n\
         for until listen_timeout, and their answers do not count: not healthy within 30 s (listen_timeout): GET /healthz: does not take connections yet, as api@1\n\
         does. One that runs another program than they, as after a move from Node to a static binary, is asked at the address that they share instead. An app\n\
         that goes over to RPMCTL_BALANCE=0, or in the same program to poll(2), is applied once without its health. Where\n\
         whoever accepts answers for all, the others' answers let a release pass that listens and is not well: there use exec, or increment_var = \"PORT\".",
    );
}

/// In rpmctl-watch(8).
pub const HEALTH: [&str; 6] = [
    "Instances are asked at moments of their own, spread over the interval, 64 at once at most. Where they share a socket, a connection is made within this\n\
     process and one end of it handed to the instance as the others hand theirs on; no other takes it. What it asks stays on this machine.",
    "The time to the first good answer since the start of an instance is its own for as long as listen_timeout: failures do not count then. After threshold\n\
     failures in a row systemd is asked whether it is up and no job waits for it, so that one that stops or is being reloaded is none; then it is unhealthy,\n\
     which the journal says, until it answers well, which the journal says too.",
    "With restart = true an unhealthy instance is restarted, not within min_uptime. The next one has its turn when that one has answered well. If it does not,\n\
     what is wrong may be common to all, as a database that is down: the next restart comes listen_timeout and 10 seconds later, then 20, and so on up to 5\n\
     minutes, while the others go on. Another tool would restart all of them.",
    "An instance that is unhealthy again at once after a restart that helped waits as long; a minute of answers begins anew.",
    "What is known of an instance is right for three intervals, timeout and five seconds: where this process does not run, or is stuck, health is then unknown,\n\
     and neither shown nor a metric. A command that systemd cannot run, for it or the bus is away, says nothing of the instance: that is neither a failure nor\n\
     an answer, and told once.",
    "A command's unit that failed is taken off systemd's list of failed units: systemctl --failed has apps that failed, not questions.",
];
