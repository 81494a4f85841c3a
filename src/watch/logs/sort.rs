//! Which file a line goes to, and whether it is still to go there.

use std::time::Instant;

use super::apps::Writer as Who;
use super::follow::{DRIVER, DROPPED, Passing};
use super::line::From;
use super::parts::Whole;
use super::place;
use super::position::Lies;
use super::writer::Writer;
use crate::journal::export::Line;
use crate::model::Name;
use crate::unit_files::flushed;

impl Writer {
    pub(super) fn line(&mut self, index: usize, line: &Line<'_>) {
        if self
            .machine
            .as_deref()
            .is_some_and(|machine| machine != line.machine)
        {
            return;
        }
        match self.sources[index].passes(line) {
            Passing::New => {}
            Passing::Expected => {
                self.pass(index, line);
                return;
            }
            Passing::Other(expected) => self.lost(index, &expected, line.at),
        }
        if self.gathering.is_none() {
            self.look_at_marks();
            self.gathering = Some(Instant::now());
        }
        let passed = self.pass(index, line);
        if line.message_id == DROPPED.as_bytes() && line.transport == DRIVER.as_bytes() {
            self.dropped(line);
            return;
        }
        let Some(who) = self.apps.whose(&self.scope, line) else {
            return;
        };
        let (source, app) = (&self.sources[index].name, &self.apps.list[who.app].name);
        match self.parts.add(source, app, who, line) {
            None => {}
            Some(Whole::Same(message)) => self.put(who, line.at, message, &passed),
            Some(Whole::Joined { at, bytes }) => self.put(who, at, &bytes, &passed),
        }
    }

    /// Files that are behind their source come nearer to it. Those whose last line this entry is: it is not for them.
    pub(super) fn pass(&mut self, index: usize, line: &Line<'_>) -> Vec<usize> {
        let source = &self.sources[index];
        if source.level {
            return vec![];
        }
        let mut at = vec![];
        let mut level = true;
        for (place, file) in self.files.iter_mut().enumerate() {
            if file.source != source.name || file.failing.is_some() {
                continue;
            }
            match file
                .behind
                .as_ref()
                .map(|behind| behind.lies(line.cursor, line.at))
            {
                None => {}
                Some(Lies::Before) => level = false,
                Some(lies) => {
                    let behind = file.behind.take();
                    file.was_behind = file.was_behind.take().or(behind);
                    if lies == Lies::At {
                        at.push(place);
                    }
                }
            }
        }
        self.sources[index].level = level;
        at
    }

    /// When apps were flushed, if that is news.
    pub(super) fn look_at_marks(&mut self) {
        let changed = flushed::changed(self.places());
        if self.marked == changed {
            return;
        }
        self.marked = changed;
        let apps = self.apps.list.iter();
        let marks = apps.filter_map(|app| {
            let marks = flushed::read(self.places(), &Name::new(&app.name).ok()?);
            (!marks.is_empty()).then(|| (app.name.clone(), marks))
        });
        self.marks = marks.collect();
    }

    pub(super) fn put(&mut self, who: Who, at: u64, message: &[u8], passed: &[usize]) {
        if !self.marks.is_empty()
            && let Some(marks) = self.marks.get(&self.apps.list[who.app].name)
            && !marks.shows(at, Some(who.instance))
        {
            return;
        }
        if self.apps.list[who.app].gone.is_some_and(|gone| at > gone) {
            return;
        }
        let key = (who.app, who.instance, who.err);
        if !self.routes.contains_key(&key) {
            let route = self.route(who);
            self.routes.insert(key, route);
        }
        let app = &self.apps.list[who.app];
        let from = From {
            app: &app.name,
            instance: who.instance,
            err: who.err,
            at,
        };
        for place in &self.routes[&key] {
            let file = &mut self.files[*place];
            if let Some(failing) = &mut file.failing {
                failing.missed = true;
            } else if file.behind.is_none() && !passed.contains(place) {
                let before = file.buffer.len();
                if before == 0 {
                    file.first_at = Some(at);
                }
                self.lines.add(&mut file.buffer, &app.form, &from, message);
                self.gathered += file.buffer.len() - before;
            }
        }
    }

    /// The files of a stream of an instance, also of one that is there no more.
    pub(super) fn route(&mut self, who: Who) -> Vec<usize> {
        let files = place::files(&self.apps.list[who.app].logs, who.instance);
        let source = self.apps.list[who.app].source(&self.scope);
        let mut places: Vec<usize> = files
            .into_iter()
            .filter(|(takes, _)| takes.takes(who.err))
            .map(|(_, path)| self.file(path, who.app))
            .collect();
        places.retain(|place| self.files[*place].source == source);
        places
    }
}
