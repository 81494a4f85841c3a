//! Of rpmctl(1): the metrics, from the table that they are written by.

use rpmctl::metrics::{FAMILIES, PREFIX};

use super::roff::Page;

pub fn of_command(page: &mut Page) {
    page.section("METRICS");
    page.text(
        "rpmctl metrics prints all figures of status as Prometheus scrapes them: in its text format, or with --openmetrics in OpenMetrics', where the\n\
         family of a counter is called without _total. index is the instance's number, as in NAME@2. A sample that is not known is left out: an\n\
         instance that is down has no memory, an app that listens in another network namespace no queue. Counters begin again when their\n\
         instance is started anew, as rate() expects it. Names and labels never change.",
    );
    for family in &FAMILIES {
        let labels = match family.labels {
            [] => String::new(),
            labels => format!("{{{}}}", labels.join(", ")),
        };
        let term = format!("{} {labels}", family.name);
        let unit = family.unit().map(|unit| format!(", in {unit}"));
        let kind = family.kind.as_str();
        let unit = unit.unwrap_or_default();
        page.tagged(term.trim_end(), &format!("{} ({kind}{unit}).", family.help));
    }
    page.tagged(
        &format!("{PREFIX}NAME {{app, index, ...}}"),
        "What an app tells of itself, with its own labels; one called app or index is exported_app, exported_index.",
    );
    page.paragraph(
        "What to be woken for: rpmctl_app_up == 0 for longer than a deploy takes; rpmctl_job_last_run_success == 0; rpmctl_listen_queue_connections that stays above 0\n\
         (too few instances) or comes near rpmctl_listen_queue_limit; rpmctl_instance_healthy == 0; rpmctl_watcher_up == 0, with which health is unknown and its\n\
         samples are gone. Response times: histogram_quantile(0.95, sum by (app, le) (rate(rpmctl_http_request_duration_seconds_bucket[5m]))); requests per\n\
         second: sum by (app) (rate(rpmctl_http_request_duration_seconds_count[5m])).",
    );
    page.paragraph(
        "--textfile writes them for node_exporter's textfile collector, mode 0644: whoever reads finds the old text or the new one. FILE ends with .prom,\n\
         or the collector would not read it, and one manager has one folder: a timer may run rpmctl metrics --textfile /var/lib/prometheus/node-exporter/rpmctl.prom.",
    );
    page.paragraph(
        "--install lets systemd listen, by rpmctl-metrics.socket, now and at boot, and start rpmctl-metrics.service for who asks: GET /metrics over HTTP,\n\
         in OpenMetrics' format where Accept says so. That ends after three seconds in which nobody asked, so nothing stays behind, and runs as the user\n\
         daemon, who may read what every user may: files that an app with a umask of its own keeps from others are not in it, nor are \n\
         rpmctl_app_generation and the old_instances of rpmctl_app_drift, for which the generations are read. It is on loopback alone unless\n\
         --listen says otherwise, and asks for no password. --install again changes what changed, --listen moves it, --uninstall removes both units. Units of these names\n\
         that are not rpmctl's are left alone, and those of a package are used as they are.",
    );
}
