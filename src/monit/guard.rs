//! Who gives the terminal back when monit is killed by SIGKILL: a small process that waits for the end of a pipe.
//!
//! It is in a session of its own, so no signal that is meant for monit's terminal or job reaches it, and no other process has the pipe.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios,
    tcgetattr, tcsetattr,
};

use super::terminal::leaving;

/// rpmctl's hidden command.
pub const COMMAND: &str = "__monit-guard";
/// Monit has given the terminal back itself.
const GIVEN_BACK: u8 = b'.';

/// The process, while monit runs.
pub struct Guard {
    child: Child,
    pipe: ChildStdin,
}

impl Guard {
    /// `before`: the terminal as it was found. None where it cannot be started.
    pub fn start(before: &Termios) -> Option<Guard> {
        // This very program, also after an update has replaced its file.
        let mut child = Command::new("/proc/self/exe")
            .arg0("rpmctl")
            .arg(COMMAND)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::inherit())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut pipe = child.stdin.take()?;
        pipe.write_all(written(before).as_bytes()).ok()?;
        Some(Guard { child, pipe })
    }

    /// The terminal was given back, and is not to be touched until it is taken again.
    pub fn rest(&mut self) {
        let _ = self.pipe.write_all(&[GIVEN_BACK]);
    }

    /// It was taken again, found like this.
    pub fn watch(&mut self, before: &Termios) {
        let _ = self.pipe.write_all(written(before).as_bytes());
    }

    pub fn dismiss(mut self) {
        self.rest();
        drop(self.pipe);
        let _ = self.child.wait();
    }
}

/// What raw mode changes of a terminal, as one line.
fn written(termios: &Termios) -> String {
    format!(
        "{} {} {} {} {} {}\n",
        termios.input_modes.bits(),
        termios.output_modes.bits(),
        termios.control_modes.bits(),
        termios.local_modes.bits(),
        termios.special_codes[SpecialCodeIndex::VMIN],
        termios.special_codes[SpecialCodeIndex::VTIME],
    )
}

fn read(line: &str, mut termios: Termios) -> Option<Termios> {
    let mut numbers = line.split_whitespace();
    let mut number = || numbers.next()?.parse().ok();
    termios.input_modes = InputModes::from_bits_retain(number()?);
    termios.output_modes = OutputModes::from_bits_retain(number()?);
    termios.control_modes = ControlModes::from_bits_retain(number()?);
    termios.local_modes = LocalModes::from_bits_retain(number()?);
    termios.special_codes[SpecialCodeIndex::VMIN] = u8::try_from(number()?).ok()?;
    termios.special_codes[SpecialCodeIndex::VTIME] = u8::try_from(number()?).ok()?;
    Some(termios)
}

/// The hidden command: stdin is the pipe, stdout the terminal.
pub fn main() -> ExitCode {
    // Fails only for who leads a process group already, which no child of monit does.
    let _ = rustix::process::setsid();
    let mut heard = Vec::new();
    let _ = io::stdin().lock().read_to_end(&mut heard);
    // The last word counts: it may have been taken and given back several times.
    if heard.last() == Some(&GIVEN_BACK) {
        return ExitCode::SUCCESS;
    }
    let terminal = io::stdout();
    let heard = String::from_utf8_lossy(&heard).into_owned();
    let line = heard
        .rsplit(char::from(GIVEN_BACK))
        .next()
        .unwrap_or_default();
    if let Some(before) = tcgetattr(&terminal).ok().and_then(|now| read(line, now)) {
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
    }
    let mut terminal = terminal.lock();
    let _ = terminal
        .write_all(&leaving().unwrap_or_default())
        .and_then(|()| terminal.flush());
    ExitCode::SUCCESS
}
