//! Figures in words, the same wherever they are shown. Amounts of memory are [`crate::model::Bytes`].

use std::collections::BTreeMap;
use std::time::Duration;

/// PM2's coarse age: one unit, and the smaller one until there are two of the larger.
pub fn age(span: Duration) -> String {
    let seconds = span.as_secs();
    for (unit, length) in [("D", 86400), ("h", 3600), ("m", 60)] {
        if seconds >= 2 * length {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

/// `12.3%` of one processor.
pub fn percent(cpu: f64) -> String {
    format!("{cpu:.1}%")
}

/// `0.4`, `12`, `1234`: a figure of at most five signs below a hundred thousand.
pub fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 9.95 {
        format!("{per_second:.1}")
    } else {
        format!("{per_second:.0}")
    }
}

/// `0.04ms`, `1.2ms`, `12ms`, `1.2s`.
pub fn response(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 0.995 {
        format!("{ms:.2}ms")
    } else if ms < 9.95 {
        format!("{ms:.1}ms")
    } else if ms < 999.5 {
        format!("{ms:.0}ms")
    } else {
        format!("{:.1}s", ms / 1000.0)
    }
}

/// `crash 2, memory 1`; `files` is called by its key, `watch`.
pub fn causes(causes: &BTreeMap<String, u32>) -> Option<String> {
    let words: Vec<String> = causes
        .iter()
        .map(|(word, count)| {
            let word = if word == "files" { "watch" } else { word };
            format!("{word} {count}")
        })
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7199, "119m"),
            (7200, "2h"),
            (172_800, "2D"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn rates_and_times() {
        let rates = [0.0, 0.04, 0.44, 9.94, 9.96, 123.4, 99_999.0].map(rate);
        assert_eq!(rates, ["0", "0.0", "0.4", "9.9", "10", "123", "99999"]);
        let times = [0, 44, 1_240, 9_960, 12_400, 999_600, 1_240_000].map(Duration::from_micros);
        let words = times.map(response);
        assert_eq!(
            words,
            ["0.00ms", "0.04ms", "1.2ms", "10ms", "12ms", "1.0s", "1.2s"]
        );
    }
}
