//! The manager over D-Bus and the control groups of its units, from outside the bed over the bed's own bus.

use std::future::Future;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rpmctl::process::{self, Hierarchy};
use rpmctl::systemd::{Bus, Job, JobResult, Manager, Outcome, Seen, Unreachable, Verb, Verdict};

use crate::apps::property;
use crate::bed::{self, Bed, Options};

const PATIENCE: Duration = Duration::from_secs(120);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

fn inside(bed: &Bed, path: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{path}", bed.leader()))
}

async fn connect(bed: &Bed) -> Manager {
    let socket = inside(bed, "/run/dbus/system_bus_socket");
    Manager::connect(Bus::Address(format!("unix:path={}", socket.display())))
        .await
        .expect("the bed's bus")
}

/// What the bed calls a process of this machine: the last of NSpid in /proc/PID/status.
fn pid_inside(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
}

/// The main process of each unit as systemctl has it; nothing when it has none.
fn main_pids(bed: &Bed, units: &[String]) -> Vec<Option<u32>> {
    let pids = property(bed, "MainPID", units);
    let pid = |text: &String| text.parse().ok().filter(|pid| *pid != 0);
    pids.iter().map(pid).collect()
}

/// Up when a service has been running for `steady` without a restart, or another unit is active; down when it failed, ended or waits for a restart.
fn up_for(steady: Duration) -> impl Fn(&Seen, tokio::time::Instant) -> Verdict {
    move |seen, now| {
        let at = seen.since + steady;
        match (seen.state.active.as_str(), seen.state.sub.as_str()) {
            ("active", "running") if now < at => Verdict::At(at),
            ("active", _) => Verdict::Up,
            ("failed" | "inactive", _) | ("activating", "auto-restart") => Verdict::Down,
            _ => Verdict::Undecided,
        }
    }
}

fn unit(bed: &Bed, name: &str, text: &str) {
    bed.write(&format!("/run/systemd/system/{name}"), 0o644, text);
}

fn service(bed: &Bed, name: &str, text: &str) {
    let text = format!("[Unit]\nStartLimitIntervalSec=0\n[Service]\n{text}\n");
    unit(bed, name, &text);
}

fn names(stem: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{stem}@{n}.service")).collect()
}

async fn run(manager: &Manager, verb: Verb, units: &[String]) -> Vec<JobResult> {
    let jobs: Vec<Job> = units.iter().map(|unit| Job::new(verb, unit)).collect();
    manager
        .run_jobs(&jobs, PATIENCE, |_| {})
        .await
        .expect("the bus stays")
}

async fn outcome(manager: &Manager, verb: Verb, unit: &str) -> Outcome {
    let result = manager.run_job(verb, unit, PATIENCE).await;
    result.expect("the bus stays").outcome
}

#[test]
fn each_end_of_a_job_has_its_word() {
    let bed = bed::shared();
    service(bed, "bus-ok.service", "ExecStart=/bin/sleep 1000");
    service(bed, "bus-bad.service", "Type=oneshot\nExecStart=/bin/false");
    service(
        bed,
        "bus-slow.service",
        "Type=oneshot\nExecStart=/bin/sleep 1000",
    );
    unit(
        bed,
        "bus-needs.service",
        "[Unit]\nRequires=bus-bad.service\nAfter=bus-bad.service\n[Service]\nExecStart=/bin/sleep 1000\n",
    );
    unit(
        bed,
        "bus-late.service",
        "[Unit]\nJobRunningTimeoutSec=200ms\n[Service]\nType=oneshot\nExecStart=/bin/sleep 1000\n",
    );
    service(bed, "bus-broken.service", "Type=simple");
    bed.sh_ok("ln -s /dev/null /run/systemd/system/bus-masked.service");
    block_on(async {
        let manager = connect(bed).await;
        manager.reload().await.expect("reload");
        let start = async |unit| outcome(&manager, Verb::Start, unit).await;
        assert_eq!(start("bus-ok.service").await, Outcome::Done);
        assert_eq!(start("bus-bad.service").await, Outcome::Failed);
        assert_eq!(start("bus-needs.service").await, Outcome::Dependency);
        assert_eq!(start("bus-late.service").await, Outcome::Timeout);
        for (unit, error, words) in [
            (
                "bus-none.service",
                "NoSuchUnit",
                "Unit bus-none.service not found",
            ),
            (
                "bus-masked.service",
                "UnitMasked",
                "Unit bus-masked.service is masked",
            ),
            (
                "bus-broken.service",
                "BadUnitSetting",
                "Unit bus-broken.service has a bad unit file setting",
            ),
        ] {
            let result = manager.run_job(Verb::Start, unit, PATIENCE).await.unwrap();
            let Outcome::Refused(refusal) = &result.outcome else {
                panic!("{unit}: {result:?}");
            };
            assert_eq!(refusal.name, format!("org.freedesktop.systemd1.{error}"));
            assert_eq!(refusal.words, words);
            let problem = result.problem().expect("a problem");
            let said = format!("{unit}: start was refused: {words}; ");
            assert!(
                problem.len() > said.len() && problem.starts_with(&said),
                "{problem}"
            );
        }
        // Not finished in time is said so, and a stop cancels the start that still waits.
        let soon = Duration::from_millis(100);
        let slow = manager.run_job(Verb::Start, "bus-slow.service", soon).await;
        assert_eq!(slow.unwrap().outcome, Outcome::Unfinished(soon));
        let both = [Verb::Start, Verb::Stop].map(|verb| Job::new(verb, "bus-slow.service"));
        let ended = manager.run_jobs(&both, PATIENCE, |_| {}).await.unwrap();
        let ended: Vec<&Outcome> = ended.iter().map(|result| &result.outcome).collect();
        assert_eq!(ended, [&Outcome::Canceled, &Outcome::Done]);
        // What is not there is stopped already.
        assert_eq!(
            outcome(&manager, Verb::Stop, "bus-none.service").await,
            Outcome::Done
        );
        assert_eq!(
            outcome(&manager, Verb::Stop, "bus-ok.service").await,
            Outcome::Done
        );
    });
}

#[test]
fn three_hundred_instances_start_are_listed_and_stop() {
    let bed = bed::shared();
    service(
        bed,
        "bus-many@.service",
        "ExecStart=/bin/sh -c \"sleep 1000 & exec sleep 1000\"",
    );
    let units = names("bus-many", 300);
    block_on(async {
        let manager = connect(bed).await;
        let mut heard = 0;
        let jobs: Vec<Job> = units.iter().map(|u| Job::new(Verb::Start, u)).collect();
        let started = Instant::now();
        let results = manager
            .run_jobs(&jobs, PATIENCE, |_| heard += 1)
            .await
            .unwrap();
        eprintln!("start of 300: {:?}", started.elapsed());
        assert_eq!(heard, 300);
        let not_done: Vec<_> = results.iter().filter(|r| !r.is_done()).collect();
        assert!(not_done.is_empty(), "{not_done:?}");
        assert!(
            results
                .iter()
                .zip(&units)
                .all(|(result, unit)| result.unit == *unit)
        );

        let hierarchy = Hierarchy::find(&inside(bed, "/sys/fs/cgroup"));
        let (mut states, mut facts, mut usages) = (Vec::new(), Vec::new(), Vec::new());
        let mut likely = Vec::new();
        for _ in 0..3 {
            let at = Instant::now();
            let fresh = connect(bed).await;
            let connected = at.elapsed();
            states = fresh.states(&units).await.unwrap();
            let listed = at.elapsed();
            facts = fresh.facts(&states).await.unwrap();
            let asked = at.elapsed();
            likely = fresh.likely_control_groups(&states).await.unwrap();
            let groups: Vec<&str> = likely.iter().flatten().map(String::as_str).collect();
            usages = process::read(&hierarchy, Path::new("/proc"), &groups);
            let read = at.elapsed();
            eprintln!(
                "300: connect {connected:?}, states {:?}, facts {:?}, cgroups {:?}",
                listed - connected,
                asked - listed,
                read - asked
            );
        }
        assert!(
            states
                .iter()
                .all(|s| (s.active.as_str(), s.sub.as_str()) == ("active", "running"))
        );
        assert!(
            states
                .iter()
                .zip(&units)
                .all(|(state, unit)| state.name == *unit)
        );
        assert!(
            facts
                .iter()
                .all(|f| f.restarts == Some(0) && f.ending.is_none())
        );
        assert_eq!(usages.len(), 300);
        let pids = main_pids(bed, &units);
        let at = Instant::now();
        let details = manager.details(&units).await.unwrap();
        eprintln!("300: details {:?}", at.elapsed());
        let groups = manager.control_groups(&units).await.unwrap();
        for index in 0..300 {
            let usage = usages[index].as_ref().expect("the group exists");
            assert_eq!(likely[index], groups[index]);
            assert_eq!(details[index].control_group, groups[index]);
            assert_eq!(details[index].main_pid, pids[index]);
            assert_eq!(
                usage.main_pid.and_then(pid_inside),
                pids[index],
                "{}",
                units[index]
            );
            assert_eq!(usage.processes, 2);
            assert!(
                usage.memory.is_some_and(|bytes| bytes > 100_000),
                "{usage:?}"
            );
            assert!(usage.cpu_usec.is_some() && usage.age.is_some_and(|age| age < PATIENCE * 4));
            assert_eq!(
                details[index].invocation_id.as_ref().map(String::len),
                Some(32)
            );
            assert!(details[index].active_since.is_some() && details[index].main_started.is_some());
        }
        let started = Instant::now();
        let stopped = run(&manager, Verb::Stop, &units).await;
        eprintln!("stop of 300: {:?}", started.elapsed());
        assert!(stopped.iter().all(JobResult::is_done));
        let states = manager.states(&units).await.unwrap();
        assert!(states.iter().all(|state| !state.is_up_or_moving()));
        let facts = manager.facts(&states).await.unwrap();
        assert!(facts.iter().all(|f| f.ending.is_some()));
        let groups = manager.likely_control_groups(&states).await.unwrap();
        assert!(groups.iter().all(Option::is_none));
    });
}

#[test]
fn twenty_restarts_each_make_a_new_process() {
    let bed = bed::shared();
    service(bed, "bus-again@.service", "ExecStart=/bin/sleep 1000");
    let units = names("bus-again", 1);
    block_on(async {
        let manager = connect(bed).await;
        let mut before = None;
        for _ in 0..20 {
            let result = outcome(&manager, Verb::Restart, &units[0]).await;
            assert_eq!(result, Outcome::Done);
            let pid = main_pids(bed, &units)[0];
            assert!(pid.is_some() && pid != before, "{pid:?} after {before:?}");
            before = pid;
        }
        // The same unit many times in one run: the jobs merge or replace one another, and each has an end.
        let jobs = vec![Job::new(Verb::Restart, &units[0]); 20];
        let results = manager.run_jobs(&jobs, PATIENCE, |_| {}).await.unwrap();
        assert!(
            results.last().is_some_and(JobResult::is_done),
            "{results:?}"
        );
        assert_eq!(
            outcome(&manager, Verb::Stop, &units[0]).await,
            Outcome::Done
        );
    });
}

#[test]
fn settled_is_up_down_or_undecided() {
    let bed = bed::shared();
    service(bed, "bus-steady.service", "ExecStart=/bin/sleep 1000");
    service(
        bed,
        "bus-crash.service",
        "ExecStart=/bin/sh -c \"sleep 0.2; exit 3\"\nRestart=always\nRestartSec=100ms",
    );
    service(
        bed,
        "bus-gives-up.service",
        "ExecStart=/bin/sh -c \"sleep 0.2; exit 7\"\nRestart=always\nRestartPreventExitStatus=7",
    );
    service(
        bed,
        "bus-never.service",
        "Type=notify\nExecStart=/bin/sleep 1000",
    );
    unit(bed, "bus-all.target", "[Unit]\nDescription=a target\n");
    let units: Vec<String> = [
        "steady.service",
        "crash.service",
        "gives-up.service",
        "all.target",
    ]
    .iter()
    .map(|name| format!("bus-{name}"))
    .collect();
    block_on(async {
        let manager = connect(bed).await;
        manager.reload().await.expect("reload");
        // Type=simple: all of these starts are done, which says nothing of what becomes of them.
        let started = run(&manager, Verb::Start, &units).await;
        assert!(started.iter().all(JobResult::is_done), "{started:?}");
        let mut order = Vec::new();
        let settled = manager
            .wait_settled(&units, up_for(Duration::from_secs(1)), PATIENCE, |one| {
                order.push(one.unit.clone());
            })
            .await
            .unwrap();
        let verdicts: Vec<Verdict> = settled.iter().map(|one| one.verdict).collect();
        assert_eq!(
            verdicts,
            [Verdict::Up, Verdict::Down, Verdict::Down, Verdict::Up]
        );
        assert_eq!(settled[2].seen.state.active, "failed");
        assert_eq!(order.last().map(String::as_str), Some("bus-steady.service"));

        let gone = vec!["bus-gives-up.service".to_owned()];
        let details = manager.details(&gone).await.unwrap();
        let ending = &details[0].ending;
        assert_eq!(
            (ending.result.as_str(), ending.code, ending.status),
            ("exit-code", 1, 7)
        );
        let states = manager.states(&gone).await.unwrap();
        let facts = manager.facts(&states).await.unwrap();
        assert_eq!(facts[0].ending.as_ref(), Some(ending));
        manager.reset_failed(&gone).await.expect("reset");
        manager
            .reset_failed(&["bus-none.service".into()])
            .await
            .expect("nothing to reset");
        assert_eq!(manager.states(&gone).await.unwrap()[0].active, "inactive");

        // Not ready and not failed when the time is over.
        let never = vec!["bus-never.service".to_owned()];
        let soon = Duration::from_millis(300);
        let queued = manager.run_job(Verb::Start, &never[0], soon).await.unwrap();
        assert_eq!(queued.outcome, Outcome::Unfinished(soon));
        let moving = |seen: &Seen, _| match seen.state.active.as_str() {
            "activating" => Verdict::Up,
            _ => Verdict::Undecided,
        };
        let settled = manager
            .wait_settled(&never, moving, PATIENCE, |_| {})
            .await
            .unwrap();
        assert_eq!(settled[0].verdict, Verdict::Up);
        let rule = up_for(soon);
        let settled = manager
            .wait_settled(&never, rule, soon, |_| {})
            .await
            .unwrap();
        assert_eq!(settled[0].verdict, Verdict::Undecided);
        assert_eq!(settled[0].seen.state.active, "activating");
        let all: Vec<String> = units.into_iter().chain(never).collect();
        assert!(
            run(&manager, Verb::Stop, &all)
                .await
                .iter()
                .all(JobResult::is_done)
        );
    });
}

#[test]
fn a_watch_sees_a_crash_a_restart_and_a_unit_that_vanishes() {
    let bed = bed::shared();
    service(
        bed,
        "bus-killed.service",
        "ExecStart=/bin/sleep 1000\nRestart=always\nRestartSec=50ms",
    );
    let units = vec![
        "bus-killed.service".to_owned(),
        "bus-vanishes.service".to_owned(),
    ];
    block_on(async {
        let manager = connect(bed).await;
        assert_eq!(
            outcome(&manager, Verb::Start, &units[0]).await,
            Outcome::Done
        );
        bed.ok(&["systemd-run", "--unit=bus-vanishes", "sleep", "1000"]);
        let mut watch = manager.watch(&units).await.unwrap();
        assert!(watch.seen().iter().all(|seen| seen.state.sub == "running"));
        bed.ok(&["systemctl", "kill", "-s", "KILL", &units[0]]);
        bed.ok(&["systemctl", "kill", "-s", "TERM", &units[1]]);
        let seen = async {
            loop {
                watch.next().await.expect("the bus stays");
                let [killed, vanished] = watch.seen() else {
                    panic!("two units");
                };
                if killed.restarts == 1
                    && killed.state.sub == "running"
                    && vanished.state.load == "not-found"
                {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, seen)
            .await
            .expect("seen in time");
        assert_eq!(
            outcome(&manager, Verb::Stop, &units[0]).await,
            Outcome::Done
        );
        let states = manager.states(&units).await.unwrap();
        assert_eq!(
            (states[0].active.as_str(), states[1].load.as_str()),
            ("inactive", "not-found")
        );
    });
}

/// dbus-daemon refuses more than 512 match rules on a connection.
#[test]
fn a_connection_has_few_match_rules_whatever_it_follows() {
    let bed = bed::shared();
    service(
        bed,
        "bus-turns.service",
        "Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true",
    );
    let many: Vec<String> = [String::from("bus-turns.service")]
        .into_iter()
        .chain(names("bus-not-there", 600))
        .collect();
    let one = &many[..1];
    block_on(async {
        let manager = connect(bed).await;
        for _ in 0..200 {
            manager.watch(one).await.expect("a watch");
        }
        for _ in 0..600 {
            let stopped = outcome(&manager, Verb::Stop, &one[0]).await;
            assert_eq!(stopped, Outcome::Done);
        }
        let mut watch = manager.watch(&many).await.expect("a watch");
        assert_eq!(watch.seen().len(), 601);
        let started = outcome(&manager, Verb::Start, &one[0]).await;
        assert_eq!(started, Outcome::Done);
        let seen = async {
            while watch.seen()[0].state.active != "active" {
                watch.next().await.expect("the bus stays");
            }
        };
        let seen = tokio::time::timeout(PATIENCE, seen).await;
        seen.expect("the start is heard");
        let stopped = outcome(&manager, Verb::Stop, &one[0]).await;
        assert_eq!(stopped, Outcome::Done);
    });
}

/// systemd keeps a match rule for each job somebody asked for, and leaves the bus when it is refused one.
#[test]
fn systemd_stays_on_the_bus_whatever_the_number_of_jobs() {
    let bed = bed::shared();
    service(
        bed,
        "bus-crowd@.service",
        "Type=oneshot\nExecStart=/bin/true",
    );
    // None ends before the gate does: as many are in systemd's queue as ever will be.
    unit(
        bed,
        "bus-crowd@.service.d/after.conf",
        "[Unit]\nAfter=bus-gate.service\n",
    );
    service(
        bed,
        "bus-gate.service",
        "Type=oneshot\nExecStart=/bin/sh -c \"while ! test -e /run/bus-gate; do sleep 0.05; done\"",
    );
    let gate = ["bus-gate.service".to_owned()];
    let units: Vec<String> = gate.into_iter().chain(names("bus-crowd", 620)).collect();
    block_on(async {
        let manager = connect(bed).await;
        manager.reload().await.expect("reload");
        let queued = || {
            let jobs = bed.ok(&["systemctl", "list-jobs", "--no-legend"]);
            jobs.lines()
                .filter(|line| line.contains("bus-crowd"))
                .count()
        };
        let started = run(&manager, Verb::Start, &units);
        let opener = async {
            let all = async {
                while queued() < 199 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(PATIENCE, all).await.expect("queued");
            // Everything that was sent by now is answered before this is.
            manager.version().await.expect("an answer");
            bed.sh_ok("touch /run/bus-gate");
        };
        let (started, ()) = tokio::join!(started, opener);
        let not_done: Vec<_> = started.iter().filter(|r| !r.is_done()).collect();
        assert!(not_done.is_empty(), "{not_done:?}");
    });
    let left = bed.sh_ok("journalctl -b -q --grep 'disconnect on API bus' | cat");
    assert_eq!(left.trim(), "");
}

#[test]
fn a_signal_that_only_looks_like_systemds_is_not_believed() {
    let bed = bed::shared();
    service(
        bed,
        "bus-forged.service",
        "Type=oneshot\nExecStart=/bin/sh -c \"while ! test -e /run/bus-go; do sleep 0.05; done\"",
    );
    block_on(async {
        let manager = connect(bed).await;
        let job = manager.run_job(Verb::Start, "bus-forged.service", PATIENCE);
        let forger = async {
            let list = [
                "systemctl",
                "list-jobs",
                "--no-legend",
                "bus-forged.service",
            ];
            let id = loop {
                let jobs = bed.ok(&list);
                if let Some(id) = jobs.split_whitespace().next() {
                    break id.to_owned();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            let path = format!("/org/freedesktop/systemd1/job/{id}");
            bed.ok(&[
                "busctl",
                "emit",
                "/org/freedesktop/systemd1",
                "org.freedesktop.systemd1.Manager",
                "JobRemoved",
                "uoss",
                &id,
                &path,
                "bus-forged.service",
                "failed",
            ]);
            // The forged signal is on the bus before this answer is.
            manager.version().await.expect("an answer");
            bed.sh_ok("touch /run/bus-go");
        };
        let (result, ()) = tokio::join!(job, forger);
        assert_eq!(result.unwrap().outcome, Outcome::Done);
    });
}

/// Runs a slow start, does something to the bus in the middle, and gives the outcome and how long it took.
fn in_the_middle(bed: &Bed, script: &str, ends: &str) -> (Vec<JobResult>, Duration) {
    let text =
        format!("Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c \"sleep 1; {ends}\"");
    service(bed, "bus-middle@.service", &text);
    let units = names("bus-middle", 150);
    std::thread::scope(|scope| {
        let disturb = scope.spawn(|| {
            bed.wait_until("the starts are under way", PATIENCE, || {
                let jobs = bed.ok(&["systemctl", "list-jobs", "--no-legend"]);
                jobs.contains("bus-middle")
            });
            bed.sh_ok(script);
        });
        let done = block_on(async {
            let manager = connect(bed).await;
            manager.reload().await.expect("reload");
            let at = Instant::now();
            let results = run(&manager, Verb::Start, &units).await;
            let took = at.elapsed();
            // The manager is usable afterwards.
            let version = manager.version().await.expect("an answer");
            assert!(version.starts_with(char::is_numeric));
            (results, took)
        });
        disturb.join().expect("the disturbance");
        done
    })
}

#[test]
fn jobs_outlive_a_restart_of_the_bus() {
    let bed = Bed::boot(Options::default());
    let (results, took) = in_the_middle(&bed, "systemctl restart dbus.service", "exit 0");
    let not_done: Vec<_> = results.iter().filter(|r| !r.is_done()).collect();
    assert!(not_done.is_empty(), "{not_done:?}");
    assert!(took < PATIENCE, "{took:?}");
}

#[test]
fn jobs_outlive_reload_and_reexec_of_the_manager() {
    let bed = Bed::boot(Options::default());
    let script = "systemctl daemon-reload; systemctl daemon-reexec";
    let (results, took) = in_the_middle(&bed, script, "exit 0");
    let not_done: Vec<_> = results.iter().filter(|r| !r.is_done()).collect();
    assert!(not_done.is_empty(), "{not_done:?}");
    assert!(took < PATIENCE, "{took:?}");
    let (results, _) = in_the_middle(&bed, script, "exit 1");
    // They were active and are started again only after a stop.
    assert!(results.iter().all(JobResult::is_done));
    bed.sh_ok("systemctl stop 'bus-middle@*'");
    let (results, _) = in_the_middle(&bed, script, "exit 1");
    assert!(
        results.iter().all(|r| r.outcome == Outcome::Failed),
        "{results:?}"
    );
}

#[test]
fn a_bus_that_goes_away_for_good_is_an_error_not_a_wait() {
    let bed = Bed::boot(Options::default());
    service(
        &bed,
        "bus-left.service",
        "Type=oneshot\nExecStart=/bin/sleep 1000",
    );
    block_on(async {
        let manager = connect(&bed).await;
        manager.reload().await.expect("reload");
        let at = Instant::now();
        let minute = Duration::from_secs(60);
        let (result, ()) = tokio::join!(
            manager.run_job(Verb::Start, "bus-left.service", minute),
            async {
                bed.ok(&["systemctl", "stop", "dbus.socket", "dbus.service"]);
            }
        );
        let error = format!("{:#}", result.expect_err("no bus"));
        assert!(error.contains("the connection to the bus ended"), "{error}");
        assert!(at.elapsed() < Duration::from_secs(30), "{:?}", at.elapsed());
    });
}

#[test]
fn why_there_is_no_manager_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let try_at = |path: &Path| {
        let bus = Bus::Address(format!("unix:path={}", path.display()));
        block_on(Manager::connect(bus))
            .err()
            .expect("no manager there")
    };
    let none = try_at(&at("none"));
    assert!(
        matches!(none.why, Unreachable::NoSystemd | Unreachable::NoBus),
        "{none}"
    );
    assert!(!none.hints.is_empty());

    // Takes the connection and never says a word.
    let _deaf = UnixListener::bind(at("deaf")).expect("a socket");
    let started = Instant::now();
    let late = try_at(&at("deaf"));
    assert_eq!(late.why, Unreachable::Late, "{late}");
    assert!(started.elapsed() < Duration::from_secs(7));

    // A bus without systemd on it.
    let mut daemon = Command::new("dbus-daemon")
        .args(["--session", "--nofork", "--print-address"])
        .arg(format!("--address=unix:path={}", at("bus").display()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("dbus-daemon");
    let mut line = String::new();
    let stdout = daemon.stdout.take().expect("its output");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("address");
    let alone = try_at(&at("bus"));
    daemon.kill().expect("kill");
    daemon.wait().expect("wait");
    assert_eq!(alone.why, Unreachable::NoSystemd, "{alone}");
    assert!(alone.to_string().contains("rpmctl run"), "{alone}");
}
