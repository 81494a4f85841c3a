use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::Screen;

const CHILD: &str = "RPMCTL_TEST_PANICS_ON_A_TERMINAL";

/// Runs itself once more, on a terminal, and panics there in another thread than the first.
#[test]
fn a_panic_gives_the_terminal_back_and_then_says_what_it_was() {
    if std::env::var_os(CHILD).is_some() {
        let screen = Screen::enter().unwrap();
        // Its thread may not have begun to write.
        let deadline = Instant::now() + Duration::from_secs(60);
        while screen.is_busy() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        let other = std::thread::spawn(|| panic!("said on the terminal"));
        let _ = other.join();
        drop(screen);
        panic!("the program went on");
    }
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let end = || Stdio::from(theirs.try_clone().unwrap());
    let before = tcgetattr(&theirs).unwrap();
    assert!(before.local_modes.contains(LocalModes::ECHO));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "monit::terminal::tests::a_panic_gives_the_terminal_back_and_then_says_what_it_was",
        ])
        .env(CHILD, "1")
        .env("RUST_BACKTRACE", "0")
        .stdin(end())
        .stdout(end())
        .stderr(end())
        .spawn()
        .unwrap();
    let mut terminal = File::from(ours);
    let read = Arc::new(Mutex::new(String::new()));
    let reader = std::thread::spawn({
        let read = read.clone();
        move || {
            let mut chunk = [0; 4096];
            // The end of a terminal that nobody holds is an error.
            while let Ok(size @ 1..) = terminal.read(&mut chunk) {
                read.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&chunk[..size]));
            }
        }
    });
    let status = child.wait().unwrap();
    let after = tcgetattr(&theirs).unwrap();
    // Linux throws away what is still on its way when the last one closes a terminal.
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline && !read.lock().unwrap().contains("said on the terminal") {
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(theirs);
    reader.join().unwrap();
    let written = read.lock().unwrap().clone();
    assert_eq!(status.code(), Some(101), "{written:?}");
    assert_eq!(
        (before.local_modes, before.input_modes, before.output_modes),
        (after.local_modes, after.input_modes, after.output_modes)
    );
    let entered = written.find("\x1b[?1049h").unwrap();
    let left = written.find("\x1b[?1049l").unwrap();
    let said = written.find("said on the terminal").unwrap();
    assert!(entered < left && left < said, "{written:?}");
    assert_eq!(written.matches("\x1b[?1049l").count(), 1, "{written:?}");
}
