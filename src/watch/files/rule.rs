//! When changes become a reload: pure, the time is handed in.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So long nothing must have changed: an editor's save, or a `git checkout`, is many events.
pub const QUIET: Duration = Duration::from_millis(100);

/// So long at most changes hold back the reload while they keep coming: a build of some seconds is one reload, and what never ends does not put it off for
/// ever.
pub const LONGEST: Duration = Duration::from_secs(10);

/// So many files are told apart; the rest are counted.
const MOST: usize = 4096;

/// What has changed since the last reload.
#[derive(Debug)]
pub struct Burst {
    quiet: Duration,
    delay: Duration,
    /// [`MOST`], or less in tests.
    most: usize,
    files: BTreeMap<PathBuf, File>,
    /// Changes beyond the most files, and the first of them.
    more: u32,
    beyond: Option<PathBuf>,
    came: u32,
    first: Option<Instant>,
    last: Option<Instant>,
}

#[derive(Debug)]
struct File {
    order: u32,
    /// Not there before.
    is_new: bool,
    /// It counts: its writer has closed it.
    changed: bool,
}

impl Burst {
    /// `quiet` and `delay` (`watch_delay`) run from the last change.
    pub fn new(quiet: Duration, delay: Duration) -> Burst {
        Burst {
            quiet,
            delay,
            most: MOST,
            files: BTreeMap::new(),
            more: 0,
            beyond: None,
            came: 0,
            first: None,
            last: None,
        }
    }

    /// A new folder, or a new file that its maker still has open: it does not count yet.
    pub fn begun(&mut self, path: &Path) {
        if self.files.len() >= self.most && self.first.is_none() {
            // Folders made in the course of weeks. Those still open count when they are closed.
            self.files.clear();
        }
        if self.files.len() < self.most {
            self.enter(path, true);
        }
    }

    /// A file has another content, or is there now.
    pub fn changed(&mut self, path: &Path, now: Instant) {
        let is_first = self.first.is_none();
        if self.files.len() < self.most || is_first || self.files.contains_key(path) {
            self.enter(path, false).changed = true;
        } else {
            self.beyond.get_or_insert_with(|| path.to_path_buf());
            self.more = self.more.saturating_add(1);
        }
        self.touch(now);
    }

    /// A file or folder is not there any more. What came in the same burst was an editor's or a build's own and is forgotten.
    pub fn gone(&mut self, path: &Path, now: Instant) {
        if !self.files.get(path).is_some_and(|file| file.is_new) {
            self.changed(path, now);
            return;
        }
        let below: Vec<PathBuf> = self
            .files
            .range(path.to_path_buf()..)
            .map(|(one, _)| one.clone())
            .take_while(|one| one.starts_with(path))
            .collect();
        for one in below {
            self.files.remove(&one);
        }
        if self.more == 0 && !self.files.values().any(|file| file.changed) {
            self.first = None;
            self.last = None;
        }
    }

    fn enter(&mut self, path: &Path, is_new: bool) -> &mut File {
        self.came += 1;
        let order = self.came;
        self.files.entry(path.to_path_buf()).or_insert(File {
            order,
            is_new,
            changed: false,
        })
    }

    fn touch(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// When it is to be told; None while nothing has changed.
    pub fn due(&self) -> Option<Instant> {
        let (first, last) = self.first.zip(self.last)?;
        let longest = LONGEST.max(self.quiet);
        Some((last + self.quiet).min(first + longest) + self.delay)
    }

    /// The file that changed first and how many did, once it is due.
    pub fn take(&mut self, now: Instant) -> Option<(PathBuf, u32)> {
        self.due().filter(|due| *due <= now)?;
        let changed = self.files.iter().filter(|(_, file)| file.changed);
        let first = changed.clone().min_by_key(|(_, file)| file.order);
        let first = first.map(|(path, _)| path.clone()).or(self.beyond.take());
        let count = u32::try_from(changed.count()).unwrap_or(u32::MAX);
        let count = count.saturating_add(self.more);
        // In any case: what is due and not taken would be due for ever.
        *self = Burst::new(self.quiet, self.delay);
        Some((first?, count))
    }
}

/// An app that writes a watched file itself is restarted without end: so often in so long by the same file is told.
const OFTEN: usize = 10;
const SPAN: Duration = Duration::from_secs(60);
const SAY_AGAIN: Duration = Duration::from_secs(600);

/// The files that asked for the last reloads of an app.
#[derive(Debug, Default)]
pub struct Repeats {
    last: VecDeque<(PathBuf, Instant)>,
    said: Option<Instant>,
}

impl Repeats {
    /// Whether it is time to say that this file changes again and again.
    pub fn again(&mut self, path: &Path, now: Instant) -> bool {
        if self.last.len() == OFTEN {
            self.last.pop_front();
        }
        self.last.push_back((path.to_path_buf(), now));
        let often = self.last.len() == OFTEN
            && self
                .last
                .iter()
                .all(|(one, at)| one == path && now.duration_since(*at) < SPAN);
        let say = often
            && self
                .said
                .is_none_or(|at| now.duration_since(at) > SAY_AGAIN);
        if say {
            self.said = Some(now);
        }
        say
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn burst(delay: u32) -> (Burst, Instant) {
        (Burst::new(QUIET, MS * delay), Instant::now())
    }

    fn path(name: &str) -> &Path {
        Path::new(name)
    }

    #[test]
    fn one_save_is_told_after_the_quiet_and_the_delay() {
        let (mut burst, now) = burst(500);
        assert_eq!(burst.due(), None);
        burst.changed(path("/a.js"), now);
        assert_eq!(burst.due(), Some(now + QUIET + MS * 500));
        assert_eq!(burst.take(now + QUIET), None);
        assert_eq!(burst.take(now + MS * 600), Some(("/a.js".into(), 1)));
        assert_eq!(burst.take(now + MS * 600), None);
        assert_eq!(burst.due(), None);
    }

    #[test]
    fn a_thousand_saves_are_one_and_the_first_is_named() {
        let (mut burst, now) = burst(0);
        for number in 0..1000 {
            let at = now + MS * 3 * number;
            assert_eq!(burst.take(at), None);
            let name = format!("/{:04}.js", 999 - number % 500);
            burst.changed(path(&name), at);
        }
        let last = now + MS * 2997;
        assert_eq!(burst.take(last + QUIET), Some(("/0999.js".into(), 500)));
    }

    #[test]
    fn changes_that_never_end_hold_it_back_so_long_at_most() {
        let (mut burst, now) = burst(0);
        for number in 0..200 {
            burst.changed(path("/a"), now + MS * 50 * number);
        }
        assert_eq!(burst.due(), Some(now + LONGEST));
        let mut patient = Burst::new(LONGEST * 2, Duration::ZERO);
        patient.changed(path("/a"), now);
        assert_eq!(patient.due(), Some(now + LONGEST * 2));
    }

    #[test]
    fn what_editors_do_while_they_save() {
        // vim: a probe that comes and goes is nothing.
        let (mut burst, now) = burst(0);
        burst.begun(path("/4914"));
        burst.changed(path("/4914"), now);
        burst.gone(path("/4914"), now);
        assert_eq!(burst.due(), None);
        // sed -i: written beside it, then renamed over it.
        burst.begun(path("/sedX"));
        burst.changed(path("/sedX"), now);
        burst.gone(path("/sedX"), now);
        burst.changed(path("/a.js"), now);
        assert_eq!(burst.take(now + QUIET), Some(("/a.js".into(), 1)));
        // The old one is moved away, a new one written.
        burst.gone(path("/a.js"), now);
        burst.begun(path("/a.js"));
        burst.changed(path("/a.js"), now);
        assert_eq!(burst.take(now + QUIET), Some(("/a.js".into(), 1)));
        // Open for long: it counts when it is closed.
        burst.begun(path("/big"));
        assert_eq!(burst.due(), None);
        burst.changed(path("/big"), now);
        assert_eq!(burst.take(now + QUIET), Some(("/big".into(), 1)));
    }

    #[test]
    fn a_folder_made_and_moved_away_takes_its_files_along() {
        let (mut burst, now) = burst(0);
        burst.begun(path("/tmp1"));
        burst.begun(path("/tmp1/a"));
        burst.changed(path("/tmp1/a"), now);
        burst.begun(path("/tmp1/b"));
        burst.gone(path("/tmp1"), now);
        assert_eq!(burst.due(), None);
        // One that was there before takes what nobody has named.
        burst.begun(path("/src/new"));
        burst.changed(path("/src/new"), now);
        burst.gone(path("/src"), now);
        assert_eq!(burst.take(now + QUIET), Some(("/src/new".into(), 2)));
    }

    #[test]
    fn beyond_the_most_files_are_counted() {
        let (mut burst, now) = burst(0);
        for number in 0..10_000 {
            burst.changed(path(&format!("/{number}")), now);
        }
        assert_eq!(burst.take(now + QUIET), Some(("/0".into(), 10_000)));
        assert!(burst.files.is_empty());
    }

    proptest! {
        /// Whatever came before, a change is told, nothing is due once it is taken, and no more is kept than the most.
        #[test]
        fn what_changes_is_told_and_what_is_due_is_taken(
            steps in prop::collection::vec((0..4u8, 0..40u32, 0..300u32), 1..300),
        ) {
            let (mut burst, mut now) = burst(0);
            burst.most = 8;
            for (what, number, later) in steps {
                // Half of them are in the folder `/0`, which may go as a whole.
                let name = if number % 2 == 0 { format!("/0/{number}") } else { format!("/{}", number - 1) };
                let name = path(&name);
                match what {
                    0 => burst.begun(name),
                    1 => burst.gone(name, now),
                    _ => {
                        burst.changed(name, now);
                        prop_assert!(burst.due().is_some());
                    }
                }
                prop_assert!(burst.files.len() <= burst.most + 1);
                now += MS * later;
                let is_due = burst.due().is_some_and(|due| due <= now);
                prop_assert_eq!(burst.take(now).is_some_and(|(_, count)| count > 0), is_due);
                prop_assert!(burst.due().is_none_or(|due| due > now));
                burst.most = 8;
            }
        }
    }

    #[test]
    fn folders_made_in_weeks_hold_back_no_change() {
        let (mut burst, now) = burst(0);
        for number in 0..3 * MOST {
            burst.begun(path(&format!("/cache/{number}")));
            assert!(burst.files.len() <= MOST);
        }
        burst.changed(path("/a.js"), now);
        assert_eq!(burst.take(now + QUIET), Some(("/a.js".into(), 1)));
        assert_eq!(burst.due(), None);
        // An editor's probe is still none.
        burst.begun(path("/4913"));
        burst.changed(path("/4913"), now);
        burst.gone(path("/4913"), now);
        assert_eq!(burst.due(), None);
    }

    #[test]
    fn the_same_file_again_and_again_is_told_once() {
        let mut repeats = Repeats::default();
        let now = Instant::now();
        let said: Vec<bool> = (0..20)
            .map(|step| repeats.again(path("/db.json"), now + MS * 1000 * step))
            .collect();
        assert_eq!(said.iter().filter(|said| **said).count(), 1);
        assert!(said[9]);
        let mut repeats = Repeats::default();
        let slow = |step: u32| now + SPAN * step / 9;
        assert!((0..20).all(|step| !repeats.again(path("/a.js"), slow(step))));
    }
}
