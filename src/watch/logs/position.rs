//! A place in the journal, and what lies before and beyond it.

use serde::{Deserialize, Serialize};

use crate::journal::export::Line;

/// Everything up to here is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Of the last entry that is done; empty: all before the time `at`.
    pub cursor: String,
    /// Microseconds since the epoch.
    pub at: u64,
}

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lies {
    Before,
    /// It is the entry itself.
    At,
    Beyond,
}

impl Position {
    pub fn of(line: &Line<'_>) -> Position {
        Position {
            cursor: line.cursor.to_owned(),
            at: line.at,
        }
    }

    pub fn time(at: u64) -> Position {
        Position {
            cursor: String::new(),
            at,
        }
    }

    /// Entries of one journald are numbered (`s=` says whose numbers, `i=` is the number); of another's only the time can be compared.
    pub fn lies(&self, cursor: &str, at: u64) -> Lies {
        if self.cursor.is_empty() {
            return if at < self.at {
                Lies::Before
            } else {
                Lies::Beyond
            };
        }
        if self.cursor == cursor {
            return Lies::At;
        }
        let beyond = match (part(&self.cursor, "s="), part(cursor, "s=")) {
            (Some(one), Some(other)) if one == other => number(cursor) > number(&self.cursor),
            _ => at > self.at,
        };
        if beyond { Lies::Beyond } else { Lies::Before }
    }
}

fn part<'a>(cursor: &'a str, key: &str) -> Option<&'a str> {
    cursor.split(';').find_map(|part| part.strip_prefix(key))
}

fn number(cursor: &str) -> Option<u64> {
    u64::from_str_radix(part(cursor, "i=")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_first_then_times() {
        let here = Position {
            cursor: "s=a;i=1f;b=c;t=5".into(),
            at: 5,
        };
        assert_eq!(here.lies("s=a;i=1f;b=c;t=5", 5), Lies::At);
        assert_eq!(here.lies("s=a;i=20;b=c;t=5", 5), Lies::Beyond);
        assert_eq!(here.lies("s=a;i=1e;b=c;t=9", 9), Lies::Before);
        assert_eq!(here.lies("s=b;i=1;b=c;t=6", 6), Lies::Beyond);
        assert_eq!(here.lies("s=b;i=99;b=c;t=5", 5), Lies::Before);
        assert_eq!(Position::time(5).lies("s=a;i=1", 5), Lies::Beyond);
        assert_eq!(Position::time(5).lies("s=a;i=1", 4), Lies::Before);
    }
}
