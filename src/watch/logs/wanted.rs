//! The apps and files as they are now: what is new, what goes, and from where in the journal on each file gets its lines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::apps::{App, Apps};
use super::file::LogFile;
use super::follow::{self, Source};
use super::owners::Owners;
use super::place;
use super::position::{Lies, Position};
use super::state::{Checkpoint, Identity};
use super::writer::{Told, Writer};
use crate::unit_files::flushed;

/// Files of apps that are gone take what was still under way.
const GRACE: Duration = Duration::from_secs(2);

impl Writer {
    /// Place of a file, which is new unless another instance, stream or app has named it.
    pub(super) fn file(&mut self, path: PathBuf, app: usize) -> usize {
        if let Some(known) = self.files.iter().position(|file| file.path == path) {
            return known;
        }
        let app = &self.apps.list[app];
        let (user, group) = (app.user.clone(), app.group.clone());
        let owner = self.owners.of(user.as_deref(), group.as_deref());
        let mut file = LogFile::new(path, &app.name, user, group, owner);
        file.source = app.source(&self.scope);
        self.files.push(file);
        self.files.len() - 1
    }

    /// The apps as they are now.
    pub(super) fn set(&mut self, mut list: Vec<App>) -> std::io::Result<()> {
        self.commit()?;
        self.owners = Owners::default();
        for app in &mut list {
            let owner = self.owners.of(app.user.as_deref(), app.group.as_deref());
            app.uid = owner.ok().flatten().map(|account| account.uid);
        }
        let now = Instant::now();
        // What an app that is gone wrote before is still under way.
        for file in &mut self.files {
            file.gone_at.get_or_insert(now + GRACE);
            if let Some(failing) = &mut file.failing {
                failing.again = now;
            }
        }
        let wanted = list.len();
        let old = std::mem::take(&mut self.apps.list);
        let gone = old
            .into_iter()
            .filter(|old| !list.iter().any(|app| app.name == old.name));
        let gone: Vec<App> = gone
            .map(|app| App {
                gone: app.gone.or(Some(flushed::now())),
                ..app
            })
            .collect();
        list.extend(gone);
        self.set_apps(list);
        let left = self.recover();
        let mut behind = BTreeSet::new();
        for index in 0..wanted {
            for instance in 0..self.apps.list[index].instances {
                for (_, path) in place::files(&self.apps.list[index].logs, instance) {
                    behind.extend(self.want(path, index, left.as_ref()));
                }
            }
        }
        self.set_sources(left.as_ref(), &behind);
        self.look_at_all(left.is_some() || !behind.is_empty())
    }

    pub(super) fn set_apps(&mut self, list: Vec<App>) {
        self.apps = Apps::new(list);
        self.marked = None;
        self.routes.clear();
        self.renumber_parts();
    }

    pub(super) fn renumber_parts(&mut self) {
        let list = &self.apps.list;
        self.parts
            .renumber(|app| list.iter().position(|one| one.name == app));
        self.parts_done = self.parts.keep();
    }

    /// A file of an app that is there: lines go to it from where an earlier watcher left it, or since the app's units were written.
    /// The source that must be read again for it, if one must.
    pub(super) fn want(
        &mut self,
        path: PathBuf,
        app: usize,
        left: Option<&Checkpoint>,
    ) -> Option<String> {
        let known = self.files.len();
        let place = self.file(path, app);
        let source = self.apps.list[app].source(&self.scope);
        let (app, user, group) = {
            let app = &self.apps.list[app];
            (app, app.user.clone(), app.group.clone())
        };
        let owner = &self.files[place];
        if place < known && owner.gone_at.is_none() && owner.source != source {
            // Where a file is in the journal can be said of one source alone.
            let text = format!(
                "{}: {} writes to it as well, whose lines are in another journal: those of {} do not come to it; give it a file of its own",
                owner.path.display(),
                owner.app,
                app.name
            );
            let (path, name) = (owner.path.clone(), app.name.clone());
            if self.refused.insert((path, name.clone())) {
                self.trouble(Some(name), text);
            }
            return None;
        }
        let rotate = app.logs.rotate.clone();
        let file = &mut self.files[place];
        file.gone_at = None;
        if file.app == app.name && (&file.user, &file.group) != (&user, &group) {
            let owner = self.owners.of(user.as_deref(), group.as_deref());
            let mut new = LogFile::new(file.path.clone(), &app.name, user, group, owner);
            new.behind = file
                .failing
                .take()
                .map_or(file.behind.take(), |failing| failing.written);
            new.source = file.source.clone();
            *file = new;
        }
        file.untidy |= file.rotate != rotate;
        file.rotate = rotate;
        let moved = file.source != source;
        if place < known && !moved {
            return None;
        }
        let kept = left.and_then(|left| left.files.get(&file.path));
        file.begun = kept.and_then(|kept| Some((kept.identity?, kept.begun?)));
        let units = self.places.on_disk(&self.places.units).join(&app.target);
        file.behind = match (kept, left) {
            (Some(kept), Some(left)) => {
                let done = left.sources.get(&kept.source);
                let at = kept.behind.clone().or(done.cloned());
                match kept.source == source {
                    true => at,
                    // Numbers of another file of the journal say nothing.
                    false => at.map(|at| Position::time(at.at + 1)),
                }
            }
            _ if moved && place < known => {
                let old = self.sources.iter().find(|one| one.name == file.source);
                old.and_then(|old| old.done.as_ref())
                    .map(|done| Position::time(done.at + 1))
            }
            _ => None,
        }
        .or_else(|| Some(Position::time(written(&units))));
        file.source.clone_from(&source);
        Some(source)
    }

    /// On the first call what an earlier watcher left. Unless it ended in order its files are cut back to what is on record, if the journal has what
    /// comes after that.
    pub(super) fn recover(&mut self) -> Option<Checkpoint> {
        let mut left = self.left.take()?;
        let mut has = BTreeMap::new();
        for (path, kept) in &mut left.files {
            let owner = kept.owner(&mut self.owners);
            let result = owner.and_then(|account| {
                let Some(file) = kept.find(path, account.as_ref()) else {
                    return Ok(());
                };
                let words = |error: std::io::Error| super::open::words(&error);
                kept.identity = Some(Identity::of(&file).map_err(words)?);
                let in_order = left.closed && kept.trouble.is_none();
                if in_order || file.metadata().map_err(words)?.len() <= kept.size {
                    return Ok(());
                }
                let there = match kept.behind.as_ref().or(left.sources.get(&kept.source)) {
                    Some(at) => *has
                        .entry((kept.source.clone(), at.cursor.clone()))
                        .or_insert_with(|| follow::has(&self.scope, &kept.source, at)),
                    None => true,
                };
                match there {
                    true => file.set_len(kept.size).map_err(words),
                    false => Ok(()),
                }
            });
            if let Err(error) = result {
                let text = format!("{} may have lines twice: {error}", path.display());
                let told = Told::Trouble(Some(kept.app.clone()), text);
                let _ = self.tell.send(told);
            }
        }
        Some(left)
    }

    pub(super) fn set_sources(&mut self, left: Option<&Checkpoint>, behind: &BTreeSet<String>) {
        let terms = self.apps.terms(&self.scope);
        self.sources
            .retain(|source| terms.contains_key(&source.name));
        for (name, terms) in terms {
            let at = match self.sources.iter().position(|source| source.name == name) {
                Some(at) => at,
                None => {
                    let mut source = Source::new(name.clone());
                    source.done = left.and_then(|left| left.sources.get(&name)).cloned();
                    self.sources.push(source);
                    self.sources.len() - 1
                }
            };
            let source = &mut self.sources[at];
            if source.terms != terms || behind.contains(&name) {
                source.terms = terms;
                source.start_at = Some(Instant::now());
            }
        }
    }

    /// Reads from the earliest place that one of the source's files needs.
    pub(super) fn start(&mut self, index: usize) {
        let source = &self.sources[index];
        let (name, done) = (source.name.clone(), source.done.clone());
        let mine = |file: &&mut LogFile| file.source == name && file.failing.is_none();
        let mut from = done.clone();
        for file in self.files.iter_mut().filter(mine) {
            if let Some(behind) = &file.behind
                && from
                    .as_ref()
                    .is_none_or(|from| from.lies(&behind.cursor, behind.at) == Lies::Before)
            {
                from = Some(behind.clone());
            }
        }
        let Some(mut from) = from else {
            self.sources[index].start_at = None;
            return;
        };
        if done.as_ref() != Some(&from) {
            if let Some(part) = self.parts.forget(&name).filter(|at| *at <= from.at) {
                from = Position::time(part);
            }
            for file in self.files.iter_mut().filter(mine) {
                file.behind = file.behind.take().or(done.clone());
            }
        }
        let source = &mut self.sources[index];
        source.level = false;
        source.start(&self.scope, &from);
    }
}

/// When a unit file was written, in microseconds since the epoch; now for one that is not there.
fn written(path: &Path) -> u64 {
    let time = std::fs::metadata(path).and_then(|found| found.modified());
    let since = time
        .unwrap_or_else(|_| SystemTime::now())
        .duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_micros() as u64
}
