//! What stands in the way of an apply is told with what to do about it.

use std::time::Duration;

use crate::bed;

#[test]
fn a_port_that_another_program_holds() {
    let bed = bed::shared();
    bed.write(
        "/srv/taken/ecosystem.toml",
        0o644,
        "[[apps]]\nname = \"taken\"\nscript = \"python3 -m http.server 7777\"\nexec_mode = \"cluster\"\ninstances = 3\nport = 7777\n",
    );
    let hold = "import socket,time\ns=socket.socket()\ns.bind(('0.0.0.0',7777))\ns.listen()\nprint('held',flush=True)\ntime.sleep(1000)";
    let holder = bed.spawn(&["python3", "-c", hold]);
    bed.wait_until("the port is held", Duration::from_secs(30), || {
        holder.printed().0 == "held\n"
    });
    let output = bed.run(&["rpmctl", "apply", "/srv/taken/ecosystem.toml"]);
    assert_eq!(output.status, 1, "{output}");
    let errors: Vec<&str> = output
        .stderr
        .lines()
        .skip_while(|line| !line.starts_with("error: "))
        .collect();
    assert_eq!(
        errors,
        [
            "error: taken.socket: cannot listen on 7777: in use by another program? `ss -ltnp` shows who listens, `systemctl status taken.socket` what systemd said",
            "  see more with: rpmctl logs taken",
        ]
    );
    drop(holder);
    // The same command again, once the port is free, is all it takes.
    bed.wait_until("the port is free", Duration::from_secs(30), || {
        bed.run(&["rpmctl", "apply", "/srv/taken/ecosystem.toml"])
            .status
            == 0
    });
    bed.ok(&["rpmctl", "delete", "taken"]);
}

#[test]
fn an_ordinary_user_may_look_and_not_touch() {
    let bed = bed::shared();
    bed.write(
        "/srv/looked-at/ecosystem.toml",
        0o644,
        "[[apps]]\nname = \"looked-at\"\nscript = \"sleep 1000\"\nenv = { SECRET = \"hunter2\" }\n",
    );
    bed.ok(&["rpmctl", "apply", "/srv/looked-at/ecosystem.toml"]);
    for command in ["list", "status", "show"] {
        let output = bed.run_as("app", &["rpmctl", command, "looked-at"]);
        assert_eq!(
            (output.status, output.stderr.as_str()),
            (0, ""),
            "{command}\n{output}"
        );
        assert!(output.stdout.contains("online"), "{output}");
        assert!(!output.stdout.contains("hunter2"), "{output}");
    }
    let sudo = "  run it with sudo, or with --user for your own service manager\n";
    for args in [
        &["rpmctl", "apply", "/srv/looked-at/ecosystem.toml"][..],
        &["rpmctl", "plan", "/srv/looked-at/ecosystem.toml"],
        &["rpmctl", "stop", "looked-at"],
        &["rpmctl", "delete", "looked-at"],
        &["rpmctl", "rollback"],
    ] {
        let output = bed.run_as("app", args);
        assert_eq!(
            (output.status, output.stdout.as_str()),
            (1, ""),
            "{args:?}\n{output}"
        );
        assert!(
            output
                .stderr
                .ends_with(&format!(": permission denied\n{sudo}")),
            "{output}"
        );
    }
    bed.ok(&["rpmctl", "delete", "looked-at"]);
}

#[test]
fn a_damaged_generation_is_told_and_blocks_nothing() {
    let bed = bed::shared();
    let apply = |seconds: u32| {
        bed.write(
            "/srv/damaged/ecosystem.toml",
            0o644,
            format!("[[apps]]\nname = \"damaged\"\nscript = \"sleep {seconds}\"\n"),
        );
        bed.ok(&["rpmctl", "apply", "/srv/damaged/ecosystem.toml"]);
    };
    apply(1001);
    bed.sh_ok("rm /var/lib/rpmctl/generations/*/about");
    assert!(
        bed.ok(&["rpmctl", "rollback", "--list"])
            .contains("(damaged)")
    );
    apply(1002);
    bed.ok(&["rpmctl", "delete", "damaged"]);
}
