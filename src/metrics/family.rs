//! What a family of metrics is.

use super::View;
use super::exposition::Samples;

/// Of what kind the values are, as `# TYPE` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Begins again at 0 when what it counts for is started anew.
    Counter,
    Gauge,
    Histogram,
    /// The value is 1, what it tells is in the labels.
    Info,
    Unknown,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
            Kind::Unknown => "unknown",
        }
    }
}

/// Metrics of one name.
pub struct Family {
    /// As in the text format; in OpenMetrics a counter's family is without `_total`. It never changes.
    pub name: &'static str,
    pub kind: Kind,
    /// Of each sample, in this order.
    pub labels: &'static [&'static str],
    /// One sentence without its full stop.
    pub help: &'static str,
    pub(super) samples: fn(&View<'_>, &mut Samples<'_>),
}

impl Family {
    /// Prometheus' base units, which the name ends with.
    pub fn unit(&self) -> Option<&'static str> {
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        let units = ["seconds", "bytes"].into_iter();
        units.into_iter().find(|unit| name.ends_with(unit))
    }
}
