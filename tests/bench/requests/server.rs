//! A server in Node with the preload, as its environment file says it, and wrk, which loads it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rpmctl::process::requests::{self, Requests};
use rpmctl::unit_files::preload;
use serde::Deserialize;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

pub struct Server {
    child: Child,
    port: u16,
    dir: TempDir,
}

/// What wrk counted; times in µs.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Counted {
    pub requests: u64,
    micros: u64,
    pub p50: u64,
    pub p95: u64,
    pub p99: u64,
    failed: u64,
}

impl Counted {
    pub fn per_second(&self) -> f64 {
        self.requests as f64 / (self.micros as f64 / 1e6)
    }
}

impl Server {
    /// Returns when it listens.
    pub fn start(counts: bool, packages: Option<&Path>) -> Server {
        let dir = tempfile::tempdir().expect("a folder");
        let preload = preload::install(&dir.path().join("lib")).expect("the preload");
        let script = dir.path().join("server.js");
        fs::write(&script, include_str!("server.js")).expect("server.js");
        let folder = dir.path().join("app@0");
        fs::create_dir(&folder).expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("its number").port();
        drop(free);
        let mut command = Command::new("node");
        command
            .arg(script)
            .env("NODE_OPTIONS", format!("--require={}", preload.display()))
            .env("NODE_ENV", "production")
            .env("RPMCTL_STOP", "SIGINT,10000")
            .env("RUNTIME_DIRECTORY", folder)
            .env("PORT", port.to_string());
        if !counts {
            command.env("RPMCTL_PMX", "0");
        }
        if let Some(packages) = packages {
            command.env("PACKAGES", packages);
        }
        let child = command.spawn().expect("node (package nodejs)");
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "the server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Server { child, port, dir }
    }

    /// Each connection waits `delay` ms on average between its requests.
    pub fn load(&self, path: &str, connections: u32, delay: u32, seconds: u64) -> Counted {
        let script = self.dir.path().join("wrk.lua");
        fs::write(&script, include_str!("wrk.lua")).expect("wrk.lua");
        let output = Command::new("wrk")
            .args(["-t1", "-c", &connections.to_string()])
            .args(["-d", &format!("{seconds}s"), "-s"])
            .arg(script)
            .arg(format!("http://127.0.0.1:{}{path}", self.port))
            .env("DELAY", delay.to_string())
            .output()
            .expect("wrk (package wrk)");
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find(|line| line.starts_with('{'));
        let counted: Counted = line
            .and_then(|line| serde_json::from_str(line).ok())
            .unwrap_or_else(|| panic!("wrk counted nothing\n{text}"));
        assert_eq!(counted.failed, 0, "requests failed: {counted:?}");
        counted
    }

    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("app@0")
    }

    pub fn requests(&self) -> Requests {
        requests::read(&self.folder(), None).expect("requests are counted")
    }

    /// Nanoseconds of processor time of all its threads.
    pub fn processor_time(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        let time = |task: fs::DirEntry| {
            let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
            stat.split(' ').next()?.parse::<u64>().ok()
        };
        tasks.filter_map(|task| time(task.ok()?)).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
