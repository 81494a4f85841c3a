//! The lines of the logs on the screen: the newest so many, where one looks at, and what is searched.

use std::collections::VecDeque;

use regex::{Regex, RegexBuilder};

use crate::journal::Stream;
use crate::terminal::text;

/// Lines kept.
pub const KEPT: usize = 5_000;
/// Bytes of text kept.
const BYTES: usize = 4 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `api@2`.
    pub label: String,
    pub stream: Stream,
    /// Harmless: see [`text::harmless`].
    pub text: String,
}

/// The last row in view: the line by its number since the start, and which of its rows when it is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: u64,
    pub row: usize,
}

/// The room that lines are shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub columns: usize,
    pub rows: usize,
    pub wrap: bool,
    /// Whether the label stands before each line.
    pub labels: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Lines {
    kept: VecDeque<Line>,
    bytes: usize,
    /// The number of the first that is kept.
    first: u64,
    /// None: the newest line is the last row, and stays so.
    pub place: Option<Place>,
    /// Columns that are scrolled out of view on the left; without wrapping only.
    pub left: usize,
    search: Option<Regex>,
    /// How many of those that are kept match it.
    found: usize,
    /// The line that was found last, until one looks elsewhere.
    hit: Option<u64>,
}

impl Lines {
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many came after the last that is in view.
    pub fn below(&self) -> u64 {
        let last = (self.first + self.kept.len() as u64).saturating_sub(1);
        self.place
            .map_or(0, |place| last.saturating_sub(place.line))
    }

    pub fn clear(&mut self) {
        *self = Lines {
            search: self.search.take(),
            ..Lines::default()
        };
    }

    pub fn add(&mut self, line: Line) {
        self.bytes += line.text.len() + line.label.len();
        self.found += usize::from(self.is_match(&line));
        self.kept.push_back(line);
        while self.kept.len() > KEPT || self.bytes > BYTES {
            let Some(gone) = self.kept.pop_front() else {
                break;
            };
            self.bytes -= gone.text.len() + gone.label.len();
            self.found -= usize::from(self.is_match(&gone));
            self.first += 1;
        }
        // What was looked at has gone: what is left of it is.
        if let Some(place) = &mut self.place
            && place.line < self.first
        {
            *place = Place {
                line: self.first,
                row: 0,
            };
        }
    }

    fn line(&self, number: u64) -> Option<&Line> {
        let index = number.checked_sub(self.first)?;
        self.kept.get(usize::try_from(index).ok()?)
    }

    fn end(&self, room: &Room) -> Option<Place> {
        let line = (self.first + self.kept.len() as u64).checked_sub(1)?;
        let row = rows(self.line(line)?, room) - 1;
        Some(Place { line, row })
    }

    /// The rows in view, oldest first: the line, and which of its rows.
    pub fn view(&self, room: &Room) -> Vec<(&Line, usize)> {
        let mut view = Vec::with_capacity(room.rows);
        let Some(end) = self.end(room) else {
            return view;
        };
        let mut at = Some(self.place.map_or(end, |place| place.min(end)));
        while let Some(place) = at
            && view.len() < room.rows
            && let Some(line) = self.line(place.line)
        {
            view.push((line, place.row.min(rows(line, room) - 1)));
            at = self.before(place, room);
        }
        view.reverse();
        view
    }

    fn before(&self, place: Place, room: &Room) -> Option<Place> {
        if place.row > 0 {
            let row = place.row - 1;
            return Some(Place { row, ..place });
        }
        let line = place.line.checked_sub(1)?;
        let row = rows(self.line(line)?, room) - 1;
        Some(Place { line, row })
    }

    fn after(&self, place: Place, room: &Room) -> Option<Place> {
        let line = self.line(place.line)?;
        if place.row + 1 < rows(line, room) {
            let row = place.row + 1;
            return Some(Place { row, ..place });
        }
        let line = place.line + 1;
        self.line(line).map(|_| Place { line, row: 0 })
    }

    /// Rows upwards (negative) or downwards. At the lower end the newest line is followed again.
    pub fn scroll(&mut self, by: isize, room: &Room) {
        let Some(end) = self.end(room) else {
            return;
        };
        let mut place = self.place.map_or(end, |place| place.min(end));
        for _ in 0..by.unsigned_abs() {
            let next = match by < 0 {
                true => self.before(place, room),
                false => self.after(place, room),
            };
            match next {
                Some(next) => place = next,
                None => break,
            }
        }
        let top = self.top(room);
        self.hit = None;
        self.place = Some(place.max(top)).filter(|place| *place < end);
    }

    /// The highest place: the view is full from the first line on.
    fn top(&self, room: &Room) -> Place {
        let mut place = Place {
            line: self.first,
            row: 0,
        };
        for _ in 1..room.rows {
            match self.after(place, room) {
                Some(next) => place = next,
                None => break,
            }
        }
        place
    }

    /// Stays where it is, whatever comes.
    pub fn hold(&mut self, room: &Room) {
        self.place = self.place.or(self.end(room));
    }

    pub fn show_first(&mut self, room: &Room) {
        let top = self.top(room);
        self.place = self.end(room).filter(|end| top < *end).map(|_| top);
    }

    /// Searches for a regular expression, or for the text itself where it is none. Without capitals in it, case does not matter. Empty: for nothing.
    pub fn search(&mut self, pattern: &str) {
        self.hit = None;
        let plain = !pattern.chars().any(char::is_uppercase);
        let build = |pattern: &str| {
            RegexBuilder::new(pattern)
                .case_insensitive(plain)
                .size_limit(1 << 20)
                .build()
        };
        self.search = match pattern {
            "" => None,
            _ => build(pattern)
                .or_else(|_| build(&regex::escape(pattern)))
                .ok(),
        };
        self.found = self.kept.iter().filter(|line| self.is_match(line)).count();
    }

    /// Where in a text the search matches; empty matches left out.
    pub fn matches(&self, text: &str) -> Vec<(usize, usize)> {
        let Some(search) = &self.search else {
            return vec![];
        };
        search
            .find_iter(text)
            .map(|found| (found.start(), found.end()))
            .filter(|(start, end)| start < end)
            .collect()
    }

    fn is_match(&self, line: &Line) -> bool {
        let search = self.search.as_ref();
        search.is_some_and(|search| search.is_match(&line.text))
    }

    /// How many of the lines match.
    pub fn found(&self) -> usize {
        self.found
    }

    /// Looks for the next line that matches and brings it into view: upwards, to older ones, or downwards, from the one that was found before, else from
    /// the last in view. Says whether there is one.
    pub fn seek(&mut self, up: bool, room: &Room) -> bool {
        let (Some(search), Some(end)) = (&self.search, self.end(room)) else {
            return false;
        };
        let matching = |number: &u64| {
            let line = self.line(*number);
            line.is_some_and(|line| search.is_match(&line.text))
        };
        let last = self.place.map_or(end, |place| place.min(end)).line;
        let found = match (up, self.hit.filter(|hit| *hit >= self.first)) {
            (true, Some(hit)) => (self.first..hit).rev().find(matching),
            (true, None) => (self.first..=last).rev().find(matching),
            (false, hit) => (hit.unwrap_or(last) + 1..=end.line).find(matching),
        };
        let Some(line) = found else {
            return false;
        };
        let row = self.line(line).map_or(0, |line| rows(line, room) - 1);
        let place = Place { line, row };
        self.place = Some(place.max(self.top(room)));
        self.hit = Some(line);
        true
    }
}

/// Columns that the label takes, the bar behind it included.
pub fn label_width(line: &Line, room: &Room) -> usize {
    match room.labels {
        true => text::width(&line.label).min(room.columns / 3) + 1,
        false => 0,
    }
}

fn rows(line: &Line, room: &Room) -> usize {
    match room.wrap {
        true => text::wrap(
            &line.text,
            room.columns.saturating_sub(label_width(line, room)),
        )
        .len(),
        false => 1,
    }
}

#[cfg(test)]
mod tests;
