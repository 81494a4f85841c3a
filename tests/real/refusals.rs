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
            "error: taken@tcp-7777.socket: cannot listen on 7777; `ss -ltnp` shows who does",
            "    failed to create listening socket ([::]:7777): Address already in use",
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
fn what_an_ordinary_user_may_not_do_says_how_it_is_done() {
    let bed = bed::shared();
    bed.write(
        "/srv/not-theirs/ecosystem.toml",
        0o644,
        "[[apps]]\nname = \"not-theirs\"\nscript = \"sleep 1000\"\n",
    );
    bed.ok(&["rpmctl", "apply", "/srv/not-theirs/ecosystem.toml"]);
    let sudo = "  run it with sudo, or with --user for your own service manager\n";
    for args in [
        &["rpmctl", "apply", "/srv/not-theirs/ecosystem.toml"][..],
        &["rpmctl", "plan", "/srv/not-theirs/ecosystem.toml"],
        &["rpmctl", "stop", "not-theirs"],
        &["rpmctl", "delete", "not-theirs"],
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
    bed.ok(&["rpmctl", "delete", "not-theirs"]);
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
