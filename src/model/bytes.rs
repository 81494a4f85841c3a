//! Amounts of memory and of data on disk.

use std::fmt;

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Bytes(pub u64);

impl Bytes {
    /// What people write: `512M`, `1G`, `1.5G`, `500MB`, `300MiB`, `100m`, `1048576`. Units are 1024-based as PM2's are; a bare number is bytes.
    /// Errors: the words for what is wrong.
    pub fn parse(text: &str) -> Result<Bytes, &'static str> {
        const FORM: &str = "is not a size: write it as 512M, 1.5G or a number of bytes";
        let text = text.trim();
        let split = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            "t" | "tb" | "tib" => 1 << 40,
            _ => return Err(FORM),
        };
        if number.is_empty() || number.starts_with('.') || number.ends_with('.') {
            return Err(FORM);
        }
        let amount: f64 = number.parse().map_err(|_| FORM)?;
        let bytes = amount * factor as f64;
        if bytes > (1u64 << 53) as f64 {
            return Err("is more memory than any machine has");
        }
        Ok(Bytes(bytes.round() as u64))
    }
}

impl fmt::Display for Bytes {
    /// 1024-based with one decimal, as PM2's list shows it: `52.7mb`, `1gb`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut amount = self.0 as f64;
        for unit in ["b", "kb", "mb", "gb", "tb"] {
            if amount < 1024.0 || unit == "tb" {
                let rounded = (amount * 10.0).round() / 10.0;
                return if rounded.fract() == 0.0 {
                    write!(f, "{rounded:.0}{unit}")
                } else {
                    write!(f, "{rounded:.1}{unit}")
                };
            }
            amount /= 1024.0;
        }
        unreachable!("the last unit returns")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_write() {
        for (text, bytes) in [
            ("1G", 1u64 << 30),
            ("512MB", 512 << 20),
            ("1.5G", 3 << 29),
            ("100m", 100 << 20),
            ("2048", 2048),
            ("64 KiB", 65536),
        ] {
            assert_eq!(Bytes::parse(text), Ok(Bytes(bytes)), "{text}");
        }
        for bad in ["", "G", "1X", "1.G", ".5G", "-1G", "1e9", "99999999T"] {
            assert!(Bytes::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shown() {
        assert_eq!(Bytes((52.7 * 1048576.0) as u64).to_string(), "52.7mb");
        assert_eq!(Bytes(1 << 30).to_string(), "1gb");
        assert_eq!(Bytes(0).to_string(), "0b");
    }
}
