//! Files that were set aside are packed and removed beside the writing, one after another, each in a process of its own: whatever ends that one, a
//! panic too, costs one file's turn, and neither the watcher nor a line of a log.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::tz::TimeZone;

use super::{folder, open, rotate};
use crate::host::accounts::Account;
use crate::model::Rotation;
use crate::unit_files::flushed;

/// rpmctl's hidden command.
pub const COMMAND: &str = "__tidy-log";

/// What is to be done for one log file.
pub struct Job {
    pub rule: Rotation,
    pub account: Option<Account>,
    /// Told when it could not be done.
    pub failed: Box<dyn FnOnce(String) + Send>,
}

#[derive(Clone)]
pub struct Tidier {
    /// The process that does it.
    process: fn(&Path, &Job) -> Command,
    work: Arc<Mutex<Work>>,
}

#[derive(Default)]
struct Work {
    waiting: BTreeMap<PathBuf, Job>,
    running: bool,
}

impl Default for Tidier {
    fn default() -> Tidier {
        Tidier::with(process)
    }
}

impl Tidier {
    fn with(process: fn(&Path, &Job) -> Command) -> Tidier {
        let work = Arc::default();
        Tidier { process, work }
    }

    /// Does it soon. A file that waits already is done once.
    pub fn add(&self, path: PathBuf, job: Job) {
        let mut work = lock(&self.work);
        work.waiting.insert(path, job);
        if !work.running {
            let this = self.clone();
            let thread = std::thread::Builder::new().name("log-tidy".into());
            // Without a thread it waits for the next file.
            work.running = thread.spawn(move || this.run()).is_ok();
        }
    }

    fn run(&self) {
        loop {
            let mut work = lock(&self.work);
            let Some((path, job)) = work.waiting.pop_first() else {
                work.running = false;
                return;
            };
            drop(work);
            let ended = (self.process)(&path, &job).output();
            if let Some(why) = ended.map_or_else(|error| Some(open::words(&error)), trouble) {
                (job.failed)(why);
            }
        }
    }
}

/// This very program, also after an update has replaced its file.
fn process(path: &Path, job: &Job) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("rpmctl").arg(COMMAND);
    if let Some(account) = &job.account {
        command.arg("--account").arg(written(account));
    }
    command.arg(job.rule.to_string()).arg(path);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Its last line, or what ended it; None when it was done.
fn trouble(ended: Output) -> Option<String> {
    if ended.status.success() {
        return None;
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let said = said.lines().rfind(|line| !line.is_empty());
    Some(match (ended.status.signal(), said) {
        (Some(signal), said) => format!("signal {signal}: {}", said.unwrap_or_default()),
        (None, Some(said)) => said.to_owned(),
        (None, None) => ended.status.to_string(),
    })
}

/// `UID:GID:GROUP,…`
fn written(account: &Account) -> String {
    let groups: Vec<String> = account.groups.iter().map(u32::to_string).collect();
    format!("{}:{}:{}", account.uid, account.gid, groups.join(","))
}

fn account(text: &str) -> Option<Account> {
    let mut parts = text.splitn(3, ':');
    let mut number = || parts.next()?.parse().ok();
    let (uid, gid) = (number()?, number()?);
    let groups = parts.next()?.split(',').filter(|it| !it.is_empty());
    let groups = groups.map(|it| it.parse().ok()).collect::<Option<_>>()?;
    Some(Account { uid, gid, groups })
}

/// The process: prints why it could not be done.
pub fn main(as_account: Option<&str>, rule: &str, path: &OsString) -> ExitCode {
    let done = match (rule.parse::<Rotation>(), as_account.map(account)) {
        (Ok(rule), None) => tidy(Path::new(path), None, &rule),
        (Ok(rule), Some(Some(account))) => tidy(Path::new(path), Some(&account), &rule),
        _ => Err(std::io::ErrorKind::InvalidInput.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", open::words(&error));
            ExitCode::FAILURE
        }
    }
}

fn tidy(path: &Path, account: Option<&Account>, rule: &Rotation) -> std::io::Result<()> {
    folder::within(path, account, |folder, name| {
        let zone = TimeZone::system();
        rotate::tidy(folder, name, rule, flushed::now(), &zone)
    })
}

/// A thread that panicked left nothing half done here.
fn lock(shared: &Mutex<Work>) -> MutexGuard<'_, Work> {
    shared
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn a_process_that_is_killed_costs_one_file() {
        let tidier = Tidier::with(|path, _| {
            let mut command = Command::new("sh");
            let script = "echo why >&2; case $0 in *1*) kill -ABRT $$ ;; esac; exit 1";
            command.args(["-c", script]).arg(path);
            command
        });
        let (tell, told) = channel();
        let add = |path: &str| {
            let tell = tell.clone();
            let job = Job {
                rule: "size=1".parse().unwrap(),
                account: None,
                failed: Box::new(move |why| tell.send(why).unwrap()),
            };
            tidier.add(PathBuf::from(path), job);
            told.recv_timeout(Duration::from_secs(60)).unwrap()
        };
        assert_eq!(add("/none/1/out.log"), "signal 6: why");
        assert_eq!(add("/none/2/out.log"), "why");
    }

    #[test]
    fn an_account_goes_through_a_command_line() {
        for groups in [vec![], vec![7], vec![1000, 4, 27]] {
            let (uid, gid) = (1000, 4_294_967_294);
            let one = Account { uid, gid, groups };
            assert_eq!(account(&written(&one)), Some(one));
        }
        for wrong in ["", "1", "1:2", "1:x:3", "1:2:3,x"] {
            assert_eq!(account(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let said = main(None, "size=1", &"/none/out.log".into());
        assert_eq!(format!("{said:?}"), format!("{:?}", ExitCode::FAILURE));
        let said = main(Some("root"), "size=1", &"/none/out.log".into());
        assert_eq!(format!("{said:?}"), format!("{:?}", ExitCode::FAILURE));
    }
}
