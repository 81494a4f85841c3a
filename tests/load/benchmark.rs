//! The benchmark works: each part of it, for a moment. Its figures are not looked at here.

use serde_json::Value;

use crate::bed::Bed;
use crate::measure::{Length, PARTS, Report};
use crate::site;

fn list<'a>(json: &'a Value, name: &str) -> &'a Vec<Value> {
    json[name].as_array().expect("a list")
}

#[test]
fn every_part_of_the_benchmark_works() {
    let _turn = site::turn();
    let bed = Bed::boot(Default::default());
    let report = Report::measure(&bed, Length::Short, &PARTS, |progress| {
        eprintln!("{progress}")
    });
    let json = report.json();
    let names: Vec<&Value> = list(&json, "throughput")
        .iter()
        .map(|one| &one["server"])
        .collect();
    assert_eq!(names[0], "PM2");
    assert_eq!(names[1], "rpmctl");
    for server in list(&json, "throughput") {
        for mode in ["new_connections", "keep_alive"] {
            let rate = server[mode]["per_second"].as_f64().expect("a number");
            assert!(rate > 0.0, "{server}");
            assert_eq!(server[mode]["failed"], 0, "{server}");
        }
    }
    for server in list(&json, "spread") {
        let rows = list(server, "rows");
        assert_eq!(rows.len(), 6, "8, 40 and 200, at once and paced");
        for row in rows {
            let workers = list(row, "workers")
                .iter()
                .map(|one| one.as_u64().expect("a number"));
            assert_eq!(Some(workers.sum()), row["connections"].as_u64(), "{row}");
        }
    }
    let trouble = list(&json, "trouble");
    assert_eq!(trouble.len(), 3 * names.len());
    for one in trouble {
        assert!(one["requests"].as_u64() > Some(0), "{one}");
        assert!(
            one["longest_ms"].as_f64() >= Some(20.0),
            "the handler takes 20 ms: {one}"
        );
    }
    let promises = json["promises"].as_object().expect("an object");
    let text = report.text();
    assert_eq!(promises.len(), 3, "{text}");
    let lines = text
        .lines()
        .filter(|line| line.ends_with("kept") || line.ends_with("broken"));
    assert_eq!(lines.count(), 3, "{text}");
    assert_eq!(bed.run(&["pgrep", "-f", "pm2"]).stdout, "", "PM2 is gone");
}
