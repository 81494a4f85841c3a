//! `watch`: files that change reload their app.
//!
//! `ignore` says which files count, `walk` finds them, `tree` reads the kernel's events (`kernel`, or `poll` where there are none), `way` finds where a
//! watched path leads, `rule` makes one reload of many changes, `limits` puts the kernel's limits into words.

mod ignore;
mod kernel;
mod limits;
mod poll;
mod rule;
mod tree;
mod walk;
mod way;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::inotify::ReadFlags;
use rustix::io::Errno;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep_until;

use super::event::{Event, Request};
use super::run::Ground;
use crate::model::{Name, Reason};
use crate::units::Facts;
use ignore::Scope;
use kernel::{Kernel, Seen};
use poll::{Looked, Poll};
use rule::{Burst, Repeats};
use tree::{After, Step, Tree};

/// After so long a limit that was reached is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// So long at most folders are read before something else has its turn.
const TURN: Duration = Duration::from_millis(10);

/// The clock of inodes is coarser than the one that is read.
const SLACK: Duration = Duration::from_millis(20);

/// The watched files of all apps.
pub struct Files {
    /// None while no app needs it, or while there is none to be had.
    kernel: Option<Kernel>,
    apps: BTreeMap<u32, App>,
    last: u32,
    steps: VecDeque<(u32, Step)>,
    events: VecDeque<Event>,
    /// When the kernel's queue was last empty, and whether it was at the last look.
    dry: SystemTime,
    is_dry: bool,
    again: Option<Instant>,
    looks: (UnboundedSender<Looked>, UnboundedReceiver<Looked>),
}

struct App {
    facts: Facts,
    tree: Tree,
    poll: Option<Poll>,
    repeats: Repeats,
    told: Told,
}

/// Troubles are told once, until they are over.
#[derive(Default)]
struct Told {
    unwatched: bool,
    closed: bool,
    large: bool,
    elsewhere: bool,
}

impl Files {
    pub fn new(_: &Ground) -> Files {
        Files::empty()
    }

    fn empty() -> Files {
        Files {
            kernel: None,
            apps: BTreeMap::new(),
            last: 0,
            steps: VecDeque::new(),
            events: VecDeque::new(),
            dry: SystemTime::now(),
            is_dry: true,
            again: None,
            looks: unbounded_channel(),
        }
    }

    /// Watches what these apps say. What is watched already and has not changed stays as it is. Call it in tokio's runtime.
    pub fn set(&mut self, apps: &[Facts]) {
        let same = |one: &Facts, other: &Facts| {
            one.app == other.app
                && one.watch == other.watch
                && one.cwd == other.cwd
                && one.file == other.file
        };
        let kernel = &mut self.kernel;
        self.apps.retain(|number, app| {
            let stays = apps.iter().any(|facts| same(facts, &app.facts));
            if !stays && let Some(kernel) = kernel {
                kernel.forget_all(*number);
            }
            stays
        });
        for facts in apps {
            let Some(watch) = &facts.watch else {
                continue;
            };
            if self.apps.values().any(|app| same(facts, &app.facts)) {
                continue;
            }
            let is_there = |path: &std::path::Path| path.symlink_metadata().is_ok();
            let scope = Scope::new(&facts.cwd, &facts.file, watch, is_there);
            let quiet = watch
                .quiet
                .map_or(rule::QUIET, |span| span.max(rule::QUIET));
            self.last += 1;
            let app = App {
                tree: Tree::new(self.last, scope, Burst::new(quiet, watch.delay)),
                poll: watch.poll.map(|often| Poll::new(often, Instant::now())),
                facts: facts.clone(),
                repeats: Repeats::default(),
                told: Told::default(),
            };
            self.apps.insert(self.last, app);
            self.begin(self.last, After::Nothing);
        }
        if !self.apps.values().any(|app| app.poll.is_none()) {
            self.kernel = None;
            self.again = None;
            self.steps.clear();
        }
    }

    /// The next thing to do or to tell; none ever comes when no file is watched. Cancel safe.
    pub async fn next(&mut self) -> Event {
        loop {
            self.work();
            self.tell();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            if !self.steps.is_empty() {
                // The kernel's queue must not run over meanwhile.
                if let Some(kernel) = &self.kernel {
                    self.seen(kernel.take());
                }
                tokio::task::yield_now().await;
                continue;
            }
            let wake = self.wake();
            let kernel = &self.kernel;
            let seen = async {
                match kernel {
                    Some(kernel) => kernel.read().await,
                    None => std::future::pending().await,
                }
            };
            let sleep = async {
                match wake {
                    Some(wake) => sleep_until(wake.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                seen = seen => self.seen(seen),
                Some(looked) = self.looks.1.recv() => self.looked(looked),
                () = sleep => {}
            }
        }
    }

    /// For systemd's status line: `files of 2 apps`; None when nothing is watched.
    pub fn says(&self) -> Option<String> {
        let mut text = match self.apps.len() {
            0 => return None,
            1 => "files of 1 app".to_owned(),
            count => format!("files of {count} apps"),
        };
        let short: Vec<&str> = self
            .apps
            .values()
            .filter(|app| app.tree.unwatched > 0)
            .map(|app| app.facts.app.as_str())
            .collect();
        let kernel = self.apps.values().any(|app| app.poll.is_none());
        if kernel && self.kernel.is_none() {
            text.push_str(" (none is watched: fs.inotify.max_user_instances is used up)");
        } else if !short.is_empty() {
            let short = short.join(", ");
            text.push_str(&format!(
                " (not all of {short}: {} is used up)",
                limits::WATCHES_NAME
            ));
        }
        Some(text)
    }

    pub async fn close(&mut self) {}

    /// Everything of one app from the start.
    fn begin(&mut self, number: u32, after: After) {
        let Some(app) = self.apps.get_mut(&number) else {
            return;
        };
        if app.poll.is_some() {
            return;
        }
        if self.kernel.is_none() {
            match Kernel::new() {
                Ok(kernel) => self.kernel = Some(kernel),
                Err(error) => {
                    if self.again.is_none() {
                        let text = match Errno::from_io_error(&error) {
                            Some(Errno::MFILE) => limits::no_instance_left(),
                            _ => format!("no file is watched: inotify: {error}"),
                        };
                        self.events.push_back(Event::Trouble { app: None, text });
                    }
                    self.again = Some(Instant::now() + AGAIN);
                }
            }
        }
        if let Some(kernel) = &mut self.kernel {
            self.steps.retain(|(of, _)| *of != number);
            let steps = app.tree.begin(kernel, after);
            self.steps
                .extend(steps.into_iter().map(|step| (number, step)));
        }
    }

    /// Reads folders for a while.
    fn work(&mut self) {
        let begun = Instant::now();
        let mut next = Vec::new();
        while begun.elapsed() < TURN
            && let Some(kernel) = &mut self.kernel
            && let Some((number, step)) = self.steps.pop_front()
        {
            if let Some(app) = self.apps.get_mut(&number) {
                app.tree.step(kernel, step, &mut next);
            }
            self.steps.extend(next.drain(..).map(|step| (number, step)));
        }
    }

    fn seen(&mut self, seen: io::Result<(Vec<Seen>, bool)>) {
        let (Some(kernel), Ok((seen, dry))) = (&mut self.kernel, seen) else {
            // Nothing is known to make reading fail; without it everything is set up anew.
            self.kernel = None;
            self.steps.clear();
            self.again = Some(Instant::now() + AGAIN);
            return;
        };
        let mut next = Vec::new();
        let mut lost = false;
        for one in seen {
            lost |= one.what.contains(ReadFlags::QUEUE_OVERFLOW);
            if one.what.contains(ReadFlags::IGNORED) {
                for (number, why) in kernel.ended(one.watch) {
                    if let Some(app) = self.apps.get_mut(&number) {
                        app.tree.ended(kernel, &why, &mut next);
                        self.steps.extend(next.drain(..).map(|step| (number, step)));
                    }
                }
                continue;
            }
            for (number, why) in kernel.wanted(one.watch).to_vec() {
                if let Some(app) = self.apps.get_mut(&number) {
                    app.tree.seen(kernel, &why, &one, &mut next);
                    self.steps.extend(next.drain(..).map(|step| (number, step)));
                }
            }
        }
        let before = self.dry;
        self.is_dry = dry;
        if dry {
            self.dry = SystemTime::now();
        }
        if lost {
            let numbers: Vec<u32> = self.apps.keys().copied().collect();
            for number in numbers {
                self.begin(number, After::Loss(before - SLACK));
            }
        }
    }

    fn looked(&mut self, looked: Looked) {
        if let Some(app) = self.apps.get_mut(&looked.tree())
            && let Some(poll) = &mut app.poll
        {
            for path in poll.looked(looked, Instant::now()) {
                app.tree.changed(&path);
            }
        }
    }

    /// What is due becomes an event.
    fn tell(&mut self) {
        let now = Instant::now();
        if self.again.is_some_and(|again| again <= now) {
            self.again = None;
            let numbers: Vec<u32> = self.apps.keys().copied().collect();
            for number in numbers {
                if self.kernel.is_none() || self.apps[&number].tree.unwatched > 0 {
                    self.begin(number, After::Loss(SystemTime::now() - SLACK));
                }
            }
        }
        let walking = !self.steps.is_empty();
        // What is still to be read belongs to the same burst; but it is not waited for for ever.
        let settled = match walking || !self.is_dry {
            true => now.checked_sub(rule::LONGEST).unwrap_or(now),
            false => now,
        };
        for (number, app) in &mut self.apps {
            if let Some(poll) = &mut app.poll
                && poll.next().is_some_and(|next| next <= now)
            {
                poll.look(*number, &app.tree.scope, &self.looks.0);
            }
            if let Some((path, count)) = app.tree.burst.take(settled) {
                let path = app.tree.scope.shown(&path);
                if app.repeats.again(&path, now) {
                    let text = format!(
                        "{} was reloaded for {} again and again; if it writes that file itself, add it to ignore_watch",
                        app.facts.app,
                        path.display()
                    );
                    self.events.push_back(trouble(&app.facts.app, text));
                }
                let reason = Reason::Files { path, count };
                let mut request = Request::new(app.facts.app.clone(), None, reason);
                request.at = app.tree.at;
                self.events.push_back(Event::Restart(request));
            }
            if walking {
                continue;
            }
            let unwatched = app.tree.unwatched;
            if unwatched > 0 {
                self.again.get_or_insert(now + AGAIN);
                if !app.told.unwatched {
                    let text = limits::no_watch_left(app.facts.app.as_str());
                    self.events.push_back(trouble(&app.facts.app, text));
                }
            }
            app.told.unwatched = unwatched > 0;
            if let Some((path, error)) = &app.tree.closed
                && !std::mem::replace(&mut app.told.closed, true)
            {
                let text = format!("{} cannot be watched: {error}", path.display());
                self.events.push_back(trouble(&app.facts.app, text));
            }
            if app.tree.is_large && !std::mem::replace(&mut app.told.large, true) {
                let text = format!(
                    "{} has more than {} folders, and not all are watched: name those that matter in watch, or the others in ignore_watch",
                    app.facts.app,
                    walk::MOST_FOLDERS
                );
                self.events.push_back(trouble(&app.facts.app, text));
            }
            if let Some(path) = &app.tree.elsewhere
                && !std::mem::replace(&mut app.told.elsewhere, true)
            {
                let text = format!(
                    "{} is on a file system that others may write to: such changes are seen with watch_options = {{ usePolling = true }} alone",
                    path.display()
                );
                self.events.push_back(trouble(&app.facts.app, text));
            }
        }
    }

    /// When there is something to do without the kernel's word.
    fn wake(&self) -> Option<Instant> {
        let apps = self
            .apps
            .values()
            .flat_map(|app| [app.tree.burst.due(), app.poll.as_ref().and_then(Poll::next)]);
        apps.chain([self.again]).flatten().min()
    }
}

fn trouble(app: &Name, text: String) -> Event {
    Event::Trouble {
        app: Some(app.clone()),
        text,
    }
}

#[cfg(test)]
mod tests;
