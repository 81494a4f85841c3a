//! ecosystem.toml(5), from the table of keys.

use rpmctl::config::becomes::becomes;
use rpmctl::config::keys::{Form, KEYS, Key, Status};

use super::roff::Page;

const EXAMPLE: &str = include_str!("../../packaging/examples/express/ecosystem.toml");

pub fn text() -> String {
    let mut page = Page::new("ecosystem.toml", 5, "File Formats");
    page.section("NAME");
    page.text("ecosystem.toml - what rpmctl runs");
    page.section("SYNOPSIS");
    page.literal("[[apps]]\nname = \"api\"\nscript = \"app.js\"");
    page.section("DESCRIPTION");
    page.text(
        "A TOML file with a table [[apps]] for each app. The keys are those of PM2's ecosystem files in snake_case; PM2's\n\
         camelCase and other names are taken as well. A key that is not known, a value of the wrong type and whatever else\n\
         cannot work is an error with its line; rpmctl check reports all of them and touches nothing. Beside apps a file may have\n\
         PM2's deploy, which is noted and not read.",
    );
    page.paragraph(
        "Paths are relative to the file's folder. Nothing is inherited from the environment of the calling shell, but under\n\
         rpmctl run in a private systemd.",
    );
    page.section("KEYS");
    for key in KEYS.iter().filter(|key| key.status == Status::Now) {
        of_key(&mut page, key);
    }
    let later = |key: &&Key| matches!(key.status, Status::Later(_));
    if KEYS.iter().any(|key| later(&key)) {
        page.section("KEYS FOR A LATER VERSION");
        page.text("Checked, and noted in the plan; meanwhile:");
        for key in KEYS.iter().filter(later) {
            of_key(&mut page, key);
        }
    }
    page.section("KEYS WITHOUT A MEANING");
    page.text("PM2's files have them; they are accepted and noted.");
    for key in KEYS {
        if let Status::Meaningless(why) = key.status {
            let text = format!("{}.{}", capital(why), also(key));
            page.tagged(key.name, &text);
        }
    }
    page.section("PROFILES");
    page.tagged(
        "env_PROFILE",
        "A table as env. rpmctl apply --env production overlays env with the table env_production, of each app that has one. The\n\
         profile stands in the compiled units, so a boot keeps it.",
    );
    page.section("LISTENERS");
    page.text(
        "In cluster mode systemd holds a socket for each address, named after it: NAME@tcp-3000.socket,\n\
         NAME@tcp-127.0.0.1-3000.socket, NAME@unix-run-api.sock.socket. An app with listen_fds has one for all its addresses,\n\
         named after the first, so that their order is kept.",
    );
    page.paragraph(
        "A new address is opened before the first instance restarts, the instances go over one after another, and an old address\n\
         is closed after the last one: until that one stops it is served, then connections to it wait, and are reset. A port that\n\
         is taken is found out before anything changes. Backlog= is set on the open socket. Whatever else changes on a socket, and\n\
         an address that takes in an old one, has all instances stop while connections wait, then the socket is opened anew; the\n\
         plan says so.",
    );
    page.paragraph(
        "With balance = \"reuseport\" the sockets are NAME@0.socket and so on, one an instance, each open while its instance runs,\n\
         starts, or will be restarted: what came to an instance waits while it restarts. Sockets change with their instance.",
    );
    balance(&mut page);
    watching(&mut page);
    super::health_part::of_file(&mut page);
    super::logs_part::of_file(&mut page);
    page.section("VALUES");
    page.tagged(
        "sizes",
        "A number of bytes, or \"512M\", \"1.5G\", \"512MB\": K, M, G, T count by 1024.",
    );
    page.tagged(
        "times",
        "A number of milliseconds, or \"500ms\", \"10s\", \"2m\", \"1h\".",
    );
    page.section("LISTEN SHIM");
    page.text(
        "Apps of cluster mode with a listener and without listen_fds, into whose program a library can be loaded, get these in their environment\n\
         file.",
    );
    for (variable, what) in [
        ("LD_PRELOAD", "The shim, before the app's own preloads."),
        (
            "RPMCTL_SHIM",
            "1. With any other value, or without an inherited listener, the shim does nothing.",
        ),
        (
            "RPMCTL_NOTIFY",
            "0 with wait_ready: the shim does not report READY=1 when the app listens.",
        ),
        (
            "RPMCTL_BALANCE",
            "0 switches the handing over of connections off: each instance keeps what it accepts. Set with balance = \"reuseport\";\n\
             else yours to set in env.",
        ),
    ] {
        page.tagged(variable, what);
    }
    page.section("NODE");
    page.text(
        "Unless preload = false, programs that may run Node get these in their environment file. Launchers (npm,\n\
         yarn, pnpm, tsx), child processes of the app and worker threads are left alone, but that their requests are counted.",
    );
    for (variable, what) in [
        (
            "NODE_OPTIONS",
            "--require= of the module, before the app's own options.",
        ),
        (
            "RPMCTL_STOP",
            "The stop signal and the milliseconds from it to SIGKILL: SIGINT,10000. SIGPWR stands for the message\n\
             'shutdown'.",
        ),
        (
            "RPMCTL_NATIVE",
            "The listen shim, by which the module reaches systemd and the shared listener.",
        ),
        ("RPMCTL_WAIT_READY", "1 with wait_ready."),
        ("RPMCTL_PMX", "0 with pmx = false."),
        (
            "RPMCTL_CLUSTER",
            "In cluster mode the name of the variable with the instance's number; cluster.worker.id is one more.",
        ),
        (
            "RPMCTL_APP, RPMCTL_VIA",
            "Set by the module for child processes: the app's process, and that of a program that started it.",
        ),
    ] {
        page.tagged(variable, what);
    }
    requests(&mut page);
    super::restarts::sections(&mut page);
    super::app_part::of_file(&mut page);
    page.section("EXAMPLE");
    page.literal(EXAMPLE.trim_end());
    page.section("SEE ALSO");
    page.text("rpmctl(1), systemd.service(5), systemd.socket(5), systemd.exec(5)");
    page.end()
}

fn requests(page: &mut Page) {
    page.section("REQUESTS");
    page.text(
        "Unless pmx = false, the module that Node loads (see NODE) counts the requests of Node's own servers, http, https and http2,\n\
         whatever framework is on top. A request lasts from the turn of the event loop that brought its headers, so that waiting for\n\
         other requests of that turn counts, until the system has taken the last byte of the answer. What it waited before that, in the\n\
         listener's queue or in a socket while the loop was busy, the app cannot see. A streamed answer lasts until its end. One that the\n\
         client did not wait for is aborted, and lasts until then. Failed is what was answered with a status of 500 or above.",
    );
    page.paragraph(
        "Not counted: WebSockets and other upgrades, CONNECT, event streams (text/event-stream) that are aborted or last longer than\n\
         a second, what is no HTTP, and servers in native code.",
    );
    page.paragraph(
        "The counts are in NAME@N/requests in the instance's runtime folder, written once a second while requests come and never\n\
         otherwise; worker processes and threads with servers of their own have requests-1 and so on, and are added up. The figures of\n\
         'the last minute' are those of the last 50 to 60 seconds. Counts since the start begin anew with each start of the instance.\n\
         Response times are kept in buckets 2.5 % wide at most, from 0.05 ms to an hour.",
    );
}

fn balance(page: &mut Page) {
    page.section("BALANCE");
    page.text(
        "shared: all instances accept from one socket, and even it out among themselves. Each publishes how many connections it\n\
         has. One that accepts a connection while another has fewer, by more than a sixteenth, hands it over, and the other's\n\
         accept(2) returns it as any. What an instance does not take within 50 ms, because it is stuck, stopped or killed, others\n\
         take back, and it is handed no more until it accepts again, but for one every half second to try it. Connections that an\n\
         instance has taken stay with it. Requests are not counted, and nothing is moved later on.",
    );
    page.paragraph(
        "Instances 0 to 63 take part, each with the one process of its that waits for the listener with epoll(7) first: Node, and\n\
         Python's asyncio (uvicorn where it runs on that). Others cannot be woken for what is handed to them, and accept for\n\
         themselves, whichever is free: those that wait with poll(2), select(2) or accept(2) (Python's http.server, gunicorn's\n\
         sync workers, puma, WEBrick, PHP's own server), apps with listen_fds, programs into which no library can be loaded, and\n\
         those whose runtime folder, /run/rpmctl/NAME@N, has too long a path for the unix(7) socket in it. Instances that take\n\
         part hand nothing to these.",
    );
    page.paragraph(
        "libuv, from Node 22 on, would pass its epoll_ctl(2) calls through an io_uring(7), where nobody sees them. In processes\n\
         with libuv's functions, of instances that may take part, io_uring_setup(2) fails with ENOSYS therefore; libuv calls the\n\
         function then.",
    );
    page.paragraph(
        "reuseport: systemd holds a listener for each instance, and the kernel gives a connection to one of them by a hash of its\n\
         addresses, whoever has how many. Nothing is handed over. The price: what came to an instance that restarts or was killed\n\
         waits until it is back, and with one that is stuck until it goes on, also when others are idle. What waits in the queue\n\
         of one that is stopped, gives up or is scaled away, or whose address or options change, is reset.",
    );
}

fn watching(page: &mut Page) {
    page.section("WATCHING FILES");
    page.text(
        "watch names files, folders with all below them, and globs, from the app's cwd; a path that is there as it stands is no glob. ignore_watch and\n\
         watch_options.ignored take these. What is ignored in any case is in rpmctl-watch(8).",
    );
    for (pattern, what) in [
        (
            "node_modules, *.test.js, tmp/",
            "Without a slash before its end: the name of a file or folder at any depth; with one at its end, of a folder.",
        ),
        (
            "./tmp, public/uploads, src/**/*.md, **/fixtures/**",
            "With a slash: a path from cwd. * and ? stand for letters of a name, ** for any folders, [a-z] for one of these, {a,b} and (a|b) for one or the\n\
             other.",
        ),
        (
            "/srv/data, ../shared, ~/x",
            "A path from /, from above cwd, from the home folder.",
        ),
        (
            "\\.git, ^logs/, \\.tmp$, a|b, /cache/i",
            "With a backslash, ^ before it, $ after it, .+, a | outside brackets, or between slashes: a regular expression, searched for in the path from cwd\n\
             with a slash before it, and after it for a folder. Look-around is not read.",
        ),
        (
            "!.env",
            "Stays watched, whatever else says that it does not; node_modules and .git do not come back so, but watch may name a folder in them.",
        ),
    ] {
        page.tagged(pattern, what);
    }
    page.paragraph("Of watch_options, in camelCase or snake_case:");
    for (option, what) in [
        (
            "usePolling, interval",
            "Look at the files so often; 1000 ms, 100 at least.",
        ),
        (
            "depth",
            "So many folders below the watched one; 0 for none.",
        ),
        (
            "followSymlinks",
            "false: what links lead to is not watched.",
        ),
        ("ignored", "More patterns, as in ignore_watch."),
        (
            "awaitWriteFinish",
            "{ stabilityThreshold = 2000 }: so long it must have been quiet, instead of 100 ms.",
        ),
        ("cwd", "Taken where it is the app's own."),
    ] {
        page.tagged(option, what);
    }
    page.text("chokidar's other options are accepted and noted.");
}

fn of_key(page: &mut Page, key: &Key) {
    let mut text = format!(
        "{}\nValue: {}.\nDefault: {}.",
        key.doc,
        key.form.expects(),
        key.default
    );
    if let Status::Later(meanwhile) = key.status {
        text.push_str(&format!("\nUntil then {meanwhile}."));
    }
    if let Some(directive) = becomes(key.name) {
        text.push_str(&format!("\nIn systemd: {directive}."));
    }
    if key.name.contains("watch") {
        text.push_str("\nMore in WATCHING FILES below.");
    }
    if key.name == "health" {
        text.push_str("\nMore in HEALTH below.");
    }
    if key.name == "balance" {
        text.push_str("\nMore in BALANCE below.");
    }
    text.push_str(&also(key));
    page.tagged(key.name, &text);
}

/// The other ways to write it, each with its camelCase form.
fn also(key: &Key) -> String {
    match &key.spellings()[1..] {
        [] => String::new(),
        others => format!("\nAlso: {}.", others.join(", ")),
    }
}

/// A key of a table in the file, and the other names for it.
pub fn all_names(keys: &[(&str, &[&str], Form)], name: &str) -> String {
    let (_, others, _) = keys
        .iter()
        .find(|(known, ..)| *known == name)
        .expect("a key of the table");
    [&[name], *others].concat().join(", ")
}

fn capital(text: &str) -> String {
    if text.starts_with("systemd") {
        return text.to_owned();
    }
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
