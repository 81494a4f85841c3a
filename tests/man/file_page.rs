//! ecosystem.toml(5), from the table of keys.

use rpmctl::config::becomes::becomes;
use rpmctl::config::keys::{KEYS, Key, Status, camel};

use super::roff::Page;

const EXAMPLE: &str = include_str!("../../packaging/examples/express/ecosystem.toml");

pub fn text() -> String {
    let mut page = Page::new("ecosystem.toml", 5, "File Formats");
    page.section("NAME");
    page.text("ecosystem.toml - what rpmctl runs");
    page.section("DESCRIPTION");
    page.text(
        "A TOML file with a table [[apps]] for each app. The keys are those of PM2's ecosystem files in snake_case; PM2's\n\
         camelCase and other names are taken as well. A key that is not known, a value of the wrong type and whatever else\n\
         cannot work is an error with its line; rpmctl check reports all of them and touches nothing.",
    );
    page.paragraph(
        "Paths are relative to the file's folder. Nothing is inherited from the environment of the calling shell, but under\n\
         rpmctl run in a private systemd.",
    );
    page.section("KEYS");
    for key in KEYS.iter().filter(|key| key.status == Status::Now) {
        of_key(&mut page, key);
    }
    page.section("KEYS FOR A LATER VERSION");
    page.text("Checked, and noted in the plan; meanwhile:");
    for key in KEYS {
        if let Status::Later(_) = key.status {
            of_key(&mut page, key);
        }
    }
    page.section("KEYS WITHOUT A MEANING");
    page.text("PM2's files have them; they are accepted and noted.");
    for key in KEYS {
        if let Status::Meaningless(why) = key.status {
            page.tagged(key.name, &format!("{}.", capital(why)));
        }
    }
    page.section("PROFILES");
    page.text(
        "rpmctl apply --env production overlays env with the table env_production, of each app that has one. The profile stands\n\
         in the compiled units, so a boot keeps it.",
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
    page.section("VALUES");
    page.tagged(
        "sizes",
        "A number of bytes, or \"512M\", \"1.5G\", \"512MB\": K, M, G, T count by 1024.",
    );
    page.tagged(
        "times",
        "A number of milliseconds, or \"500ms\", \"10s\", \"2m\", \"1h\".",
    );
    page.section("NODE");
    page.text(
        "Unless preload = false, programs that may run Node get these in their environment file. Launchers (npm,\n\
         yarn, pnpm, tsx), child processes of the app and worker threads are left alone.",
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
    page.section("EXAMPLE");
    page.literal(EXAMPLE.trim_end());
    page.section("SEE ALSO");
    page.text("rpmctl(1), systemd.service(5), systemd.socket(5), systemd.exec(5)");
    page.end()
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
    let camel = Some(camel(key.name)).filter(|camel| camel != key.name);
    let also: Vec<String> = camel
        .into_iter()
        .chain(key.aliases.iter().map(|name| (*name).to_owned()))
        .collect();
    if !also.is_empty() {
        text.push_str(&format!("\nAlso: {}.", also.join(", ")));
    }
    page.tagged(key.name, &text);
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
