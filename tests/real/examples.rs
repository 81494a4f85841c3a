//! packaging/examples: the README's first command, and each example applied to a real systemd.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::bed;
use crate::bed::http::get;

const PATIENCE: Duration = Duration::from_secs(120);

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/examples")
}

/// The example as a folder for an app of another name, on another port, in four instances; a test may change no source.
fn copy(example: &str, name: &str, port: u16) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(examples().join(example)).expect("the example") {
        let entry = entry.expect("the example");
        if entry.file_type().expect("its type").is_file() {
            fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("a copy");
        }
    }
    let file = folder.path().join("ecosystem.toml");
    let text: String = fs::read_to_string(&file)
        .expect("ecosystem.toml")
        .replace("PORT = 3000", &format!("PORT = {port}"))
        .lines()
        .map(|line| match line.split(' ').next() {
            Some("name") => format!("name = \"{name}\"\n"),
            Some("instances") => "instances = 4\n".to_owned(),
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(&file, text).expect("ecosystem.toml");
    if folder.path().join("package-lock.json").exists() {
        let npm = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--prefer-offline"])
            .current_dir(folder.path())
            .output()
            .expect("npm");
        assert!(
            npm.status.success(),
            "{}",
            String::from_utf8_lossy(&npm.stderr)
        );
    }
    folder
}

/// The instances that answer sixteen requests at once.
fn answering(bed: &bed::Bed, port: u16) -> BTreeSet<u64> {
    let bodies: Vec<String> = bed.in_network(|| {
        std::thread::scope(|scope| {
            let asked: Vec<_> = (0..16)
                .map(|_| scope.spawn(move || get(&format!("127.0.0.1:{port}"), "/")))
                .collect();
            asked
                .into_iter()
                .map(|one| one.join().expect("a request").expect("an answer").body)
                .collect()
        })
    });
    bodies
        .iter()
        .map(|body| {
            let answer: serde_json::Value = serde_json::from_str(body).expect("JSON");
            answer["instance"].as_u64().expect("a number")
        })
        .collect()
}

#[test]
fn each_example_runs_in_four_instances_that_all_answer() {
    let bed = bed::shared();
    for (example, port) in [("node", 3101), ("python", 3102), ("express", 3103)] {
        let name = format!("example-{example}");
        let folder = copy(example, &name, port);
        let at = format!("/srv/{name}");
        bed.copy_in(folder.path(), &at);
        let file = format!("{at}/ecosystem.toml");
        bed.ok(&["rpmctl", "check", &file]);
        bed.ok(&["rpmctl", "apply", &file]);
        let mut seen = BTreeSet::new();
        bed.wait_until(&format!("all of {name} answered"), PATIENCE, || {
            seen.extend(answering(bed, port));
            seen == BTreeSet::from([0, 1, 2, 3])
        });
        let again = bed.ok(&["rpmctl", "apply", &file]);
        assert_eq!(
            again,
            "nothing to do: 1 app, 4 instances, all as the file says\n"
        );
        bed.ok(&["rpmctl", "delete", &name]);
        assert!(
            bed.http_get(&format!("127.0.0.1:{port}"), "/").is_err(),
            "{name} is deleted and still answers"
        );
    }
}

/// A process of this machine that has the bed's network alone, where no other test's port is in the way.
struct FirstCommand(Child);

impl FirstCommand {
    fn start(bed: &bed::Bed, log: &Path) -> FirstCommand {
        let log = fs::File::create(log).expect("a log");
        FirstCommand(
            Command::new("nsenter")
                .args(["-t", &bed.leader().to_string(), "-n", "--"])
                .arg(examples().join("run"))
                .args(["node", "--private"])
                .env("RPMCTL", env!("CARGO_BIN_EXE_rpmctl"))
                .stdin(Stdio::null())
                .stdout(log.try_clone().expect("the log"))
                .stderr(log)
                .spawn()
                .expect("start nsenter (package util-linux)"),
        )
    }

    /// Its exit code, when it ends in time.
    fn ended(&mut self) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().expect("wait") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for FirstCommand {
    /// Everything of a private systemd ends with the rpmctl that booted it, also when that is killed.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_first_command_of_the_readme_answers_and_ends() {
    let bed = bed::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let mut first = FirstCommand::start(bed, &log);
    let printed = || fs::read_to_string(&log).unwrap_or_default();
    let begun = Instant::now();
    let answer = loop {
        match bed.http_get("127.0.0.1:3000", "/") {
            Ok(answer) => break answer,
            Err(_) if begun.elapsed() < PATIENCE => {
                assert!(first.0.try_wait().expect("wait").is_none(), "{}", printed());
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => panic!("no answer: {error}\n{}", printed()),
        }
    };
    eprintln!("first answer after {:?}", begun.elapsed());
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.contains("hello from a shared port"),
        "{}",
        answer.body
    );
    let pid = Pid::from_raw(first.0.id() as i32).expect("a pid");
    kill_process(pid, Signal::TERM).expect("kill");
    assert_eq!(first.ended(), Some(0), "{}", printed());
    assert!(
        bed.http_get("127.0.0.1:3000", "/").is_err(),
        "it is over and still answers"
    );
}
