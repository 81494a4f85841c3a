//! What is told of log files: in the journal what is wrong, and in `STATUS=`.

use jiff::tz::TimeZone;

use super::apps::App;
use super::file::LogFile;
use super::follow;
use super::position::Position;
use super::writer::{Told, Writer};
use crate::journal::date;
use crate::journal::export::Line;

impl Writer {
    /// For another thread.
    pub(super) fn teller(&self) -> impl FnOnce(Option<String>, String) + Send + 'static {
        let tell = self.tell.clone();
        move |app, text| drop(tell.send(Told::Trouble(app, text)))
    }

    pub(super) fn trouble(&self, app: Option<String>, text: String) {
        let _ = self.tell.send(Told::Trouble(app, text));
    }

    /// Told once for each reason.
    pub(super) fn unsaved(&mut self, why: String) {
        if self.unsaved.as_ref() != Some(&why) {
            self.trouble(
                None,
                format!("where the log files end cannot be recorded: {why}"),
            );
            self.unsaved = Some(why);
        }
    }

    pub(super) fn dropped(&self, line: &Line<'_>) {
        let text = String::from_utf8_lossy(line.message);
        let unit = text.rsplit(' ').next().unwrap_or_default();
        let of = |app: &&App| {
            unit.strip_prefix(app.stem.as_str())
                .is_some_and(|rest| rest.starts_with('@'))
        };
        if let Some(app) = self.apps.list.iter().find(of) {
            let count = String::from_utf8_lossy(line.dropped);
            self.trouble(
                Some(app.name.clone()),
                format!("journald dropped {count} lines of {unit}, so its log files do not have them: it wrote faster than LogRateLimitBurst= allows"),
            );
        }
    }

    /// Reading went on with another entry than it ended with.
    pub(super) fn lost(&self, index: usize, expected: &Position, at: u64) {
        if follow::has(&self.scope, &self.sources[index].name, expected) {
            return;
        }
        let time = |at| date::format(at, &TimeZone::system(), "YYYY-MM-DD HH:mm:ss");
        self.trouble(
            None,
            format!(
                "the journal no longer has the last line that log files have, of {}; lines before {} may be missing from them \
                 (SystemMaxUse= in journald.conf says how much it keeps)",
                time(expected.at),
                time(at)
            ),
        );
    }

    pub(super) fn status(&self) {
        let files = self
            .files
            .iter()
            .filter(|file| file.gone_at.is_none())
            .count();
        let mut text = match files {
            0 => None,
            1 => Some("1 log file".to_owned()),
            many => Some(format!("{many} log files")),
        };
        let failing: Vec<&LogFile> = self
            .files
            .iter()
            .filter(|file| file.failing.is_some())
            .collect();
        if let (Some(text), Some(first)) = (&mut text, failing.first()) {
            let why = first.failing.as_ref().map_or("", |failing| &failing.why);
            text.push_str(&format!(
                " ({} cannot be written: {} {why})",
                failing.len(),
                first.path.display()
            ));
        }
        let mut says = self
            .says
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if *says != text {
            *says = text;
            let _ = self.tell.send(Told::Says);
        }
    }
}
