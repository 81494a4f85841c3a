//! What apps tell of themselves, in `show` and in JSON.

use serde_json::{Map, Value, json};

use super::trigger::plain;
use crate::process::Custom;
use crate::process::custom::{Kind, Metrics, number};

/// A name with its labels, and the value with its unit; of a histogram count and sum alone.
pub fn pairs(metrics: &Metrics) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = metrics
        .all
        .iter()
        .filter(|metric| metric.kind != Kind::Histogram || !metric.name.ends_with("_bucket"))
        .map(pair)
        .collect();
    if let Some(trouble) = &metrics.trouble {
        pairs.push(("not understood".to_owned(), trouble.clone()));
    }
    pairs
}

fn pair(metric: &Custom) -> (String, String) {
    if let (Kind::Info, [(_, text)]) = (metric.kind, &metric.labels[..]) {
        let name = metric.name.strip_suffix("_info").unwrap_or(&metric.name);
        return (name.to_owned(), plain(text));
    }
    let labels: Vec<String> = metric
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={:?}", plain(value)))
        .collect();
    let name = match labels.is_empty() {
        true => metric.name.clone(),
        false => format!("{}{{{}}}", metric.name, labels.join(",")),
    };
    let unit = metric
        .unit
        .as_deref()
        .map(|unit| format!(" {}", plain(unit)));
    (
        name,
        format!("{}{}", number(metric.value), unit.unwrap_or_default()),
    )
}

/// A list of `name`, `labels` (object), `value` (number; null for what is none), `unit`, `kind` (counter, gauge, histogram, summary, info, unknown),
/// `help`.
pub fn json(metrics: &Metrics) -> Value {
    let one = |metric: &Custom| {
        let labels = metric.labels.iter();
        let labels: Map<String, Value> = labels
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!({
            "name": metric.name,
            "labels": labels,
            "value": metric.value,
            "unit": metric.unit,
            "kind": metric.kind.as_str(),
            "help": metric.help,
        })
    };
    metrics.all.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::custom::parse;

    #[test]
    fn shown_as_a_person_reads_it() {
        let metrics = parse(
            "# UNIT heap MiB\nheap 9.25\njobs_total{queue=\"a\\\"b\",to=\"\x1b[2J\"} 3\n# TYPE release info\nrelease_info{value=\"v1\\n2\"} 1\n\
             # TYPE took histogram\ntook_bucket{le=\"1\"} 2\ntook_count 2\ntook_sum 0.5\nodd NaN\nhuge 1e300\nReal users 1\n",
        );
        let shown = pairs(&metrics);
        let expected = [
            ("heap", "9.25 MiB"),
            ("jobs_total{queue=\"a\\\"b\",to=\"\\\\u{1b}[2J\"}", "3"),
            ("release", "v1\\n2"),
            ("took_count", "2"),
            ("took_sum", "0.5"),
            ("odd", "NaN"),
            ("huge", "1e300"),
            (
                "not understood",
                "line 12: \"users\", the value of Real, is no number",
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(shown, expected);

        let json = json(&metrics);
        assert_eq!(
            json[1]["labels"],
            json!({ "queue": "a\"b", "to": "\x1b[2J" })
        );
        assert_eq!(json[2]["kind"], "info");
        assert_eq!(json[6]["value"], Value::Null);
        assert_eq!(
            json[0],
            json!({ "name": "heap", "labels": {}, "value": 9.25, "unit": "MiB", "kind": "unknown", "help": null })
        );
    }
}
