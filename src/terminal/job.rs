//! Stopping and going on, under a shell with jobs.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, getpgid, getpgrp, getpid, getppid, getsid, kill_current_process_group,
    kill_process,
};
use rustix::termios::tcgetpgrp;

/// Stops this process and the others of its job, `sudo` or a script. SIGTSTP alone would not do: it is heard of here.
pub fn stop() -> io::Result<()> {
    kill_current_process_group(Signal::TSTP)?;
    kill_process(getpid(), Signal::STOP)?;
    Ok(())
}

/// Lets the others of this job go on, too: where not the shell, but a SIGCONT to this process alone ended the stop. Not at once after [`stop`], which it would
/// undo.
pub fn go_on() {
    let _ = kill_current_process_group(Signal::CONT);
}

/// After a stop: a signal that ended it meanwhile has been heard by then.
pub const GRACE: Duration = Duration::from_millis(20);

/// Whether the terminal on stdout is this job's, and not the shell's or another's. True where there is no telling.
pub fn is_in_front() -> bool {
    tcgetpgrp(io::stdout()).map_or(true, |front| front == getpgrp())
}

/// Whether there is a shell in this session that would go on, and could let this job go on again: the kernel's rule for SIGTSTP too. Who stopped without one,
/// as the only program of a window or of `ssh -t`, would stay so for ever.
pub fn may_stop() -> bool {
    let (group, session) = (getpgrp(), getsid(None).ok());
    let mut next = getppid();
    while let Some(pid) = next {
        if getpgid(Some(pid)).ok() != Some(group) {
            return session.is_some() && getsid(Some(pid)).ok() == session;
        }
        next = parent(pid);
    }
    false
}

/// The fourth word of /proc/PID/stat; the second is a name in brackets that may hold anything.
fn parent(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let rest = stat.rsplit_once(')')?.1;
    Pid::from_raw(rest.split_whitespace().nth(1)?.parse().ok()?)
}
