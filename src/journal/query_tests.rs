use super::*;

fn app(instances: Option<Vec<u32>>) -> LogApp {
    LogApp {
        name: "my api".into(),
        stem: "my\\x20api".into(),
        sockets: vec!["my\\x20api@tcp-3000.socket".into()],
        instances,
        ..LogApp::default()
    }
}

fn terms(query: &Query, seen: &[u32], follow: bool) -> Vec<String> {
    let seen = vec![seen.iter().copied().collect(); query.apps.len()];
    let terms = query.terms(&seen, follow);
    terms.iter().map(|term| term.join(" & ")).collect()
}

#[test]
fn system() {
    let mut query = Query::new(Scope::System, vec![app(None)]);
    assert_eq!(
        terms(&query, &[0, 3], false),
        [
            "RPMCTL_APP=my api",
            "SYSLOG_IDENTIFIER=my api@0 & _TRANSPORT=stdout",
            "SYSLOG_IDENTIFIER=my api@3 & _TRANSPORT=stdout",
            "SYSLOG_IDENTIFIER=rpmctl & RPMCTL_APP=my api & _UID=0",
            "_PID=1 & UNIT=my\\x20api@0.service",
            "_PID=1 & UNIT=my\\x20api@3.service",
            "_PID=1 & UNIT=my\\x20api@tcp-3000.socket",
        ]
    );
    assert_eq!(
        terms(&query, &[0, 3], true),
        [
            "RPMCTL_APP=my api",
            "SYSLOG_IDENTIFIER=my api@0 & _TRANSPORT=stdout",
            "SYSLOG_IDENTIFIER=my api@3 & _TRANSPORT=stdout",
            "SYSLOG_IDENTIFIER=rpmctl & RPMCTL_APP=my api & _UID=0",
            "_PID=1",
        ]
    );
    query.stream = Some(Stream::Err);
    assert_eq!(
        terms(&query, &[3], false),
        [
            "RPMCTL_APP=my api",
            "SYSLOG_IDENTIFIER=my api@3 & _TRANSPORT=stdout",
        ]
    );
    assert!(
        query
            .past_args(&[BTreeSet::new()])
            .contains(&"--priority=0..3".into())
    );
}

#[test]
fn some_instances() {
    let query = Query::new(Scope::System, vec![app(Some(vec![2]))]);
    assert_eq!(
        terms(&query, &[0, 2], false),
        [
            "RPMCTL_APP=my api & _SYSTEMD_UNIT=my\\x20api@2.service",
            "SYSLOG_IDENTIFIER=my api@2 & _TRANSPORT=stdout",
            "SYSLOG_IDENTIFIER=rpmctl & RPMCTL_APP=my api & _UID=0",
            "_PID=1 & UNIT=my\\x20api@2.service",
        ]
    );
}

#[test]
fn user() {
    let mut query = Query::new(Scope::User { uid: 1001 }, vec![app(None)]);
    query.apps[0].stem = "my-api".into();
    query.apps[0].sockets = vec!["my-api@tcp-3000.socket".into()];
    assert_eq!(
        terms(&query, &[1], false),
        [
            "_SYSTEMD_USER_SLICE=app-my\\x2dapi.slice & _UID=1001",
            "SYSLOG_IDENTIFIER=my api@1 & _TRANSPORT=stdout & _UID=1001",
            "SYSLOG_IDENTIFIER=rpmctl & RPMCTL_APP=my api & _UID=1001",
            "_SYSTEMD_USER_UNIT=init.scope & USER_UNIT=my-api@1.service & _UID=1001",
            "_SYSTEMD_USER_UNIT=init.scope & USER_UNIT=my-api@tcp-3000.socket & _UID=1001",
        ]
    );
    assert_eq!(
        terms(&query, &[1], true),
        [
            "_SYSTEMD_USER_SLICE=app-my\\x2dapi.slice & _UID=1001",
            "SYSLOG_IDENTIFIER=rpmctl & RPMCTL_APP=my api & _UID=1001",
            "_SYSTEMD_USER_UNIT=init.scope & _UID=1001",
            "_TRANSPORT=stdout & _UID=1001",
        ]
    );
    query.stream = Some(Stream::Manager);
    assert_eq!(
        terms(&query, &[1], true),
        [
            "SYSLOG_IDENTIFIER=rpmctl & RPMCTL_APP=my api & _UID=1001",
            "_SYSTEMD_USER_UNIT=init.scope & _UID=1001",
        ]
    );
}

#[test]
fn lines_are_counted_by_the_reader_when_there_is_a_pattern() {
    let mut query = Query::new(Scope::Directory("/d".into()), vec![app(None)]);
    query.lines = Some(5);
    let has = |query: &Query, arg: &str| query.past_args(&[BTreeSet::new()]).contains(&arg.into());
    assert!(has(&query, "--lines=5") && has(&query, "--reverse") && has(&query, "/d"));
    query.grep = Some("x".into());
    assert!(!has(&query, "--lines=5") && has(&query, "--reverse") && has(&query, "--grep=x"));
    // rpmctl's lines about its siblings come too, and are left out here.
    query.grep = None;
    query.apps[0].instances = Some(vec![2]);
    assert!(!has(&query, "--lines=5") && has(&query, "--reverse"));
}

#[test]
fn follow_from_the_cursor_or_the_time() {
    let query = Query::new(Scope::System, vec![app(None)]);
    let from = |cursor, now| query.follow_args(&[BTreeSet::new()], cursor, now);
    assert!(from(Some("s=1"), 0).contains(&"--after-cursor=s=1".into()));
    assert!(from(None, 1_795_382_306_000_874).contains(&"--since=@1795382306.000874".into()));
}

#[test]
fn seen() {
    let apps = [app(None)];
    let units = "my\\x20api@0.service\nmy\\x20api@11.service\nmy\\x20api@tcp-3000.socket\nssh@1.service\nmy\\x20api@x.service\n";
    assert_eq!(instances_seen(&apps, units), [BTreeSet::from([0, 11])]);
}

#[test]
fn only_its_own() {
    let query = Query::new(Scope::System, vec![app(Some(vec![2]))]);
    let entry = |unit: &str| {
        let line = serde_json::json!({
            "__REALTIME_TIMESTAMP": "1", "__CURSOR": "c", "_TRANSPORT": "journal", "SYSLOG_IDENTIFIER": "systemd", "UNIT": unit,
        });
        crate::journal::entry::parse(line.to_string().as_bytes()).unwrap()
    };
    assert!(query.wants(&entry("my\\x20api@2.service")));
    assert!(!query.wants(&entry("my\\x20api@1.service")));
    assert!(!query.wants(&entry("my\\x20api@tcp-3000.socket")));
    assert!(!query.wants(&entry("other@2.service")));
}

#[test]
fn what_was_flushed_is_not_asked_for() {
    let mut query = Query::new(Scope::System, vec![app(None), app(None)]);
    query.lines = Some(5);
    let args = |query: &Query| -> Vec<String> {
        let args = query.past_args(&[BTreeSet::new(), BTreeSet::new()]);
        args.into_iter()
            .filter_map(|arg| arg.into_string().ok())
            .filter(|arg| arg.starts_with("--lines") || arg.starts_with("--since"))
            .collect()
    };
    assert_eq!(args(&query), ["--lines=5"]);
    query.apps[0].flushed.flush(None, 7_000_001);
    assert_eq!(args(&query), [""; 0], "the other was never flushed");
    query.apps[1].flushed.flush(None, 3_000_000);
    assert_eq!(args(&query), ["--since=@3.000000"]);
    query.since = Some("yesterday".into());
    assert_eq!(args(&query), ["--since=yesterday"]);
}
