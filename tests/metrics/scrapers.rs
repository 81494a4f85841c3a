//! promtool, and the reader of OpenMetrics of Prometheus' library for Python (package python3-prometheus-client).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What `promtool check metrics` says of the text; nothing when it is good.
pub fn promtool(text: &str) -> String {
    let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prometheus/promtool");
    let installed = PathBuf::from("/usr/bin/promtool");
    let program = [installed, unpacked].into_iter().find(|file| file.exists());
    let program = program.expect("there is no promtool: run tests/run, which unpacks it");
    let ran = fed(Command::new(program).args(["check", "metrics"]), text);
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.success(), said.is_empty(), "{said}");
    said.into_owned()
}

/// How many families it reads, or why it does not.
pub fn openmetrics(text: &str) -> Result<usize, String> {
    const READER: &str = "import sys\n\
        from prometheus_client.openmetrics.parser import text_string_to_metric_families\n\
        print(len(list(text_string_to_metric_families(sys.stdin.read()))))";
    let ran = fed(Command::new("/usr/bin/python3").args(["-c", READER]), text);
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(
        !said.contains("ModuleNotFoundError"),
        "package python3-prometheus-client: {said}"
    );
    match ran.status.success() {
        true => Ok(String::from_utf8_lossy(&ran.stdout)
            .trim()
            .parse()
            .expect("a number")),
        false => Err(said),
    }
}

fn fed(command: &mut Command, text: &str) -> Output {
    let mut running = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = running.stdin.take().expect("a pipe");
    let text = text.to_owned();
    // One that complains may not read to the end.
    let feeding = std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    let output = running.wait_with_output().expect("its end");
    feeding.join().expect("fed");
    output
}
