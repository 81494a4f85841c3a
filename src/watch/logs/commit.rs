//! A batch, from memory to the files and on record; and what is done about files that cannot be written to.
//!
//! In this order, so that a kill between any two steps costs and doubles nothing: files that are not what they were (moved away, truncated) are put on
//! record; lines are written; how long the files are now, and how far that is in the journal, is put on record.

use std::io;
use std::time::Instant;

use jiff::tz::TimeZone;

use super::owners::Owners;
use super::parts::Parts;
use super::state::{self, Checkpoint};
use super::tidy::Job;
use super::writer::Writer;
use crate::unit_files::flushed;

impl Writer {
    /// Writes what was gathered. Errors: the record cannot be written; then it is not known what the files have.
    pub fn commit(&mut self) -> io::Result<()> {
        if !self.is_gathering() {
            return Ok(());
        }
        let _lock = state::lock(self.places())?;
        if flushed::changed(self.places()) != self.marked {
            self.gather_again();
            return Ok(());
        }
        let with_lines = |writer: &Writer| -> Vec<usize> {
            let each = writer.files.iter().enumerate();
            each.filter(|(_, file)| !file.buffer.is_empty() && file.failing.is_none())
                .map(|(place, _)| place)
                .collect()
        };
        let mut changed = false;
        let turned = self.turn(&with_lines(self));
        for place in with_lines(self) {
            match self.files[place].ready() {
                Ok(new) => changed |= new,
                Err(why) => self.fails(place, why),
            }
        }
        if changed {
            self.sync_all()?;
        }
        for place in turned {
            self.tidy(place);
        }
        for place in with_lines(self) {
            if let Err(why) = self.files[place].write() {
                self.fails(place, why);
            }
        }
        for source in &mut self.sources {
            if let Some(read) = &source.read {
                source.done = Some(read.clone());
            }
        }
        for file in &mut self.files {
            file.was_behind = None;
        }
        self.gathered_nothing();
        self.save()
    }

    /// An app was flushed since: its lines from before are in the batch. All is read once more, which leaves them out.
    fn gather_again(&mut self) {
        for file in &mut self.files {
            match &mut file.failing {
                None => {
                    file.buffer.clear();
                    file.behind = file.was_behind.take().or(file.behind.take());
                }
                Some(failing) if failing.written.is_some() => {
                    file.buffer.clear();
                    failing.buffered.clone_from(&failing.written);
                    failing.missed = true;
                }
                Some(_) => {}
            }
        }
        self.parts = Parts::restore(self.parts_done.clone());
        self.renumber_parts();
        self.gathered_nothing();
        let running = self.sources.iter_mut().filter(|one| one.pipe().is_some());
        running.for_each(|source| source.start_at = Some(Instant::now()));
    }

    /// Sets those aside whose time it is: which.
    fn turn(&mut self, places: &[usize]) -> Vec<usize> {
        let zone = TimeZone::system();
        let mut turned = vec![];
        for place in places {
            let file = &mut self.files[*place];
            match file.turn(&zone) {
                Ok(true) => turned.push(*place),
                Ok(false) => {}
                Err(why) => {
                    let (app, path) = (file.app.clone(), file.path.display().to_string());
                    self.trouble(
                        Some(app),
                        format!("{path} cannot be rotated, and grows: {why}"),
                    );
                }
            }
        }
        turned
    }

    /// Old files of this one are packed, or removed.
    pub fn tidy(&self, place: usize) {
        let file = &self.files[place];
        let (Some(rule), Ok(account)) = (&file.rotate, &file.account) else {
            return;
        };
        let (app, path) = (file.app.clone(), file.path.clone());
        let tell = self.teller();
        let job = Job {
            rule: rule.clone(),
            account: account.clone(),
            failed: Box::new(move |why| {
                let text = format!("old files of {} cannot be tidied: {why}", path.display());
                tell(Some(app), text);
            }),
        };
        self.tidier.add(file.path.clone(), job);
    }

    /// Looks at every file: missing ones are made, moved ones are opened anew. `new`: there is something to put on record however they are.
    pub fn look_at_all(&mut self, new: bool) -> io::Result<()> {
        self.commit()?;
        let _lock = state::lock(self.places())?;
        let mut changed = new;
        for place in 0..self.files.len() {
            if self.files[place].gone_at.is_some() || self.files[place].failing.is_some() {
                continue;
            }
            match self.files[place].ready() {
                Ok(new) => changed |= new,
                Err(why) => self.fails(place, why),
            }
            if std::mem::take(&mut self.files[place].untidy) {
                self.tidy(place);
            }
        }
        self.status();
        match changed {
            true => self.sync_all(),
            false => self.save(),
        }
    }

    /// Tries those that could not be written to, those that are due. What was passed over meanwhile is read again.
    pub fn retry(&mut self) -> io::Result<()> {
        self.commit()?;
        let lock = state::lock(self.places())?;
        let now = Instant::now();
        let mut owners = Owners::default();
        let (mut ready, mut changed) = (vec![], false);
        for place in 0..self.files.len() {
            let file = &mut self.files[place];
            if file
                .failing
                .as_ref()
                .is_none_or(|failing| now < failing.again)
            {
                continue;
            }
            if file.account.is_err() {
                file.account = owners.of(file.user.as_deref(), file.group.as_deref());
            }
            match file.ready() {
                Ok(new) => {
                    changed |= new;
                    ready.push(place);
                }
                Err(why) => self.fails(place, why),
            }
        }
        // As in a commit: one that is new, or was truncated, is on record on disk before anything is written to it.
        if changed {
            self.sync_all()?;
        }
        for place in ready {
            if let Err(why) = self.files[place].write() {
                self.fails(place, why);
                continue;
            }
            let file = &mut self.files[place];
            if let Some(failing) = file.failing.take() {
                let text = format!("{} is written to again", file.path.display());
                let (app, source) = (file.app.clone(), file.source.clone());
                if failing.missed {
                    file.behind = failing.buffered;
                    for source in self.sources.iter_mut().filter(|one| one.name == source) {
                        source.start_at = Some(now);
                    }
                }
                self.trouble(Some(app), text);
            }
        }
        self.status();
        let saved = self.save();
        drop(lock);
        saved
    }

    fn fails(&mut self, place: usize, why: String) {
        let name = &self.files[place].source;
        let source = self.sources.iter().find(|source| source.name == *name);
        let (done, read) = source.map_or((None, None), |source| {
            (source.done.clone(), source.read.clone())
        });
        let file = &mut self.files[place];
        if file.fail(why.clone(), done, read) {
            let text = format!(
                "{} cannot be written: {why}; the app goes on, and its lines come to the file once that works",
                file.path.display()
            );
            let app = file.app.clone();
            self.trouble(Some(app), text);
        }
        self.status();
    }

    /// Everything is on disk, and on record there.
    pub fn sync(&mut self) -> io::Result<()> {
        let _lock = state::lock(self.places())?;
        self.sync_all()
    }

    fn sync_all(&mut self) -> io::Result<()> {
        for place in 0..self.files.len() {
            if let Err(error) = self.files[place].sync() {
                self.fails(place, super::open::words(&error));
            }
        }
        let checkpoint = self.checkpoint();
        // Without it only a machine that loses power is worse off.
        if let Err(error) = state::save_durable(self.places(), &checkpoint) {
            self.unsaved(super::open::words(&error));
        }
        self.synced_now();
        state::save_quick(self.places(), &checkpoint)
    }

    pub fn save(&self) -> io::Result<()> {
        state::save_quick(self.places(), &self.checkpoint())
    }

    fn checkpoint(&self) -> Checkpoint {
        let sources = self.sources.iter();
        Checkpoint {
            closed: self.closing,
            sources: sources
                .filter_map(|source| Some((source.name.clone(), source.done.clone()?)))
                .collect(),
            files: self
                .files
                .iter()
                .map(|file| (file.path.clone(), file.kept()))
                .collect(),
            parts: self.parts_done.clone(),
        }
    }
}
