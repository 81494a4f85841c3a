//! Who is not root may look, as with systemctl; secrets stay root's.

use crate::bed;

#[test]
fn an_ordinary_user_sees_the_system_s_apps_and_no_secret() {
    let bed = bed::shared();
    bed.write("/srv/seen/app.sh", 0o755, "#!/bin/sh\nexec sleep 1000\n");
    bed.write(
        "/srv/seen/ecosystem.toml",
        0o644,
        "[[apps]]\nname = \"seen\"\nscript = \"app.sh\"\nenv = { TOKEN = \"s3cr3t\" }\n",
    );
    bed.ok(&["rpmctl", "apply", "/srv/seen/ecosystem.toml"]);
    for command in [vec!["list"], vec!["status", "seen"], vec!["show", "seen"]] {
        let line: Vec<&str> = std::iter::once("rpmctl").chain(command).collect();
        let text = bed.ok_as("app", &line);
        assert!(text.contains("seen") && text.contains("online"), "{text}");
        assert!(!text.contains("s3cr3t"), "{text}");
    }
    let refused = bed.run_as("app", &["rpmctl", "stop", "seen"]);
    assert_eq!(refused.status, 1, "{refused}");
    assert!(
        refused.stderr.contains("run it with sudo, or with --user"),
        "{refused}"
    );
    bed.ok(&["rpmctl", "delete", "seen"]);
}

#[test]
fn the_first_call_of_a_user_starts_the_bus_and_finds_the_manager() {
    let bed = bed::shared();
    let runtime = ["XDG_RUNTIME_DIR=/run/user/1000", "rpmctl"];
    bed.ok_as("app", &["systemctl", "--user", "is-active", "dbus.socket"]);
    for _ in 0..5 {
        bed.ok_as("app", &["systemctl", "--user", "stop", "dbus.service"]);
        let line = [&["env"], &runtime[..], &["--user", "list"]].concat();
        bed.ok_as("app", &line);
    }
}
