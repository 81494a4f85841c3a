//! `log_namespace`: an app with a journal of its own shows in `rpmctl logs` as any other.

use crate::bed;
use crate::talker::{PATIENCE, Talkers, shows};

#[test]
fn an_app_with_its_own_journal_is_read_with_the_others() {
    let bed = bed::shared();
    let talk = Talkers::of_root(bed, "namespaces");
    let off = "autostart = false\n";
    let shop = format!("log_namespace = \"nsshop\"\n{off}");
    let apps = [
        ("ns a", 2, &*format!("log_namespace = true\n{off}")),
        ("ns-b", 1, &shop),
        ("ns-c", 1, off),
    ];
    talk.apply(&apps);
    // None of the journals is there yet.
    let follower = talk.follow(&["/^ns/"]);
    let rpmctl = |args: &[&str]| {
        let output = talk.rpmctl(args);
        assert_eq!(output.status, 0, "rpmctl {args:?}\n{output}");
        output
    };
    rpmctl(&["start", "ns a", "ns-b", "ns-c"]);
    for (number, instance) in ["ns a@1", "ns-c@0", "ns-b@0", "ns a@0"].iter().enumerate() {
        talk.tell(instance, &format!("o word {number}"));
        shows(bed, &follower, &format!("{instance} | word {number}"));
    }
    talk.tell("ns a@0", "e oops");
    shows(bed, &follower, "ns a@0 | oops");

    let told = |args: &[&str]| -> Vec<String> {
        let output = rpmctl(&[&["logs", "--out"], args].concat());
        output.stdout.lines().map(str::to_owned).collect()
    };
    let words = [
        "ns a@1 | word 0",
        "ns-c@0 | word 1",
        "ns-b@0 | word 2",
        "ns a@0 | word 3",
    ];
    assert_eq!(told(&["/^ns/", "--grep", "^word"]), words);
    assert_eq!(told(&["/^ns/", "--grep", "^word", "-n", "3"]), words[1..]);
    assert_eq!(told(&["ns a@1", "-n", "1"]), words[..1]);
    assert_eq!(told(&["/^ns/", "-n", "1"]), words[3..]);
    assert_eq!(rpmctl(&["logs", "ns a", "--err"]).stdout, "ns a@0 | oops\n");
    // What systemd says of it stays in the machine's journal, and is shown with the rest.
    let all = talk.logs(&["ns-b"], "it has been started", |lines| {
        // 247 names the description alone.
        lines.iter().any(|line| line.contains("Started ns-b"))
    });
    assert_eq!(all.last().map(String::as_str), Some(words[2]), "{all:#?}");
    let where_it_is = |namespace: &str| {
        let namespace = format!("--namespace={namespace}");
        bed.ok(&["journalctl", &namespace, "-o", "cat", "--grep", "^word"])
    };
    assert_eq!(where_it_is("ns_20a"), "word 0\nword 3\n");
    assert_eq!(where_it_is("nsshop"), "word 2\n");

    // To another journal while it runs: the old instance ends as it should, and what it wrote stays known.
    talk.apply(&[("ns-c", 1, "log_namespace = true\n")]);
    talk.tell("ns-c@0", "o moved");
    talk.logs_to(&["ns-c", "--out"], "ns-c@0 | moved");
    let since = talk.logs(&["ns-c"], "both runs", |lines| {
        lines.iter().filter(|line| line.ends_with("| up 0")).count() == 2
    });
    assert!(
        !since.iter().any(|line| line.contains("Failed with result")),
        "{since:#?}"
    );
    let failing = "[[apps]]\nname = \"ns-f\"\nscript = \"/bin/sh\"\nargs = [\"-c\", \"echo my last words; exit 3\"]\nlog_namespace = true\n\
                   max_restarts = 1\nmin_uptime = 2000\n";
    talk.write("failing.toml", failing);
    let output = talk.rpmctl(&["apply", &talk.path("failing.toml")]);
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("    my last words\n"), "{output}");
}

#[test]
fn a_user_manager_has_none() {
    let bed = bed::shared();
    let talk = Talkers::of_user(bed, "namespaces");
    talk.apply(&[("ns-user", 1, "log_namespace = true")]);
    let check = talk.rpmctl(&["check", &talk.path("ecosystem.toml")]);
    let note = "log_namespace` is left out: only the system's manager gives a service a journal of its own (systemd.exec(5))\n";
    assert!(check.status == 0 && check.stdout.contains(note), "{check}");
    talk.tell("ns-user@0", "o hello");
    talk.logs_to(&["ns-user"], "hello");
    let unit = bed.read("/home/app/.config/systemd/user/ns-user@.service");
    assert!(!unit.contains("LogNamespace="), "{unit}");
    let output = talk.rpmctl(&["flush", "ns-user", "--vacuum"]);
    assert_eq!(
        (
            output.status,
            output.stdout.as_str(),
            output.stderr.as_str()
        ),
        (
            0,
            "flushed   ns-user\n",
            "note: ns-user: --vacuum: its lines are in the machine's journal, which stays: a user's services have no journal of their own\n"
        )
    );
    talk.logs(&["ns-user"], "nothing", |lines| lines.is_empty());
    talk.tell("ns-user@0", "o after");
    assert_eq!(
        talk.logs_to(&["ns-user"], "after"),
        ["ns-user@0 | after"],
        "{:?}",
        PATIENCE
    );
}
