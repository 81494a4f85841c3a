//! All that the screen is drawn from. Values only: `update` changes them, `draw` reads them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, SystemTime};

use super::action::{Order, Wanted};
use super::cluster::{App, Instance, Target};
use super::history::History;
use super::layout::Layout;
use super::lines::{Lines, Room};
use crate::journal::LogApp;

/// Changes of state kept.
const CHANGES: usize = 200;
/// Lines kept of what a command said.
const SAID: usize = 200;
/// So long the last row tells of a key, of a command that was done, and of one that failed; then it names the keys again.
const NOTED: Duration = Duration::from_secs(8);
const DONE: Duration = Duration::from_secs(10);
const FAILED: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    List,
    Logs,
}

/// What the keys are about now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    Normal,
    /// A line is being typed: the filter, or the search in the logs.
    Typing(Pane),
    /// A question: yes or no.
    Asking(Order),
    /// The help, from this row on.
    Help(usize),
    /// What the last command said, from this row on.
    Said(usize),
}

/// A command that was given, and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub id: u64,
    pub order: Order,
    pub said: VecDeque<String>,
    /// None while it goes on; then whether it was done.
    pub done: Option<bool>,
    /// It was asked to end.
    pub interrupted: bool,
    /// When it ended.
    pub ended: Option<SystemTime>,
    /// The last row tells of it no more; `e` still does.
    pub told: bool,
}

impl Given {
    pub fn say(&mut self, line: String) {
        self.said.push_back(line);
        if self.said.len() > SAID {
            self.said.pop_front();
        }
    }

    /// The line that tells most: the error, else what was done, else the last. Without the word that says which of these it is.
    pub fn gist(&self) -> &str {
        let with = |word: &str| self.said.iter().find_map(|line| line.strip_prefix(word));
        let line = with("error: ").or_else(|| with("done: "));
        line.or(self.said.back().map(String::as_str))
            .map_or("", str::trim)
    }
}

/// A change of state, as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub at: String,
    pub what: Target,
    pub state: crate::apply::view::State,
}

/// A row of the list.
#[derive(Clone, Debug)]
pub enum Node<'a> {
    All,
    App(&'a App),
    Instance(&'a App, &'a Instance),
}

impl Node<'_> {
    pub fn is(&self, target: &Target) -> bool {
        match (self, target) {
            (Node::All, Target::All) => true,
            (Node::App(app), Target::App(name)) => app.name == *name,
            (Node::Instance(app, one), Target::Instance(name, number)) => {
                one.number == *number && app.name == *name
            }
            _ => false,
        }
    }

    pub fn target(&self) -> Target {
        match self {
            Node::All => Target::All,
            Node::App(app) => Target::App(app.name.clone()),
            Node::Instance(app, one) => Target::Instance(app.name.clone(), one.number),
        }
    }
}

#[derive(Clone, Debug)]
pub struct State {
    pub columns: u16,
    pub rows: u16,
    pub now: SystemTime,
    /// Of which machine.
    pub host: String,
    pub colour: bool,
    /// None until it was read for the first time. By name.
    pub cluster: Option<BTreeMap<String, App>>,
    pub trouble: Option<String>,
    /// Apps whose instances are shown.
    pub open: BTreeSet<String>,
    pub filter: String,
    pub search: String,
    pub selected: Target,
    /// The first row of the list in view.
    pub top: usize,
    pub pane: Pane,
    pub mode: Mode,
    pub lines: Lines,
    /// The number of the `Follow` whose lines these are, and of what they are.
    pub following: u64,
    pub followed: Option<Target>,
    pub followed_apps: Vec<LogApp>,
    pub lines_trouble: Option<String>,
    pub wrap: bool,
    pub mouse: bool,
    pub history: History,
    pub changes: VecDeque<Change>,
    pub orders: Vec<Given>,
    pub next_order: u64,
    /// A word about the last key.
    pub note: Option<String>,
    pub noted: SystemTime,
}

impl State {
    pub fn new(columns: u16, rows: u16, host: String, colour: bool, now: SystemTime) -> State {
        State {
            columns,
            rows,
            now,
            host,
            colour,
            cluster: None,
            trouble: None,
            open: BTreeSet::new(),
            filter: String::new(),
            search: String::new(),
            selected: Target::All,
            top: 0,
            pane: Pane::List,
            mode: Mode::Normal,
            lines: Lines::default(),
            following: 0,
            followed: None,
            followed_apps: vec![],
            lines_trouble: None,
            wrap: false,
            mouse: true,
            history: History::default(),
            changes: VecDeque::new(),
            orders: Vec::new(),
            next_order: 1,
            note: None,
            noted: now,
        }
    }

    pub fn say(&mut self, note: impl Into<String>) {
        self.note = Some(note.into());
        self.noted = self.now;
    }

    /// What the last row tells of is over after a while.
    pub fn forget(&mut self) {
        let now = self.now;
        let over = |since: SystemTime, span| now.duration_since(since).is_ok_and(|age| age >= span);
        if over(self.noted, NOTED) {
            self.note = None;
        }
        for given in &mut self.orders {
            let span = if given.done == Some(true) {
                DONE
            } else {
                FAILED
            };
            given.told |= given.ended.is_some_and(|ended| over(ended, span));
        }
    }

    /// Puts away what the last row tells of what is over. Says whether there was anything.
    pub fn put_away(&mut self) -> bool {
        let mut any = self.note.take().is_some();
        for given in self.orders.iter_mut().filter(|given| given.done.is_some()) {
            any |= !given.told;
            given.told = true;
        }
        any
    }

    /// The apps that the filter lets through, by name.
    pub fn apps(&self) -> impl Iterator<Item = &App> + Clone {
        let all = self.cluster.iter().flat_map(BTreeMap::values);
        all.filter(|app| self.passes(app))
    }

    pub fn app(&self, name: &str) -> Option<&App> {
        self.cluster.as_ref()?.get(name)
    }

    fn passes(&self, app: &App) -> bool {
        let plain = !self.filter.chars().any(char::is_uppercase);
        let has = |text: &str| match plain {
            true => text.to_lowercase().contains(&self.filter),
            false => text.contains(&self.filter),
        };
        let states = || app.instances.iter().map(|one| app.word(one));
        self.filter.is_empty() || has(&app.name) || has(app.state) || states().any(has)
    }

    /// The rows of the list.
    pub fn nodes(&self) -> Vec<Node<'_>> {
        let mut nodes = vec![Node::All];
        for app in self.apps() {
            nodes.push(Node::App(app));
            if self.open.contains(&app.name) {
                nodes.extend(app.instances.iter().map(|one| Node::Instance(app, one)));
            }
        }
        nodes
    }

    pub fn layout(&self) -> Option<Layout> {
        Layout::of(self.columns, self.rows)
    }

    /// The rows of the list that are in view.
    pub fn list_rows(&self) -> usize {
        let layout = self.layout();
        layout.map_or(1, |layout| usize::from(layout.list.height).max(1))
    }

    /// Where the lines of the logs are shown.
    pub fn room(&self) -> Room {
        let logs = self.layout().map(|layout| layout.logs);
        Room {
            columns: logs.map_or(1, |logs| usize::from(logs.width).max(1)),
            rows: logs.map_or(1, |logs| usize::from(logs.height).max(1)),
            wrap: self.wrap,
            labels: !matches!(self.followed, Some(Target::Instance(..))),
        }
    }

    /// Keeps what is selected in view, and something that is there selected. `before`: where it stood.
    pub fn settle(&mut self, before: usize) {
        let (place, there, count) = {
            let nodes = self.nodes();
            let of = |target: &Target| nodes.iter().position(|node| node.is(target));
            let app = || Some(Target::App(self.selected.app()?.to_owned()));
            let place = of(&self.selected)
                .or_else(|| of(&app()?))
                .unwrap_or(before.min(nodes.len() - 1));
            (place, nodes[place].target(), nodes.len())
        };
        self.selected = there;
        let rows = self.list_rows();
        self.top = self
            .top
            .clamp((place + 1).saturating_sub(rows), place)
            .min(count.saturating_sub(rows));
    }

    pub fn place(&self) -> usize {
        let nodes = self.nodes();
        let at = nodes.iter().position(|node| node.is(&self.selected));
        at.unwrap_or(0)
    }

    /// Which instances have figures on the screen: of the rows in view, and what is selected.
    pub fn visible(&self) -> Vec<Wanted> {
        let first = |app: &App| app.instances.first().map_or(0, |one| one.number);
        let mut seen = BTreeSet::new();
        let mut wanted = Vec::new();
        let mut add = |app: &App, one: &Instance| {
            if seen.insert((app.name.clone(), one.number)) {
                wanted.push(Wanted {
                    app: app.name.clone(),
                    number: one.number,
                    unit: one.unit.clone(),
                    group: one.group.clone(),
                    started: one.started,
                    probed: app.probed,
                    closely: self.selected == Target::Instance(app.name.clone(), one.number),
                    // Once an app, and only where it is shown.
                    listen: match self.selected.app() == Some(&app.name) && one.number == first(app)
                    {
                        true => app.listen.clone(),
                        false => vec![],
                    },
                });
            }
        };
        let all = |app: &App, add: &mut dyn FnMut(&App, &Instance)| {
            app.instances.iter().for_each(|one| add(app, one));
        };
        let nodes = self.nodes();
        for node in nodes.iter().skip(self.top).take(self.list_rows()) {
            match node {
                Node::All => {}
                Node::App(app) => all(app, &mut add),
                Node::Instance(app, one) => add(app, one),
            }
        }
        match &self.selected {
            Target::All => self.apps().for_each(|app| all(app, &mut add)),
            Target::App(name) | Target::Instance(name, _) => {
                if let Some(app) = self.app(name) {
                    all(app, &mut add);
                }
            }
        }
        wanted
    }

    pub fn note_change(&mut self, change: Change) {
        self.changes.push_back(change);
        if self.changes.len() > CHANGES {
            self.changes.pop_front();
        }
    }

    /// The command to tell of: one that failed since the last was given, else that one.
    pub fn last_order(&self) -> Option<&Given> {
        let failed = |given: &&Given| given.done == Some(false) && !given.told;
        let failed = self.orders.iter().rev().find(failed);
        failed.or(self.orders.last())
    }
}
