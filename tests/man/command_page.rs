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
        "Given several times, commands run on one machine after another and stop at the first that fails; doctor goes on behind one where something is\n\
         broken, and exits with 1 at the end. status and list ask all at once and show one table with a column host; a machine that does not answer within --host-timeout is a row, unreachable, and the exit status is 1. With --json each\n\
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
    page.tagged(
        "NO_COLOR",
        "When set and not empty, nothing is coloured; nor with TERM=dumb.",
    );
    page.tagged(
        "CLICOLOR_FORCE",
        "When set and neither empty nor 0, what goes to no terminal is coloured too.",
    );
    page.tagged(
        "COLUMNS",
        "How wide tables may be where they go to no terminal.",
    );
    page.tagged(
        "RPMCTL_SSH",
        "What -H calls in place of ssh, with options, in words as a shell splits them.",
    );
    page.tagged(
        "XDG_CONFIG_HOME, XDG_DATA_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR",
        "Under --user, the folders that FILES are in.",
    );
    page.tagged(
        "DBUS_SYSTEM_BUS_ADDRESS, DBUS_SESSION_BUS_ADDRESS",
        "Another bus than the usual one; that of the session only where the user's manager has none at its usual place.",
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
    for (name, paragraphs) in super::commands_part::MORE {
        if *name == command.get_name() {
            for paragraph in *paragraphs {
                page.paragraph(paragraph);
            }
        }
    }
}

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
    page.paragraph("Of a package:");
    for (path, what) in [
        (
            "/usr/lib/systemd/system/rpmctl-watch.service, /usr/lib/systemd/system/rpmctl-metrics.socket, /usr/lib/systemd/system/rpmctl-metrics.service,\n\
             /usr/lib/systemd/user/rpmctl-watch.service",
            "apply and metrics --install enable them as they are needed; without a package they write their own",
        ),
        (
            "/usr/share/polkit-1/rules.d/50-rpmctl.rules, /usr/lib/sysusers.d/rpmctl.conf, /usr/lib/tmpfiles.d/rpmctl.conf",
            "what the group may do, the group, and the lock that it may hold; see PERMISSIONS",
        ),
        (
            "/usr/share/doc/rpmctl/examples",
            "ecosystem files with their apps, for configuration management, and sysctls that need somebody's decision",
        ),
    ] {
        page.tagged(&path.replace('\n', " "), what);
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
             (exp_backoff_restart_delay), when the last run began and ended, and how. NAME@N is the instance's RUNTIME_DIRECTORY (where the unit's name\n\
             has a backslash, as in dev\\x3aapi@0, the folder's has +: dev+x3aapi@0), belongs to its user, outlives restarts and goes when it stops",
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
