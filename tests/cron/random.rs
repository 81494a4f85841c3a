//! Random cron patterns, of all that croner and rpmctl both take.

/// splitmix64, so that a run can be repeated.
pub struct Random(pub u64);

const MONTHS: [&str; 12] = [
    "jan", "FEB", "Mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "MON", "Tue", "wed", "thu", "fri", "sat"];

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`.
    fn from(&mut self, low: u32, high: u32) -> u32 {
        low + (self.next() % u64::from(high - low + 1)) as u32
    }

    fn one_in(&mut self, count: u32) -> bool {
        self.from(1, count) == 1
    }

    pub fn pattern(&mut self) -> String {
        if self.one_in(200) {
            let names = ["@yearly", "@monthly", "@weekly", "@daily", "@hourly"];
            return names[self.from(0, 4) as usize].to_owned();
        }
        let seconds = match self.one_in(2) {
            true => self.field(0, 59, &[]) + " ",
            false => String::new(),
        };
        let (minutes, hours) = (self.field(0, 59, &[]), self.field(0, 23, &[]));
        let month = match self.one_in(2) {
            true => "*".to_owned(),
            false => self.field(1, 12, &MONTHS),
        };
        let (of_month, of_week) = match self.from(1, 10) {
            1 => (
                self.field(1, 31, &[]),
                format!("+{}", self.field(0, 7, &DAYS)),
            ),
            2 | 3 => (self.of_month(), "?".to_owned()),
            4 | 5 => ("*".to_owned(), self.of_week()),
            6 => ("*".to_owned(), "*".to_owned()),
            _ => (self.of_month(), self.of_week()),
        };
        format!("{seconds}{minutes} {hours} {of_month} {month} {of_week}")
    }

    fn field(&mut self, min: u32, max: u32, names: &[&str]) -> String {
        if self.one_in(4) {
            return "*".to_owned();
        }
        let count = if self.one_in(3) { self.from(2, 4) } else { 1 };
        let items: Vec<String> = (0..count).map(|_| self.item(min, max, names)).collect();
        items.join(",")
    }

    fn item(&mut self, min: u32, max: u32, names: &[&str]) -> String {
        let step = self.from(1, max);
        let low = self.from(min, max);
        let high = self.from(low, max);
        match self.from(1, 7) {
            1 => format!("*/{step}"),
            2 => format!("{low}/{step}"),
            3 => format!("{low}-{high}/{step}"),
            4 => format!("{low}-{high}"),
            5 if !names.is_empty() => {
                let last = names.len() as u32 - 1;
                let low = self.from(0, last);
                let high = self.from(low, last);
                // croner 4 in Rust takes sun-sun for the whole week, the one that PM2 has for Sunday.
                match low == high || self.one_in(2) {
                    true => names[low as usize].to_owned(),
                    false => format!("{}-{}", names[low as usize], names[high as usize]),
                }
            }
            _ => low.to_string(),
        }
    }

    fn of_month(&mut self) -> String {
        let special = match self.from(1, 6) {
            1 => "L".to_owned(),
            2 => "LW".to_owned(),
            3 => format!("{}W", self.from(1, 31)),
            4 => format!("{}W,L", self.from(1, 31)),
            _ => return self.field(1, 31, &[]),
        };
        match self.one_in(3) {
            true => format!("{},{special}", self.item(1, 31, &[])),
            false => special,
        }
    }

    fn of_week(&mut self) -> String {
        let (day, place) = (self.from(0, 7), self.from(1, 5));
        let name = DAYS[day as usize % 7];
        let special = match self.from(1, 7) {
            1 => format!("{day}L"),
            2 => format!("{day}#{place}"),
            3 => format!("{name}#{place}"),
            4 => format!("{name}#L"),
            5 => format!("{}-7#{place}", day.min(6)),
            6 => "fri-SUN".to_owned(),
            _ => return self.field(0, 7, &DAYS),
        };
        match self.one_in(3) {
            true => format!("{},{special}", self.item(0, 7, &DAYS)),
            false => special,
        }
    }
}
