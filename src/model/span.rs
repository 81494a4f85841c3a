//! Spans of time as people write them in ecosystem files.

use std::fmt;
use std::time::Duration;

/// `1600` (milliseconds, PM2's unit), `"10s"`, `"500ms"`, `"2m"`, `"1.5h"`, `"1d"`. A year at most.
/// Errors: the words for what is wrong.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str =
        "is not a span of time: write it as 10s, 500ms, 2m, 1h or a number of milliseconds";
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let millis = match unit.trim() {
        "" | "ms" => 1.0,
        "s" | "sec" => 1e3,
        "m" | "min" => 60e3,
        "h" => 3600e3,
        "d" => 86400e3,
        _ => return Err(FORM),
    };
    if number.is_empty() || number.starts_with('.') || number.ends_with('.') {
        return Err(FORM);
    }
    let amount: f64 = number.parse().map_err(|_| FORM)?;
    let total = (amount * millis).round();
    if total > 366.0 * 86400e3 {
        return Err("is longer than a year");
    }
    Ok(Duration::from_millis(total as u64))
}

/// A span as people write it: in the largest unit that it is a whole number of. From milliseconds to days.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    /// `500ms`, `90s`, `30d`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        for (unit, length) in [
            ("d", 86_400_000),
            ("h", 3_600_000),
            ("m", 60_000),
            ("s", 1000),
        ] {
            if millis >= length && millis.is_multiple_of(length) {
                return write!(f, "{}{unit}", millis / length);
            }
        }
        write!(f, "{millis}ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_as_written() {
        for text in ["0ms", "500ms", "1500ms", "10s", "90s", "2m", "36h", "1d"] {
            assert_eq!(Span(parse_duration(text).unwrap()).to_string(), text);
        }
    }

    #[test]
    fn as_people_write() {
        for (text, millis) in [
            ("1600", 1600),
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1.5h", 5_400_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for bad in ["", "s", "10x", "-1s", "1..2s", "800d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
