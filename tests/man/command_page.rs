//! rpmctl(1), from the definitions that --help is made of.

use std::path::Path;

use clap::{Arg, Command, CommandFactory};
use rpmctl::cli::args::Cli;
use rpmctl::unit_files::Places;

use super::roff::Page;

pub fn text() -> String {
    let mut cli = Cli::command();
    cli.build();
    let mut page = Page::new("rpmctl", 1, "User Commands");
    page.section("NAME");
    page.text("rpmctl - PM2's cluster mode on systemd: ecosystem files become units");
    page.section("SYNOPSIS");
    page.tagged(
        "rpmctl",
        "[--user] [-H HOST]... COMMAND [OPTIONS] [ARGUMENTS]",
    );
    page.section("DESCRIPTION");
    page.text(
        "Compiles an ecosystem file, see ecosystem.toml(5), to systemd units, shows what would change, does it over D-Bus\n\
         and waits until every instance is up. systemd runs the apps: no process of rpmctl stays behind but\n\
         rpmctl-watch(8), where an app needs it, and systemctl(1) and journalctl(1) work on the same units.",
    );
    page.section("COMMANDS");
    for command in cli
        .get_subcommands_mut()
        .filter(|command| !command.is_hide_set())
    {
        of_command(&mut page, command);
    }
    page.section("OPTIONS");
    for arg in cli.get_arguments() {
        option(&mut page, arg);
    }
    page.section("TARGETS");
    for (form, what) in [
        ("NAME", "all instances of that app"),
        ("NAME@N", "its instance N, from 0"),
        ("ID", "the number that list shows"),
        ("NAMESPACE", "all apps of that namespace"),
        ("all", "all apps"),
        ("/REGEX/", "the apps whose name matches"),
    ] {
        page.tagged(form, what);
    }
    super::logs_part::of_command(&mut page);
    page.section("KEYS OF MONIT");
    for binding in &rpmctl::monit::keys::BINDINGS {
        page.tagged(binding.shown, &format!("{}.", capital(binding.what)));
    }
    super::metrics_part::of_command(&mut page);
    super::rights_part::of_command(&mut page);
    page.section("OTHER MACHINES");
    page.text(
        "With -H the command is given to the rpmctl of another machine, of the same version line, through ssh(1) and its configuration. HOST is\n\
         [USER@]HOST, [USER@]HOST:PORT or ssh://[USER@]HOST[:PORT]; --user goes along. A FILE is one of that machine and has to be a whole path; - sends\n\
         standard input, whose relative paths then begin at the home there. init, render, run, watch, schema and completions are about this machine alone.",
    );
    page.paragraph(
        "Given several times, commands run on one machine after another and stop at the first that fails. status and list ask all at once and show one\n\
         table with a column host; a machine that does not answer within --host-timeout is a row, unreachable, and the exit status is 1. With --json each\n\
         row has a host, and a machine that did not answer is an object of host and unreachable, the reason. One that has no app of that name is a row too,\n\
         and an object of host and missing; the exit status is 1 when no machine has it.",
    );
    page.paragraph(
        "Where standard input is no terminal, and for several machines in one table, ssh asks for nothing (BatchMode). When the connection goes away, what\n\
         runs there is interrupted as by Ctrl-C.",
    );
    page.section("EXIT STATUS");
    for (code, what) in [
        ("0", "Done, or there was nothing to do."),
        (
            "1",
            "It failed; an error on standard error says what, where and what to do.",
        ),
        (
            "2",
            "Wrong usage; or, of plan --detailed-exitcode, there are changes.",
        ),
        (
            "3",
            "Of status: something wanted is not running or is unhealthy; of several machines, and all answered.",
        ),
        (
            "130, 143",
            "It was ended by SIGINT, SIGTERM; of reload and apply, instances are left to do.",
        ),
    ] {
        page.tagged(code, what);
    }
    files(&mut page);
    page.section("ENVIRONMENT");
    page.tagged("NO_COLOR", "When set and not empty, nothing is coloured.");
    page.tagged(
        "CLICOLOR_FORCE",
        "When set and neither empty nor 0, what goes to no terminal is coloured too.",
    );
    page.tagged(
        "RPMCTL_SSH",
        "What -H calls in place of ssh, with options, in words as a shell splits them.",
    );
    page.tagged(
        "XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR",
        "Under --user, the folders that FILES are in.",
    );
    page.section("SEE ALSO");
    page.text("ecosystem.toml(5), rpmctl-watch(8), systemctl(1), journalctl(1), systemd.unit(5), systemd.socket(5)");
    page.end()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

fn of_command(page: &mut Page, command: &mut Command) {
    let usage = command.render_usage().to_string();
    page.part(usage.trim_start_matches("Usage: "));
    let about = command.get_about().expect("every command is described");
    page.text(&format!("{about}."));
    let aliases: Vec<&str> = command.get_visible_aliases().collect();
    if !aliases.is_empty() {
        page.paragraph(&format!("Also: {}.", aliases.join(", ")));
    }
    for arg in command.get_arguments().filter(|arg| !arg.is_global_set()) {
        option(page, arg);
    }
    for (name, paragraphs) in MORE {
        if name == command.get_name() {
            for paragraph in paragraphs {
                page.paragraph(paragraph);
            }
        }
    }
}

/// What a command does beyond its one line.
const MORE: [(&str, &[&str]); 12] = [
    (
        "monit",
        &[
            "Left the apps and their instances, below them each change of state as systemd tells of it; right what is selected: processor and memory of the\n\
             last five minutes, requests and response times, listen queue, health, what is to be known of it, and its lines as they come. Figures are\n\
             measured once a second, of what is on the screen alone; those of thousands of instances less often, so that it takes one percent of a\n\
             processor. \"!\" marks an app that somebody should look at: an instance errored, waits for its restart, is stopped though it starts at boot,\n\
             or is unhealthy; its listen queue is half full; or what runs is not what rpmctl wrote. Selecting it says which. A job that waits for its clock,\n\
             or has ended, is not counted as missing.",
            "Commands are given as if they were typed: each waits its turn, goes on when monit ends, and is told of in the last line for a while, or until\n\
             Esc. The keys are in KEYS OF MONIT below. A terminal needs 40 columns and 10 rows. It is left as it was found, also while monit\n\
             is stopped by Ctrl-Z or SIGTSTP; where SIGKILL ended monit, a small process of its own\n\
             (rpmctl __monit-guard) sees to that.",
        ],
    ),
    (
        "doctor",
        &["What it looks at, and its exit status, are in CHECKS OF DOCTOR below."],
    ),
    (
        "plan",
        &[
            "--json: changed (bool), apps (list of name, change: create, change, remove or keep, units: list of name, change and with --diff diff, before and\n\
             after: null where there is none, env: lists added, changed and removed of names, boot: null where nothing changes at boot, stop, start and\n\
             restart: lists of units, notes), watcher (null, or unit, change, boot, stop, start and restart, and with --diff diff, before and after). A file\n\
             with mistakes: problems (list of file, line, column, end_line, end_column, message, label, help), and exit 1.",
        ],
    ),
    (
        "apply",
        &[
            "Instances whose settings changed restart one after another, each ready before the next; apps go side by side. When one does not come up, its\n\
             app is put back to what it was: units, environment and links first, then the instances that had moved on, the failed one first. Those whose\n\
             turn had not come are not touched. plan then shows the change as still to do. An app that is new, or of which nothing ran, is left as the file\n\
             says. Apps that came up keep what they got.",
            "SIGINT finishes the instance at hand and ends with 130; a second SIGINT, or one while nothing is taken in turns, ends at once. The same\n\
             command again carries on, as it does after a SIGKILL. But where a SIGKILL or such a SIGINT came after the files were written, they count as what was\n\
             there: a release that does not come up is not put back any more, apply stops at the first instance that fails. rpmctl rollback takes it back.",
            "--json: the plan's object and applied (bool), failed (list of app, unit, why, lines), put_back (list of app and failed: what does not come up\n\
             with its earlier settings either), unsettled (list of apps that are not as the file says though every step was done), interrupted (bool), left\n\
             (list of instances whose turn did not come for that).",
        ],
    ),
    (
        "stop",
        &[
            "An app is stopped with its sockets: from then on connections are refused. Of instances by name, be it all of them (api@0 api@1), the socket\n\
             they share stays open, and connections wait in it until one is started; with balance = \"reuseport\" each one's own is closed.",
        ],
    ),
    (
        "restart",
        &[
            "All that are chosen at once. In cluster mode the socket stays open: connections wait until an instance is back, and none is refused. reload\n\
             takes instances one after another.",
        ],
    ),
    (
        "reload",
        &[
            "Instances that are down or failed come up first; then each of the others is stopped by its stop signal and started, and the next one's turn\n\
             comes when it is ready: of those that were ready at first never more than N are missing. When one does not become ready, or one that did has\n\
             ended since, its app stops there: the rest goes on as it was, the exit code is 1, and systemd goes on with the failed one by its Restart=.",
            "A second reload of the same app is refused at once; reloads of different apps run side by side. apply, scale, start, stop, restart, delete and\n\
             rollback wait until no reload runs, and a reload waits for them.",
            "SIGINT finishes the instance at hand, starts no further one and ends with 130; a second SIGINT ends at once. Reload again to carry on.",
            "--json: changed and interrupted (bool), apps (list of name, instances: list of unit, result: reloaded, started, failed or left, and ms until it\n\
             was ready or had failed), failed (list of app, unit, why, lines).",
        ],
    ),
    (
        "scale",
        &[
            "More instances are ready before it returns; the highest numbers go first, each stopped by its stop signal. No other instance is touched. New\n\
             ones that do not come up go again. The number stands in the app's target and outlives a boot; the next apply shows it as a change and makes it\n\
             what the file says. A stopped app stays stopped. 0 is refused: that is stop.",
            "--json: as apply's.",
        ],
    ),
    (
        "trigger",
        &[
            "All chosen instances are asked at the same time, and each line of a reply has the instance's name in front. The exit code is 1 when one of them\n\
             is not running, does not have the action, says that it failed or does not reply in time. Without an action the actions are listed. How an app\n\
             offers them is in ecosystem.toml(5). PARAM is one line; one that begins with a hyphen goes behind --.",
            "--json: a list of name, instance (number), unit, action, param, ok (bool), reply (text), data (the reply where it is JSON), cut (bool: it was longer\n\
             than 64 KiB), error. What is not known is null. Without an action: name, instance, unit, actions (list of name and about), error.",
        ],
    ),
    (
        "list",
        &[
            "A row an instance, as wide as the terminal as under status; notes that have no room beside it, why one is down or unhealthy among them, stand\n\
             below. cpu is on average since the start.",
            "--json: a list of instances, of the shape of rows under status.",
        ],
    ),
    (
        "status",
        &[
            "A row an app: up is how many instances are online and not unhealthy, of how many; cpu is percent of one processor, on average since each\n\
             instance was started (what it is now, --watch and monit tell), and memory what max_memory_restart counts, of all instances together; worst is the memory of the instance that has most, limit what that is of max_memory_restart; for is what instances were\n\
             restarted for; uptime is that of the youngest; req/s and the response times that 50, 95 and 99 % stayed below are those of the last minute;\n\
             queue is connections that wait to be taken, and how many may, where systemd holds the port; health is how many answer well, of those that were\n\
             asked, or the longest time that one took. Columns that no app has anything for are left out, and so are the least important\n\
             ones where the terminal has no room; elsewhere COLUMNS says how much there is, without it there is no end. Below the table is a line for\n\
             each app that somebody should look at, with what to do. One app named alone is opened to its instances.",
            "The status of an app is that of its instance worst off: errored, restarting, unhealthy (its health probe\n\
             failed too often), online (all are), launching, stopping, partly, stopped; of a job\n\
             (autorestart = false) that does not run, waiting for its clock, or ended. Exit 3: an instance is errored, restarting or unhealthy, or one of an app\n\
             that starts at boot is not online; jobs that ended well are not missed.",
            "--watch draws again every SECONDS (0.1 to 86400; 2 if left out), and as soon as systemd tells of a change; from the second look on\n\
             cpu and req/s are those since the look before. A word that is no number is a target. q and SIGINT end it with 0, SIGTERM with 143;\n\
             stopped by Ctrl-Z it leaves the terminal as it was until it goes on. Where stdout is no terminal, each look is a\n\
             table, with --json a document a line. What is wrong meanwhile, an app that is gone or a manager that does not answer, is told and waited for.",
            "A manager that has not answered after a second is told of on standard error; after 30 s status, list and show give up.",
            "--json: a list of apps; what is not known is null. name, namespace, mode (fork, cluster), status, online, ready (online and not\n\
             unhealthy) and instances (how many), health (how many were asked, are healthy: answered well, are unhealthy; null without the key), boots\n\
             (starts at boot), lacks (what makes the exit code 3), uptime_ms, restarts (automatic ones), causes (how often by cause: crash, memory, files,\n\
             schedule, health, deploy, reload), cpu_percent (of one processor, on average since the start), memory_bytes, worst_memory_bytes, max_memory_restart (bytes), requests_per_second, response_ms\n\
             (p50, p95, p99), requests (total, failed: answered with 5xx, aborted: given up by the client; since the start), queue (waiting, limit), schedule\n\
             (cron_restart), next_run (RFC 3339), marks (list of kind: edited and drop-in with path, needs-daemon-reload, old with instances, which were\n\
             started before their unit was written as it is), generation (as rollback --list numbers them), listen (list), file (the ecosystem file), rows.",
            "A row is an instance: id, name, instance (its number), unit, namespace, mode, status (PM2's words: online, unhealthy or not, launching, stopping,\n\
             stopped, waiting restart, errored), active and sub (systemd's words), pid, uptime_ms, restarts, crashes (of them, those by systemd), causes, cpu_percent,\n\
             memory_bytes, requests_per_second, response_ms, requests, schedule, next_run, ended (of a job: ok, words, at), why (why it is down), restarted\n\
             (what rpmctl restarted it for: counts, and of the last one reason, detail, at in seconds since the epoch), health (ok: not\n\
             unhealthy, latency_ms of its last good answer, failures in a row, detail, at: when this was heard, five seconds too early at most where only the\n\
             latency has changed since), custom and custom_trouble (what the app tells of itself, see ecosystem.toml(5)), file.",
        ],
    ),
    (
        "show",
        &[
            "--json: as status, with script, interpreter, cwd, profile, user, autorestart, min_uptime_ms, max_restarts, backoff_ms, watch and ignore_watch\n\
             (lists), log_files (list of takes: out, error or log for both, path, trouble), log_rotate (size_bytes, every_s, keep, compress, max_age_s),\n\
             health_probe (the key health: http, status, tcp, exec, interval_ms, timeout_ms, threshold, restart; null without it),\n\
             variables (names), units, edited (names of units edited by hand); instances is how many there are of the whole app. Its rows have\n\
             invocation_id, tasks, says and need_daemon_reload besides.",
        ],
    ),
];

fn option(page: &mut Page, arg: &Arg) {
    if arg.is_hide_set() || matches!(arg.get_id().as_str(), "help" | "version") {
        return;
    }
    let values = arg
        .get_value_names()
        .filter(|_| arg.get_action().takes_values())
        .map(|names| names.join(" "))
        .unwrap_or_default();
    let mut forms: Vec<String> = Vec::new();
    forms.extend(arg.get_short().map(|short| format!("-{short}")));
    forms.extend(arg.get_long().map(|long| format!("--{long}")));
    let mut term = forms.join(", ");
    let optional = arg
        .get_num_args()
        .is_some_and(|range| range.min_values() == 0);
    if !values.is_empty() {
        match (term.is_empty(), optional) {
            (true, _) => term = values,
            (false, true) => term.push_str(&format!(" [{values}]")),
            (false, false) => term.push_str(&format!(" {values}")),
        }
    }
    let help = arg
        .get_help()
        .expect("every option is described")
        .to_string();
    let known: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .filter(|_| arg.get_action().takes_values())
        .collect();
    let mut text = format!("{help}.");
    if !known.is_empty() {
        text.push_str(&format!("\nOne of {}.", known.join(", ")));
    }
    let defaults: Vec<&str> = arg
        .get_default_values()
        .iter()
        .filter_map(|value| value.to_str())
        .collect();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        text.push_str(&format!("\nDefault: \"{}\".", defaults.join(" ")));
    }
    page.tagged(&term, &text);
}

fn files(page: &mut Page) {
    let system = Places::system();
    let user = Places::user(
        "~/.config".as_ref(),
        "~/.local/share".as_ref(),
        "~/.local/state".as_ref(),
        "$XDG_RUNTIME_DIR".as_ref(),
    );
    page.section("FILES");
    page.text("Of the system, and under --user.");
    for (here, there, what) in [
        (
            &system.units,
            &user.units,
            "the units, and links of enabled targets",
        ),
        (&system.env, &user.env, "environment files, mode 0600"),
        (
            &system.state,
            &user.state,
            "the last ten generations, the listen shim and the Node preload that apps load, when each app was flushed",
        ),
        (&system.run, &user.run, "what is gone after a boot; in it:"),
        (
            &system.templates,
            &user.templates,
            "the site's own unit templates; read only",
        ),
    ] {
        page.tagged(&format!("{}, {}", here.display(), there.display()), what);
        if *here == system.run {
            in_run(page, here);
        }
    }
}

fn in_run(page: &mut Page, run: &Path) {
    for (name, what) in [
        (
            "lock",
            "held by whoever changes something; by several reloads at a time. Who may read it may hold it: see PERMISSIONS",
        ),
        (
            "reload/NAME",
            "held by the reload of that app; in it the reload's process id",
        ),
        (
            "pending",
            "what an interrupted or failed apply has left to restart, a unit a line, and daemon-reload where systemd may not have read the units yet;\n\
             reloads hold pending.lock while they cross out theirs",
        ),
        (
            "restarts/NAME@N",
            "how often an instance was restarted for which reason; see rpmctl-watch(8)",
        ),
        (
            "NAME@N/run, NAME@N/starts, NAME@N/wait",
            "of an instance: how often it was restarted without an order, when this run began (hundredths of a second since the machine's boot), and its\n\
             process, or - once it was told to end; how many starts in a row have failed, and when the last began; how long the last start waited\n\
             (exp_backoff_restart_delay), when the last run began and ended, and how. NAME@N is the instance's RUNTIME_DIRECTORY, belongs to\n\
             its user, outlives restarts and goes when it stops",
        ),
        (
            "NAME@N/count-*, NAME@N/inbox-*",
            "mode 0600, one a shared listener: how many connections the instance has, and where others hand it theirs; see BALANCE in ecosystem.toml(5)",
        ),
        (
            "NAME@N/metrics, NAME@N/actions",
            "of an instance whose app has such: see ecosystem.toml(5)",
        ),
        (
            "NAME@N/requests",
            "of an instance in Node: requests and response times, see REQUESTS in ecosystem.toml(5)",
        ),
    ] {
        let paths: Vec<String> = name
            .split(", ")
            .map(|name| run.join(name).display().to_string())
            .collect();
        page.tagged(&paths.join(", "), what);
    }
}
