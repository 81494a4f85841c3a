//! `exp_backoff_restart_delay`: PM2's waits, counted by the instance's own scripts: the same on every systemd.

use std::process::Command;

use crate::apps::{PATIENCE, property};
use crate::bed::{self, Bed};

/// PM2's series from 100 ms: each is the one before times 1.5, rounded down, 15 s at most.
const WAITS: [u64; 15] = [
    100, 150, 225, 337, 505, 757, 1135, 1702, 2553, 3829, 5743, 8614, 12921, 15000, 15000,
];

/// How much later than its wait a start may be, in ms: systemd and the machine take a third of a second for it, a busy machine seconds.
const SLACK: u64 = 5000;

/// An app that writes when it starts and what its script waited for, and ends. /srv/NAME/long is what it takes for that wait from then on.
fn crashing(name: &str, more: &str) -> String {
    let line = format!(
        "cd /srv/{name}; read w l e x <$RUNTIME_DIRECTORY/wait; echo $(date +%s%3N) $w >>starts; \
         [ ! -e long ] || echo $(cat long) $l $e $x >$RUNTIME_DIRECTORY/wait; exit 3"
    );
    format!(
        "[[apps]]\nname = \"{name}\"\nscript = \"/bin/sh\"\nexp_backoff_restart_delay = 100\nlisten_timeout = 400\n\
         args = [\"-c\", '{line}']\n{more}\n"
    )
}

fn apply(bed: &Bed, name: &str, text: &str) {
    let file = format!("/srv/{name}/ecosystem.toml");
    bed.write(&file, 0o644, text);
    // It fails, and systemd goes on: what is asked here comes after.
    let output = bed.run(&["rpmctl", "apply", &file]);
    assert_eq!(output.status, 1, "{output}");
    assert!(
        output.stderr.contains(&format!(
            "error: {name}@0.service: exited with code 3; systemd goes on restarting it ("
        )),
        "{output}"
    );
}

/// When each start was, and the wait that it was given, both in ms.
fn starts(bed: &Bed, name: &str) -> Vec<(u64, u64)> {
    let file = format!("/srv/{name}/starts");
    let text = match bed.exists(&file) {
        true => bed.read(&file),
        false => String::new(),
    };
    let number = |word: Option<&str>| word.and_then(|word| word.parse().ok()).expect("ms");
    text.lines()
        .map(|line| {
            let mut words = line.split(' ');
            (number(words.next()), number(words.next()))
        })
        .collect()
}

/// Waits until, after the first `before`, a series begins without a wait and goes on for `count` waits, which must be PM2's.
fn are_the_series(bed: &Bed, name: &str, before: usize, count: usize) {
    bed.wait_until("its waits begin anew", PATIENCE, || {
        let all = starts(bed, name);
        let first = all.iter().skip(before).position(|(_, wait)| *wait == 0);
        first.is_some_and(|first| all.len() > before + first + count)
    });
    let all = starts(bed, name);
    let first = all.iter().skip(before).position(|(_, wait)| *wait == 0);
    follow(&all[before + first.expect("just seen")..][..=count]);
}

/// From a start on, each next one has the next of PM2's waits, no less and not much more.
fn follow(starts: &[(u64, u64)]) {
    let waits: Vec<u64> = starts[1..].iter().map(|(_, wait)| *wait).collect();
    let gaps: Vec<u64> = starts
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].0)
        .collect();
    println!("{gaps:?} ms between starts with waits of {waits:?} ms");
    assert_eq!(waits, WAITS[..waits.len()]);
    for (gap, wait) in gaps.iter().zip(waits) {
        // /proc/uptime has hundredths of a second.
        assert!(*gap + 20 >= wait && *gap < wait + SLACK, "{gaps:?}");
    }
}

/// Lets it wait 13.5 s for its next start, and does something while at least 6.5 s of that are left.
fn while_it_waits(bed: &Bed, name: &str, then: &str) -> String {
    let waits = format!(
        "echo 9000 >/srv/{name}/long
         until read w l e x </run/rpmctl/{name}@0/wait && [ $w -eq 9000 ] && [ $e -gt 0 ] &&
               [ $(systemctl show --value -p SubState {name}@0) = start-pre ] &&
               read t x </proc/uptime && t=${{t%.*}}${{t#*.}} && [ $((t-e)) -lt 700 ]
         do sleep 0.05; done 2>/dev/null; rm /srv/{name}/long; {then}"
    );
    bed.cmd(&["sh", "-c", &waits])
        .deadline(PATIENCE)
        .run()
        .stdout
}

fn waits_and_stops(bed: &Bed, name: &str, more: &str) {
    apply(bed, name, &crashing(name, more));
    let unit = [format!("{name}@0.service")];
    are_the_series(bed, name, 0, 7);

    // A stop that comes while it waits ends it at once, and it has not failed.
    let stopping =
        format!("date +%s%3N; systemctl stop {name}@0; date +%s%3N; rpmctl list {name} --json");
    let said = while_it_waits(bed, name, &stopping);
    let mut lines = said.lines();
    let mut at = || -> u64 { lines.next().and_then(|ms| ms.parse().ok()).expect("ms") };
    let (begun, done) = (at(), at());
    println!("stopped in {} ms", done - begun);
    assert!(done - begun < 6000, "{} ms", done - begun);
    assert_eq!(property(bed, "ActiveState", &unit), ["inactive"]);
    assert_eq!(property(bed, "Result", &unit), ["success"]);
    assert!(said.contains("\"stopped\""), "{said}");

    // By hand it starts at once, and its waits begin anew.
    for by in ["systemctl start", "rpmctl restart", "systemctl restart"] {
        let before = starts(bed, name).len();
        let target = if by.starts_with("rpmctl") {
            name
        } else {
            &unit[0]
        };
        match by {
            "systemctl start" => drop(bed.run(&["systemctl", "start", target])),
            _ => drop(while_it_waits(bed, name, &format!("{by} {target}"))),
        }
        println!("{by}:");
        are_the_series(bed, name, before, 4);
        let counted = while_it_waits(
            bed,
            name,
            &format!(
                "rpmctl list {name}; systemctl show --value -p NRestarts {name}@0; wc -l </srv/{name}/starts"
            ),
        );
        assert!(counted.contains("waiting restart"), "{counted}");
        let numbers: Vec<usize> = counted
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect();
        // After another order some of the last series may have come before it.
        if by == "systemctl start" {
            assert_eq!(numbers[0], numbers[1] - before, "{counted} after {before}");
        }
    }

    // systemd forgets with a daemon-reload that the wait may be longer than listen_timeout; it goes on all the same.
    let before: usize = while_it_waits(
        bed,
        name,
        &format!("systemctl daemon-reload; wc -l </srv/{name}/starts"),
    )
    .trim()
    .parse()
    .expect("a number");
    bed.wait_until("it starts again", PATIENCE, || {
        starts(bed, name).len() > before
    });
    let all = starts(bed, name);
    let gap = all[before].0 - all[before - 1].0;
    println!("with a daemon-reload: {gap} ms");
    assert!(all[before].1 == 13500 && gap + 20 >= 13500, "{gap}");
    bed.ok(&["rpmctl", "delete", name]);
}

/// Of the two waits that a file may give, the growing ones are meant.
#[test]
fn waits_grow_as_pm2s() {
    let bed = bed::shared();
    waits_and_stops(bed, "grow", "restart_delay = 60000");
}

/// The wait is longer than what an instance has to become ready, and does not count for that. A bed of its own, where nobody else reloads systemd.
#[test]
fn waits_grow_beyond_a_short_listen_timeout() {
    let bed = Bed::boot(bed::Options::default());
    waits_and_stops(&bed, "grow-ready", "wait_ready = true");
}

#[test]
fn a_run_of_half_a_minute_ends_the_series() {
    let bed = bed::shared();
    let text =
        crashing("stable", "").replace("; exit 3", "; [ -e works ] && exec sleep 1000; exit 3");
    apply(bed, "stable", &text);
    bed.wait_until("it has waited longer", PATIENCE, || {
        starts(bed, "stable").len() > 4
    });
    bed.sh_ok("touch /srv/stable/works");
    bed.wait_until("it runs", PATIENCE, || {
        property(bed, "SubState", &["stable@0.service".to_owned()]) == ["running"]
            && starts(bed, "stable").len() > 5
    });
    // As if it had done so for longer.
    let before = bed.sh_ok(
        "until [ $(systemctl show --value -p SubState stable@0) = running ] && [ $(cat /proc/$(systemctl show --value -p MainPID stable@0)/comm) = sleep ]; do sleep 0.05; done
         read w t e x </run/rpmctl/stable@0/wait; echo $w $((t-3001)) $e $x >/run/rpmctl/stable@0/wait
         rm /srv/stable/works; wc -l </srv/stable/starts; date +%s%3N; systemctl kill -s KILL stable@0",
    );
    let mut numbers = before
        .lines()
        .map(|line| line.parse::<u64>().expect("a number"));
    let before = numbers.next().expect("a count") as usize;
    let killed = numbers.next().expect("ms");
    bed.wait_until("it has started four times", PATIENCE, || {
        starts(bed, "stable").len() >= before + 4
    });
    let after = starts(bed, "stable")[before..before + 4].to_vec();
    follow(&[&[(killed, 0)], &after[..]].concat());
    bed.ok(&["rpmctl", "delete", "stable"]);
}

/// The script alone, told that the last run has just begun and ended `ago` before now: what it gives as the wait, having waited out the rest of it.
fn next_wait(last: u64, ran_cs: u64, ago_cs: u64) -> u64 {
    let folder = tempfile::tempdir().expect("a folder");
    let wait = folder.path().join("wait");
    let uptime = std::fs::read_to_string("/proc/uptime").expect("the uptime");
    let seconds: f64 = uptime
        .split(' ')
        .next()
        .expect("a word")
        .parse()
        .expect("s");
    let ended = (seconds * 100.0) as i64 - ago_cs as i64;
    let text = format!(
        "{last} {} {ended} exit-code exited 3\n",
        ended - ran_cs as i64
    );
    std::fs::write(&wait, text).expect("written");
    let status = Command::new("/bin/sh")
        .args(["-c", include_str!("../../templates/backoff.sh"), "app"])
        .arg(folder.path())
        .args(["100", "4294967295"])
        .status()
        .expect("sh");
    assert!(status.success(), "{status}");
    let text = std::fs::read_to_string(&wait).expect("read");
    let mut words = text.split(' ');
    let wait = words.next().and_then(|word| word.parse().ok()).expect("ms");
    assert_eq!(
        words.skip(2).collect::<Vec<_>>(),
        ["exit-code", "exited", "3\n"]
    );
    wait
}

#[test]
fn the_series_is_pm2s_to_its_end() {
    let mut last = 0;
    for wait in WAITS {
        // Ended 16 s ago: there is nothing left to wait for, and yet nobody started it by hand.
        assert_eq!(next_wait(last, 50, 1600), wait);
        last = wait;
    }
    assert_eq!(next_wait(15000, 2990, 1600), 15000);
    assert_eq!(next_wait(15000, 3010, 1600), 100, "after 30 s of running");
    assert_eq!(
        next_wait(15000, 50, 7000),
        0,
        "by hand, long after it was stopped"
    );
}
