//! `log_rotate` and `flush` on log files: no line lost or doubled, old files as the rule says.

use serde_json::Value;

use crate::apps::{self, PATIENCE, apply, ok};

const WATCHER: &str = "rpmctl-watch.service";

#[test]
fn rotated_files_have_every_line_once_and_flush_empties_what_is_written() {
    const COUNT: u32 = 60_000;
    let bed = apps::bed();
    let lines = "import sys, time\nfor i in range(60000):\n  print('line', i)\n  if i % 20 == 0: sys.stdout.flush(); time.sleep(0.001)\n";
    bed.write("/srv/lines.py", 0o644, lines);
    // As Ubuntu's /var/log: root's, and a group's that the app's user is not in.
    bed.sh_ok("mkdir -p /srv/shared && chgrp adm /srv/shared && chmod 775 /srv/shared");
    let app = |name: &str, more: &str| {
        format!("[[apps]]\nname = \"{name}\"\nscript = \"lines.py\"\nautorestart = false\n{more}\n")
    };
    let all = app(
        "ro-all",
        "out_file = \"/var/log/ro/out.log\"\nlog_rotate = { size = \"100K\", keep = \"all\" }",
    );
    let few = app(
        "ro-few",
        "user = \"app\"\nout_file = \"/srv/shared/theirs/out.log\"\nlog_namespace = true\nlog_rotate = { size = \"100K\", keep = 2, compress = false }",
    );
    apply(&bed, &format!("{all}{few}"));
    let files = || bed.run(&["ls", "/var/log/ro"]).stdout.lines().count();
    for _ in 0..3 {
        let seen = files();
        bed.wait_until("another file is set aside", PATIENCE, || files() > seen);
        bed.ok(&["systemctl", "kill", "-s", "KILL", WATCHER]);
    }
    let last = format!("line {}\n", COUNT - 1);
    for path in ["/var/log/ro/out.log", "/srv/shared/theirs/out.log"] {
        bed.wait_until("the last line is in the file", PATIENCE, || {
            bed.run(&["tail", "-n1", path]).stdout == last
        });
    }
    bed.wait_until("all are packed", PATIENCE, || {
        bed.sh("ls -A /var/log/ro | grep -v '^out.log$' | grep -v '^out.log-[0-9]*-[0-9]*[.]gz$'")
            .status
            == 1
    });
    let kept = |script: &str| bed.sh_ok(script);
    let whole: String = (0..COUNT)
        .map(|number| format!("line {number}\n"))
        .collect();
    let found = kept("zcat -f /var/log/ro/out.log-* /var/log/ro/out.log");
    assert!(found == whole, "{} of {} bytes", found.len(), whole.len());
    bed.wait_until("two old ones are left", PATIENCE, || {
        kept("ls /srv/shared/theirs").lines().count() == 3
    });
    let found = kept("cat /srv/shared/theirs/out.log-* /srv/shared/theirs/out.log");
    assert!(
        whole.ends_with(&found) && found.len() > 200 << 10,
        "{}",
        found.len()
    );
    let owners = kept("stat -c '%U %a' /srv/shared/theirs /srv/shared/theirs/out.log*");
    assert_eq!(owners, format!("app 755\n{}", "app 640\n".repeat(3)));

    let output: Value = serde_json::from_str(&ok(&bed, &["flush", "ro-all", "--json"])).unwrap();
    let file = &output["apps"][0]["files"][0];
    assert_eq!(file["path"], "/var/log/ro/out.log");
    assert!(
        file["bytes"].as_u64().is_some_and(|bytes| bytes > 0),
        "{output}"
    );
    assert_eq!(kept("cat /var/log/ro/out.log"), "");
    assert!(kept("ls /var/log/ro").lines().count() > 1, "old ones stay");
    assert!(
        kept("tail -n1 /srv/shared/theirs/out.log") == last,
        "the other app's stay"
    );
    // What comes next stands alone in it.
    bed.write("/srv/lines.py", 0o644, "print('after')\n");
    ok(&bed, &["start", "ro-all"]);
    bed.wait_until("the next line is in the file", PATIENCE, || {
        kept("cat /var/log/ro/out.log") == "after\n"
    });
    assert_eq!(ok(&bed, &["logs", "ro-all", "--out"]), "ro-all@0 | after\n");
}
