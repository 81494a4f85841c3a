//! Cron patterns, as far as a mistake can be seen: croner's five or six fields.

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const NICKNAMES: [&str; 7] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];

struct Part {
    noun: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
    /// Number of the first name.
    first: u32,
}

const PARTS: [Part; 6] = [
    Part {
        noun: "seconds",
        min: 0,
        max: 59,
        names: &[],
        first: 0,
    },
    Part {
        noun: "minutes",
        min: 0,
        max: 59,
        names: &[],
        first: 0,
    },
    Part {
        noun: "hours",
        min: 0,
        max: 23,
        names: &[],
        first: 0,
    },
    Part {
        noun: "day of the month",
        min: 1,
        max: 31,
        names: &[],
        first: 0,
    },
    Part {
        noun: "month",
        min: 1,
        max: 12,
        names: &MONTHS,
        first: 1,
    },
    Part {
        noun: "day of the week",
        min: 0,
        max: 7,
        names: &DAYS,
        first: 0,
    },
];

/// Whether the pattern can mean a time. Errors: what is wrong, in words.
pub fn validate(pattern: &str) -> Result<(), String> {
    let pattern = pattern.trim();
    if pattern.starts_with('@') {
        return if NICKNAMES.contains(&pattern.to_lowercase().as_str()) {
            Ok(())
        } else {
            Err(format!("is not known: {}", NICKNAMES.join(", ")))
        };
    }
    let fields: Vec<&str> = pattern.split_ascii_whitespace().collect();
    let parts = match fields.len() {
        5 => &PARTS[1..],
        6 => &PARTS[..],
        n => {
            return Err(format!(
                "has {n} field{}: five are needed: minute hour day month weekday, or six with seconds first",
                if n == 1 { "" } else { "s" }
            ));
        }
    };
    for (field, part) in fields.iter().zip(parts) {
        for item in field.split(',') {
            one(item, part).map_err(|why| format!("has {item:?} for the {}: {why}", part.noun))?;
        }
    }
    Ok(())
}

fn one(item: &str, part: &Part) -> Result<(), String> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    if let Some(step) = step {
        match step.parse::<u32>() {
            Ok(step) if step >= 1 && step <= part.max => {}
            _ => return Err(format!("the step is a number from 1 to {}", part.max)),
        }
    }
    if matches!(range, "*" | "?") {
        return Ok(());
    }
    let days = part.max == 31 || part.max == 7;
    if days && matches!(range, "L" | "l") && step.is_none() {
        return Ok(());
    }
    // `5L`, `5#2`: the last, the second such day of the month.
    let plain = if part.max == 7 {
        match range.split_once('#') {
            Some((day, "1" | "2" | "3" | "4" | "5" | "L")) => day,
            Some(_) => return Err("after `#` stands 1 to 5, or L".into()),
            None => range
                .strip_suffix(['L', 'l'])
                .filter(|day| !day.is_empty())
                .unwrap_or(range),
        }
    } else if part.max == 31 {
        range.strip_suffix(['W', 'w']).unwrap_or(range)
    } else {
        range
    };
    match plain.split_once('-') {
        Some((from, to)) => {
            let (low, high) = (number(from, part)?, number(to, part)?);
            if low > high && !(part.max == 7 && high == 0) {
                return Err(format!("{from} is after {to}"));
            }
        }
        None => {
            number(plain, part)?;
        }
    }
    Ok(())
}

fn number(text: &str, part: &Part) -> Result<u32, String> {
    if let Some(index) = part
        .names
        .iter()
        .position(|name| *name == text.to_lowercase())
    {
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
            "0 0 * * 5L",
            "0 0 * * 1#2",
            "0 0 * * 7",
            "@daily",
            "0 22-23 * * *",
            "0 0 * * FRI-SUN",
        ] {
            assert_eq!(validate(good), Ok(()), "{good}");
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
            "* * * foo *",
            "-1 * * * *",
        ] {
            assert!(validate(bad).is_err(), "{bad}");
        }
    }
}
