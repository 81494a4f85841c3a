//! Times as `log_date_format` writes them: the tokens of dayjs, which PM2 formats with.
//!
//! `YYYY YY MMMM MMM MM M DD D dddd ddd dd d HH H hh h mm m ss s SSS Z ZZ A a` stand for parts of the time, `[text]` for the text; anything else for
//! itself.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// What `time = true` stands for.
pub const PM2_TIME: &str = "YYYY-MM-DDTHH:mm:ss";

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Longest first: the text is read from the left, and the first that fits is taken.
const TOKENS: [&str; 24] = [
    "YYYY", "YY", "MMMM", "MMM", "MM", "M", "DD", "D", "dddd", "ddd", "dd", "d", "HH", "H", "hh",
    "h", "mm", "m", "SSS", "ss", "s", "ZZ", "Z", "A",
];

/// `at`: microseconds since the epoch; those past the year 9999 are shown as the epoch.
pub fn format(at: u64, zone: &TimeZone, format: &str) -> String {
    let time = timestamp(at).to_zoned(zone.clone());
    let mut text = String::with_capacity(format.len() + 8);
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if let Some((literal, tail)) = escaped(rest) {
            text.push_str(literal);
            rest = tail;
            continue;
        }
        let token = match first {
            'a' => Some("a"),
            _ => TOKENS.into_iter().find(|token| rest.starts_with(token)),
        };
        let Some(token) = token else {
            text.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        rest = &rest[token.len()..];
        let hour = time.hour();
        let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
        let month = MONTHS[time.month() as usize - 1];
        let weekday = time.weekday().to_sunday_zero_offset() as usize;
        let written = match token {
            "YYYY" => write!(text, "{:04}", time.year()),
            "YY" => write!(text, "{:02}", time.year() % 100),
            "MMMM" => write!(text, "{month}"),
            "MMM" => write!(text, "{}", &month[..3]),
            "MM" => write!(text, "{:02}", time.month()),
            "M" => write!(text, "{}", time.month()),
            "DD" => write!(text, "{:02}", time.day()),
            "D" => write!(text, "{}", time.day()),
            "dddd" => write!(text, "{}", DAYS[weekday]),
            "ddd" => write!(text, "{}", &DAYS[weekday][..3]),
            "dd" => write!(text, "{}", &DAYS[weekday][..2]),
            "d" => write!(text, "{weekday}"),
            "HH" => write!(text, "{hour:02}"),
            "H" => write!(text, "{hour}"),
            "hh" => write!(text, "{hour12:02}"),
            "h" => write!(text, "{hour12}"),
            "mm" => write!(text, "{:02}", time.minute()),
            "m" => write!(text, "{}", time.minute()),
            "ss" => write!(text, "{:02}", time.second()),
            "s" => write!(text, "{}", time.second()),
            "SSS" => write!(text, "{:03}", time.millisecond()),
            "Z" => write!(text, "{}", offset(time.offset(), ":")),
            "ZZ" => write!(text, "{}", offset(time.offset(), "")),
            "A" => write!(text, "{}", if hour < 12 { "AM" } else { "PM" }),
            _ => write!(text, "{}", if hour < 12 { "am" } else { "pm" }),
        };
        written.expect("a string takes whatever is written");
    }
    text
}

/// ISO 8601 in UTC with milliseconds, as JavaScript's toISOString() writes it.
pub fn iso(at: u64) -> String {
    format(at, &TimeZone::UTC, "YYYY-MM-DDTHH:mm:ss.SSS[Z]")
}

fn timestamp(at: u64) -> Timestamp {
    i64::try_from(at)
        .ok()
        .and_then(|at| Timestamp::from_microsecond(at).ok())
        .unwrap_or_default()
}

/// `[text]` at the start, and what follows it.
fn escaped(text: &str) -> Option<(&str, &str)> {
    let (inside, tail) = text.strip_prefix('[')?.split_once(']')?;
    (!inside.is_empty()).then_some((inside, tail))
}

fn offset(offset: Offset, between: &str) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    format!("{sign}{:02}{between}{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sunday 2026-11-22 21:05:09.042 UTC.
    const AT: u64 = 1_795_381_509_042_000;

    fn at(hours: i8, text: &str) -> String {
        format(AT, &TimeZone::fixed(Offset::constant(hours)), text)
    }

    #[test]
    fn what_people_write() {
        assert_eq!(at(0, "YYYY-MM-DD HH:mm:ss Z"), "2026-11-22 21:05:09 +00:00");
        assert_eq!(
            at(-3, "YYYY-MM-DD HH:mm:ss ZZ"),
            "2026-11-22 18:05:09 -0300"
        );
        assert_eq!(at(0, PM2_TIME), "2026-11-22T21:05:09");
        assert_eq!(at(0, "DD/MM/YY hh:mm A"), "22/11/26 09:05 PM");
        assert_eq!(
            at(4, "ddd, D MMM YYYY h:m:s.SSS a"),
            "Mon, 23 Nov 2026 1:5:9.042 am"
        );
        assert_eq!(iso(AT), "2026-11-22T21:05:09.042Z");
    }

    #[test]
    fn every_token() {
        for (token, text) in [
            ("YYYY", "2026"),
            ("YY", "26"),
            ("MMMM", "November"),
            ("MMM", "Nov"),
            ("MM", "11"),
            ("M", "11"),
            ("DD", "22"),
            ("D", "22"),
            ("dddd", "Sunday"),
            ("ddd", "Sun"),
            ("dd", "Su"),
            ("d", "0"),
            ("HH", "21"),
            ("H", "21"),
            ("hh", "09"),
            ("h", "9"),
            ("mm", "05"),
            ("m", "5"),
            ("ss", "09"),
            ("s", "9"),
            ("SSS", "042"),
            ("Z", "+00:00"),
            ("ZZ", "+0000"),
            ("A", "PM"),
            ("a", "pm"),
        ] {
            assert_eq!(at(0, token), text, "{token}");
        }
    }

    #[test]
    fn literal() {
        assert_eq!(at(0, "[at] HH[h]"), "at 21h");
        assert_eq!(at(0, "é — x [] ["), "é — x [] [");
        assert_eq!(at(0, "[YYYY"), "[2026");
        assert_eq!(at(0, ""), "");
    }

    #[test]
    fn half_hours_midnight_and_nonsense() {
        let india = TimeZone::fixed(Offset::from_seconds(19_800).unwrap());
        assert_eq!(format(AT, &india, "HH:mm Z"), "02:35 +05:30");
        assert_eq!(format(0, &TimeZone::UTC, "hh A"), "12 AM");
        assert_eq!(format(u64::MAX, &TimeZone::UTC, "YYYY"), "1970");
    }
}
