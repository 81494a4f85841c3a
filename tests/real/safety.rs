//! All or nothing: apply that is killed, doubled or cannot write, and secrets that stay where they belong.

use rustix::process::Signal;

use crate::apps::{
    self, PATIENCE, all_answer, apply, cluster, fails, files, list, ok, rpmctl, runs, shell, state,
    write,
};
use crate::bed::Bed;

/// GREETING as each instance's process has it.
fn greetings(bed: &Bed, app: &str, instances: u32) -> Vec<String> {
    runs(bed, app, instances)
        .iter()
        .map(|run| {
            let text = bed
                .sh(&format!("tr '\\0' '\\n' </proc/{}/environ", run.pid))
                .stdout;
            text.lines()
                .find_map(|line| line.strip_prefix("GREETING="))
                .unwrap_or("none")
                .to_owned()
        })
        .collect()
}

/// What a killed apply may leave for the next one to sweep, and nobody else may see.
fn staged(bed: &Bed) -> String {
    bed.sh_ok(
        "find /etc/systemd/system /etc/rpmctl /var/lib/rpmctl -name '.rpmctl-*' -o -name .new -o -name .old",
    )
}

#[test]
fn a_killed_apply_is_carried_on_by_the_next() {
    let bed = &apps::bed();
    let text = |greeting: &str, extra: u32| {
        cluster("web", "node", 4101, 2, greeting)
            + &cluster("rs", "rust", 4103, 2 + extra % 2, greeting)
            + &shell(&format!("extra{}", extra % 3), "exec sleep 1000", "")
    };
    apply(bed, &text("start", 0));
    let mut killed = 0;
    // Most closely while files are written, then until an apply is quicker than the killer.
    let moment = |step: u64| 15 * step.min(15) + 100 * step.saturating_sub(15);
    for step in 1u32.. {
        let greeting = format!("round-{step}");
        write(bed, &text(&greeting, step));
        let after = moment(step.into());
        let seconds = format!("{}.{:03}", after / 1000, after % 1000);
        let first = bed
            .cmd(&[
                "timeout", "-s", "KILL", &seconds, "rpmctl", "apply", "--prune",
            ])
            .dir("/srv")
            .run();
        // As timeout(1) says it.
        let was_killed = first.status == 137;
        assert!(was_killed || first.status == 0, "{first}");
        killed += u32::from(was_killed);
        let second = rpmctl(bed, &["apply", "--prune"]);
        let case = format!("killed after {after} ms\n{first}\n{second}");
        assert_eq!(second.status, 0, "{case}");
        assert_eq!(greetings(bed, "web", 2), [greeting.as_str(); 2], "{case}");
        assert_eq!(
            greetings(bed, "rs", 2 + step % 2),
            vec![greeting.as_str(); 2 + step as usize % 2],
            "{case}"
        );
        assert_eq!(list(bed, &[]).len() as u32, 2 + 2 + step % 2 + 1, "{case}");
        let plan = rpmctl(bed, &["plan", "--prune", "--detailed-exitcode"]);
        assert_eq!(plan.status, 0, "{case}\n{plan}");
        assert_eq!(staged(bed), "", "{case}");
        let kept = "cat /var/lib/rpmctl/generations/$(ls /var/lib/rpmctl/generations | sort -n | tail -n 1)/env/web.env";
        assert!(bed.sh_ok(kept).contains(&greeting), "not kept: {case}");
        assert_eq!(
            bed.ok(&[
                "systemctl",
                "list-units",
                "--all",
                "--failed",
                "--plain",
                "--no-legend"
            ]),
            "",
            "{case}"
        );
        if !was_killed && after >= 400 {
            break;
        }
    }
    println!("killed {killed} times");
    assert!(killed >= 10, "{killed}");
}

#[test]
fn two_at_once_wait_for_each_other() {
    let bed = &apps::bed();
    let text = |greeting: &str| cluster("web", "node", 4101, 2, greeting);
    apply(bed, &text("start"));
    bed.write("/srv/one.toml", 0o644, text("one"));
    bed.write("/srv/two.toml", 0o644, text("two"));
    for _ in 0..3 {
        let both: Vec<_> = ["one.toml", "two.toml"]
            .map(|file| bed.cmd(&["rpmctl", "apply", file]).dir("/srv").spawn())
            .into();
        let both: Vec<_> = both.into_iter().map(|one| one.wait(PATIENCE)).collect();
        assert!(
            both.iter().all(|one| one.status == 0),
            "{} {}",
            both[0],
            both[1]
        );
        let now = greetings(bed, "web", 2);
        assert!(
            now == ["one"; 2] || now == ["two"; 2],
            "{now:?}\n{}\n{}",
            both[0],
            both[1]
        );
        let file = format!("{}.toml", now[0]);
        assert_eq!(
            fails(bed, &["plan", &file, "--detailed-exitcode"], 0).stderr,
            ""
        );
    }
    // One that finds the lock taken says so.
    let mut holder = bed.spawn(&[
        "flock",
        "-F",
        "/run/rpmctl/lock",
        "sh",
        "-c",
        "echo held; exec sleep 1000",
    ]);
    bed.wait_until("the lock is held", PATIENCE, || {
        holder.printed().0 == "held\n"
    });
    let before = runs(bed, "web", 2);
    let waiting = bed.cmd(&["rpmctl", "restart", "web"]).spawn();
    let said = "waiting for another rpmctl to finish\n";
    bed.wait_until("it says that it waits", PATIENCE, || {
        waiting.printed().1 == said
    });
    assert_eq!(runs(bed, "web", 2), before);
    assert!(holder.signal(Signal::KILL));
    let waited = waiting.wait(PATIENCE);
    assert_eq!(waited.status, 0, "{waited}");
    assert!(waited.stderr.starts_with(said), "{waited}");
    assert!(runs(bed, "web", 2).iter().all(|run| !before.contains(run)));
}

#[test]
fn what_cannot_be_written_changes_nothing() {
    let bed = &apps::bed();
    let text = |greeting: &str| {
        cluster("web", "node", 4101, 2, greeting) + &shell("other", "exec sleep 1000", "")
    };
    apply(bed, &text("old"));
    let before = (files(bed), runs(bed, "web", 2), runs(bed, "other", 1));
    let new = text("new").replace("min_uptime = 200", "min_uptime = 300")
        + &shell("more", "exec sleep 1000", "");
    write(bed, &new);
    for folder in [
        "/etc/systemd/system",
        "/etc/rpmctl/env",
        "/var/lib/rpmctl/generations",
        "/run/rpmctl",
    ] {
        bed.ok(&["mount", "--bind", "-o", "ro", folder, folder]);
        bed.ok(&["mount", "-o", "remount,bind,ro", folder]);
        let refused = fails(bed, &["apply"], 1);
        bed.ok(&["umount", folder]);
        assert!(
            refused.stderr.contains(folder)
                && refused
                    .stderr
                    .to_lowercase()
                    .contains("read-only file system"),
            "{folder}: {refused}"
        );
        assert_eq!(
            (files(bed), runs(bed, "web", 2), runs(bed, "other", 1)),
            before,
            "{folder}: {refused}"
        );
        assert_eq!(state(bed, "more.target"), "inactive");
    }
    ok(bed, &["apply"]);
    all_answer(bed, "web", 4101, 2, "new");
}

#[test]
fn secrets_stay_in_files_of_root_alone() {
    let bed = &apps::bed();
    let secrets = ["s3cret-Old-Value", "s3cret-New-Value"];
    let text = |secret: &str| {
        cluster("web", "node", 4101, 2, "hello")
            .replace("env = {", &format!("env = {{ TOKEN = \"{secret}\","))
    };
    let mut said = String::new();
    for secret in secrets {
        write(bed, &text(secret));
        for args in [
            &["plan"][..],
            &["plan", "--diff"],
            &["plan", "--json"],
            &["plan", "--json", "--diff"],
            &["check"],
            &["apply", "--diff"],
        ] {
            said += &rpmctl(bed, args).to_string();
        }
    }
    for args in [
        &["apply", "--json"][..],
        &["show", "web"],
        &["show", "web", "--json"],
        &["list", "--json"],
        &["status", "--json"],
        &["logs", "web", "--raw"],
        &["logs", "web", "--json"],
        &["rollback", "--check", "--diff"],
        &["rollback", "--list", "--json"],
        &["rollback", "--diff"],
        &["delete", "web"],
    ] {
        said += &rpmctl(bed, args).to_string();
        if args[0] == "rollback" {
            assert_eq!(
                bed.sh_ok("stat -c '%a %U' /etc/rpmctl/env /etc/rpmctl/env/web.env"),
                "700 root\n600 root\n"
            );
        }
    }
    assert!(said.contains("~ env TOKEN"), "{said}");
    said += &bed.sh_ok("journalctl --sync; journalctl --no-pager -o export -a | cat -v");
    said += &bed.sh_ok("find /etc/systemd /run/systemd/system /run/rpmctl -type f -exec cat {} +");
    for secret in secrets {
        assert!(
            !said.contains(secret),
            "{}",
            &said[..said.find(secret).unwrap_or(0)]
        );
    }
    // Nobody but root reads what earlier generations hold.
    assert_eq!(
        bed.run_as("app", &["ls", "/var/lib/rpmctl/generations"])
            .status,
        2
    );
    assert_eq!(bed.run_as("app", &["ls", "/etc/rpmctl/env"]).status, 2);
}
