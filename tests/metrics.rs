//! Readers of others take the metrics: Prometheus' own promtool without a warning, and a strict reader of OpenMetrics.

#[path = "metrics/scrapers.rs"]
mod scrapers;

use std::fs;
use std::path::Path;

use rpmctl::metrics::FAMILIES;
use scrapers::{openmetrics, promtool};

/// As src/metrics/tests.rs compares it with what the code says.
fn snapshot(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metrics/snapshots");
    fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn promtool_has_no_complaint() {
    for file in ["machine.prom", "empty.prom"] {
        assert_eq!(promtool(&snapshot(file)), "", "{file}");
    }
    // It would have one.
    let said = promtool("# TYPE x counter\nx 1\n");
    assert!(
        said.contains("counter metrics should have \"_total\" suffix"),
        "{said}"
    );
}

#[test]
fn a_strict_reader_of_openmetrics_reads_every_family() {
    for file in ["machine", "empty", "custom"] {
        let text = snapshot(&format!("{file}.openmetrics"));
        let families = text.matches("# TYPE ").count();
        assert_eq!(openmetrics(&text), Ok(families), "{file}");
    }
    assert_eq!(
        openmetrics(&snapshot("machine.openmetrics")),
        Ok(FAMILIES.len())
    );
    assert!(openmetrics("# TYPE x counter\nx 1\n# EOF\n").is_err());
}

/// What apps tell is their own business, so promtool has something to say of it; but it reads all of it.
#[test]
fn promtool_reads_what_apps_tell() {
    let said = promtool(&snapshot("custom.prom"));
    assert!(!said.contains("error while linting"), "{said}");
    for line in said.lines() {
        assert!(line.starts_with("rpmctl_custom_"), "{line}");
    }
}
