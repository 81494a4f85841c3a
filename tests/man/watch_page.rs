//! rpmctl-watch(8): the watcher.

use super::roff::Page;

pub fn text() -> String {
    let mut page = Page::new("rpmctl-watch", 8, "System Administration");
    page.section("NAME");
    page.text("rpmctl-watch - what systemd has no directive for, done for rpmctl's apps");
    page.section("SYNOPSIS");
    page.tagged("rpmctl-watch.service", "");
    page.tagged("rpmctl", "[--user] watch");
    page.section("DESCRIPTION");
    page.text(
        "One process for all apps, there only where an app has one of these keys; see ecosystem.toml(5). It is never the parent of an app: apps go on as they\n\
         are when it stops, is killed or is updated.",
    );
    for (key, what) in KEYS {
        page.tagged(key, what);
    }
    page.paragraph(
        "It keeps nothing about apps but reloads that are not over: what to do stands in their targets, which it reads again whenever the folder of the units changes, and on SIGHUP. So\n\
         commands of rpmctl's need not tell it anything. SIGTERM ends it.",
    );
    page.paragraph(
        "Restarts go through systemd, as rpmctl reload makes them: one instance of an app at a time, each ready before the next, and not while another\n\
         rpmctl works on that app. An app that was stopped is left alone. While systemd or the bus is being restarted, it tries again until they are back.",
    );
    page.section("MEMORY");
    for paragraph in MEMORY {
        page.paragraph(paragraph);
    }
    page.section("FILES OF APPS");
    for paragraph in FILES {
        page.paragraph(paragraph);
    }
    page.section("HEALTH");
    for paragraph in super::health_part::HEALTH {
        page.paragraph(paragraph);
    }
    page.section("LOG FILES");
    for paragraph in LOG_FILES {
        page.paragraph(paragraph);
    }
    page.paragraph(LOGROTATE);
    page.literal(LOGROTATE_FILE);
    page.section("JOURNAL");
    page.text("What it does is in the journal, and in rpmctl logs APP among systemd's lines about the app. The fields of its lines:");
    for (field, what) in FIELDS {
        page.tagged(field, what);
    }
    page.section("FILES");
    page.tagged(
        "/run/rpmctl/restarts/NAME@N, $XDG_RUNTIME_DIR/rpmctl/restarts/NAME@N",
        "of an instance: how often it was restarted for which reason, and when last; shown by rpmctl list and rpmctl show, gone after a boot.",
    );
    page.tagged(
        "/run/rpmctl/health/NAME@N, $XDG_RUNTIME_DIR/rpmctl/health/NAME@N",
        "of an instance with health that runs: JSON with ok, latency (microseconds, of its last good answer), failures (in a row), detail (what was wrong last)\n\
         at (microseconds since the boot, by CLOCK_BOOTTIME) and good_for (microseconds from then on, after which it says nothing of now), written when one of\n\
         the others changes, else every five seconds at most.",
    );
    page.tagged(
        "/run/rpmctl/asked/NAME, $XDG_RUNTIME_DIR/rpmctl/asked/NAME",
        "of an app: the changed files that it is being reloaded for, until that is over.",
    );
    page.tagged(
        "/run/rpmctl/log-files, /var/lib/rpmctl/log-files, $XDG_RUNTIME_DIR/rpmctl/log-files, ~/.local/state/rpmctl/log-files",
        "how far log files are written; gone with the last app that has any.",
    );
    page.section("SEE ALSO");
    page.text("rpmctl(1), ecosystem.toml(5), systemctl(1), journalctl(1), systemd.exec(5)");
    page.end()
}

const KEYS: [(&str, &str); 4] = [
    (
        "max_memory_restart",
        "An instance that uses more is restarted; see MEMORY.",
    ),
    (
        "watch, ignore_watch, watch_delay, watch_options",
        "Files that change reload their app; see FILES OF APPS.",
    ),
    (
        "health",
        "Instances are asked whether they are well; see HEALTH.",
    ),
    (
        "out_file, error_file, log_file",
        "What it writes to stdout and stderr also goes to files; see LOG FILES.",
    ),
];

const FILES: [&str; 7] = [
    "inotify(7) tells of each change in the folders that are watched; nothing is looked at again and again, but with usePolling. What is ignored costs no\n\
     watch: node_modules, .git, names that begin with a dot, *.log, a folder logs in the app's folder or in a watched one, what vim, Emacs and JetBrains\n\
     leave beside a file while they save it, the app's own log files with those of its instances and what rotation makes of them, its ecosystem file, and\n\
     what ignore_watch says.",
    "A file has changed when whoever wrote it has closed it, when another was renamed to its name, when it is new, gone, or touched (touch(1)); not when it\n\
     was read, nor when only its mode or owner is another. What comes and goes within one burst is nothing. New folders are watched as they appear, links\n\
     are followed, and a watched path that leads elsewhere, as a link to a release does when it is switched, is a change. Folders\n\
     are read with the rights of the app's user, so no link leads where that user may not look.",
    "100 ms after the last change, or after 10 seconds of changes that do not end, and then watch_delay, the app is reloaded once, for all of them: the\n\
     journal says which file was first and how many there were. A change while the app is being reloaded is one more reload, of those instances that were\n\
     started before it. A change brings back what has failed or given up, and jobs; an app that was stopped stays stopped. One that writes a watched\n\
     file itself is reloaded without end: the tenth time in a minute the journal names the file, for ignore_watch.",
    "What changes while the watcher is not there, for the second after it was killed or while it is updated, is not seen. A reload that was\n\
     asked for is on record until it is over: the next watcher goes on with the instances that still run from before.",
    "When the kernel's queue runs over (fs.inotify.max_queued_events), the files are looked through by the time of their inodes: an app of which one has\n\
     changed since is reloaded once.",
    "fs.inotify.max_user_watches limits the folders of all apps together, fs.inotify.max_user_instances the watchers of a user. Where one is used up, the\n\
     journal and systemctl status rpmctl-watch say so, with the value to set; what is watched already stays so, and the rest is tried again every minute.",
    "Changes that another machine makes on NFS or a shared folder of a virtual machine are not told by the kernel, which the journal notes: watch_options = { usePolling = true }\n\
     looks at the files every second, or every interval milliseconds, or so seldom that it takes a twentieth of a processor at most. An app whose\n\
     file system does not answer when watching begins is watched once it does, as the status says, and keeps nobody waiting.",
];

const MEMORY: [&str; 3] = [
    "Of an instance counts what is its own: anonymous and shared memory of all its processes; pages of files do not, which the kernel takes back when it\n\
     needs them. It is read from the instance's control group (memory.stat: anon and shmem) or, where no controller counts memory, summed up over its\n\
     processes (/proc/PID/status: RssAnon and RssShmem). rpmctl list and rpmctl show have the same figure.",
    "An instance that has crossed its limit is restarted within a second: no instance can have crossed unless all processes of the machine together have\n\
     taken as much memory as it had left, which one read twice a second tells; and each is looked at after at most 30 seconds in any case, sooner the\n\
     nearer it is.",
    "One that is over its limit within min_uptime, or a second, of its start would be restarted for ever: it is left alone for 10 seconds before it is\n\
     restarted, then 20, and so on up to 5 minutes. So is one that was over its limit within 10 seconds of its start ten times in a row, for a limit that an\n\
     ordinary start reaches; one that holds for 10 seconds begins anew. If it goes on growing meanwhile, MemoryMax= of one and a half times the limit ends it, where a\n\
     controller counts memory.",
];

const LOG_FILES: [&str; 8] = [
    "out_file takes stdout, error_file stderr, log_file both, of every line that journald gets from the app from the apply on that gave it the file. Each is\n\
     the app's bytes as they are, with log_date_format before them, or with log_type = \"json\" an object with PM2's keys message, timestamp, type (out, err),\n\
     process_id (the instance) and app_name. Empty lines are not there: journald keeps none. What systemd and rpmctl say of the app is in the journal alone.\n\
     A line beyond journald's LineMax= comes in one piece, up to 1 MiB.",
    "Unless merge_logs = true, or one instance in fork mode, names have the instance's number before their ending: out.log becomes out-0.log, out-1.log.",
    "Lines come from the journal, some 50 ms after they were written, one journalctl for all apps whose lines journald keeps in one file of its own.\n\
     Each is there once, whether this process, journald, systemd or the bus is killed or restarted meanwhile, or the machine, as far as journald kept it:\n\
     how far that is, and how long each file was then, is on record after each batch and, synced to disk, at least every ten seconds; what is beyond is\n\
     cut off and read again from the journal, unless this process ended in order\n\
     (it is somebody else's then) or the journal no longer has that place. What journald no longer has when it is to be read (SystemMaxUse= in journald.conf) is told as missing.",
    "Missing folders are made, mode 0755, and files, mode 0640, for the app's user and group. Where all folders above belong to root and nobody else may write\n\
     to them, root opens the file; elsewhere it is opened with the rights of the app's user, so no link leads where that user may not write. In a folder\n\
     of root's that a group may write to, and the app's user may not, such as Ubuntu's /var/log, root makes what is missing and sets files aside, and follows\n\
     no link; in a folder that everybody may write to it does nothing. For an app of root's in a folder of another user's no link is followed.",
    "A file that cannot be written (no space, no rights, no such user) stops alone: the app and all other files go on. It is told in the journal, in systemctl\n\
     status and in rpmctl show, tried again every five seconds, and then gets what it missed from the journal, in order. When a file system hangs, all of them\n\
     wait: after 30 seconds the journal and systemctl status say so.",
    "Apps may share a file if journald keeps their lines in one: that of one log_namespace (or none) and of one user, or of users below\n\
     1000. Otherwise the first app has the file, and the journal says so of the other.",
    "journald drops what a unit writes beyond some 10,000 lines in 30 seconds. Apps' units lift that; a user's units cannot, for journald counts the user's\n\
     manager as a whole: LogRateLimitIntervalSec=1s and LogRateLimitBurst=100000000 in a drop-in of user@.service do. What was dropped of a system unit is told.",
    "Lines of a child that runs as another user than the app are in their order among themselves, not always with those of the app.",
];

const LOGROTATE: &str = "logrotate(8) needs no copytruncate: a file that was moved away is noticed before the next batch. rpmctl reload-logs, or SIGHUP, does it at once, as a\n\
     postrotate script should before files are compressed. copytruncate works, and loses what is written between the copy and the cut. In a\n\
     folder that a group other than root's may write to logrotate wants su; in one of the app's user's it is safer:";

const LOGROTATE_FILE: &str = "\
/var/log/app/*.log {
    su app app
    daily
    rotate 14
    create
    compress
    postrotate
        rpmctl reload-logs
    endscript
}
";

const FIELDS: [(&str, &str); 9] = [
    ("SYSLOG_IDENTIFIER", "rpmctl."),
    (
        "MESSAGE_ID",
        "741aef7c9a4748ec84ca6cb8e12f864a: it restarts something; 4708853f39fe414ca36116710e492e8d: something does not work; c389d45e0c8e43bfbc4240addcd504b9: an instance is unhealthy; 7f86697f183642f5aa117849f2c8c70e: it is healthy again.",
    ),
    (
        "RPMCTL_APP, RPMCTL_INSTANCE",
        "What it is about; no instance where it is about several.",
    ),
    (
        "RPMCTL_REASON",
        "Why it restarts: memory, files, health, schedule, deploy, reload.",
    ),
    ("RPMCTL_BYTES", "Of memory: what the instance used."),
    ("RPMCTL_LIMIT", "Of memory: max_memory_restart, in bytes."),
    (
        "RPMCTL_HEALTH, RPMCTL_FAILURES",
        "Of health: unhealthy or healthy, and how often it failed in a row.",
    ),
    (
        "RPMCTL_LATENCY_USEC",
        "Of health: how long the good answer took.",
    ),
    (
        "RPMCTL_FILE, RPMCTL_FILES",
        "Of files: the first one that changed, and how many did.",
    ),
];
