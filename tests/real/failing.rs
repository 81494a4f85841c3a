//! Apps that cannot start: the verdict is the last one, not one of a restart on the way; nothing of them is left.

use crate::apps::{self, all_answer, apply, cluster, fails, ok, runs, statuses, write};
use crate::bed;

const SERVER: &str = include_str!("../../packaging/examples/node/app.js");
const BAD: &str = "console.error('cannot find the database'); process.exit(1)";

fn line<'a>(text: &'a str, start: &str) -> &'a str {
    let found = text.lines().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("no line {start:?} in\n{text}"))
}

#[test]
fn an_app_that_gave_up_is_told_so_again_by_start_and_leaves_nothing() {
    let bed = bed::shared();
    bed.write("/srv/gave-up/app.js", 0o644, BAD);
    bed.write(
        "/srv/gave-up/ecosystem.toml",
        0o644,
        "[[apps]]\nname = \"gave-up\"\nscript = \"app.js\"\nmax_restarts = 5\n",
    );
    for command in [
        ["apply", "/srv/gave-up/ecosystem.toml"],
        ["start", "gave-up"],
        ["restart", "gave-up"],
    ] {
        let output = bed.run(&["rpmctl", command[0], command[1]]);
        assert_eq!(output.status, 1, "{command:?}\n{output}");
        assert_eq!(
            line(&output.stderr, "error:"),
            "error: gave-up@0.service: gave up after 5 starts in a row shorter than min_uptime (max_restarts)",
            "{command:?}\n{output}"
        );
        assert!(
            output.stderr.contains("    cannot find the database\n"),
            "{command:?}\n{output}"
        );
    }
    let deleted = bed.run(&["rpmctl", "delete", "gave-up"]);
    assert_eq!(deleted.status, 0, "{deleted}");
    line(&deleted.stderr, "  removed   gave-up: ");
    assert_eq!(
        bed.ok(&[
            "systemctl",
            "list-units",
            "--all",
            "-q",
            "--no-legend",
            "gave-up*"
        ]),
        ""
    );
}

#[test]
fn what_is_told_of_a_failure_is_of_that_run_and_harmless() {
    let bed = bed::shared();
    let release = |script: &str| bed.write("/srv/says/app.js", 0o644, script);
    bed.write(
        "/srv/says/ecosystem.toml",
        0o644,
        "[[apps]]\nname = \"says\"\nscript = \"app.js\"\nmin_uptime = 2000\nmax_restarts = 0\n",
    );
    release("console.log('the first release'); setInterval(() => {}, 1000)");
    bed.ok(&["rpmctl", "apply", "/srv/says/ecosystem.toml"]);
    release(
        "console.error('\\x1b[31mno database\\x1b]0;mine\\x07 anywhere\\x1b[0m'); process.exit(1)",
    );
    let output = bed.run(&["rpmctl", "reload", "says"]);
    assert_eq!(output.status, 1, "{output}");
    assert!(
        output.stderr.contains("\n    no database anywhere\n"),
        "{output}"
    );
    for not in ["the first release", "\x1b"] {
        assert!(!output.stderr.contains(not), "{output}");
    }
    // One that says nothing is not given the words of another.
    release("process.exit(1)");
    let output = bed.run(&["rpmctl", "restart", "says"]);
    assert_eq!(output.status, 1, "{output}");
    assert!(
        output.stderr.contains("\n    (it wrote nothing)\n"),
        "{output}"
    );
    bed.ok(&["rpmctl", "delete", "says"]);
}

#[test]
fn a_release_that_cannot_start_stops_at_the_first_instance() {
    let bed = bed::shared();
    let file = |script: &str| {
        format!(
            "[[apps]]\nname = \"release\"\nscript = \"{script}\"\ninstances = 3\nport = 3111\nmax_restarts = 3\n"
        )
    };
    let at = "/srv/release/ecosystem.toml";
    bed.write("/srv/release/good.js", 0o644, SERVER);
    bed.write("/srv/release/bad.js", 0o644, BAD);
    bed.write(at, 0o644, file("good.js"));
    bed.ok(&["rpmctl", "apply", at]);
    let pids = || -> Vec<(u64, Option<u64>)> {
        let rows: serde_json::Value =
            serde_json::from_str(&bed.ok(&["rpmctl", "list", "release", "--json"])).expect("JSON");
        let rows = rows.as_array().expect("a list").iter();
        rows.map(|row| {
            (
                row["instance"].as_u64().expect("a number"),
                row["pid"].as_u64(),
            )
        })
        .collect()
    };
    let before = pids();
    bed.write(at, 0o644, file("bad.js"));
    let output = bed.run(&["rpmctl", "apply", at]);
    assert_eq!(output.status, 1, "{output}");
    assert_eq!(
        line(&output.stderr, "error:"),
        "error: release@0.service: gave up after 3 starts in a row shorter than min_uptime (max_restarts)",
        "{output}"
    );
    let after = pids();
    assert_eq!(after[1..], before[1..], "{output}");
    // Back on what it was, as another process.
    assert!(after[0].1.is_some() && after[0] != before[0], "{output}");
    assert_eq!(
        bed.http_get("127.0.0.1:3111", "/")
            .expect("an answer")
            .status,
        200
    );
    bed.write(at, 0o644, file("good.js"));
    bed.ok(&["rpmctl", "apply", at]);
    assert!(pids().iter().all(|(_, pid)| pid.is_some()), "{:?}", pids());
    bed.ok(&["rpmctl", "delete", "release"]);
}

/// A server that ends at boot when it is told to be bad, until /srv/mended is there.
const PICKY: &str = "if (process.env.GREETING === 'bad' && !require('fs').existsSync('/srv/mended')) process.exit(3);\n\
                     require('./server.js');\n";

#[test]
fn after_an_apply_that_was_put_back_the_next_one_gives_every_instance_the_new_environment() {
    let bed = &apps::bed();
    bed.write("/srv/picky.js", 0o644, PICKY);
    let text = |greeting: &str| {
        cluster("web", "node", 4101, 3, greeting)
            .replace("server.js", "picky.js")
            .replace("min_uptime", "max_restarts = 3\nmin_uptime")
    };
    let half_way = |old: &str| {
        let before = runs(bed, "web", 3);
        write(bed, &text("bad"));
        let output = fails(bed, &["apply"], 1);
        assert_eq!(
            line(&output.stderr, "error:"),
            "error: web@0.service: gave up after 3 starts in a row shorter than min_uptime (max_restarts)",
            "{output}"
        );
        assert_eq!(statuses(bed, &["web"]), ["online"; 3]);
        assert_eq!(runs(bed, "web", 3)[1..], before[1..], "{output}");
        all_answer(bed, "web", 4101, 3, old);
    };
    apply(bed, &text("2"));
    all_answer(bed, "web", 4101, 3, "2");
    // Mended in the file: as it was, and so there is nothing to do.
    half_way("2");
    assert_eq!(
        apply(bed, &text("2")),
        "nothing to do: 1 app, 3 instances, all as the file says\n"
    );
    apply(bed, &text("3"));
    all_answer(bed, "web", 4101, 3, "3");
    // Mended in the program: the same file again brings what it says.
    half_way("3");
    bed.write("/srv/mended", 0o644, "");
    ok(bed, &["apply"]);
    all_answer(bed, "web", 4101, 3, "bad");
    assert_eq!(
        ok(bed, &["apply"]),
        "nothing to do: 1 app, 3 instances, all as the file says\n"
    );
}
