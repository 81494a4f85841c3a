//! reload that does not get to its end: a release that fails, Ctrl-C; the rest goes on as it was.

use std::time::Duration;

use rustix::process::Signal;

use crate::apps::{
    PATIENCE, apply, fails, ok, property, rpmctl, runs, shell, state, statuses, stays,
};
use crate::bed::Bed;
use crate::steered::{self, most_away, steered, under_load};

/// What `reload web` says of a failure on instance 1 of 4: `why`, its last lines, what is left and what to do next.
fn stops_at_one(bed: &Bed, why: &str, lines: &[&str]) {
    let before = runs(bed, "web", 4);
    let (output, seen) = under_load(bed, 4201, || fails(bed, &["reload", "web"], 1));
    assert_eq!(seen.failures, Vec::<String>::new(), "{output}");
    let (progress, said) = output.stderr.split_once("error: ").expect("an error");
    let progress: Vec<&str> = progress.lines().collect();
    assert!(
        progress.len() == 2
            && progress[0].starts_with("  reloaded  web@0.service in ")
            && progress[1].starts_with("  failed    web@1.service after "),
        "{output}"
    );
    let mut said: Vec<&str> = said.lines().collect();
    let shown = said.drain(1..1 + lines.len()).collect::<Vec<_>>();
    assert_eq!(shown, lines, "{output}");
    assert_eq!(
        said,
        [
            said[0],
            "  see more with: rpmctl logs web",
            "  web@2 web@3 were not reloaded and go on as before",
            "  mend it, then: rpmctl reload web"
        ]
    );
    assert!(
        said[0].starts_with(&format!("web@1.service: {why}")),
        "{output}"
    );
    assert_eq!(output.stdout, "");
    let after = runs(bed, "web", 4);
    assert_ne!(after[0], before[0]);
    assert_eq!(after[2..], before[2..]);
}

fn mended(bed: &Bed) {
    let before = runs(bed, "web", 4);
    ok(bed, &["reload", "web"]);
    let after = runs(bed, "web", 4);
    assert!(before.iter().zip(&after).all(|(old, new)| old != new));
    assert_eq!(statuses(bed, &["web"]), ["online"; 4]);
}

#[test]
fn a_release_that_ends_at_boot_stops_it_there() {
    let bed = &steered::bed();
    apply(bed, &steered("web", 4201, 4, "one", ""));
    bed.write("/srv/crash-web-1", 0o644, "");
    stops_at_one(
        bed,
        "gave up after 3 starts in a row shorter than min_uptime (max_restarts)",
        &["    cannot find the database"],
    );
    bed.ok(&["rm", "/srv/crash-web-1"]);
    mended(bed);
}

#[test]
fn a_release_that_never_becomes_ready_stops_it_there_and_systemd_goes_on_trying() {
    let bed = &steered::bed();
    let text = steered("web", 4201, 4, "one", "listen_timeout = 1500")
        .replace("max_restarts = 3", "max_restarts = 100");
    apply(bed, &text);
    bed.write("/srv/mute-web-1", 0o644, "");
    stops_at_one(
        bed,
        "not ready within 1.5 s (listen_timeout)",
        &["    waits for the database"],
    );
    // Mended in place: systemd's own next try brings it up.
    bed.ok(&["rm", "/srv/mute-web-1"]);
    bed.wait_until("web@1 is back by itself", PATIENCE, || {
        statuses(bed, &["web"]) == ["online"; 4]
    });
    mended(bed);
}

#[test]
fn a_release_that_lives_for_a_moment_does_not_take_the_next_instance() {
    let bed = &steered::bed();
    apply(bed, &steered("web", 4201, 4, "one", ""));
    let before = runs(bed, "web", 4);
    bed.write("/srv/brief-web", 0o644, "");
    let (output, seen) = under_load(bed, 4201, || fails(bed, &["reload", "web"], 1));
    assert!(seen.answers > 100, "{}", seen.answers);
    assert!(
        output.stderr.contains("error: web@0.service: ")
            && output
                .stderr
                .contains("\n  web@1 web@2 web@3 were not reloaded and go on as before\n"),
        "{output}"
    );
    assert_eq!(runs(bed, "web", 4)[1..], before[1..], "{output}");
}

#[test]
fn a_failure_of_one_app_does_not_hold_the_others_up() {
    let bed = &steered::bed();
    apply(
        bed,
        &(steered("bad", 4201, 2, "one", "") + &shell("good", "exec sleep 1000", "instances = 2")),
    );
    let before = [runs(bed, "bad", 2), runs(bed, "good", 2)];
    bed.write("/srv/crash-bad", 0o644, "");
    let output = fails(bed, &["reload", "all"], 1);
    assert!(
        output.stderr.ends_with(
            "  bad@1 was not reloaded and goes on as before\n  mend it, then: rpmctl reload bad\n"
        ),
        "{output}"
    );
    let after = [runs(bed, "bad", 2), runs(bed, "good", 2)];
    assert_eq!(after[0][1], before[0][1]);
    assert!(after[1].iter().zip(&before[1]).all(|(new, old)| new != old));
}

#[test]
fn ctrl_c_finishes_the_instance_at_hand_and_a_second_one_stops_at_once() {
    let bed = &steered::bed();
    apply(bed, &steered("web", 4201, 4, "one", ""));
    bed.write("/srv/slow-web", 0o644, "");
    let away = |unit: &str| state(bed, unit) != "active";
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let before = runs(bed, "web", 4);
        let mut one = bed.spawn(&["rpmctl", "reload", "web"]);
        bed.wait_until("web@0 is at hand", PATIENCE, || away("web@0.service"));
        assert!(one.signal(signal));
        let output = one.wait(PATIENCE);
        assert_eq!(output.status, code, "{output}");
        let lines: Vec<&str> = output.stderr.lines().collect();
        assert!(
            lines.len() == 4
                && lines[0] == "  stopping  after the instance at hand; Ctrl-C again stops at once"
                && lines[1].starts_with("  reloaded  web@0.service in ")
                && lines[2] == "  web@1 web@2 web@3 were not reloaded and go on as before"
                && lines[3] == "  carry on with: rpmctl reload web",
            "{output}"
        );
        let after = runs(bed, "web", 4);
        assert_ne!(after[0], before[0]);
        assert_eq!(after[1..], before[1..]);
        assert_eq!(statuses(bed, &["web"]), ["online"; 4]);
    }
    let before = runs(bed, "web", 4);
    let mut one = bed.spawn(&["rpmctl", "reload", "web"]);
    bed.wait_until("web@0 is at hand", PATIENCE, || away("web@0.service"));
    assert!(one.signal(Signal::INT));
    bed.wait_until("it has heard", PATIENCE, || !one.printed().1.is_empty());
    assert!(one.signal(Signal::INT));
    let output = one.wait(PATIENCE);
    assert_eq!(
        (output.status, output.stdout.as_str()),
        (130, ""),
        "{output}"
    );
    assert!(
        output
            .stderr
            .ends_with("\nerror: stopped at once; the same command again carries on\n"),
        "{output}"
    );
    assert!(away("web@0.service"));
    // Systemd brings the one at hand up; nobody touches the others.
    bed.wait_until("web@0 is back", PATIENCE, || !away("web@0.service"));
    assert!(stays(Duration::from_millis(500), || runs(bed, "web", 4)
        [1..]
        == before[1..]));
    bed.ok(&["rm", "/srv/slow-web"]);
    mended(bed);
    assert_eq!(most_away(&steered::away(bed, "web", 4)), 1);
}

#[test]
fn a_unit_that_systemd_refuses_is_a_failure() {
    let bed = &steered::bed();
    apply(bed, &shell("web", "exec sleep 1000", "instances = 2"));
    let before = runs(bed, "web", 2);
    bed.ok(&["systemctl", "mask", "--runtime", "web@0.service"]);
    let output = rpmctl(bed, &["reload", "web"]);
    assert_eq!(output.status, 1, "{output}");
    assert!(
        output
            .stderr
            .contains("error: web@0.service: restart was refused: "),
        "{output}"
    );
    assert_eq!(runs(bed, "web", 2), before);
    assert_eq!(
        property(bed, "LoadState", &["web@0.service".to_owned()]),
        ["masked"]
    );
}
