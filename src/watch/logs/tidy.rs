//! Files that were set aside are packed and removed beside the writing: in a thread that is there while there is work.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::tz::TimeZone;

use super::{folder, open, rotate};
use crate::host::accounts::Account;
use crate::model::Rotation;
use crate::unit_files::flushed;

/// What is to be done for one log file.
pub struct Job {
    pub rule: Rotation,
    pub account: Option<Account>,
    /// Told when it could not be done.
    pub failed: Box<dyn FnOnce(String) + Send>,
}

#[derive(Clone, Default)]
pub struct Tidier(Arc<Mutex<Work>>);

#[derive(Default)]
struct Work {
    waiting: BTreeMap<PathBuf, Job>,
    running: bool,
}

impl Tidier {
    /// Does it soon. A file that waits already is done once.
    pub fn add(&self, path: PathBuf, job: Job) {
        let mut work = lock(&self.0);
        work.waiting.insert(path, job);
        if !work.running {
            let shared = Arc::clone(&self.0);
            let thread = std::thread::Builder::new().name("log-tidy".into());
            // Without a thread it waits for the next file.
            work.running = thread.spawn(move || run(&shared)).is_ok();
        }
    }
}

fn run(shared: &Mutex<Work>) {
    loop {
        let mut work = lock(shared);
        let Some((path, job)) = work.waiting.pop_first() else {
            work.running = false;
            return;
        };
        drop(work);
        // One that panics costs itself alone: the thread would never be there again.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| {
            if let Err(error) = tidy(&path, &job) {
                (job.failed)(open::words(&error));
            }
        }));
    }
}

fn tidy(path: &Path, job: &Job) -> std::io::Result<()> {
    folder::within(path, job.account.as_ref(), |folder, name| {
        let zone = TimeZone::system();
        rotate::tidy(folder, name, &job.rule, flushed::now(), &zone)
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
    fn a_panic_costs_one_job() {
        let tidier = Tidier::default();
        let (tell, told) = channel();
        let add = |path: &str, panics: bool| {
            let tell = tell.clone();
            let job = Job {
                rule: "size=1".parse().unwrap(),
                account: None,
                failed: Box::new(move |why| {
                    tell.send(why).unwrap();
                    assert!(!panics, "as this test wants it");
                }),
            };
            tidier.add(PathBuf::from(path), job);
        };
        for (path, panics) in [("/none/1/out.log", true), ("/none/2/out.log", false)] {
            add(path, panics);
            told.recv_timeout(Duration::from_secs(60)).unwrap();
        }
    }
}
