//! The times of a cron pattern as `OnCalendar=` lines, systemd.time(7). A timer elapses at whatever any of its lines names, and once where two agree.

use crate::model::cron::{Cron, Days, DaysOfMonth, DaysOfWeek, Numbers};

const NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// The years with a 29 February, as far as systemd knows years (1970 to 2199), and the others.
const LEAP: &str = "1972..2096/4,2104..2196/4";
const COMMON: &str = "1970/4,1971/4,1973/4,2100";

/// Monday to Friday.
fn working() -> Numbers {
    Numbers::range(1, 5)
}

/// One line each; exactly the pattern's times together. Cron's two fields for the day mean either, where systemd's mean both: hence several.
pub fn on_calendar(cron: &Cron) -> Vec<String> {
    let time = format!(
        "{}:{}:{}",
        component(cron.hours, 0, 23),
        component(cron.minutes, 0, 59),
        component(cron.seconds, 0, 59)
    );
    let mut lines = Vec::new();
    for date in dates(cron) {
        let line = format!("{date} {time}");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn dates(cron: &Cron) -> Vec<String> {
    let months = cron.months;
    match &cron.days {
        Days::Every => vec![date(None, "*", months, "-*")],
        Days::OfMonth(days) => of_month(days, months),
        Days::OfWeek(days) => of_week(days, months),
        Days::Either(month, week) => [of_month(month, months), of_week(week, months)].concat(),
        Days::Both(month, week) => vec![date(Some(*week), "*", months, &day(*month))],
    }
}

/// `Mon,Fri *-01..03-15`: the days of the week, the year, the months, and the day with its `-` or, counted from the month's end, its `~`.
fn date(week: Option<Numbers>, year: &str, months: Numbers, day: &str) -> String {
    let week = week.map(|days| names(days) + " ").unwrap_or_default();
    format!("{week}{year}-{}{day}", component(months, 1, 12))
}

fn day(days: Numbers) -> String {
    format!("-{}", component(days, 1, 31))
}

fn of_month(days: &DaysOfMonth, months: Numbers) -> Vec<String> {
    let mut dates = Vec::new();
    if !days.days.is_empty() {
        dates.push(date(None, "*", months, &day(days.days)));
    }
    if days.last {
        dates.push(date(None, "*", months, "~01"));
    }
    if days.last_weekday {
        // Else the month ends with a Saturday or a Sunday, and that Friday is its last day but one or two.
        dates.push(date(Some(working()), "*", months, "~01"));
        dates.push(date(Some(friday()), "*", months, "~02,03"));
    }
    for near in days.nearest.iter() {
        dates.extend(nearest(near, months));
    }
    dates
}

fn friday() -> Numbers {
    Numbers::range(5, 5)
}

/// The weekday nearest to a day, in the same month: the rule depends on the month's length where the day may be its last.
fn nearest(near: u32, months: Numbers) -> Vec<String> {
    let some = |list: &[u32]| {
        let class = list.iter().fold(Numbers::default(), |all, n| all.with(*n));
        class.intersection(months)
    };
    let february = some(&[2]);
    let classes = [
        (some(&[1, 3, 5, 7, 8, 10, 12]), "*", 31),
        (some(&[4, 6, 9, 11]), "*", 30),
        (february, LEAP, 29),
        (february, COMMON, 28),
    ];
    let in_class = |(months, year, length): (Numbers, &str, u32)| {
        let one =
            |week: Numbers, on: u32| date(Some(week), year, months, &day(Numbers::range(on, on)));
        let monday = Numbers::range(1, 1);
        let saturday = match near {
            1 => one(monday, 3),
            _ => one(friday(), near - 1),
        };
        let sunday = match near {
            last if last == length => one(friday(), near - 2),
            _ => one(monday, near + 1),
        };
        vec![one(working(), near), saturday, sunday]
    };
    if near < 28 {
        return in_class((months, "*", 31));
    }
    classes
        .into_iter()
        .filter(|(months, _, length)| !months.is_empty() && near <= *length)
        .flat_map(in_class)
        .collect()
}

fn of_week(days: &DaysOfWeek, months: Numbers) -> Vec<String> {
    let mut dates = Vec::new();
    if !days.days.is_empty() {
        dates.push(date(Some(days.days), "*", months, "-*"));
    }
    for (place, days) in days.nth.iter().enumerate() {
        if !days.is_empty() {
            let first = place as u32 * 7 + 1;
            let week = Numbers::range(first, (first + 6).min(31));
            dates.push(date(Some(*days), "*", months, &day(week)));
        }
    }
    if !days.last.is_empty() {
        dates.push(date(Some(days.last), "*", months, "~07/1"));
    }
    dates
}

/// As people write a week: from Monday to Sunday.
fn names(days: Numbers) -> String {
    let week: Vec<u32> = (1..=7).filter(|day| days.has(day % 7)).collect();
    runs(&week)
        .into_iter()
        .map(|(first, last)| range(first, last, |day| NAMES[day as usize % 7].to_owned()))
        .collect::<Vec<_>>()
        .join(",")
}

/// `*`, `00..45/15`, `01,15`, `09..17,20`. Never `01/11`: after the last such day of December systemd 252 goes on with the 12th of January.
fn component(numbers: Numbers, min: u32, max: u32) -> String {
    let list: Vec<u32> = numbers.iter().collect();
    let two = |number: u32| format!("{number:02}");
    if list.len() as u32 == max - min + 1 {
        return "*".to_owned();
    }
    if let [first, second, .., last] = list[..] {
        let step = second - first;
        let even = list.windows(2).all(|pair| pair[1] - pair[0] == step);
        if even && step > 1 {
            return format!("{first:02}..{last:02}/{step}");
        }
    }
    runs(&list)
        .into_iter()
        .map(|(first, last)| range(first, last, two))
        .collect::<Vec<_>>()
        .join(",")
}

fn range(first: u32, last: u32, word: impl Fn(u32) -> String) -> String {
    match last - first {
        0 => word(first),
        1 => format!("{},{}", word(first), word(last)),
        _ => format!("{}..{}", word(first), word(last)),
    }
}

/// First and last of each run of neighbours.
fn runs(list: &[u32]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in list {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(months: Numbers, days: Days) -> Cron {
        Cron {
            seconds: Numbers::range(0, 0),
            minutes: Numbers::steps(0, 59, 15),
            hours: Numbers::range(3, 3),
            days,
            months,
        }
    }

    #[test]
    fn lines() {
        let year = Numbers::range(1, 12);
        assert_eq!(
            on_calendar(&every(year, Days::Every)),
            ["*-*-* 03:00..45/15:00"]
        );
        let month = DaysOfMonth {
            days: Numbers::range(13, 13),
            last: true,
            ..DaysOfMonth::default()
        };
        let week = DaysOfWeek {
            days: Numbers::range(5, 6).with(0),
            last: Numbers::range(1, 1),
            ..DaysOfWeek::default()
        };
        assert_eq!(
            on_calendar(&every(Numbers::range(1, 3), Days::Either(month, week))),
            [
                "*-01..03-13 03:00..45/15:00",
                "*-01..03~01 03:00..45/15:00",
                "Fri..Sun *-01..03-* 03:00..45/15:00",
                "Mon *-01..03~07/1 03:00..45/15:00",
            ]
        );
    }

    #[test]
    fn components() {
        for (numbers, text) in [
            (Numbers::range(0, 59), "*"),
            (Numbers::steps(0, 59, 7), "00..56/7"),
            (Numbers::steps(10, 40, 7), "10..38/7"),
            (Numbers::range(1, 2).with(5), "01,02,05"),
            (Numbers::range(9, 17).with(20), "09..17,20"),
            (Numbers::range(3, 3), "03"),
        ] {
            assert_eq!(component(numbers, 0, 59), text);
        }
    }
}
