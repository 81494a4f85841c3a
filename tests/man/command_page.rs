//! rpmctl(1), from the definitions that --help is made of.

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
    page.tagged("rpmctl", "[--user] COMMAND [OPTIONS] [ARGUMENTS]");
    page.section("DESCRIPTION");
    page.text(
        "Compiles an ecosystem file, see ecosystem.toml(5), to systemd units, shows what would change, does it over D-Bus\n\
         and waits until every instance is up. systemd runs the apps: no process of rpmctl stays behind, and\n\
         systemctl(1) and journalctl(1) work on the same units.",
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
        ("3", "Of status: something wanted is not running."),
        ("130, 143", "logs was ended by SIGINT, SIGTERM."),
    ] {
        page.tagged(code, what);
    }
    files(&mut page);
    page.section("ENVIRONMENT");
    page.tagged("NO_COLOR", "When set and not empty, nothing is coloured.");
    page.tagged(
        "XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR",
        "Under --user, the folders that FILES are in.",
    );
    page.section("SEE ALSO");
    page.text("ecosystem.toml(5), systemctl(1), journalctl(1), systemd.unit(5), systemd.socket(5)");
    page.end()
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
            "the last ten generations, the listen shim and the Node preload that apps load",
        ),
        (
            &system.run,
            &user.run,
            "the lock, and what an interrupted apply has left to do",
        ),
        (
            &system.templates,
            &user.templates,
            "the site's own unit templates; read only",
        ),
    ] {
        page.tagged(&format!("{}, {}", here.display(), there.display()), what);
    }
}
