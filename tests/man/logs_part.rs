//! Of both pages: what becomes of lines after a while.

use rpmctl::config::rotate::KEYS;

use super::file_page::all_names;
use super::roff::Page;

/// In ecosystem.toml(5).
pub fn of_file(page: &mut Page) {
    page.section("ROTATION");
    page.text(
        "log_rotate sets a log file aside when it has size, or when a period of every ends, whichever comes first; an empty one\n\
         stays. rpmctl-watch(8) does it between two lines. Keys of the table, and pm2-logrotate's names for them; what else that has is\n\
         accepted and noted:",
    );
    for (key, what) in [
        (
            "size",
            "A size of at least 4 KB; false for none. Default: 10M where every is not set either.",
        ),
        (
            "every",
            "hourly, daily, weekly or a time in whole minutes, such as \"12h\"; \"0 0 * * *\" and the like, where it is one of the words.\n\
             Periods are of local time, counted from Monday's midnight. Default: none.",
        ),
        (
            "keep",
            "So many old files stay of each, or \"all\"; 0 keeps none. Default: 14.",
        ),
        ("compress", "Old ones become .gz. Default: true."),
        ("max_age", "Old ones go when they are older. Default: none."),
    ] {
        page.tagged(&all_names(KEYS, key), what);
    }
    page.paragraph(
        "An old file is called out.log-20261123-000000.gz, by the local time at which it was set aside: as logrotate(8) names them with\n\
         dateext, so names sort and never change. It keeps owner and mode. rpmctl flush leaves old files alone. logrotate(8) itself may\n\
         rotate the files too; then leave log_rotate off.",
    );
    page.section("LOG NAMESPACES");
    page.text(
        "With log_namespace what the app writes is in a journal of its own, kept by systemd-journald@NAME.service: it is not crowded out\n\
         by others, cannot crowd them out, and rpmctl flush --vacuum empties it. NAME is what the key says, letters, digits, -, _ and .,\n\
         or with true the app's name, where \\xHH of its units is _HH. Apps with one NAME share one journal. rpmctl logs shows the lines\n\
         as before; what systemd says of the units stays in the machine's journal. By hand: journalctl --namespace=NAME. Its limits are\n\
         those of journald.conf(5), in /etc/systemd/journald@NAME.conf:",
    );
    page.literal("[Journal]\nSystemMaxUse=500M\nMaxRetentionSec=30day");
    page.paragraph(
        "Lines from before the key was set stay where they are and are shown as well; lines of a namespace that no app names any more\n\
         are shown by journalctl(1) alone. A user's own manager has no namespaces; the key is left out there.",
    );
}

/// In rpmctl(1).
pub fn of_command(page: &mut Page) {
    page.section("FLUSH");
    page.text(
        "rpmctl flush empties the log files of the apps, as they are called now, not those that were set aside, and notes the moment:\n\
         logs begins after it, however many lines it is asked for, until --since or --boot names a time. One that follows already goes\n\
         on. The journal keeps the lines. Of an instance, name@2, its own files are emptied, not those it shares with others. --vacuum\n\
         empties the journals of apps with log_namespace as well, if all apps of a journal are flushed; for others a note says why their\n\
         lines stay. It waits for no other rpmctl.",
    );
}
