//! Of ecosystem.toml(5): what an app can tell of itself and be asked for.

use super::roff::Page;

pub fn of_file(page: &mut Page) {
    page.section("METRICS OF AN APP");
    page.text(
        "An instance that writes a file under the name in its variable RPMCTL_METRICS has its figures in rpmctl show, in list --json and\n\
         in whatever else rpmctl tells of it. The file is Prometheus' text form, which client libraries of most languages write:",
    );
    page.literal(
        "# HELP jobs_total Jobs that were done\n\
         # TYPE jobs_total counter\n\
         # UNIT jobs_total jobs\n\
         jobs_total{queue=\"mail\"} 42\n\
         queue_length 3",
    );
    page.paragraph(
        "A line of a name and a value is enough. TYPE is counter, gauge, histogram, summary or info (of which the text in its label is\n\
         shown), UNIT any word. Write another file beside it and rename it, so that no half is read. A line that is none of these is left\n\
         out and said to be. Read are 256 KiB, 1024 metrics, and a file alone that was written after the instance's start; no link is\n\
         followed.",
    );
    page.section("ACTIONS OF AN APP");
    page.text(
        "An instance that listens on a unix socket under the path in its variable RPMCTL_ACTIONS is asked there by rpmctl trigger. A\n\
         connection is one request: a line, which is the name of the action, then a tab and the parameter where one is given. The reply is\n\
         all text, up to 64 KiB, until the app closes the connection; none is taken for a failure, and so is one that begins with error:.\n\
         Two requests every app should know: the empty line, to which it replies with the names of its actions, one a line (after a tab,\n\
         words about it); and an action that it does not have, to which it replies error: unknown action NAME. Another socket of that name, which\n\
         a process left that was killed, is to be removed first. rpmctl talks to nobody but a process of the folder's owner or of the\n\
         instance.",
    );
    page.paragraph(
        "Node apps that use @pm2/io, tx2 or pmx need neither: the preload writes the file from their metrics (\"Realtime users\" is\n\
         realtime_users, words are info) and listens once there is an action. Not passed on is what those libraries send for PM2's own\n\
         service: heap dumps, profiles, errors, events.",
    );
    page.paragraph("Both in Node:");
    page.literal(include_str!("../../packaging/examples/actions/app.js"));
    page.paragraph("In Python:");
    page.literal(include_str!("../../packaging/examples/actions/app.py"));
    page.paragraph("In a shell, with socat(1):");
    page.literal(include_str!("../../packaging/examples/actions/app.sh"));
    page.paragraph("In Go:");
    page.literal(include_str!("../../packaging/examples/actions/app.go"));
    page.paragraph(
        "The folder of both is the instance's own, $RUNTIME_DIRECTORY, which goes when it stops. Where the path of the socket is longer than the\n\
         107 bytes that Linux takes, bind a relative name in that folder.",
    );
}
