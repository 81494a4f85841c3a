//! One app: what is watched for it, and what was told of it.

use std::time::Instant;

use super::super::event::Event;
use super::ignore::Scope;
use super::poll::Poll;
use super::rule::{self, Burst, Repeats};
use super::tree::Tree;
use super::{limits, walk};
use crate::model::{Name, Watch};
use crate::units::Facts;

/// An app, while its files are watched.
pub struct App {
    pub facts: Facts,
    pub tree: Tree,
    pub poll: Option<Poll>,
    pub repeats: Repeats,
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

impl App {
    pub fn new(number: u32, facts: Facts, scope: Scope) -> App {
        let watch = facts.watch.clone().unwrap_or_else(|| Watch::of(&facts.cwd));
        let quiet = watch
            .quiet
            .map_or(rule::QUIET, |span| span.max(rule::QUIET));
        App {
            tree: Tree::new(number, scope, Burst::new(quiet, watch.delay)),
            poll: watch.poll.map(|often| Poll::new(often, Instant::now())),
            facts,
            repeats: Repeats::default(),
            told: Told::default(),
        }
    }

    /// What does not work and was not told yet.
    pub fn troubles(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let unwatched = self.tree.unwatched;
        if unwatched > 0 && !self.told.unwatched {
            let text = limits::no_watch_left(self.facts.app.as_str());
            events.push(trouble(&self.facts.app, text));
        }
        self.told.unwatched = unwatched > 0;
        if let Some((path, error)) = &self.tree.closed
            && !std::mem::replace(&mut self.told.closed, true)
        {
            let text = format!("{} cannot be watched: {error}", path.display());
            events.push(trouble(&self.facts.app, text));
        }
        if self.tree.is_large && !std::mem::replace(&mut self.told.large, true) {
            let text = format!(
                "{} has more than {} folders, and not all are watched: name those that matter in watch, or the others in ignore_watch",
                self.facts.app,
                walk::MOST_FOLDERS
            );
            events.push(trouble(&self.facts.app, text));
        }
        if let Some(path) = &self.tree.elsewhere
            && !std::mem::replace(&mut self.told.elsewhere, true)
        {
            let text = format!(
                "{} is on a file system that others may write to: such changes are seen with watch_options = {{ usePolling = true }} alone",
                path.display()
            );
            events.push(trouble(&self.facts.app, text));
        }
        events
    }
}

pub fn trouble(app: &Name, text: String) -> Event {
    Event::Trouble {
        app: Some(app.clone()),
        text,
    }
}
