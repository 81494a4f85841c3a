//! The times that a cron pattern stands for.

/// Whole numbers from 0 to 63.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Numbers(u64);

impl Numbers {
    /// Every `step`th number from `first` to `last`, which are at most 63.
    pub fn steps(first: u32, last: u32, step: u32) -> Numbers {
        (first..=last)
            .step_by(step.max(1) as usize)
            .fold(Numbers::default(), |all, number| all.with(number))
    }

    pub fn range(first: u32, last: u32) -> Numbers {
        Numbers::steps(first, last, 1)
    }

    pub fn with(self, number: u32) -> Numbers {
        Numbers(self.0 | 1 << number)
    }

    pub fn union(self, other: Numbers) -> Numbers {
        Numbers(self.0 | other.0)
    }

    pub fn intersection(self, other: Numbers) -> Numbers {
        Numbers(self.0 & other.0)
    }

    pub fn has(self, number: u32) -> bool {
        self.0 >> number & 1 == 1
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In rising order.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        (0..64).filter(move |number| self.has(*number))
    }
}

/// A pattern of five or six fields, the seconds 0 where it has five. Times are local.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cron {
    /// 0 to 59.
    pub seconds: Numbers,
    pub minutes: Numbers,
    /// 0 to 23.
    pub hours: Numbers,
    pub days: Days,
    /// 1 to 12.
    pub months: Numbers,
}

/// Of those months.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Days {
    Every,
    OfMonth(DaysOfMonth),
    OfWeek(DaysOfWeek),
    /// Both fields are given: a day that either names.
    Either(DaysOfMonth, DaysOfWeek),
    /// `+` before the day of the week: a day that both name. The days of the month, then Sunday (0) to Saturday (6).
    Both(Numbers, Numbers),
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DaysOfMonth {
    /// 1 to 31.
    pub days: Numbers,
    /// `L`
    pub last: bool,
    /// `15W`: the weekday (Monday to Friday) of that month that is nearest to the day.
    pub nearest: Numbers,
    /// `LW`: the last weekday.
    pub last_weekday: bool,
}

/// Sunday is 0, Saturday 6.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DaysOfWeek {
    pub days: Numbers,
    /// `1#2`, the second Monday of the month: by place, from the first to the fifth.
    pub nth: [Numbers; 5],
    /// `5L`, the last Friday.
    pub last: Numbers,
}

impl Cron {
    /// False for a pattern such as 30 February.
    pub fn ever_comes(&self) -> bool {
        let longest = |month: u32| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let longest = self.months.iter().map(longest).max().unwrap_or(0);
        let within = |days: Numbers| !days.intersection(Numbers::range(1, longest)).is_empty();
        match &self.days {
            Days::OfMonth(days) => {
                days.last || days.last_weekday || within(days.days.union(days.nearest))
            }
            Days::Both(days, _) => within(*days),
            Days::Every | Days::OfWeek(_) | Days::Either(..) => true,
        }
    }
}
