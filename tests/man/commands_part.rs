//! Of rpmctl(1): what --help has no room for, command by command.

/// What a command does beyond its one line.
pub const MORE: &[(&str, &[&str])] = &[
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
             with mistakes: problems (list of file, line, column, end_line, end_column, message, label, help, machine: true where\n\
             the file may be right and this machine lacks something), and exit 1.",
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
            "--json: as start's.",
        ],
    ),
    (
        "restart",
        &[
            "All that are chosen at once. In cluster mode the socket stays open: connections wait until an instance is back, and none is refused. reload\n\
             takes instances one after another.",
            "--json: as start's.",
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
             was ready or had failed), failed (list of app, unit, why, lines); with --check as start's.",
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
             latency has changed since), custom (what the app tells of itself, see ecosystem.toml(5): list of name, labels, value, unit, kind, help), custom_trouble, file.",
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
    (
        "check",
        &[
            "--json: ok (bool), file, apps (list of name, mode, instances; empty while something is wrong), problems (as plan's), notes (list of app, line, message).",
        ],
    ),
    (
        "start",
        &[
            "--json: changed (bool), failed (list of app, unit, why, lines); with --check also units, a list, of what it would be done to,\n\
             and boot, a list of targets that would be enabled, or by stop disabled.",
        ],
    ),
    ("delete", &["--json: as apply's."]),
    (
        "logs",
        &[
            "--json: an object a line, PM2's keys: message, timestamp (in the form of --timestamp or log_date_format, else RFC 3339 in UTC), type (out, err; process_event: what systemd and rpmctl say of the unit), process_id (the instance; null for the app's socket or target), app_name. Besides, absent where not known: instance, unit, pid, priority (0 to 7), invocation_id (the run of the unit), cursor (for journalctl --after-cursor), time_us (microseconds since the epoch), and of a process_event message_id, exit_code (exited, killed, dumped), exit_status, result (systemd's word for why the unit failed).",
        ],
    ),
    (
        "flush",
        &[
            "--json: changed (bool), apps (list of name, instances: null for all, since_us: logs begins after it, in microseconds since the epoch, vacuumed: the journal that was emptied, else null, files: list of path, bytes that it had, error, and notes).",
        ],
    ),
    (
        "rollback",
        &[
            "What an earlier apply compiled is applied again: units, environment and all. Ecosystem files are not touched, so the next apply of one brings back what it says.",
            "--json: as apply's; of --list, a list of number, made (RFC 3339), about, present (bool).",
        ],
    ),
    (
        "run",
        &[
            "For development, containers and CI. Lines of all apps come to the terminal; everything ends with it, however it ends, and nothing is installed.\n\
             Where a service manager answers, the units are in its runtime folder; elsewhere, as in a container, a private systemd is booted in namespaces.\n\
             It ends with 0 on SIGINT, SIGTERM and when all apps are jobs that have done their work, with 1 when no instance runs any more.",
        ],
    ),
];
