//! `exp_backoff_restart_delay`: PM2's waits, counted by the instance's own scripts: the same on every systemd.

use crate::apps::{PATIENCE, property};
use crate::bed::{self, Bed};

/// PM2's series from 100 ms: each is the one before times 1.5, rounded down.
const WAITS: [u64; 7] = [100, 150, 225, 337, 505, 757, 1135];

/// How much later than its wait a start may be: what systemd and the machine take for it.
const SLACK: u64 = 1500;

/// An app that writes when it starts, and ends.
fn crashing(name: &str, more: &str) -> String {
    format!(
        "[[apps]]\nname = \"{name}\"\nscript = \"/bin/sh\"\nexp_backoff_restart_delay = 100\nlisten_timeout = 400\n\
         args = [\"-c\", \"date +%s%3N >>/srv/{name}/starts; exit 3\"]\n{more}\n"
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

fn starts(bed: &Bed, name: &str) -> Vec<u64> {
    let file = format!("/srv/{name}/starts");
    let text = match bed.exists(&file) {
        true => bed.read(&file),
        false => String::new(),
    };
    text.lines()
        .map(|line| line.parse().expect("milliseconds"))
        .collect()
}

fn gaps(starts: &[u64]) -> Vec<u64> {
    starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn are_the_series(gaps: &[u64]) {
    println!("waited {gaps:?} ms");
    for (gap, wait) in gaps.iter().zip(WAITS) {
        // `date` runs a little after the start.
        assert!(
            *gap + 20 >= wait && *gap < wait + SLACK,
            "{gaps:?} are not {WAITS:?}"
        );
    }
}

/// Lets it crash until the wait for its next start is 1.7 s or longer, and does something in the first half of it.
fn while_it_waits(bed: &Bed, name: &str, then: &str) -> String {
    let waits = format!(
        "until read w l e x </run/rpmctl/{name}@0/wait && [ $w -gt 1000 ] && [ $e -gt 0 ] &&
               [ $(systemctl show --value -p SubState {name}@0) = start-pre ] &&
               read t x </proc/uptime && t=${{t%.*}}${{t#*.}} && [ $((t-e)) -lt 80 ]
         do sleep 0.05; done 2>/dev/null; sleep 0.1; {then}"
    );
    bed.cmd(&["sh", "-c", &waits])
        .deadline(PATIENCE)
        .run()
        .stdout
}

fn waits_and_stops(bed: &Bed, name: &str, more: &str) {
    apply(bed, name, &crashing(name, more));
    let unit = [format!("{name}@0.service")];
    bed.wait_until("it has started often", PATIENCE, || {
        starts(bed, name).len() > WAITS.len()
    });
    are_the_series(&gaps(&starts(bed, name)));

    // A stop that comes while it waits ends it at once, and it has not failed.
    while_it_waits(
        bed,
        name,
        &format!(
            "date +%s%3N >/srv/{name}/begun; systemctl stop {name}@0; date +%s%3N >/srv/{name}/done"
        ),
    );
    let at = |file: &str| {
        bed.read(&format!("/srv/{name}/{file}"))
            .trim()
            .parse::<u64>()
            .expect("milliseconds")
    };
    let took = at("done") - at("begun");
    assert!(took < 1000, "{took} ms");
    assert_eq!(property(bed, "ActiveState", &unit), ["inactive"]);
    assert_eq!(property(bed, "Result", &unit), ["success"]);

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
        bed.wait_until("it has crashed five times", PATIENCE, || {
            starts(bed, name).len() >= before + 5
        });
        println!("{by}:");
        // The first may be one of the last series that was about to come.
        are_the_series(&gaps(&starts(bed, name)[before + 1..before + 5]));
        let rows = while_it_waits(bed, name, &format!("rpmctl list {name}"));
        assert!(rows.contains("waiting restart"), "{rows}");
        let counted = while_it_waits(
            bed,
            name,
            &format!("systemctl show --value -p NRestarts {name}@0; wc -l </srv/{name}/starts"),
        );
        let numbers: Vec<usize> = counted
            .split_whitespace()
            .map(|n| n.parse().expect("a number"))
            .collect();
        // After another order one of the last series may have come before it.
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
    let gap = gaps(&starts(bed, name))[before - 1];
    println!("with a daemon-reload: {gap} ms");
    assert!(gap > 1100, "{gap}");
    bed.ok(&["rpmctl", "delete", name]);
}

#[test]
fn waits_grow_as_pm2s() {
    waits_and_stops(bed::shared(), "grow", "");
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
    let text = crashing("stable", "").replace(
        "; exit 3",
        "; [ -e /srv/stable/works ] && exec sleep 1000; exit 3",
    );
    apply(bed, "stable", &text);
    while_it_waits(bed, "stable", "touch /srv/stable/works");
    bed.wait_until("it runs", PATIENCE, || {
        property(bed, "SubState", &["stable@0.service".to_owned()]) == ["running"]
    });
    // As if it had done so for longer.
    bed.sh_ok(
        "read w t e x </run/rpmctl/stable@0/wait; echo $w $((t-3001)) $e >/run/rpmctl/stable@0/wait
         rm /srv/stable/works; date +%s%3N >>/srv/stable/starts; systemctl kill -s KILL stable@0",
    );
    let before = starts(bed, "stable").len() - 1;
    bed.wait_until("it has started four times", PATIENCE, || {
        starts(bed, "stable").len() >= before + 5
    });
    are_the_series(&gaps(&starts(bed, "stable")[before..before + 5]));
    bed.ok(&["rpmctl", "delete", "stable"]);
}
