//! The times that cron patterns become, as systemd itself reads them, against croner: random patterns, from moments around year ends and leap days.
//!
//! CRON_PATTERNS=10000 cargo test --test cron    checks that many instead.

#[path = "cron/random.rs"]
mod random;

use std::collections::BTreeSet;
use std::process::Command;

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use croner::Cron;
use croner::parser::CronParser;
use random::Random;
use rpmctl::config::cron;
use rpmctl::units::calendar::on_calendar;

/// Times compared of each pattern.
const TIMES: usize = 6;

const PATTERNS: usize = 3000;

/// UTC.
const MOMENTS: [&str; 6] = [
    "2026-11-23 10:20:30",
    "2027-12-31 23:59:58",
    "2028-02-27 12:00:00",
    "2028-02-28 23:59:59",
    "2031-02-25 04:05:06",
    "2096-02-29 00:00:00",
];

const FORM: &str = "%Y-%m-%d %H:%M:%S";

struct Case {
    pattern: String,
    lines: Vec<String>,
}

fn croner(pattern: &str) -> Cron {
    CronParser::builder()
        .sloppy_ranges(true)
        .build()
        .parse(pattern)
        .unwrap_or_else(|error| panic!("croner refuses {pattern:?}: {error}"))
}

/// What croner says comes after the moment; fewer where there are no more before 2199, systemd's last year.
fn expected(pattern: &str, after: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let cron = croner(pattern);
    let mut times = Vec::new();
    let mut last = after;
    while times.len() < TIMES
        && let Ok(next) = cron.find_next_occurrence(&last, false)
        && next.year() < 2199
    {
        times.push(next);
        last = next;
    }
    times
}

/// What systemd says of each line, in one call.
fn elapses(lines: &[&str], after: &str) -> Vec<Vec<DateTime<Utc>>> {
    let output = Command::new("systemd-analyze")
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .args(["calendar", &format!("--iterations={TIMES}")])
        .arg(format!("--base-time={after} UTC"))
        .args(lines)
        .output()
        .expect("systemd-analyze runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}\n{text}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut all: Vec<Vec<DateTime<Utc>>> = Vec::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(": ") else {
            continue;
        };
        match key.trim() {
            "Normalized form" => all.push(vec![]),
            "Next elapse" if value.trim() == "never" => {}
            "Next elapse" => all.last_mut().expect("a form").push(moment(value)),
            key if key.starts_with("Iter. #") || key.starts_with("Iteration #") => {
                all.last_mut().expect("a form").push(moment(value));
            }
            _ => {}
        }
    }
    assert_eq!(all.len(), lines.len(), "{text}");
    all
}

/// `Fri 2027-02-26 00:00:00 UTC`
fn moment(text: &str) -> DateTime<Utc> {
    let text = text.trim().trim_end_matches(" UTC");
    let text = text.split_once(' ').expect("a day of the week").1;
    NaiveDateTime::parse_from_str(text, FORM)
        .unwrap_or_else(|error| panic!("{text:?}: {error}"))
        .and_utc()
}

fn check(cases: &[Case], after: &str) {
    let lines: Vec<&str> = cases
        .iter()
        .flat_map(|case| case.lines.iter().map(String::as_str))
        .collect();
    let mut found = elapses(&lines, after).into_iter();
    let base = NaiveDateTime::parse_from_str(after, FORM)
        .expect("a moment")
        .and_utc();
    for case in cases {
        let mine: BTreeSet<DateTime<Utc>> =
            found.by_ref().take(case.lines.len()).flatten().collect();
        let expected = expected(&case.pattern, base);
        let mine: Vec<_> = mine.into_iter().take(expected.len().max(1)).collect();
        assert_eq!(
            mine, expected,
            "{:?} became {:?}, after {after}",
            case.pattern, case.lines
        );
    }
}

#[test]
fn random_patterns_mean_what_they_mean_to_croner() {
    let count = match std::env::var("CRON_PATTERNS") {
        Ok(count) => count.parse().expect("a number"),
        Err(_) => PATTERNS,
    };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut cases: Vec<Vec<Case>> = MOMENTS.iter().map(|_| vec![]).collect();
    let mut never = 0;
    for number in 0..count {
        let pattern = random.pattern();
        match cron::parse(&pattern) {
            Ok(times) => cases[number % MOMENTS.len()].push(Case {
                lines: on_calendar(&times),
                pattern,
            }),
            Err(why) => {
                assert!(why.contains("never come"), "{pattern:?} {why}");
                let start = DateTime::<Utc>::default();
                assert!(
                    croner(&pattern)
                        .find_next_occurrence(&start, false)
                        .is_err(),
                    "{pattern:?} {why}"
                );
                never += 1;
            }
        }
    }
    println!("{count} patterns, {never} of them never come");
    for (cases, after) in cases.iter().zip(MOMENTS) {
        for some in cases.chunks(100) {
            check(some, after);
        }
    }
}

/// Each of those that a month's length decides, over the leap years, the years between, and 2100.
#[test]
fn nearest_weekdays_in_every_month() {
    for after in ["2026-12-31 12:00:00", "2095-12-31 12:00:00"] {
        let cases: Vec<Case> = (1..=31)
            .flat_map(|day| ["*", "2", "4", "2,12"].map(|month| format!("0 0 {day}W {month} *")))
            .chain(["0 0 LW * *".to_owned(), "0 0 28W,LW 2 *".to_owned()])
            .filter_map(|pattern| {
                let times = cron::parse(&pattern).ok()?;
                let lines = on_calendar(&times);
                Some(Case { pattern, lines })
            })
            .collect();
        assert!(cases.len() > 100, "{}", cases.len());
        for some in cases.chunks(50) {
            check(some, after);
        }
    }
}

/// An hour that the clock skips has no elapse; one that it repeats has one, the first time.
#[test]
fn where_the_clock_changes() {
    let line = &on_calendar(&cron::parse("30 2 * * *").expect("a pattern"))[0];
    for (after, next) in [
        ("2026-03-28 12:00", "Mon 2026-03-30 02:30:00 CEST"),
        ("2026-10-24 12:00", "Sun 2026-10-25 02:30:00 CEST"),
        ("2026-10-25 00:30 UTC", "Mon 2026-10-26 02:30:00 CET"),
    ] {
        let output = Command::new("systemd-analyze")
            .env("TZ", "Europe/Berlin")
            .env("LC_ALL", "C")
            .args(["calendar", &format!("--base-time={after}"), line])
            .output()
            .expect("systemd-analyze runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains(&format!("Next elapse: {next}\n")),
            "{next}\n{text}"
        );
    }
}
