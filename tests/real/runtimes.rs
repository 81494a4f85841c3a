//! Cluster mode of unchanged programs: each runtime in four instances on one port, as its own command line starts it.

mod programs;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::apps::{PATIENCE, property, runs, state, statuses, units};
use crate::bed::{self, Bed, http};
use programs::Program;

/// `kill_timeout`, as no file here sets it.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

fn rpmctl(bed: &Bed, program: &Program, args: &[&str]) -> String {
    let all: Vec<&str> = ["rpmctl"].iter().chain(args).copied().collect();
    bed.cmd(&all).dir(&program.dir()).deadline(PATIENCE).ok()
}

/// Who answers: the process id, a number of the bed's.
fn ask(program: &Program) -> Result<u32, String> {
    let address = format!("127.0.0.1:{}", program.port);
    let answer = http::get(&address, program.path).map_err(|error| error.to_string())?;
    if answer.status != 200 {
        return Err(format!("status {}", answer.status));
    }
    let after = answer.body.split_once(program.mark).map(|(_, after)| after);
    let digits = after.and_then(|after| after.split(|c: char| !c.is_ascii_digit()).next());
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| format!("{:?} has no process id", answer.body))
}

/// The unit a process belongs to.
fn unit_of(bed: &Bed, pid: u32) -> String {
    let cgroup = bed.read(&format!("/proc/{pid}/cgroup"));
    let unit = cgroup.trim_end().rsplit('/').next().expect("a cgroup");
    unit.to_owned()
}

/// Asks, many at once, until each of the four instances has answered.
fn all_answer(bed: &Bed, program: &Program) {
    let expected: BTreeSet<String> = units(program.name, 4).into_iter().collect();
    let mut seen: BTreeMap<u32, String> = BTreeMap::new();
    let begun = Instant::now();
    while seen.values().cloned().collect::<BTreeSet<_>>() != expected {
        assert!(begun.elapsed() < PATIENCE, "only {seen:?} answered");
        let answers: Vec<Result<u32, String>> = bed.in_network(|| {
            std::thread::scope(|scope| {
                let asking: Vec<_> = (0..16).map(|_| scope.spawn(|| ask(program))).collect();
                let answers = asking.into_iter().map(|one| one.join().expect("a request"));
                answers.collect()
            })
        });
        for answer in answers {
            let pid = answer.unwrap_or_else(|error| panic!("{}: {error}", program.name));
            seen.entry(pid).or_insert_with(|| unit_of(bed, pid));
        }
    }
}

/// How many requests were answered while `work` ran, each on a connection of its own, four at a time; and what went wrong with the others.
fn under_load(bed: &Bed, program: &Program, work: impl FnOnce()) -> (usize, Vec<String>) {
    // Two loads at once starve what starts beside them of the processor.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let over = AtomicBool::new(false);
    let client = || {
        bed.in_network(|| {
            let (mut answered, mut failed) = (0, Vec::new());
            while !over.load(Ordering::Relaxed) {
                match ask(program) {
                    Ok(_) => answered += 1,
                    Err(error) => failed.push(error),
                }
            }
            (answered, failed)
        })
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        over.store(true, Ordering::Relaxed);
        let (mut answered, mut failed) = (0, Vec::new());
        for client in clients {
            let (more, problems) = client.join().expect("a client");
            answered += more;
            failed.extend(problems);
        }
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (answered, failed)
    })
}

fn works_unchanged(program: &Program) {
    let bed = bed::shared();
    let name = program.name;
    program.install(bed);
    let file = format!("{}/ecosystem.toml", program.dir());
    let text = program.app(&format!("instances = 4\nport = {}", program.port));
    bed.write(&file, 0o644, text);
    assert_eq!(rpmctl(bed, program, &["check"]), "ok: 1 app\n");
    rpmctl(bed, program, &["apply"]);
    assert_eq!(statuses(bed, &[name]), ["online"; 4]);
    all_answer(bed, program);

    let before = runs(bed, name, 4);
    let (answered, failed) = under_load(bed, program, || {
        rpmctl(bed, program, &["restart", &format!("{name}@1")]);
    });
    let after = runs(bed, name, 4);
    assert_ne!(before[1], after[1]);
    assert_eq!([&before[0], &before[2]], [&after[0], &after[2]]);
    println!("{name}: restart of one, {answered} answered, {failed:?} failed");
    assert!(answered > 0);
    if program.graceful {
        assert_eq!(failed, [""; 0]);
    }
    all_answer(bed, program);

    rpmctl(bed, program, &["restart", name]);
    assert!(after.iter().all(|run| !runs(bed, name, 4).contains(run)));
    all_answer(bed, program);

    let begun = Instant::now();
    rpmctl(bed, program, &["stop", name]);
    let took = begun.elapsed();
    assert!(took < KILL_TIMEOUT, "stopped in {took:?}");
    // Ended by the stop signal, not by SIGKILL after it.
    let units = units(name, 4);
    assert_eq!(property(bed, "Result", &units), ["success"; 4]);
    rpmctl(bed, program, &["delete", name]);
}

#[test]
fn express() {
    works_unchanged(&programs::EXPRESS);
}

#[test]
fn npm_start() {
    works_unchanged(&programs::NPM);
}

#[test]
fn yarn_start() {
    works_unchanged(&programs::YARN);
}

#[test]
fn pnpm_start() {
    works_unchanged(&programs::PNPM);
}

#[test]
fn python_http_server() {
    works_unchanged(&programs::HTTP_SERVER);
}

#[test]
fn uvicorn() {
    works_unchanged(&programs::UVICORN);
}

#[test]
fn uvicorn_by_descriptor() {
    works_unchanged(&programs::UVICORN_FDS);
}

#[test]
fn gunicorn() {
    works_unchanged(&programs::GUNICORN);
}

#[test]
fn gunicorn_by_descriptor() {
    works_unchanged(&programs::GUNICORN_FDS);
}

#[test]
fn puma() {
    works_unchanged(&programs::PUMA);
}

#[test]
fn webrick() {
    works_unchanged(&programs::WEBRICK);
}

#[test]
fn php() {
    works_unchanged(&programs::PHP);
}

#[test]
fn rust_by_descriptor() {
    works_unchanged(&programs::RUST);
}

#[test]
fn go_by_descriptor() {
    works_unchanged(&programs::GO);
    let bed = bed::shared();
    let text = programs::GO
        .app("port = 3414")
        .replace("listen_fds = true\n", "");
    bed.write("/srv/runtimes/go/ecosystem.toml", 0o644, text);
    let checked = bed.run(&["rpmctl", "check", "/srv/runtimes/go/ecosystem.toml"]);
    assert_eq!(checked.status, 1);
    let problem = "error: /srv/runtimes/go/server cannot share a listener by itself: no library can be loaded into it";
    assert_eq!(checked.stderr.lines().next(), Some(problem), "{checked}");
}

/// Each with a socket on another port than its own: it runs and answers, and is not ready for all that. Puma is left out: from 6 on it tells
/// systemd itself that it is ready.
#[test]
fn none_is_ready_before_it_listens_on_its_socket() {
    let bed = Bed::boot(Default::default());
    let programs = [
        programs::EXPRESS,
        programs::NPM,
        programs::HTTP_SERVER,
        programs::UVICORN,
        programs::WEBRICK,
        programs::PHP,
    ];
    let text: String = programs
        .iter()
        .map(|program| {
            program.install(&bed);
            program.app(&format!(
                "port = {}\nlisten = {}",
                program.port,
                program.port + 100
            ))
        })
        .collect();
    bed.write("/srv/ecosystem.toml", 0o644, text);
    let mut applying = bed.spawn(&["rpmctl", "apply", "/srv/ecosystem.toml"]);
    for program in &programs {
        bed.wait_until(&format!("{} answers", program.name), PATIENCE, || {
            bed.in_network(|| ask(program)).is_ok()
        });
        let unit = format!("{}@0.service", program.name);
        assert_eq!(state(&bed, &unit), "activating", "{unit}");
    }
    assert!(applying.is_running(), "{:?}", applying.printed());
}

#[test]
fn the_readme_says_what_runs_here() {
    let readme = include_str!("../../README.md");
    for program in [
        programs::EXPRESS,
        programs::NPM,
        programs::HTTP_SERVER,
        programs::UVICORN,
        programs::GUNICORN,
        programs::PUMA,
        programs::WEBRICK,
        programs::PHP,
        programs::GO,
    ] {
        let keys = format!("`{}`", program.keys.join("`, `").replace("PORT", "3000"));
        assert!(readme.contains(&format!("| {keys} |")), "{keys}");
    }
}
