use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

fn simple(name: &str, value: f64) -> Custom {
    Custom {
        name: name.to_owned(),
        labels: vec![],
        value,
        unit: None,
        kind: Kind::Unknown,
        help: None,
    }
}

#[test]
fn a_name_and_a_value_are_enough() {
    let read = parse("users 42\n\nqueue:depth   1.5e3 1700000000000\r\nleft -Inf\n");
    let values = [
        simple("users", 42.0),
        simple("queue:depth", 1500.0),
        simple("left", f64::NEG_INFINITY),
    ];
    assert_eq!(read.all, values);
    assert_eq!(read.trouble, None);
    assert!(parse("x NaN").all[0].value.is_nan());
    assert_eq!(parse(""), Metrics::default());
}

#[test]
fn what_is_said_of_a_metric_may_stand_anywhere() {
    let text = r#"# HELP jobs Jobs \\ done,\nall of them
# TYPE jobs counter
# UNIT jobs jobs
# a comment
jobs_total{queue="mail \"in\"",kind="a\\b\nc",} 7 # {trace="1"} 1
release_info{value="v1"} 1
# TYPE release info
plain 1
"#;
    let read = parse(text);
    assert_eq!(read.trouble, None);
    let jobs = &read.all[0];
    assert_eq!(jobs.name, "jobs_total");
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        jobs.labels,
        [label("queue", "mail \"in\""), label("kind", "a\\b\nc")]
    );
    assert_eq!(jobs.kind, Kind::Counter);
    assert_eq!(jobs.unit.as_deref(), Some("jobs"));
    assert_eq!(jobs.help.as_deref(), Some("Jobs \\ done,\nall of them"));
    assert_eq!(read.all[1].kind, Kind::Info);
    assert_eq!(read.all[2], simple("plain", 1.0));
}

#[test]
fn what_is_no_metric_is_told_and_the_rest_read() {
    for (text, why) in [
        (
            "a 1\nReal users 3\nb 2",
            "line 2: \"users\", the value of Real, is no number",
        ),
        ("a 1\n5xx 3\nb 2", "line 2: \"5xx\" is no name of a metric"),
        (
            "a 1\nreq/s 3\nb 2",
            "line 2: \"req/s\" is no name of a metric",
        ),
        ("a 1\nusers\nb 2", "line 2: users has no value"),
        (
            "a 1\nusers{a=\"b 3\nb 2",
            "line 2: the labels of users do not end",
        ),
        (
            "a 1\nusers{a=b} 3\nb 2",
            "line 2: the labels of users do not end",
        ),
        (
            "a 1\n\x1b[2J 3\nb 2",
            "line 2: \"\\u{1b}[2J\" is no name of a metric",
        ),
    ] {
        let read = parse(text);
        assert_eq!(read.all, [simple("a", 1.0), simple("b", 2.0)], "{text:?}");
        assert_eq!(read.trouble.as_deref(), Some(why));
    }
    let many: String = (0..MOST + 5).map(|n| format!("m{n} 1\n")).collect();
    let read = parse(&many);
    assert_eq!(read.all.len(), MOST);
    assert_eq!(
        read.trouble.as_deref(),
        Some("line 1025: there are more than 1024 metrics")
    );
}

#[test]
fn read_is_a_file_of_this_run_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics");
    let read = |since| read(folder.path(), since);
    assert_eq!(read(None), None);

    fs::write(&path, "users 1\n").unwrap();
    let now = SystemTime::now();
    assert_eq!(read(None).unwrap().all, [simple("users", 1.0)]);
    assert!(read(Some(now - Duration::from_secs(60))).is_some());
    let later = Some(now + Duration::from_secs(60));
    assert_eq!(read(later), None, "older");
    // The clock went forward by an hour after it was written; the start script wrote before.
    let run = fs::File::create(folder.path().join("run")).unwrap();
    run.set_modified(now - Duration::from_secs(5)).unwrap();
    assert!(read(later).is_some());
    run.set_modified(now + Duration::from_secs(5)).unwrap();
    assert_eq!(read(later), None, "of an earlier run");
    fs::remove_file(&path).unwrap();

    let secret = folder.path().join("secret");
    fs::write(&secret, "users 1\n").unwrap();
    symlink(&secret, &path).unwrap();
    assert_eq!(read(None), None, "a link");
    fs::remove_file(&path).unwrap();

    // Nobody writes into it.
    mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
    assert_eq!(read(None), None, "a FIFO");
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    assert_eq!(read(None), None, "a folder");
    fs::remove_dir(&path).unwrap();

    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(read(None).unwrap().all, [], "a terabyte");
    let long = format!("users 1\n{}", "much 12345678\n".repeat(40_000));
    fs::write(&path, long).unwrap();
    let long = read(None).unwrap();
    assert_eq!(long.all.len(), MOST);
    fs::write(&path, format!("users 1\n# {}\n", "x".repeat(1 << 20))).unwrap();
    let long = read(None).unwrap();
    assert_eq!(long.all, [simple("users", 1.0)]);
    assert_eq!(long.trouble.as_deref(), Some("read only as far as 256 KiB"));
}
