//! `log_rotate`: when a log file is set aside, and how long those that were are kept.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The rule of one app. A file is set aside by `size` or `every`, whichever comes first; one of them is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// Bytes.
    pub size: Option<u64>,
    /// In periods of local time counted from a Monday's midnight: a day ends at midnight, an hour on the hour. Whole minutes.
    pub every: Option<Duration>,
    /// So many old ones stay; None for all.
    pub keep: Option<u32>,
    /// Old ones become `.gz`.
    pub compress: bool,
    /// Old ones go when they are older than this.
    pub max_age: Option<Duration>,
}

/// One line for the facts of an app: `size=10485760 every=86400 keep=14 compress max_age=2592000`, times in seconds.
impl fmt::Display for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |span: Option<Duration>| span.map(|span| span.as_secs());
        let mut words = Vec::new();
        for (key, value) in [
            ("size", self.size),
            ("every", seconds(self.every)),
            ("keep", self.keep.map(u64::from)),
            ("max_age", seconds(self.max_age)),
        ] {
            words.extend(value.map(|value| format!("{key}={value}")));
        }
        if self.compress {
            words.push("compress".to_owned());
        }
        f.write_str(&words.join(" "))
    }
}

impl FromStr for Rotation {
    type Err = ();

    /// What [`Display`](fmt::Display) wrote; words of a later version are passed over.
    fn from_str(text: &str) -> Result<Rotation, ()> {
        let mut rotation = Rotation {
            size: None,
            every: None,
            keep: None,
            compress: false,
            max_age: None,
        };
        for word in text.split_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, "0"));
            let value: u64 = value.parse().map_err(drop)?;
            match key {
                "size" => rotation.size = Some(value),
                "every" => rotation.every = Some(Duration::from_secs(value)),
                "keep" => rotation.keep = Some(u32::try_from(value).map_err(drop)?),
                "max_age" => rotation.max_age = Some(Duration::from_secs(value)),
                "compress" => rotation.compress = true,
                _ => {}
            }
        }
        Ok(rotation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_from_the_facts() {
        let all = Rotation {
            size: Some(10 << 20),
            every: Some(Duration::from_secs(86_400)),
            keep: Some(14),
            compress: true,
            max_age: Some(Duration::from_secs(2_592_000)),
        };
        assert_eq!(
            all.to_string(),
            "size=10485760 every=86400 keep=14 max_age=2592000 compress"
        );
        assert_eq!(all.to_string().parse(), Ok(all.clone()));
        let little = Rotation {
            size: Some(1),
            every: None,
            keep: None,
            compress: false,
            max_age: None,
        };
        assert_eq!(little.to_string().parse(), Ok(little));
        assert_eq!("size=x".parse::<Rotation>(), Err(()));
    }
}
