//! The tables of several machines, from what `status --json` and `list --json` of each say.

use std::time::Duration;

use serde_json::Value;

use super::Host;
use super::together::Answer;
use crate::apply::view::words;
use crate::cli::status::{columns, layout};
use crate::cli::table::{Cell, Tone};
use crate::model::Bytes;
use crate::process::Queue;
// What another machine says must not steer this terminal.
use crate::terminal::text::harmless;

/// A row an app of each machine.
pub fn apps(answers: &[Answer], room: Option<usize>, colour: bool) -> String {
    let columns: &[Column] = &[
        ("app", 0, false, |row| text(row, "name")),
        ("up", 0, true, |row| {
            // An earlier rpmctl knows only who is online.
            let ready = row["ready"].as_u64().or_else(|| row["online"].as_u64())?;
            let all = row["instances"].as_u64()?;
            Some(Cell::new(format!("{ready}/{all}"), tone(row)))
        }),
        ("status", 0, false, state),
        ("cpu", 2, true, cpu),
        ("memory", 1, true, memory),
        ("restarts", 3, true, |row| {
            Some(Cell::from(row["restarts"].as_u64()?))
        }),
        ("uptime", 6, true, |row| {
            let own = row["uptime_ms"].as_u64();
            let rows = row["rows"].as_array();
            let youngest = || {
                rows?
                    .iter()
                    .filter_map(|row| row["uptime_ms"].as_u64())
                    .min()
            };
            Some(age(own.or_else(youngest)?))
        }),
        ("req/s", 5, true, requests),
        ("p95", 7, true, response),
        ("queue", 4, true, |row| {
            let count = |key: &str| u32::try_from(row["queue"][key].as_u64()?).ok();
            Some(columns::queue(Queue {
                waiting: count("waiting")?,
                limit: count("limit"),
            }))
        }),
        ("marks", 10, false, marks),
    ];
    let below = |row: &Value| {
        let rows = row["rows"].as_array()?;
        rows.iter()
            .find_map(|row| Some(format!("{}: {}", instance(row)?, why(row)?)))
    };
    table_of(answers, columns, below, room, colour)
}

/// A row an instance of each machine.
pub fn instances(answers: &[Answer], room: Option<usize>, colour: bool) -> String {
    let columns: &[Column] = &[
        ("id", 8, true, |row| Some(Cell::from(row["id"].as_u64()?))),
        ("name", 0, false, |row| instance(row).map(Cell::from)),
        ("mode", 9, false, |row| text(row, "mode")),
        ("pid", 7, true, |row| Some(Cell::from(row["pid"].as_u64()?))),
        ("uptime", 5, true, |row| {
            Some(age(row["uptime_ms"].as_u64()?))
        }),
        ("restarts", 4, true, |row| {
            Some(Cell::from(row["restarts"].as_u64()?))
        }),
        ("status", 0, false, state),
        ("cpu", 3, true, cpu),
        ("memory", 2, true, memory),
    ];
    table_of(
        answers,
        columns,
        |row| Some(format!("{}: {}", instance(row)?, why(row)?)),
        room,
        colour,
    )
}

/// Heading, rank (see [`layout::Column::rank`]), whether its numbers stand to the right, and what it tells of a row.
type Column = (&'static str, u8, bool, fn(&Value) -> Option<Cell>);

/// A name is cut down to this before any column goes.
const NAME: usize = 14;

/// With `host` in front. A machine that did not answer is a row whose status is `unreachable`, and why stands below. `room`: columns of the terminal.
fn table_of(
    answers: &[Answer],
    columns: &[Column],
    why: impl Fn(&Value) -> Option<String>,
    room: Option<usize>,
    colour: bool,
) -> String {
    let mut rows: Vec<(&Answer, Option<&Value>)> = Vec::new();
    let mut below: Vec<(&Host, Tone, String)> = Vec::new();
    for answer in answers {
        let host = &answer.host;
        match &answer.rows {
            Ok(told) if told.is_empty() => {
                rows.push((answer, None));
                let why = answer.missing.as_deref().unwrap_or("no apps");
                below.push((host, Tone::Faint, harmless(why).to_string()));
            }
            Ok(told) => {
                rows.extend(told.iter().map(|row| (answer, Some(row))));
                let said = told.iter().filter_map(&why);
                below.extend(said.map(|said| (host, Tone::Bad, said)));
            }
            Err(why) => {
                rows.push((answer, None));
                below.push((host, Tone::Bad, format!("unreachable: {}", harmless(why))));
            }
        }
    }
    let names = rows
        .iter()
        .map(|(answer, _)| Some(Cell::from(&answer.host)));
    let host = layout::Column {
        heading: "host",
        right: false,
        rank: 0,
        shrinks: Some(NAME),
        cells: names.collect(),
    };
    let told = columns
        .iter()
        .map(|(heading, rank, right, cell)| layout::Column {
            heading,
            right: *right,
            rank: *rank,
            shrinks: ["app", "name", "marks"].contains(heading).then_some(NAME),
            cells: rows
                .iter()
                .map(|(answer, row)| match row {
                    Some(row) => cell(row),
                    None if *heading == "status" && answer.rows.is_err() => {
                        Some(Cell::new("unreachable", Tone::Bad))
                    }
                    None => None,
                })
                .collect(),
        });
    let mut text = layout::render(std::iter::once(host).chain(told).collect(), room, colour);
    for (host, tone, words) in below {
        let host = host.to_string();
        let line = format!("{host}: {words}");
        let lines = room.map_or_else(|| vec![line.clone()], |room| layout::wrap(&line, room, 2));
        layout::painted(&mut text, &lines, &host, tone, room, colour);
    }
    text
}

fn text(row: &Value, key: &str) -> Option<Cell> {
    row[key].as_str().map(|text| Cell::from(harmless(text)))
}

fn instance(row: &Value) -> Option<String> {
    Some(format!(
        "{}@{}",
        harmless(row["name"].as_str()?),
        row["instance"].as_u64()?
    ))
}

/// Of an instance: why it is down, or unhealthy.
fn why(row: &Value) -> Option<String> {
    if let Some(why) = row["why"].as_str() {
        return Some(harmless(why));
    }
    (status(row)? == "unhealthy").then(|| {
        let detail = row["health"]["detail"].as_str().unwrap_or_default();
        format!("unhealthy: {}", harmless(detail))
    })
}

/// Of an instance that runs, its health says more than its state.
fn status(row: &Value) -> Option<&str> {
    match row["status"].as_str()? {
        "online" if row["health"]["ok"] == false => Some("unhealthy"),
        status => Some(status),
    }
}

fn tone(row: &Value) -> Tone {
    match status(row).unwrap_or_default() {
        "online" => Tone::Good,
        "errored" | "restarting" => Tone::Bad,
        // Of an app: who is left.
        "unhealthy" if row["ready"].as_u64().unwrap_or_default() == 0 => Tone::Bad,
        "stopped" => Tone::Faint,
        _ => Tone::Busy,
    }
}

fn state(row: &Value) -> Option<Cell> {
    Some(Cell::new(harmless(status(row)?), tone(row)))
}

fn cpu(row: &Value) -> Option<Cell> {
    Some(Cell::from(words::percent(row["cpu_percent"].as_f64()?)))
}

fn memory(row: &Value) -> Option<Cell> {
    Some(Cell::from(Bytes(row["memory_bytes"].as_u64()?)))
}

fn age(milliseconds: u64) -> Cell {
    Cell::from(words::age(Duration::from_millis(milliseconds)))
}

fn requests(row: &Value) -> Option<Cell> {
    let rate = row["requests_per_second"].as_f64()?;
    Some(Cell::from(words::rate(rate)))
}

fn response(row: &Value) -> Option<Cell> {
    let ms = row["response_ms"]["p95"].as_f64()?;
    let time = Duration::try_from_secs_f64(ms / 1000.0).ok()?;
    Some(Cell::from(words::response(time)))
}

fn marks(row: &Value) -> Option<Cell> {
    let mut words: Vec<String> = Vec::new();
    for mark in row["marks"].as_array()? {
        let word = match mark["kind"].as_str()? {
            "old" => format!("old {}", mark["instances"].as_array().map_or(0, Vec::len)),
            "needs-daemon-reload" => "daemon-reload".to_owned(),
            other => harmless(other),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    (!words.is_empty()).then(|| Cell::new(words.join(", "), Tone::Busy))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(host: &str, rows: Result<Value, &str>) -> Answer {
        Answer {
            missing: None,
            host: Host::parse(host).unwrap(),
            lacks: false,
            rows: match rows {
                Ok(Value::Array(rows)) => Ok(rows),
                Ok(_) => unreachable!(),
                Err(why) => Err(why.to_owned()),
            },
        }
    }

    #[test]
    fn three_machines_in_one_table() {
        let api = json!({
            "name": "api", "online": 4, "instances": 4, "status": "online", "cpu_percent": 13.0, "memory_bytes": 272_629_760,
            "restarts": 3, "uptime_ms": 25_200_000, "requests_per_second": 67.4, "response_ms": { "p50": 3.0, "p95": 12.2, "p99": 40.0 },
            "queue": { "waiting": 3, "limit": 4096 }, "marks": [{ "kind": "old", "instances": [1, 2] }],
        });
        let mailer = json!({
            "name": "mailer", "online": 0, "instances": 1, "status": "errored", "restarts": 0, "cpu_percent": null, "memory_bytes": null, "marks": [],
            "rows": [{ "name": "mailer", "instance": 0, "why": "exited with\x1b[31m code 3" }],
        });
        let answers = [
            answer("root@web1", Ok(json!([api, mailer]))),
            answer("web2:2222", Err("no answer within 10 s")),
            answer("web3", Ok(json!([]))),
        ];
        assert_eq!(
            apps(&answers, None, false),
            "host       app      up  status         cpu  memory  restarts  uptime  req/s   p95   queue  marks\n\
             root@web1  api     4/4  online       13.0%   260mb         3      7h     67  12ms  3/4096  old 2\n\
             root@web1  mailer  0/1  errored          -       -         0       -      -     -       -  -\n\
             web2:2222  -         -  unreachable      -       -         -       -      -     -       -  -\n\
             web3       -         -  -                -       -         -       -      -     -       -  -\n\
             root@web1: mailer@0: exited with code 3\n\
             web2:2222: unreachable: no answer within 10 s\n\
             web3: no apps\n"
        );
    }

    #[test]
    fn instances_of_two() {
        let row = |id: u64, pid: Option<u64>| {
            json!({
                "id": id, "name": "api", "instance": id, "mode": "cluster", "pid": pid, "uptime_ms": pid.map(|_| 61_000), "restarts": 0,
                "status": if pid.is_some() { "online" } else { "stopped" }, "cpu_percent": 0.5, "memory_bytes": 1_048_576,
            })
        };
        let answers = [
            answer("a", Ok(json!([row(0, Some(7)), row(1, None)]))),
            answer("b", Err("nothing listens on its ssh port")),
        ];
        assert_eq!(
            instances(&answers, None, false),
            "host  id  name   mode     pid  uptime  restarts  status        cpu  memory\n\
             a      0  api@0  cluster    7     61s         0  online       0.5%     1mb\n\
             a      1  api@1  cluster    -       -         0  stopped      0.5%     1mb\n\
             b      -  -      -          -       -         -  unreachable     -       -\n\
             b: unreachable: nothing listens on its ssh port\n"
        );
    }
}
