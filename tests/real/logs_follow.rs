//! `rpmctl logs -f`: every new line comes, whatever happens to the apps and to journald meanwhile.

use std::collections::BTreeMap;

use rustix::process::Signal;

use crate::bed::{self, Bed, Options};
use crate::talker::{PATIENCE, Talkers, shows};

/// SIGTERM, and nothing of it is left.
fn ends(mut follower: bed::Spawned) -> Vec<String> {
    follower.signal(Signal::TERM);
    let output = follower.wait(PATIENCE);
    assert_eq!((output.status, output.stderr.as_str()), (143, ""));
    output.stdout.lines().map(str::to_owned).collect()
}

/// Lines that did not come exactly once.
fn not_once(lines: &[String], wanted: impl Iterator<Item = String>) -> Vec<(String, u32)> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for line in lines {
        *counts.entry(line).or_default() += 1;
    }
    wanted
        .map(|line| (counts.get(line.as_str()).copied().unwrap_or(0), line))
        .filter(|(count, _)| *count != 1)
        .map(|(count, line)| (line, count))
        .collect()
}

fn follows_restarted_and_new_instances(talk: &Talkers, name: &str) {
    let bed = talk.bed;
    let on = |index: u32| format!("{name}@{index}");
    talk.apply(&[(name, 1, "restart_delay = 100")]);
    talk.logs_to(&[name, "--out"], "up 0");
    let all = talk.follow(&[name]);
    let err = talk.follow(&[name, "--err", "-n", "0"]);
    let json = talk.follow(&[name, "--json"]);
    shows(bed, &all, "up 0");
    talk.tell(&on(0), "o hello");
    shows(bed, &all, &format!("{name}@0 | hello"));
    talk.tell(&on(0), "x 3");
    bed.wait_until("it is restarted", PATIENCE, || {
        all.printed()
            .0
            .matches(&format!("{name}@0 | up 0\n"))
            .count()
            == 2
    });
    talk.tell(&on(0), "o again");
    shows(bed, &all, &format!("{name}@0 | again"));
    talk.apply(&[(name, 3, "restart_delay = 100")]);
    talk.tell(&on(2), "o third");
    talk.tell(&on(2), "e third err");
    shows(bed, &all, &format!("{name}@2 | third"));
    shows(bed, &all, &format!("{name}@2 | third err"));
    shows(bed, &err, &format!("{name}@2 | third err"));
    bed.wait_until("the JSON has it", PATIENCE, || {
        json.printed().0.contains("\"third err\"")
    });
    let output = talk.rpmctl(&["restart", name]);
    assert_eq!(output.status, 0, "{output}");
    talk.tell(&on(1), "o after restart");
    shows(bed, &all, &format!("{name}@1 | after restart"));
    assert_eq!(ends(err), [format!("{name}@2 | third err")]);
    let all = ends(all);
    let once = [
        "0 | hello",
        "0 | again",
        "2 | third",
        "2 | third err",
        "1 | after restart",
    ];
    assert_eq!(
        not_once(&all, once.iter().map(|line| format!("{name}@{line}"))),
        []
    );
    assert!(
        all.iter()
            .any(|line| line.starts_with(&format!("{name}@0 | ")) && line.contains("status=3")),
        "what systemd says of the end is shown: {all:?}"
    );
    for line in ends(json) {
        serde_json::from_str::<serde_json::Value>(&line)
            .unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[test]
fn new_lines_come_also_of_restarted_and_of_new_instances() {
    follows_restarted_and_new_instances(&Talkers::of_root(bed::shared(), "follow"), "follow");
}

#[test]
fn a_user_follows_restarted_and_new_instances() {
    follows_restarted_and_new_instances(&Talkers::of_user(bed::shared(), "follow"), "follow-user");
}

#[test]
fn what_is_followed_may_be_narrowed() {
    let bed = bed::shared();
    let talk = Talkers::of_root(bed, "narrow");
    talk.apply(&[("narrow", 2, ""), ("narrow-b", 1, "")]);
    talk.logs_to(&["narrow-b", "--out"], "up 0");
    talk.logs_to(&["narrow@1", "--out"], "up 1");
    let one = talk.follow(&["narrow@1", "--out"]);
    let both = talk.follow(&["narrow", "narrow-b", "--grep", "^word", "--raw"]);
    let everything = talk.follow(&["-n", "0"]);
    for (instance, line) in [
        ("narrow@0", "word a"),
        ("narrow-b@0", "other"),
        ("narrow@1", "word b"),
        ("narrow-b@0", "word c"),
    ] {
        talk.tell(instance, &format!("o {line}"));
    }
    shows(bed, &one, "narrow@1 | word b");
    for word in ["word a", "word b", "word c"] {
        shows(bed, &both, word);
    }
    talk.tell("narrow-b@0", "o at last");
    shows(bed, &everything, "narrow-b@0 | at last");
    ends(everything);
    assert_eq!(ends(one), ["narrow@1 | up 1", "narrow@1 | word b"]);
    let mut both = ends(both);
    both.sort();
    assert_eq!(both, ["word a", "word b", "word c"]);
}

/// Counts to 400 while `disturb` does what it does three times.
fn nothing_is_lost_while(bed: &Bed, name: &str, disturb: impl Fn()) {
    let talk = Talkers::of_root(bed, name);
    bed.write(
        &format!("/srv/{name}/count.sh"),
        0o644,
        "until [ -e $RUNTIME_DIRECTORY/go ]; do sleep 0.02; done\nn=0; while [ $n -lt 400 ]; do n=$((n+1)); echo \"line $n\"; sleep 0.01; done\necho counted; exec sleep 1000\n",
    );
    bed.write(
        &format!("/srv/{name}/count.toml"),
        0o644,
        format!("[[apps]]\nname = \"{name}\"\nscript = \"count.sh\"\ninterpreter = \"/bin/sh\"\ninstances = 2\nexec_mode = \"fork\"\nmin_uptime = 50\n"),
    );
    bed.ok(&["rpmctl", "apply", &format!("/srv/{name}/count.toml")]);
    let follower = talk.follow(&[name, "-n", "all"]);
    bed.wait_until("the follower shows the start", PATIENCE, || {
        follower.printed().0.contains("Started ")
    });
    bed.sh_ok(&format!(
        "touch /run/rpmctl/{name}@0/go /run/rpmctl/{name}@1/go"
    ));
    for at in [50, 150, 250] {
        shows(bed, &follower, &format!("{name}@0 | line {at}"));
        disturb();
    }
    for index in 0..2 {
        shows(bed, &follower, &format!("{name}@{index} | counted"));
    }
    let lines = ends(follower);
    let wanted =
        (0..2).flat_map(|index| (1..=400).map(move |n| format!("{name}@{index} | line {n}")));
    assert_eq!(not_once(&lines, wanted), []);
}

// Each has a bed of its own: the other tests' lines are no part of this.

#[test]
fn a_journald_that_restarts_costs_no_line() {
    let bed = Bed::boot(Options::default());
    nothing_is_lost_while(&bed, "restarted", || {
        drop(bed.ok(&["systemctl", "restart", "systemd-journald"]))
    });
}

#[test]
fn a_journal_that_rotates_costs_no_line() {
    let bed = Bed::boot(Options::default());
    nothing_is_lost_while(&bed, "rotated", || {
        drop(bed.ok(&["journalctl", "--rotate"]))
    });
}

#[test]
fn a_journalctl_that_is_killed_costs_no_line() {
    let bed = Bed::boot(Options::default());
    nothing_is_lost_while(&bed, "killed", || {
        drop(bed.ok(&["pkill", "-KILL", "-x", "journalctl"]))
    });
}
