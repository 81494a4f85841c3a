//! The same under a user's manager.

use super::{CLUSTER, OFTEN, SERVER, asked};
use crate::apps::{self, PATIENCE};

#[test]
fn under_a_users_manager() {
    let bed = &apps::bed();
    bed.write_as("app", "/home/app/asked.py", 0o644, SERVER);
    let health = format!("http = \"/healthz\", restart = true, {OFTEN}");
    let text = asked("web", 4650, 2, &health, CLUSTER)
        + &asked(
            "job",
            4660,
            1,
            &format!("exec = \"test -e /home/app/asked.py\", {OFTEN}"),
            "",
        );
    bed.write_as("app", "/home/app/ecosystem.toml", 0o644, text);
    let user = |args: &[&str]| bed.cmd(args).user("app").dir("/home/app").ok();
    user(&["rpmctl", "--user", "apply"]);
    let pid = || {
        user(&[
            "systemctl",
            "--user",
            "show",
            "--value",
            "-p",
            "MainPID",
            "web@1",
        ])
    };
    let before = pid();
    let folder = user(&["sh", "-c", "echo $XDG_RUNTIME_DIR/rpmctl/health"]);
    let folder = folder.trim();
    for name in ["web@0", "web@1", "job@0"] {
        bed.wait_until("it is well", PATIENCE, || {
            bed.run(&["cat", &format!("{folder}/{name}")])
                .stdout
                .starts_with("{\"ok\":true,")
        });
    }
    bed.write("/srv/sick-web-1", 0o644, before.trim());
    bed.wait_until("it is restarted", PATIENCE, || {
        user(&["rpmctl", "--user", "list"]).contains("restarted for health 1x")
    });
    assert_ne!(pid(), before);
    user(&["rpmctl", "--user", "delete", "all"]);
    assert!(!bed.exists(folder));
}
