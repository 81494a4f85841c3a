//! reload: one instance after another, each ready before the next, and nothing is lost.

use crate::apps::{
    Run, apply, fails, ok, rpmctl, runs, shell, sorted, state, statuses, units, write,
};
use crate::bed::{Bed, Output};
use crate::steered::{self, away, forked, most_away, steered, under_load};

fn reload(bed: &Bed, args: &[&str]) -> Output {
    let output = rpmctl(bed, &[&["reload"], args].concat());
    assert_eq!(output.status, 0, "{output}");
    output
}

/// The numbers of the instances with a new run.
fn renewed(before: &[Run], after: &[Run]) -> Vec<usize> {
    (0..before.len())
        .filter(|number| {
            before[*number].pid != after[*number].pid
                && before[*number].invocation != after[*number].invocation
        })
        .collect()
}

/// `  reloaded  api@2.service in 1.2 s` as `reloaded api@2.service`.
fn told(output: &Output) -> Vec<String> {
    let without_time = |line: &str| {
        let (words, time) = line.rsplit_once(" in ").unwrap_or((line, ""));
        assert!(time.is_empty() || time.ends_with(" s"), "{line}");
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    output.stderr.lines().map(without_time).collect()
}

#[test]
fn one_after_another_under_load_and_no_request_fails() {
    let bed = &steered::bed();
    apply(bed, &steered("web", 4201, 4, "one", ""));
    for _ in 0..3 {
        let before = runs(bed, "web", 4);
        let (output, seen) = under_load(bed, 4201, || reload(bed, &["web"]));
        assert_eq!(seen.failures, Vec::<String>::new());
        assert!(seen.answers > 100, "{}", seen.answers);
        assert_eq!(
            told(&output),
            units("web", 4)
                .iter()
                .map(|unit| format!("reloaded {unit}"))
                .collect::<Vec<_>>()
        );
        assert_eq!(output.stdout, "done: 4 instances reloaded\n");
        assert_eq!(renewed(&before, &runs(bed, "web", 4)), [0, 1, 2, 3]);
        let away = away(bed, "web", 4);
        assert_eq!(most_away(&away), 1, "{away:?}");
        assert!(away.is_sorted(), "{away:?}");
        println!("{} answers, away {away:?}", seen.answers);
    }
    assert_eq!(
        ok(bed, &["apply"]),
        "nothing to do: 1 app, 4 instances, all as the file says\n"
    );
}

#[test]
fn two_at_a_time_and_never_three_away() {
    let bed = &steered::bed();
    apply(bed, &steered("web", 4201, 5, "one", ""));
    let before = runs(bed, "web", 5);
    let (_, seen) = under_load(bed, 4201, || reload(bed, &["web", "--parallel", "2"]));
    assert_eq!(seen.failures, Vec::<String>::new());
    assert_eq!(renewed(&before, &runs(bed, "web", 5)), [0, 1, 2, 3, 4]);
    let spans = away(bed, "web", 5);
    assert_eq!(most_away(&spans), 2, "{spans:?}");
    reload(bed, &["web", "--parallel", "100"]);
    assert_eq!(most_away(&away(bed, "web", 5)), 5);
}

#[test]
fn a_single_instance_fork_mode_and_every_kind_of_target() {
    let bed = &steered::bed();
    apply(
        bed,
        &(steered("web", 4201, 1, "one", "")
            + &forked("fork", 4211, 3, "one")
            + &shell("plain", "exec sleep 1000", "instances = 2")),
    );
    // One instance: connections wait in the socket that systemd holds.
    let before = runs(bed, "web", 1);
    let (_, seen) = under_load(bed, 4201, || reload(bed, &["web"]));
    assert_eq!(seen.failures, Vec::<String>::new());
    assert_eq!(renewed(&before, &runs(bed, "web", 1)), [0]);

    let all = || {
        [
            runs(bed, "fork", 3),
            runs(bed, "plain", 2),
            runs(bed, "web", 1),
        ]
        .concat()
    };
    let kinds: [(&[&str], &[usize]); 6] = [
        (&["fork"], &[0, 1, 2]),
        (&["fork@1"], &[1]),
        (&["plain@1", "web"], &[4, 5]),
        (&["/^(pl|w)/"], &[3, 4, 5]),
        (&["0"], &[0]),
        (&["all"], &[0, 1, 2, 3, 4, 5]),
    ];
    for (targets, ids) in kinds {
        let before = all();
        reload(bed, targets);
        assert_eq!(renewed(&before, &all()), ids, "reload {targets:?}");
        assert_eq!(statuses(bed, &[]), ["online"; 6]);
    }
    assert_eq!(most_away(&away(bed, "fork", 3)), 1);
    assert_eq!(most_away(&away(bed, "plain", 2)), 1);
    assert_eq!(
        fails(bed, &["reload", "wbe"], 1).stderr,
        "error: no app is called wbe\n  did you mean web?\n"
    );
}

#[test]
fn who_is_down_comes_up_first_and_a_stopped_app_comes_back() {
    let bed = &steered::bed();
    apply(bed, &steered("web", 4201, 4, "one", ""));
    ok(bed, &["stop", "web@2"]);
    bed.write("/srv/crash-web-3", 0o644, "");
    let gone = runs(bed, "web", 4)[3].pid.to_string();
    bed.ok(&["kill", "-9", &gone]);
    bed.wait_until("web@3 gives up", crate::apps::PATIENCE, || {
        state(bed, "web@3.service") == "failed"
    });
    bed.ok(&["rm", "/srv/crash-web-3"]);
    let output = reload(bed, &["web"]);
    assert_eq!(
        told(&output),
        [
            "started web@2.service",
            "started web@3.service",
            "reloaded web@0.service",
            "reloaded web@1.service"
        ]
    );
    assert_eq!(statuses(bed, &["web"]), ["online"; 4]);

    ok(bed, &["stop", "web"]);
    let output = reload(bed, &["web"]);
    let started = units("web", 4);
    let started = started.iter().map(|unit| format!("  started   {unit}"));
    let lines: Vec<String> = ["  enabled   web.target".to_owned()]
        .into_iter()
        .chain(started)
        .collect();
    assert_eq!(sorted(&output), lines);
    assert_eq!(state(bed, "web.target"), "active");
    assert!(bed.exists("/etc/systemd/system/multi-user.target.wants/web.target"));
    assert_eq!(statuses(bed, &["web"]), ["online"; 4]);
}

#[test]
fn json_says_what_became_of_each_and_how_long_it_took() {
    let bed = &steered::bed();
    apply(
        bed,
        &steered("web", 4201, 3, "one", "listen_timeout = 3000"),
    );
    ok(bed, &["stop", "web@1"]);
    bed.write("/srv/slow-web-0", 0o644, "");
    bed.write("/srv/crash-web-2", 0o644, "");
    let output = fails(bed, &["reload", "web", "--json"], 1);
    assert_eq!(output.stderr, "");
    let said: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(
        (&said["changed"], &said["interrupted"]),
        (&true.into(), &false.into())
    );
    let app = &said["apps"][0];
    assert_eq!(app["name"], "web");
    let results: Vec<(&str, &str)> = app["instances"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            (
                one["unit"].as_str().expect("a unit"),
                one["result"].as_str().expect("a word"),
            )
        })
        .collect();
    assert_eq!(
        results,
        [
            ("web@1.service", "started"),
            ("web@0.service", "reloaded"),
            ("web@2.service", "failed")
        ]
    );
    let took = app["instances"][1]["ms"].as_u64().expect("milliseconds");
    assert!((1000..10_000).contains(&took), "{took}");
    assert_eq!(said["failed"][0]["unit"], "web@2.service");
    assert_eq!(said["failed"][0]["lines"][0], "cannot find the database");
}

#[test]
fn a_second_reload_of_the_app_is_refused_and_one_of_another_app_is_not() {
    let bed = &steered::bed();
    apply(
        bed,
        &(steered("web", 4201, 3, "one", "") + &steered("other", 4202, 2, "one", "")),
    );
    bed.write("/srv/slow-web", 0o644, "");
    bed.write("/srv/slow-other", 0o644, "");
    let first = bed.spawn(&["rpmctl", "reload", "web"]);
    bed.wait_until("the first has begun", crate::apps::PATIENCE, || {
        state(bed, "web@0.service") != "active"
    });
    let pid = bed.sh_ok("cat /run/rpmctl/reload/web").trim().to_owned();
    for targets in [&["web"][..], &["web@2"], &["all"]] {
        let before = runs(bed, "other", 2);
        let refused = fails(bed, &[&["reload"], targets].concat(), 1);
        let who = format!("error: web is being reloaded by process {pid}, begun ");
        assert!(refused.stderr.starts_with(&who), "{refused}");
        assert!(
            refused.stderr.ends_with(
                "s ago\n  nothing was changed; wait for it to end, or end it with Ctrl-C there\n"
            ),
            "{refused}"
        );
        assert_eq!(runs(bed, "other", 2), before);
    }
    let clock = ok(bed, &["reload", "--by-clock", "web"]);
    assert_eq!(clock, "");
    // What changes more than a reload does waits for it, one of another app does not.
    let others = runs(bed, "other", 2);
    let restart = bed.spawn(&["rpmctl", "restart", "other@1"]);
    let other = bed.spawn(&["rpmctl", "reload", "other@0"]);
    bed.wait_until("both say so", crate::apps::PATIENCE, || {
        restart.printed().1 == "waiting for another rpmctl to finish\n"
    });
    let other = other.wait(crate::apps::PATIENCE);
    assert_eq!(other.status, 0, "{other}");
    let after = runs(bed, "other", 2);
    assert_eq!(renewed(&others, &after), [0]);
    let first = first.wait(crate::apps::PATIENCE);
    assert_eq!(first.status, 0, "{first}");
    let restart = restart.wait(crate::apps::PATIENCE);
    assert_eq!(restart.status, 0, "{restart}");
    assert_eq!(renewed(&after, &runs(bed, "other", 2)), [1]);
    let web = away(bed, "web", 3);
    let beside = away(bed, "other", 2);
    assert!(
        beside[0].1 < web[2].1 && beside[1].0 > web[2].1,
        "{web:?} {beside:?}"
    );
    assert_eq!(statuses(bed, &[]), ["online"; 5]);
}

#[test]
fn killed_at_any_moment_and_run_again_it_converges() {
    let bed = &steered::bed();
    write(bed, &steered("web", 4201, 3, "one", ""));
    ok(bed, &["apply"]);
    let (killed, seen) = under_load(bed, 4201, || {
        let mut killed = 0;
        for step in 0u64.. {
            let after = format!("{:.3}", 0.05 * step as f64 + 0.01);
            let first = bed.run(&["timeout", "-s", "KILL", &after, "rpmctl", "reload", "web"]);
            // As timeout(1) says it.
            if first.status != 137 {
                assert_eq!(first.status, 0, "{first}");
                break;
            }
            killed += 1;
            let before = runs(bed, "web", 3);
            reload(bed, &["web"]);
            assert_eq!(renewed(&before, &runs(bed, "web", 3)), [0, 1, 2]);
            assert_eq!(
                statuses(bed, &["web"]),
                ["online"; 3],
                "killed after {after} s"
            );
            assert!(most_away(&away(bed, "web", 3)) <= 1);
            assert_eq!(
                ok(bed, &["apply"]),
                "nothing to do: 1 app, 3 instances, all as the file says\n"
            );
        }
        killed
    });
    println!("killed {killed} times, {} answers", seen.answers);
    assert!(killed >= 8, "{killed}");
    assert_eq!(seen.failures, Vec::<String>::new());
}
