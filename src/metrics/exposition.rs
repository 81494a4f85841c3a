//! Prometheus' text format 0.0.4 and OpenMetrics 1.0.

use std::fmt::Write;

use super::family::Kind;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// For HTTP.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Labels as they are written, without the braces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(String);

impl Labels {
    /// These and one more, whose value may hold anything.
    pub fn with(&self, name: &str, value: &str) -> Labels {
        let mut text = String::with_capacity(self.0.len() + name.len() + value.len() + 4);
        text.push_str(&self.0);
        push_label(&mut text, name, value);
        Labels(text)
    }
}

fn push_label(text: &mut String, name: &str, value: &str) {
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(name);
    text.push_str("=\"");
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text.push('"');
}

/// The text, as far as it is written.
pub struct Exposition {
    format: Format,
    text: String,
}

/// Where the samples of one family go.
pub struct Samples<'t> {
    text: &'t mut String,
    name: &'t str,
}

impl Exposition {
    pub fn new(format: Format) -> Exposition {
        Exposition {
            format,
            text: String::new(),
        }
    }

    /// A family by its name, as its samples have it, kind and meaning, with what `samples` gives; without samples it is left out.
    pub fn family(
        &mut self,
        (name, kind, help): (&str, Kind, &str),
        unit: Option<&str>,
        samples: impl FnOnce(&mut Samples<'_>),
    ) {
        let before = self.text.len();
        let open = self.format == Format::OpenMetrics;
        let (family, word) = match (kind, open) {
            (Kind::Counter, true) => (name.strip_suffix("_total").unwrap_or(name), "counter"),
            (Kind::Info, true) => (name.strip_suffix("_info").unwrap_or(name), "info"),
            (Kind::Info, false) => (name, "gauge"),
            (Kind::Unknown, true) => (name, "unknown"),
            (Kind::Unknown, false) => (name, "untyped"),
            _ => (name, kind.as_str()),
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let help = match open {
            true => help.replace('"', "\\\""),
            false => help,
        };
        let _ = writeln!(self.text, "# HELP {family} {help}\n# TYPE {family} {word}");
        if let (Some(unit), true) = (unit, open) {
            let _ = writeln!(self.text, "# UNIT {family} {unit}");
        }
        let after = self.text.len();
        samples(&mut Samples {
            text: &mut self.text,
            name,
        });
        if self.text.len() == after {
            self.text.truncate(before);
        }
    }

    pub fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

impl Samples<'_> {
    pub fn add(&mut self, labels: &Labels, value: f64) {
        self.line("", labels, None, value);
    }

    pub fn add_with(&mut self, labels: &Labels, extra: (&str, &str), value: f64) {
        self.line("", labels, Some(extra), value);
    }

    /// Of a histogram: how many stayed at or below each bound, ascending, how many there were, and their sum.
    pub fn histogram(&mut self, labels: &Labels, bounds: &[(f64, u64)], count: u64, sum: f64) {
        for (bound, below) in bounds {
            // Always with a point, as OpenMetrics has it: 1.0, not 1.
            let bound = format!("{bound:?}");
            self.line("_bucket", labels, Some(("le", &bound)), *below as f64);
        }
        self.line("_bucket", labels, Some(("le", "+Inf")), count as f64);
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, count as f64);
    }

    fn line(&mut self, suffix: &str, labels: &Labels, extra: Option<(&str, &str)>, value: f64) {
        let text = &mut *self.text;
        text.push_str(self.name);
        text.push_str(suffix);
        if !labels.0.is_empty() || extra.is_some() {
            text.push('{');
            text.push_str(&labels.0);
            if let Some((name, value)) = extra {
                if !labels.0.is_empty() {
                    text.push(',');
                }
                let mut label = String::new();
                push_label(&mut label, name, value);
                text.push_str(&label);
            }
            text.push('}');
        }
        let _ = match value {
            value if value == f64::INFINITY => writeln!(text, " +Inf"),
            value if value == f64::NEG_INFINITY => writeln!(text, " -Inf"),
            // Rust writes NaN as they do.
            value => writeln!(text, " {value}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, kind: Kind) -> String {
        let mut exposition = Exposition::new(format);
        let labels = Labels::default().with("app", "a \"b\" \\ c\nd é");
        exposition.family(("x_total", kind, "a \"b\" \\ c"), None, |out| {
            out.add(&labels, 1.0);
            out.add_with(&labels, ("reason", "crash"), 0.125);
        });
        exposition.family(("empty", Kind::Gauge, "none"), Some("bytes"), |_| {});
        exposition.family(("y_bytes", Kind::Gauge, "y"), Some("bytes"), |out| {
            out.add(&Labels::default(), f64::INFINITY);
            out.add_with(&Labels::default(), ("k", "v"), 3e15);
        });
        exposition.end()
    }

    #[test]
    fn both_formats() {
        assert_eq!(
            written(Format::Prometheus, Kind::Counter),
            r#"# HELP x_total a "b" \\ c
# TYPE x_total counter
x_total{app="a \"b\" \\ c\nd é"} 1
x_total{app="a \"b\" \\ c\nd é",reason="crash"} 0.125
# HELP y_bytes y
# TYPE y_bytes gauge
y_bytes +Inf
y_bytes{k="v"} 3000000000000000
"#
        );
        assert_eq!(
            written(Format::OpenMetrics, Kind::Counter),
            r#"# HELP x a \"b\" \\ c
# TYPE x counter
x_total{app="a \"b\" \\ c\nd é"} 1
x_total{app="a \"b\" \\ c\nd é",reason="crash"} 0.125
# HELP y_bytes y
# TYPE y_bytes gauge
# UNIT y_bytes bytes
y_bytes +Inf
y_bytes{k="v"} 3000000000000000
# EOF
"#
        );
        assert!(written(Format::Prometheus, Kind::Unknown).contains("# TYPE x_total untyped\n"));
        assert!(written(Format::OpenMetrics, Kind::Unknown).contains("# TYPE x_total unknown\n"));
    }

    #[test]
    fn a_histogram_ends_with_all() {
        let mut exposition = Exposition::new(Format::Prometheus);
        exposition.family(("t_seconds", Kind::Histogram, "t"), None, |out| {
            out.histogram(&Labels::default(), &[(0.0025, 1), (1.0, 2)], 3, 4.5);
        });
        assert_eq!(
            exposition.end(),
            "# HELP t_seconds t\n# TYPE t_seconds histogram\nt_seconds_bucket{le=\"0.0025\"} 1\nt_seconds_bucket{le=\"1.0\"} 2\n\
             t_seconds_bucket{le=\"+Inf\"} 3\nt_seconds_sum 4.5\nt_seconds_count 3\n"
        );
    }
}
