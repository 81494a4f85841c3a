//! Runs programs in the guest for the tests outside, over a virtio serial port. Built with rustc alone.
//!
//! Both directions are lines `NUMBER WORD HEX`; a line that is none (the rest of one that a reboot cut off) is passed over.
//! To here: `start` (NUL-separated: folder, how many variables, `NAME=value` each, program, arguments), `stdin`, `eof`, `signal`.
//! From here: `hello` (the boot's id), `stdout`, `stderr`, `exit` (the code, or 128 and the signal).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

unsafe extern "C" {
    fn kill(pid: i32, signal: i32) -> i32;
}

#[derive(Clone)]
struct Port(Arc<Mutex<File>>);

impl Port {
    fn say(&self, number: u64, word: &str, bytes: &[u8]) {
        let mut line = format!("{number} {word} ");
        for byte in bytes {
            write!(line, "{byte:02x}").expect("a String takes everything");
        }
        line.push('\n');
        self.0.lock().expect("port").write_all(line.as_bytes()).expect("the port can be written");
    }
}

fn main() {
    let path = port();
    let file = OpenOptions::new().read(true).write(true).open(&path).expect("the port can be opened");
    let lines = BufReader::new(file.try_clone().expect("the port"));
    let port = Port(Arc::new(Mutex::new(file)));
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("boot_id");
    // The empty line ends what the boot before may have left unfinished.
    port.0.lock().expect("port").write_all(b"\n").expect("the port can be written");
    port.say(0, "hello", boot.trim().as_bytes());
    let mut running: HashMap<u64, (u32, Option<ChildStdin>)> = HashMap::new();
    for line in lines.split(b'\n') {
        let line = line.expect("the port can be read");
        let Some((number, word, bytes)) = parse(&line) else { continue };
        match word {
            "start" => match start(&bytes) {
                Ok(mut child) => {
                    running.insert(number, (child.id(), child.stdin.take()));
                    watch(number, child, &port);
                }
                Err(problem) => {
                    port.say(number, "stderr", problem.as_bytes());
                    port.say(number, "exit", b"127");
                }
            },
            "stdin" => {
                if let Some((_, Some(stdin))) = running.get_mut(&number) {
                    // One that does not read all its input is no failure.
                    let _ = stdin.write_all(&bytes);
                }
            }
            "eof" => {
                if let Some((_, stdin)) = running.get_mut(&number) {
                    stdin.take();
                }
            }
            "signal" => {
                let signal = String::from_utf8_lossy(&bytes).parse().unwrap_or(9);
                if let Some((pid, _)) = running.get(&number) {
                    // With everything it started.
                    unsafe { kill(-(*pid as i32), signal) };
                }
            }
            _ => {}
        }
    }
}

/// `/dev/vport…` of the port called rpmctl, once the kernel has it.
fn port() -> PathBuf {
    loop {
        for entry in fs::read_dir("/sys/class/virtio-ports").into_iter().flatten().flatten() {
            if fs::read_to_string(entry.path().join("name")).is_ok_and(|name| name.trim() == "rpmctl") {
                return PathBuf::from("/dev").join(entry.file_name());
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn parse(line: &[u8]) -> Option<(u64, &str, Vec<u8>)> {
    let mut words = std::str::from_utf8(line).ok()?.splitn(3, ' ');
    let (number, word, hex) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
    let digits = hex.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> =
        digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()).collect();
    Some((number, word, bytes?))
}

fn start(bytes: &[u8]) -> Result<Child, String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut words = text.split('\0');
    let mut next = || words.next().ok_or("a word is missing");
    let folder = next()?;
    let variables: usize = next()?.parse().map_err(|_| "not a number")?;
    let mut environment = Vec::new();
    for _ in 0..variables {
        environment.push(next()?.split_once('=').ok_or("not a variable")?);
    }
    let program = next()?;
    let mut command = Command::new(program);
    command.args(words).envs(environment).current_dir(folder).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(|error| format!("{program}: {error}"))
}

/// Passes on what it prints, and then how it ended.
fn watch(number: u64, mut child: Child, port: &Port) {
    let stdout = pass(number, "stdout", child.stdout.take().expect("stdout"), port);
    let stderr = pass(number, "stderr", child.stderr.take().expect("stderr"), port);
    let port = port.clone();
    thread::spawn(move || {
        let status = child.wait().expect("a child");
        let _ = (stdout.join(), stderr.join());
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
        port.say(number, "exit", code.to_string().as_bytes());
    });
}

fn pass(number: u64, word: &'static str, mut pipe: impl Read + Send + 'static, port: &Port) -> thread::JoinHandle<()> {
    let port = port.clone();
    thread::spawn(move || {
        let mut chunk = [0; 8192];
        while let Ok(size @ 1..) = pipe.read(&mut chunk) {
            port.say(number, word, &chunk[..size]);
        }
    })
}
