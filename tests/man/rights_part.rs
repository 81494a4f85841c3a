//! Of rpmctl(1): what doctor looks at, and what who is not root may do.

use rpmctl::doctor::{CHECKS, GROUP};

use super::roff::Page;

pub fn of_command(page: &mut Page) {
    page.section("CHECKS OF DOCTOR");
    page.text(
        "rpmctl doctor looks at everything that commonly goes wrong and says, a line each, what is wrong and what mends it. It changes nothing and waits for\n\
         nothing longer than 5 s. What is well is one line, with --verbose one each. broken: something does not work; warning: it does, but not as it is\n\
         meant to, or not for long; note: to be known. The exit status is 1 when something is broken, else 0, whatever the warnings. Some things are\n\
         for root's eyes alone: a note says so.",
    );
    page.paragraph(
        "--json: level (the worst there is: broken, warning, note, ok), broken and warnings (how many), checks, a list, the worst first, of check (a word of\n\
         those below), level, about (the app, unit or file; null: the machine), what, fix (null where nothing is to be done). Words and names stay as they\n\
         are; what and fix are for people.",
    );
    for (check, what) in CHECKS {
        page.tagged(check, &format!("{what}."));
    }
    page.section("PERMISSIONS");
    page.text(
        "list, status, show, monit, metrics and doctor are for everybody, logs for who may read the journal (groups systemd-journal, adm). What changes\n\
         something of the system's is for root, with one exception:",
    );
    page.paragraph(&format!(
        "Members of the group {GROUP} start, stop, restart and reload apps without being root, with rpmctl and with systemctl, where polkit (0.106 and later)\n\
         has the rule of /usr/share/polkit-1/rules.d/50-rpmctl.rules. It asks rpmctl whether a unit is an app's, which reads the unit's file for it: units of\n\
         others are refused, and so are kill, set-property and whatever else is no start, stop, restart, reload or reset-failed. What changes files\n\
         stays root's: apply, scale, delete, rollback, flush, and whether a stopped app starts at the next boot, which is said. A member's reload waits\n\
         for others in place of being refused; counts of failed starts go on. polkit 0.105 (Debian 11, Ubuntu 22.04) cannot tell units apart: there the\n\
         group may do nothing. What systemd does not tell polkit cannot be refused: with systemctl --job-mode=flush a member cancels jobs that wait, of other\n\
         units too."
    ));
    page.paragraph(
        "A rule of your own in /etc/polkit-1/rules.d that comes before it, as 40-local.rules, may allow less: polkit(8). The group may also hold\n\
         /run/rpmctl/lock, so that no two work at once (tmpfiles.d/rpmctl.conf); who is let in can keep an apply waiting.",
    );
    page.section("SELINUX AND APPARMOR");
    page.text(
        "rpmctl brings neither a policy nor a profile, and was not tried where one of them is enforced. systemd starts the apps, so what holds for any unit\n\
         in /etc/systemd/system holds for them. With SELinux's usual policy an app runs as unconfined_service_t where its program may be started by\n\
         systemd: not one from a home (user_home_t), which doctor says; move it to /srv or /opt, or semanage fcontext -a -t bin_t it. An app that a\n\
         directive or the policy confines (SELinuxContext=, a program with a domain of its own) needs to read and map /var/lib/rpmctl/shim and to write\n\
         to /run/rpmctl/NAME@N; so does one under an AppArmor profile (AppArmorProfile=, or one for the path of its interpreter):",
    );
    page.literal(
        "/var/lib/rpmctl/shim/** mr,\n\
         /run/rpmctl/*@*/** rwk,",
    );
    page.paragraph(
        "Where that is denied ld.so(8) says in the journal that the library cannot be preloaded, and the app finds its port taken. listen_fds = true does\n\
         without the library, preload = false without Node's module.",
    );
}
