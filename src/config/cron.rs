//! `cron_restart`: croner's patterns, which PM2 takes, as times. What they can say and a systemd timer cannot is an error, never another time.

use crate::model::cron::{Cron, Days, DaysOfMonth, DaysOfWeek, Numbers};

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

struct Part {
    noun: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
    /// Number of the first name.
    first: u32,
}

impl Part {
    const fn new(noun: &'static str, min: u32, max: u32) -> Part {
        Part {
            noun,
            min,
            max,
            names: &[],
            first: 0,
        }
    }
}

const SECONDS: Part = Part::new("seconds", 0, 59);
const MINUTES: Part = Part::new("minutes", 0, 59);
const HOURS: Part = Part::new("hours", 0, 23);
const OF_MONTH: Part = Part::new("day of the month", 1, 31);
const MONTH: Part = Part {
    names: &MONTHS,
    first: 1,
    ..Part::new("month", 1, 12)
};
/// 7 is Sunday too.
const OF_WEEK: Part = Part {
    names: &DAYS,
    ..Part::new("day of the week", 0, 7)
};

/// The times of a pattern. Errors: what is wrong with it, in words that follow `cron_restart`.
pub fn parse(pattern: &str) -> Result<Cron, String> {
    let mut pattern = pattern.trim().to_lowercase();
    if pattern.starts_with('@') {
        let known = NICKNAMES.iter().find(|(name, _)| *name == pattern);
        let (_, meaning) = known.ok_or_else(|| {
            let names: Vec<&str> = NICKNAMES.iter().map(|(name, _)| *name).collect();
            format!("is not known: {}", names.join(", "))
        })?;
        pattern = (*meaning).to_owned();
    }
    let mut fields: Vec<&str> = pattern.split_ascii_whitespace().collect();
    if fields.len() == 5 {
        fields.insert(0, "0");
    }
    let [seconds, minutes, hours, of_month, month, of_week] = fields[..] else {
        let n = fields.len();
        return Err(format!(
            "has {n} field{}: five are needed: minute hour day month weekday, or six with seconds first",
            if n == 1 { "" } else { "s" }
        ));
    };
    let cron = Cron {
        seconds: plain(seconds, &SECONDS)?,
        minutes: plain(minutes, &MINUTES)?,
        hours: plain(hours, &HOURS)?,
        days: days(of_month, of_week)?,
        months: plain(month, &MONTH)?,
    };
    if !cron.ever_comes() {
        return Err("names a day that no such month has: it would never come".to_owned());
    }
    Ok(cron)
}

fn days(of_month: &str, of_week: &str) -> Result<Days, String> {
    let any = |field: &str| matches!(field, "*" | "?");
    let (both, of_week) = match of_week.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, of_week),
    };
    Ok(match (any(of_month), any(of_week)) {
        (true, true) => Days::Every,
        (false, true) => Days::OfMonth(days_of_month(of_month)?),
        (true, false) => Days::OfWeek(days_of_week(of_week)?),
        (false, false) if both => Days::Both(
            plain(of_month, &OF_MONTH)?,
            sunday_once(plain(of_week, &OF_WEEK)?),
        ),
        (false, false) => Days::Either(days_of_month(of_month)?, days_of_week(of_week)?),
    })
}

fn days_of_month(field: &str) -> Result<DaysOfMonth, String> {
    let mut found = DaysOfMonth::default();
    each(field, &OF_MONTH, |item| {
        match (item, item.strip_suffix('w')) {
            ("l", _) => found.last = true,
            ("lw", _) => found.last_weekday = true,
            (_, Some(day)) => found.nearest = found.nearest.with(number(day, &OF_MONTH)?),
            _ => found.days = found.days.union(numbers(item, &OF_MONTH)?),
        }
        Ok(())
    })?;
    Ok(found)
}

fn days_of_week(field: &str) -> Result<DaysOfWeek, String> {
    let mut found = DaysOfWeek::default();
    each(field, &OF_WEEK, |item| {
        if item == "l" {
            return Err("say which day: 5L is the last Friday of the month".to_owned());
        }
        let (day, place) = match item.split_once('#') {
            Some((day, place)) => (day, Some(place)),
            None => match item.strip_suffix('l') {
                Some(day) => (day, Some("l")),
                None => (item, None),
            },
        };
        if place.is_some() && day.contains('/') {
            return Err("steps do not go together with `#` and L: write the days".to_owned());
        }
        let days = sunday_once(numbers(day, &OF_WEEK)?);
        let all = match place {
            None => &mut found.days,
            Some("l") => &mut found.last,
            Some(place) => match place.parse::<usize>() {
                Ok(place @ 1..=5) => &mut found.nth[place - 1],
                _ => return Err("after `#` stands 1 to 5, or L".to_owned()),
            },
        };
        *all = all.union(days);
        Ok(())
    })?;
    Ok(found)
}

fn sunday_once(days: Numbers) -> Numbers {
    let week = days.intersection(Numbers::range(0, 6));
    if days.has(7) { week.with(0) } else { week }
}

/// A field without L, W and `#`.
fn plain(field: &str, part: &Part) -> Result<Numbers, String> {
    let mut all = Numbers::default();
    if field == "*" {
        return Ok(Numbers::range(part.min, part.max));
    }
    each(field, part, |item| {
        all = all.union(numbers(item, part)?);
        Ok(())
    })?;
    Ok(all)
}

fn each(
    field: &str,
    part: &Part,
    mut one: impl FnMut(&str) -> Result<(), String>,
) -> Result<(), String> {
    for item in field.split(',') {
        one(item).map_err(|why| format!("has {item:?} for the {}: {why}", part.noun))?;
    }
    Ok(())
}

/// `5`, `1-5`, `*/7`, `1/8`, `10-40/7`.
fn numbers(item: &str, part: &Part) -> Result<Numbers, String> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => match step.parse::<u32>() {
            Ok(count) if (1..=part.max).contains(&count) && !step.starts_with('+') => {
                (range, Some(count))
            }
            _ => return Err(format!("the step is a number from 1 to {}", part.max)),
        },
        None => (item, None),
    };
    match (range, step) {
        ("*", Some(step)) => return Ok(Numbers::steps(part.min, part.max, step)),
        ("*", None) => return Err("`*` stands alone: with it there is nothing to add".to_owned()),
        ("?", _) if part.max == OF_MONTH.max || part.max == OF_WEEK.max => {
            return Err("`?` stands alone, and is any day as `*` is".to_owned());
        }
        ("?", _) => {
            return Err("`?` is the moment at which PM2 was started: write a number".to_owned());
        }
        _ => {}
    }
    let (first, last) = match range.split_once('-') {
        Some((from, to)) => {
            let (low, high) = (number(from, part)?, number(to, part)?);
            // FRI-SUN: Sunday ends the week as well as it begins it.
            let high = if part.max == OF_WEEK.max && high == 0 && low > 0 {
                7
            } else {
                high
            };
            if low > high {
                return Err(format!("{from} is after {to}"));
            }
            (low, high)
        }
        None => {
            let first = number(range, part)?;
            (first, if step.is_some() { part.max } else { first })
        }
    };
    Ok(Numbers::steps(first, last, step.unwrap_or(1)))
}

fn number(text: &str, part: &Part) -> Result<u32, String> {
    if let Some(index) = part.names.iter().position(|name| *name == text) {
        return Ok(part.first + index as u32);
    }
    match text.parse::<u32>() {
        Ok(number) if (part.min..=part.max).contains(&number) && !text.starts_with('+') => {
            Ok(number)
        }
        _ => {
            let names = match (part.names.first(), part.names.last()) {
                (Some(first), Some(last)) => format!(", or {first} to {last}"),
                _ => String::new(),
            };
            Err(format!("it is {} to {}{names}", part.min, part.max))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(numbers: Numbers) -> Vec<u32> {
        numbers.iter().collect()
    }

    #[test]
    fn fields() {
        let cron = parse("5 1/8 10-40/7 * jan-MAR,12 *").unwrap_err();
        assert!(
            cron.contains("\"10-40/7\" for the hours: it is 0 to 23"),
            "{cron}"
        );
        let cron = parse("5 1/8 10-20/7 * jan-MAR,12 *").unwrap();
        assert_eq!(list(cron.seconds), [5]);
        assert_eq!(list(cron.minutes), [1, 9, 17, 25, 33, 41, 49, 57]);
        assert_eq!(list(cron.hours), [10, 17]);
        assert_eq!(list(cron.months), [1, 2, 3, 12]);
        assert_eq!(cron.days, Days::Every);
        assert_eq!(list(parse("*/7 * * * *").unwrap().seconds), [0]);
        assert_eq!(parse("@WEEKLY"), parse("0 0 ? * sun"));
    }

    #[test]
    fn days_of_the_week() {
        let days = |field: &str| match parse(&format!("0 0 * * {field}")).unwrap().days {
            Days::OfWeek(days) => days,
            other => panic!("{other:?}"),
        };
        assert_eq!(list(days("FRI-SUN").days), [0, 5, 6]);
        assert_eq!(list(days("7").days), [0]);
        assert_eq!(list(days("5-7").days), [0, 5, 6]);
        assert_eq!(list(days("0-7").days), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(list(days("1/2").days), [0, 1, 3, 5]);
        let found = days("1#2,5L,wed#L,sat");
        assert_eq!(list(found.nth[1]), [1]);
        assert_eq!(list(found.last), [3, 5]);
        assert_eq!(list(found.days), [6]);
        assert_eq!(
            parse("0 0 1-7 * +mon").unwrap().days,
            Days::Both(Numbers::range(1, 7), Numbers::range(1, 1))
        );
    }

    #[test]
    fn patterns() {
        for good in [
            "1 0 * * *",
            "*/1 * * * *",
            "40 1/8 * * *",
            "0 0,12 * * *",
            "0 0 */3 * *",
            "59 23 * * * *",
            "0 3 * * mon-fri",
            "0 0 1 JAN *",
            "0 0 L * *",
            "0 0 1,15W,LW * *",
            "0 0 29 2 *",
            "0 0 30 2 1",
            "0 0 * * 5L",
            "0 0 * * 1#2",
            "0 0 * * 7",
            "@daily",
            "0 22-23 * * *",
            "0 0 * * FRI-SUN",
        ] {
            assert_eq!(parse(good).err(), None, "{good}");
        }
        for bad in [
            "",
            "* * * *",
            "* * * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "a * * * *",
            "5-2 * * * *",
            "1,,2 * * * *",
            "@often",
            "@reboot",
            "* * * foo *",
            "-1 * * * *",
            "? * * * *",
            "* ? * * *",
            "* 1,* * * *",
            "* * L-3 * *",
            "* * * * L",
            "* * * * sat-mon",
            "* * * * 1/2#3",
            "* * L * +1",
            "0 0 30,31 2 *",
            "0 0 31W 4,6 *",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
