//! `watch`: files that change reload their app.
//!
//! `first` touches what an app watches, `ignore` says which files count, `walk` finds them, `tree` reads the kernel's events (`kernel`, or `poll` where there are none), `way` finds where a
//! watched path leads, `rule` makes one reload of many changes, `limits` puts the kernel's limits into words.

mod app;
mod first;
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
use crate::model::Reason;
use crate::units::Facts;
use app::{App, trouble};
use first::{Coming, Found};
use kernel::{Kernel, Seen};
use poll::{Looked, Poll};
use tree::{After, Step};

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
    /// Those whose folders have not answered yet.
    coming: BTreeMap<u32, Coming>,
    last: u32,
    steps: VecDeque<(u32, Step)>,
    events: VecDeque<Event>,
    /// When the kernel's queue was last empty, and whether it was at the last look.
    dry: SystemTime,
    is_dry: bool,
    again: Option<Instant>,
    looks: (UnboundedSender<Looked>, UnboundedReceiver<Looked>),
    founds: (UnboundedSender<Found>, UnboundedReceiver<Found>),
}

impl Files {
    pub fn new(_: &Ground) -> Files {
        Files::empty()
    }

    fn empty() -> Files {
        Files {
            kernel: None,
            apps: BTreeMap::new(),
            coming: BTreeMap::new(),
            last: 0,
            steps: VecDeque::new(),
            events: VecDeque::new(),
            dry: SystemTime::now(),
            is_dry: true,
            again: None,
            looks: unbounded_channel(),
            founds: unbounded_channel(),
        }
    }

    /// Watches what these apps say. What is watched already and has not changed stays as it is. Call it in tokio's runtime.
    pub fn set(&mut self, apps: &[Facts]) {
        let same = |one: &Facts, other: &Facts| {
            one.app == other.app
                && one.watch == other.watch
                && one.cwd == other.cwd
                && one.file == other.file
                && (&one.user, &one.group) == (&other.user, &other.group)
        };
        let kernel = &mut self.kernel;
        self.apps.retain(|number, app| {
            let stays = apps.iter().any(|facts| same(facts, &app.facts));
            if !stays && let Some(kernel) = kernel {
                kernel.forget_all(*number);
            }
            stays
        });
        self.coming
            .retain(|_, coming| apps.iter().any(|facts| same(facts, &coming.facts)));
        for facts in apps {
            let Some(watch) = &facts.watch else {
                continue;
            };
            let known = self.apps.values().map(|app| &app.facts);
            let mut known = known.chain(self.coming.values().map(|coming| &coming.facts));
            if known.any(|one| same(facts, one)) {
                continue;
            }
            self.last += 1;
            let coming = first::look(self.last, facts, watch, &self.founds.0);
            self.coming.insert(self.last, coming);
        }
        let listening = self.apps.values().any(|app| app.poll.is_none());
        if !listening && self.coming.is_empty() {
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
                Some(found) = self.founds.1.recv() => self.found(found),
                () = sleep => {}
            }
        }
    }

    /// For systemd's status line: `files of 2 apps`; None when nothing is watched.
    pub fn says(&self) -> Option<String> {
        let mut text = match self.apps.len() + self.coming.len() {
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
        let late = self.coming.values().filter(|coming| coming.is_late());
        let late: Vec<&str> = late.map(|coming| coming.facts.app.as_str()).collect();
        if !late.is_empty() {
            let late = late.join(", ");
            text.push_str(&format!(
                " (not yet of {late}: a file system does not answer)"
            ));
        }
        Some(text)
    }

    pub async fn close(&mut self) {}

    fn found(&mut self, Found { number, scope }: Found) {
        // It may have been another app by now.
        let Some(Coming { facts, .. }) = self.coming.remove(&number) else {
            return;
        };
        match scope {
            Ok(scope) => {
                self.apps.insert(number, App::new(number, facts, scope));
            }
            Err(error) => {
                let text = format!("no file of {} is watched: {error:#}", facts.app);
                self.events.push_back(trouble(&facts.app, text));
            }
        }
        self.begin(number, After::Nothing);
    }

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
            if !walking {
                self.events.extend(app.troubles());
                if app.tree.unwatched > 0 {
                    self.again.get_or_insert(now + AGAIN);
                }
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

#[cfg(test)]
mod tests;
