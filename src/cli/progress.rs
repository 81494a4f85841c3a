//! Progress on stderr: a line a step; on a terminal also a line for each instance on its way, rewritten in place.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::time::Instant;
use unicode_width::UnicodeWidthChar;

use super::table::{self, Tone};
use crate::apply::progress::{Arrival, Progress, Stage};

/// Lines drawn at most of instances on their way; the others are counted.
const LIVE: usize = 12;

/// What a command hands to `apply`: draws, or with `json` is silent.
pub fn show(json: bool) -> RefCell<impl FnMut(Progress<'_>)> {
    let mut drawing = (!json).then(Drawing::on_stderr);
    RefCell::new(move |news: Progress<'_>| {
        if let Some(drawing) = &mut drawing {
            let text = drawing.hear(news, Instant::now());
            // Nobody is left to tell when stderr is closed.
            let _ = io::stderr().lock().write_all(text.as_bytes());
        }
    })
}

/// What is drawn now. Pure: news and time in, bytes out.
struct Drawing {
    /// Columns; None where lines are not rewritten.
    terminal: Option<usize>,
    colour: bool,
    live: Vec<(String, Stage, Instant)>,
    /// Lines of the last drawing, above the cursor.
    drawn: usize,
}

impl Drawing {
    fn on_stderr() -> Drawing {
        let rewrites =
            io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        let columns = || {
            let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
            Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
        };
        Drawing {
            terminal: rewrites.then(|| columns().unwrap_or(80)),
            colour: table::colour_err(),
            live: vec![],
            drawn: 0,
        }
    }

    fn hear(&mut self, news: Progress<'_>, now: Instant) -> String {
        let mut line = None;
        match news {
            Progress::Line(text) | Progress::Note(text) => line = Some(text),
            Progress::Tick if self.live.is_empty() => return String::new(),
            Progress::Tick => {}
            Progress::Stage { unit, stage, since } => {
                if self.terminal.is_none() {
                    return String::new();
                }
                match self.live.iter_mut().find(|(name, ..)| name == unit) {
                    // Its job is not done yet in the moment in which it is up: nothing stops again.
                    Some(one) if stage == Stage::Stopping => one.2 = since,
                    Some(one) => one.1 = stage,
                    None => self.live.push((unit.to_owned(), stage, since)),
                }
            }
            Progress::Arrived { unit, how, took } => {
                self.live.retain(|(name, ..)| name != unit);
                let tone = match how {
                    Arrival::Failed => Tone::Bad,
                    _ => Tone::Good,
                };
                let word = table::paint(&format!("{:<9}", how.as_str()), tone, self.colour);
                let took = took.map_or_else(String::new, |took| match how {
                    Arrival::Failed => format!(" after {}", seconds(took)),
                    _ => format!(" in {}", seconds(took)),
                });
                line = Some(format!("{word} {unit}{took}"));
            }
        }
        self.draw(line.as_deref(), now)
    }

    fn draw(&mut self, line: Option<&str>, now: Instant) -> String {
        let mut text = String::new();
        if self.drawn > 0 {
            // Up to the first of our lines, and everything from there is cleared.
            text.push_str(&format!("\x1b[{}A\r\x1b[J", self.drawn));
        }
        if let Some(line) = line {
            text.push_str(&format!("  {line}\n"));
        }
        let mut live: Vec<String> = self
            .live
            .iter()
            .take(LIVE)
            .map(|(unit, stage, since)| {
                let so_far = seconds(now.duration_since(*since));
                format!("  {:<9} {unit} {so_far}", stage.as_str())
            })
            .collect();
        if self.live.len() > LIVE {
            live.push(format!("  … and {} more", self.live.len() - LIVE));
        }
        for line in &live {
            text.push_str(fitting(line, self.terminal.unwrap_or(usize::MAX)));
            text.push('\n');
        }
        self.drawn = live.len();
        text
    }
}

/// The part of a line that leaves the last column free: a line that wraps could not be rewritten.
fn fitting(line: &str, columns: usize) -> &str {
    let mut width = 0;
    let end = line.char_indices().find(|(_, c)| {
        width += c.width().unwrap_or(0);
        width >= columns
    });
    &line[..end.map_or(line.len(), |(at, _)| at)]
}

/// `0.4 s`.
pub fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing(terminal: Option<usize>) -> Drawing {
        Drawing {
            terminal,
            colour: false,
            live: vec![],
            drawn: 0,
        }
    }

    fn stage(unit: &str, stage: Stage, since: Instant) -> Progress<'_> {
        Progress::Stage { unit, stage, since }
    }

    fn reloaded(unit: &str) -> Progress<'_> {
        Progress::Arrived {
            unit,
            how: Arrival::Reloaded,
            took: Some(Duration::from_millis(1240)),
        }
    }

    #[test]
    fn a_terminal_sees_each_instance_rewritten_in_place() {
        let mut drawing = drawing(Some(80));
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let stopping = stage("a@0.service", Stage::Stopping, begun);
        assert_eq!(
            drawing.hear(stopping, at(0)),
            "  stopping  a@0.service 0.0 s\n"
        );
        assert_eq!(
            drawing.hear(Progress::Tick, at(400)),
            "\x1b[1A\r\x1b[J  stopping  a@0.service 0.4 s\n"
        );
        let other = stage("a@1.service", Stage::Stopping, at(400));
        drawing.hear(other, at(400));
        assert_eq!(
            drawing.hear(stage("a@0.service", Stage::Starting, begun), at(500)),
            "\x1b[2A\r\x1b[J  starting  a@0.service 0.5 s\n  stopping  a@1.service 0.1 s\n"
        );
        assert_eq!(
            drawing.hear(reloaded("a@0.service"), at(1240)),
            "\x1b[2A\r\x1b[J  reloaded  a@0.service in 1.2 s\n  stopping  a@1.service 0.8 s\n"
        );
        assert_eq!(
            drawing.hear(reloaded("a@1.service"), at(1700)),
            "\x1b[1A\r\x1b[J  reloaded  a@1.service in 1.2 s\n"
        );
        assert_eq!(drawing.hear(Progress::Tick, at(1800)), "");
    }

    #[test]
    fn elsewhere_there_is_a_line_when_it_has_arrived() {
        let mut drawing = drawing(None);
        let now = Instant::now();
        assert_eq!(
            drawing.hear(stage("a@0.service", Stage::Stopping, now), now),
            ""
        );
        assert_eq!(drawing.hear(Progress::Tick, now), "");
        assert_eq!(
            drawing.hear(reloaded("a@0.service"), now),
            "  reloaded  a@0.service in 1.2 s\n"
        );
        assert_eq!(
            drawing.hear(Progress::Line("wrote     a".into()), now),
            "  wrote     a\n"
        );
    }

    #[test]
    fn many_are_counted_and_long_lines_cut() {
        let mut drawing = drawing(Some(24));
        let now = Instant::now();
        for number in 0..20 {
            let unit = format!("worker@{number}.service");
            drawing.hear(stage(&unit, Stage::Starting, now), now);
        }
        let text = drawing.hear(Progress::Tick, now);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), LIVE + 1);
        assert_eq!(lines[1], "  starting  worker@1.se");
        assert_eq!(lines[LIVE], "  … and 8 more");
        assert_eq!(fitting("日本語", 4), "日");
    }
}
