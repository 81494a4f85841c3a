//! `rpmctl metrics`: the queue that nobody empties, and what others read of it.

use std::net::TcpStream;

use crate::apps::{self, PATIENCE, cluster, fails, ok, rpmctl, runs, shell};
use crate::bed::{self, Bed};
use crate::scrapers::{openmetrics, promtool};

/// The value of the first sample of this name and these labels.
pub fn value(text: &str, sample: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(sample))?;
    Some(line.trim().parse().unwrap_or_else(|_| panic!("{line}")))
}

pub fn samples(bed: &Bed) -> String {
    ok(bed, &["metrics"])
}

#[test]
fn a_queue_that_nobody_empties_grows() {
    let bed = bed::shared();
    bed.write("/srv/queue/server.js", 0o644, "require('http').createServer((q, r) => r.end('hello')).listen(process.env.PORT, 'localhost', 9)\n");
    let text = "[[apps]]\nname = \"queue\"\nscript = \"server.js\"\nexec_mode = \"cluster\"\ninstances = 2\nmin_uptime = 200\n\
                listen = \"127.0.0.1:4310\"\nenv = { PORT = \"4310\" }\n\n\
                [[apps]]\nname = \"queue alone\"\nscript = \"/bin/sleep\"\nargs = \"1000\"\nmin_uptime = 200\n";
    bed.write("/srv/queue/ecosystem.toml", 0o644, text);
    bed.ok(&["rpmctl", "apply", "/srv/queue/ecosystem.toml"]);
    let waiting = || {
        value(
            &samples(bed),
            "rpmctl_listen_queue_connections{app=\"queue\"}",
        )
    };
    let limit = value(&samples(bed), "rpmctl_listen_queue_limit{app=\"queue\"}");
    assert_eq!(waiting(), Some(0.0));
    let listening = bed.ok(&["ss", "-Hltn", "sport = :4310"]);
    let backlog = listening
        .split_ascii_whitespace()
        .nth(2)
        .expect("its queue");
    assert_eq!(limit, backlog.parse().ok(), "{listening}");
    assert!(!samples(bed).contains("connections{app=\"queue alone\"}"));

    let pids: Vec<String> = runs(bed, "queue", 2)
        .iter()
        .map(|run| run.pid.to_string())
        .collect();
    bed.ok(&["kill", "-STOP", &pids[0], &pids[1]]);
    let clients = bed.in_network(|| {
        [(); 5].map(|()| TcpStream::connect("127.0.0.1:4310").expect("a connection"))
    });
    bed.wait_until("all wait", PATIENCE, || waiting() == Some(5.0));
    // So a kernel is asked that has no sock_diag, or does not let us.
    let unasked = "rpmctl metrics | grep listen_queue";
    let blind = bed.ok(&[
        "systemd-run",
        "--quiet",
        "--wait",
        "--pipe",
        "-p",
        "RestrictAddressFamilies=~AF_NETLINK",
        "sh",
        "-c",
        unasked,
    ]);
    assert_eq!(
        value(&blind, "rpmctl_listen_queue_connections{app=\"queue\"}"),
        Some(5.0)
    );
    assert!(!blind.contains("rpmctl_listen_queue_limit"), "{blind}");
    bed.ok(&["kill", "-CONT", &pids[0], &pids[1]]);
    bed.wait_until("they are taken", PATIENCE, || waiting() == Some(0.0));
    drop(clients);
    bed.ok(&["rpmctl", "stop", "queue"]);
    assert_eq!(waiting(), None, "its socket is closed");
    bed.ok(&["rpmctl", "delete", "queue", "queue alone"]);
}

#[test]
fn others_read_it_and_the_figures_are_those_of_the_instances() {
    let bed = &apps::bed();
    let text = cluster("api \\\"1\\\"", "node", 4320, 2, "hello")
        + &shell(
            "job",
            "exit 3",
            "autorestart = false\nautostart = false\ncron_restart = \"0 3 * * *\"",
        )
        + &shell("big", "exec sleep infinity", "max_memory_restart = \"64M\"");
    apps::apply(bed, &text);
    for _ in 0..20 {
        assert_eq!(
            bed.http_get("127.0.0.1:4320", "/")
                .expect("an answer")
                .status,
            200
        );
    }
    let seen = || samples(bed);
    let api = "app=\"api \\\"1\\\"\",index=";
    let counted = |text: &str| -> f64 {
        let of = |index: &str| {
            value(
                text,
                &format!("rpmctl_http_request_duration_seconds_count{{{api}{index}}}"),
            )
        };
        of("\"0\"").unwrap_or_default() + of("\"1\"").unwrap_or_default()
    };
    bed.wait_until("the requests are told", PATIENCE, || {
        counted(&seen()) == 20.0
    });
    let text = seen();
    assert_eq!(promtool(&text), "", "{text}");
    let open = ok(bed, &["metrics", "--openmetrics"]);
    assert_eq!(
        openmetrics(&open),
        Ok(open.matches("# TYPE ").count()),
        "{open}"
    );
    assert_eq!(
        value(
            &text,
            "rpmctl_instance_memory_limit_bytes{app=\"big\",index=\"0\"}"
        ),
        Some(f64::from(64 << 20))
    );
    assert_eq!(value(&text, "rpmctl_watcher_up"), Some(1.0));
    assert!(value(&text, "rpmctl_app_next_run_timestamp_seconds{app=\"job\"}").is_some());
    assert_eq!(
        value(&text, &format!("rpmctl_instance_up{{{api}\"1\"}}")),
        Some(1.0)
    );
    // The same as systemd has them.
    let started = format!("rpmctl_instance_start_time_seconds{{{api}\"0\"}}");
    let first = value(&text, &started).expect("its start");
    let pid = runs_of(bed, 0);
    let known: f64 = bed
        .ok(&["stat", "-c", "%Y", &format!("/proc/{pid}")])
        .trim()
        .parse()
        .expect("a time");
    assert!((first - known).abs() < 60.0, "{first} {known}");
    assert_eq!(value(&seen(), &started), Some(first), "it does not wander");

    // For node_exporter: whole or not at all, and readable by another user.
    for _ in 0..2 {
        ok(bed, &["metrics", "--textfile", "/srv/rpmctl.prom"]);
    }
    assert_eq!(
        bed.ok(&["stat", "-c", "%a %U", "/srv/rpmctl.prom"]),
        "644 root\n"
    );
    assert_eq!(promtool(&bed.read("/srv/rpmctl.prom")), "");
    assert_eq!(bed.sh_ok("ls -A /srv | grep rpmctl"), "rpmctl.prom\n");
    let unread = fails(bed, &["metrics", "--textfile", "/srv/rpmctl.txt"], 1);
    assert_eq!(
        unread.stderr,
        "error: /srv/rpmctl.txt does not end with .prom\n  node_exporter reads no other: --textfile /srv/rpmctl.prom\n  for any other reader: rpmctl metrics > FILE\n"
    );
    assert!(!bed.exists("/srv/rpmctl.txt"));
    let nowhere = fails(bed, &["metrics", "--textfile", "/srv/none/rpmctl.prom"], 1);
    assert_eq!(
        nowhere.stderr,
        "error: /srv/none/rpmctl.prom: its folder is not there\n  it is the one of node_exporter's --collector.textfile.directory\n"
    );

    // A job, by how it ended.
    let ended = "rpmctl_job_last_run_success{app=\"job\",index=\"0\"}";
    assert_eq!(value(&seen(), ended), None);
    rpmctl(bed, &["start", "job"]);
    bed.wait_until("the job has failed", PATIENCE, || {
        value(&seen(), ended) == Some(0.0)
    });
    let when = "rpmctl_job_last_run_timestamp_seconds{app=\"job\",index=\"0\"}";
    assert!(value(&seen(), when).is_some_and(|when| when >= first));

    // A crash is counted, by what it was.
    let crashed = format!("rpmctl_instance_restarts_total{{{api}\"0\",reason=\"crash\"}}");
    assert_eq!(value(&seen(), &crashed), Some(0.0));
    bed.ok(&["kill", "-9", &pid]);
    bed.wait_until("it is back", PATIENCE, || {
        value(&seen(), &crashed) == Some(1.0)
    });
}

/// The process of an instance of the app whose name has quotes.
fn runs_of(bed: &Bed, instance: usize) -> String {
    apps::list(bed, &["/^api/"])[instance]["pid"].to_string()
}
