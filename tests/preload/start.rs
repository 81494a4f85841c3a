//! Starts apps with the preload as their environment file says it.

use std::time::{Duration, Instant};

use rpmctl::unit_files::{preload, shim};

use crate::launch::{App, Unit};
use crate::nodes::Node;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub const SERVER: &str = include_str!("apps/server.js");

/// An app of one file in cluster mode.
pub struct Setting {
    pub unit: Unit,
    pub port: u16,
    pub script: String,
    instances: std::cell::Cell<u32>,
}

impl Setting {
    /// `name` ends with the kind of file. The stop signal is SIGINT, `kill_timeout` 4 s.
    pub fn new(name: &str, text: &str) -> Self {
        let (mut unit, port) = Unit::tcp("127.0.0.1");
        let script = unit.write(name, text);
        let lib = unit.dir.path().join("lib");
        let preload = preload::install(&lib).unwrap();
        let native = shim::install(&lib).unwrap();
        let path = std::env::var("PATH").unwrap();
        unit.env.extend([
            ("NODE_OPTIONS", format!("--require={}", preload.display())),
            ("RPMCTL_NATIVE", native.display().to_string()),
            ("RPMCTL_STOP", "SIGINT,4000".to_owned()),
            ("RPMCTL_CLUSTER", "NODE_APP_INSTANCE".to_owned()),
            ("NODE_APP_INSTANCE", "2".to_owned()),
            ("PORT", port.to_string()),
            ("PACKAGES", crate::nodes::packages().display().to_string()),
            ("PATH", path),
        ]);
        Self {
            unit,
            port,
            script,
            instances: 0.into(),
        }
    }

    /// Further variables, or other values.
    pub fn set(mut self, name: &'static str, value: &str) -> Self {
        self.unit.env.retain(|(known, _)| *known != name);
        self.unit.env.push((name, value.to_owned()));
        self
    }

    /// The next instance, which shares the listener with those before it.
    pub fn start(&self, node: &Node) -> App {
        let number = self.instances.get();
        self.instances.set(number + 1);
        let command = [&*node.program, &self.script];
        self.unit.start_instance(number, &command)
    }

    /// Started, and listening.
    pub fn ready(&self, node: &Node) -> App {
        let app = self.start(node);
        app.ready();
        app
    }

    /// As in fork mode: no listener, no library.
    pub fn start_alone(&self, node: &Node) -> App {
        let bare = [
            "env",
            "-u",
            "LD_PRELOAD",
            "-u",
            "RPMCTL_SHIM",
            "-u",
            "RPMCTL_CLUSTER",
        ];
        let words: Vec<&str> = bare
            .into_iter()
            .chain([&*node.program, &self.script])
            .collect();
        self.unit.start(&words)
    }
}

/// Waits until the app has written this line to stderr.
pub fn says(app: &App, line: &str) {
    let begun = Instant::now();
    while !app.messages().lines().any(|said| said == line) {
        assert!(
            begun.elapsed() < PATIENCE,
            "not {line:?}: {}",
            app.messages()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
