//! Lines that journald cut because they were longer than its LineMax= (48 KiB), put together again.
//!
//! One that is as long as LineMax= to the byte cannot be told from the beginning of a longer one: journald keeps nothing of the empty rest. It waits for
//! the stream's next line, or [`PATIENCE`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::apps::Writer;
use super::state::KeptPart;
use crate::journal::export::Line;

/// Longest line that is put together, in bytes; a longer one is cut there.
const LONGEST: usize = 1 << 20;
/// How long a line without its end is held back.
const PATIENCE: Duration = Duration::from_secs(10);

/// Beginnings by the stream they are of.
#[derive(Default)]
pub struct Parts {
    begun: BTreeMap<String, Part>,
}

pub struct Part {
    pub source: String,
    /// The app's name.
    app: String,
    /// Where the app is among [`Apps::list`](super::apps::Apps::list): after [`Parts::renumber`].
    pub writer: Writer,
    /// Of the first piece.
    pub at: u64,
    pub bytes: Vec<u8>,
    since: Instant,
}

/// A line that is whole.
pub enum Whole<'a> {
    /// It came in one piece.
    Same(&'a [u8]),
    Joined {
        at: u64,
        bytes: Vec<u8>,
    },
}

impl Parts {
    /// None while its end is missing.
    pub fn add<'a>(
        &mut self,
        source: &str,
        app: &str,
        writer: Writer,
        line: &Line<'a>,
    ) -> Option<Whole<'a>> {
        let cut = line.line_break == b"line-max";
        if !cut && self.begun.is_empty() {
            return Some(Whole::Same(line.message));
        }
        let stream = String::from_utf8_lossy(line.stream);
        if !cut && !self.begun.contains_key(stream.as_ref()) {
            return Some(Whole::Same(line.message));
        }
        let part = self
            .begun
            .entry(stream.to_string())
            .or_insert_with(|| Part {
                source: source.to_owned(),
                app: app.to_owned(),
                writer,
                at: line.at,
                bytes: Vec::new(),
                since: Instant::now(),
            });
        part.bytes.extend_from_slice(line.message);
        if cut && part.bytes.len() < LONGEST {
            return None;
        }
        let part = self.begun.remove(stream.as_ref())?;
        Some(Whole::Joined {
            at: part.at,
            bytes: part.bytes,
        })
    }

    /// Those that waited long enough.
    pub fn overdue(&mut self) -> Vec<Part> {
        let now = Instant::now();
        let due: Vec<String> = self
            .begun
            .iter()
            .filter(|(_, part)| now >= part.since + PATIENCE)
            .map(|(stream, _)| stream.clone())
            .collect();
        due.iter()
            .filter_map(|stream| self.begun.remove(stream))
            .collect()
    }

    /// When to ask for [`Parts::overdue`].
    pub fn due(&self) -> Option<Instant> {
        self.begun.values().map(|part| part.since + PATIENCE).min()
    }

    /// Forgets those of a source that is read again from an earlier place: the earliest of them, from which on it must be read.
    pub fn forget(&mut self, source: &str) -> Option<u64> {
        let earliest = self
            .begun
            .values()
            .filter(|part| part.source == source)
            .map(|part| part.at)
            .min();
        self.begun.retain(|_, part| part.source != source);
        earliest
    }

    /// The apps have other places now; None for one that has none.
    pub fn renumber(&mut self, place: impl Fn(&str) -> Option<usize>) {
        self.begun.retain(|_, part| {
            let found = place(&part.app);
            part.writer.app = found.unwrap_or_default();
            found.is_some()
        });
    }

    pub fn keep(&self) -> Vec<KeptPart> {
        self.begun
            .iter()
            .map(|(stream, part)| KeptPart {
                source: part.source.clone(),
                stream: stream.clone(),
                app: part.app.clone(),
                instance: part.writer.instance,
                err: part.writer.err,
                at: part.at,
                bytes: part.bytes.iter().map(|byte| char::from(*byte)).collect(),
            })
            .collect()
    }

    /// To be renumbered.
    pub fn restore(kept: Vec<KeptPart>) -> Parts {
        let begun = kept.into_iter().map(|part| {
            let bytes = part.bytes.chars().map(|byte| byte as u8).collect();
            let restored = Part {
                source: part.source,
                app: part.app,
                writer: Writer {
                    app: 0,
                    instance: part.instance,
                    err: part.err,
                },
                at: part.at,
                bytes,
                since: Instant::now(),
            };
            (part.stream, restored)
        });
        Parts {
            begun: begun.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITER: Writer = Writer {
        app: 0,
        instance: 1,
        err: false,
    };

    fn line(stream: &'static str, message: &'static [u8], cut: bool) -> Line<'static> {
        Line {
            stream: stream.as_bytes(),
            message,
            line_break: if cut { b"line-max" } else { b"" },
            at: 7,
            ..Line::default()
        }
    }

    fn whole(parts: &mut Parts, line: &Line<'_>) -> Option<Vec<u8>> {
        match parts.add("all", "api", WRITER, line)? {
            Whole::Same(bytes) => Some(bytes.to_vec()),
            Whole::Joined { at, bytes } => {
                assert_eq!(at, 7);
                Some(bytes)
            }
        }
    }

    #[test]
    fn pieces_of_a_stream_are_one_line_also_after_a_restart() {
        let mut parts = Parts::default();
        assert_eq!(whole(&mut parts, &line("a", b"1\xff", true)), None);
        assert_eq!(
            whole(&mut parts, &line("b", b"other", false)).unwrap(),
            b"other"
        );
        let mut parts = Parts::restore(parts.keep());
        parts.renumber(|app| (app == "api").then_some(4));
        assert_eq!(
            parts.begun["a"].writer,
            Writer {
                app: 4,
                instance: 1,
                err: false
            }
        );
        assert!(parts.due().is_some());
        assert_eq!(whole(&mut parts, &line("a", b"2", true)), None);
        assert!(parts.due().is_some() && parts.overdue().is_empty());
        assert_eq!(
            whole(&mut parts, &line("a", b"3", false)).unwrap(),
            b"1\xff23"
        );
        assert_eq!(whole(&mut parts, &line("a", b"4", false)).unwrap(), b"4");
        whole(&mut parts, &line("a", b"5", true));
        assert_eq!(parts.forget("uid-1"), None);
        let mut gone = Parts::restore(parts.keep());
        gone.renumber(|_| None);
        assert!(gone.keep().is_empty());
        assert_eq!(parts.forget("all"), Some(7));
        assert!(parts.keep().is_empty());
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut parts = Parts::default();
        let long: &'static [u8] = vec![b'x'; LONGEST / 2].leak();
        assert_eq!(whole(&mut parts, &line("a", long, true)), None);
        assert_eq!(
            whole(&mut parts, &line("a", long, true)).unwrap().len(),
            LONGEST
        );
        assert!(parts.keep().is_empty());
    }
}
