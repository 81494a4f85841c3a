//! What the tests of apply and control run: small servers, apps that fail, and how to see what became of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Bed, Output};

/// Each answers `instance pid GREETING`; `/busy` keeps the whole instance busy for 100 ms. This one ends at once while /srv/crash-PORT-INSTANCE exists.
const NODE: &str = r#"
const http = require('http');
if (require('fs').existsSync(`/srv/crash-${process.env.PORT}-${process.env.NODE_APP_INSTANCE}`)) {
  console.error(`instance ${process.env.NODE_APP_INSTANCE} crashes`);
  process.exit(3);
}
http.createServer((request, response) => {
  if (request.url === '/busy') { const end = Date.now() + 100; while (Date.now() < end); }
  response.end(`${process.env.NODE_APP_INSTANCE} ${process.pid} ${process.env.GREETING}\n`);
}).listen(process.env.PORT);
process.on('SIGINT', () => process.exit(0));
"#;
const PYTHON: &str = r#"
import http.server, os, time

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/busy':
            time.sleep(0.1)
        self.send_response(200)
        self.end_headers()
        answer = f"{os.environ['NODE_APP_INSTANCE']} {os.getpid()} {os.environ['GREETING']}\n"
        self.wfile.write(answer.encode())

    def log_message(self, *arguments):
        pass

http.server.HTTPServer(('', int(os.environ['PORT'])), Answer).serve_forever()
"#;

pub const PATIENCE: Duration = Duration::from_secs(120);

/// A bed with the three servers in /srv: server.js, server.py and server.
pub fn bed() -> Bed {
    let bed = Bed::boot(Default::default());
    bed.write("/srv/server.js", 0o644, NODE);
    bed.write("/srv/server.py", 0o644, PYTHON);
    bed.write(
        "/srv/server",
        0o755,
        std::fs::read(server()).expect("the built server"),
    );
    bed
}

/// programs/server.rs, built once.
pub fn server() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("server-{}", std::process::id()));
        let rustc = Path::new(env!("CARGO")).with_file_name("rustc");
        let built = Command::new(&rustc)
            .args(["--edition", "2024", "-C", "strip=symbols"])
            // The bed may have an older libc than this machine.
            .args(["-C", "target-feature=+crt-static", "-o"])
            .arg(&path)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/real/programs/server.rs"
            ))
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", rustc.display()));
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        path
    })
}

/// `[[apps]]` of one server: `kind` is node, python or rust.
pub fn cluster(name: &str, kind: &str, port: u16, instances: u32, greeting: &str) -> String {
    let script = match kind {
        "node" => "script = \"server.js\"",
        "python" => "script = \"server.py\"",
        "rust" => "script = \"./server\"\nlisten_fds = true",
        other => panic!("no server is called {other}"),
    };
    format!(
        "[[apps]]\nname = \"{name}\"\n{script}\nexec_mode = \"cluster\"\ninstances = {instances}\nport = {port}\nmin_uptime = 200\n\
         env = {{ GREETING = \"{greeting}\" }}\n\n"
    )
}

/// `[[apps]]` of one shell line in fork mode.
pub fn shell(name: &str, line: &str, more: &str) -> String {
    format!(
        "[[apps]]\nname = \"{name}\"\nscript = \"/bin/sh\"\nargs = [\"-c\", '''{line}''']\nmin_uptime = 200\n{more}\n\n"
    )
}

pub fn write(bed: &Bed, text: &str) {
    bed.write("/srv/ecosystem.toml", 0o644, text);
}

/// rpmctl in /srv.
pub fn rpmctl(bed: &Bed, args: &[&str]) -> Output {
    let all: Vec<&str> = ["rpmctl"].iter().chain(args).copied().collect();
    bed.cmd(&all)
        .dir("/srv")
        .deadline(Duration::from_secs(120))
        .run()
}

/// The same; it must succeed. What it printed on stdout.
pub fn ok(bed: &Bed, args: &[&str]) -> String {
    let output = rpmctl(bed, args);
    assert_eq!(output.status, 0, "rpmctl {}\n{output}", args.join(" "));
    output.stdout
}

/// Writes the file and applies it. What apply printed on stdout.
pub fn apply(bed: &Bed, text: &str) -> String {
    write(bed, text);
    ok(bed, &["apply"])
}

pub fn fails(bed: &Bed, args: &[&str], status: i32) -> Output {
    let output = rpmctl(bed, args);
    assert_eq!(output.status, status, "rpmctl {}\n{output}", args.join(" "));
    output
}

/// A run of an instance: another PID or invocation is another run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    pub pid: u32,
    pub invocation: String,
}

/// One property of each unit, as systemctl has it.
pub fn property(bed: &Bed, name: &str, units: &[String]) -> Vec<String> {
    let mut args = vec!["systemctl", "show", "--value", "-p", name];
    args.extend(units.iter().map(String::as_str));
    let text = bed.ok(&args);
    // Units are separated by an empty line.
    text.trim_end_matches('\n')
        .split("\n\n")
        .map(str::to_owned)
        .collect()
}

pub fn units(app: &str, instances: u32) -> Vec<String> {
    (0..instances)
        .map(|number| format!("{app}@{number}.service"))
        .collect()
}

pub fn runs(bed: &Bed, app: &str, instances: u32) -> Vec<Run> {
    let units = units(app, instances);
    let pids = property(bed, "MainPID", &units);
    let invocations = property(bed, "InvocationID", &units);
    pids.iter()
        .zip(invocations)
        .map(|(pid, invocation)| Run {
            pid: pid.parse().expect("a PID"),
            invocation,
        })
        .collect()
}

/// `active`, `failed`, … of a unit.
pub fn state(bed: &Bed, unit: &str) -> String {
    bed.run(&["systemctl", "is-active", unit])
        .stdout
        .trim_end()
        .to_owned()
}

pub fn list(bed: &Bed, targets: &[&str]) -> Vec<Value> {
    let args: Vec<&str> = ["list", "--json"].iter().chain(targets).copied().collect();
    let rows: Value = serde_json::from_str(&ok(bed, &args)).expect("JSON");
    rows.as_array().expect("a list").clone()
}

/// `status` of each row.
pub fn statuses(bed: &Bed, targets: &[&str]) -> Vec<String> {
    list(bed, targets)
        .iter()
        .map(|row| row["status"].as_str().expect("a word").to_owned())
        .collect()
}

/// Asks until each of the instances 0 to `instances`-1 has answered, and no other; each answer must be the greeting and the process that systemd runs.
pub fn all_answer(bed: &Bed, app: &str, port: u16, instances: u32, greeting: &str) {
    let expected: BTreeSet<String> = runs(bed, app, instances)
        .iter()
        .enumerate()
        .map(|(number, run)| format!("{number} {} {greeting}\n", run.pid))
        .collect();
    let address = format!("127.0.0.1:{port}");
    let mut seen = BTreeSet::new();
    let begun = Instant::now();
    while seen != expected {
        assert!(
            begun.elapsed() < PATIENCE,
            "{app}: answered {seen:?} of {expected:?}"
        );
        // As many at once as there are instances: who is busy leaves the next to another.
        let answers: Vec<String> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..instances)
                .map(|_| scope.spawn(|| bed.http_get(&address, "/busy")))
                .collect();
            asking
                .into_iter()
                .map(|one| {
                    one.join()
                        .expect("the request's thread")
                        .unwrap_or_else(|error| panic!("{app}: {error}"))
                        .body
                })
                .collect()
        });
        for answer in answers {
            assert!(
                expected.contains(&answer),
                "{app}: {answer:?} is none of {expected:?}"
            );
            seen.insert(answer);
        }
    }
}

/// Every file and link below /etc/systemd/system and /etc/rpmctl, with owner, mode, time and content; of folders not the time.
pub fn files(bed: &Bed) -> String {
    bed.sh_ok(
        "cd /; find etc/systemd/system etc/rpmctl -type d -printf '%p %U:%G %m\\n' | sort
         find etc/systemd/system etc/rpmctl ! -type d -printf '%p %U:%G %m %T@ %i %l\\n' | sort
         find etc/systemd/system etc/rpmctl -type f | sort | xargs -r sha256sum",
    )
}

/// Whether `holds` for as long as `span`: for what must not happen.
pub fn stays(span: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < span {
        if !holds() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

/// What a command printed on stderr, its lines sorted: instances come up in any order.
pub fn sorted(output: &Output) -> Vec<&str> {
    let mut lines: Vec<&str> = output.stderr.lines().collect();
    lines.sort_unstable();
    lines
}
