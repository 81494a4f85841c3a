//! How `rpmctl logs` shows a line, to whom.

use crate::bed;
use crate::talker::Talkers;

#[test]
fn json_has_pm2s_keys_and_raw_every_byte() {
    let bed = bed::shared();
    let talk = Talkers::of_root(bed, "forms");
    bed.write(
        "/srv/forms/bytes.sh",
        0o644,
        "printf ' \\377\\001 \\t \"q\" \\\\ \\033[1mx\\n\\nend of it\\n'; printf 'oops\\n' >&2; printf 'no line end'; exec sleep 1000\n",
    );
    talk.apply(&[("fo", 1, "")]);
    bed.write(
        "/srv/forms/bytes.toml",
        0o644,
        "[[apps]]\nname = \"fo-bytes\"\nscript = \"bytes.sh\"\ninterpreter = \"/bin/sh\"\nmin_uptime = 50\n",
    );
    bed.ok(&["rpmctl", "apply", "/srv/forms/bytes.toml"]);
    talk.logs_to(&["fo-bytes", "--out"], "end of it");
    // As without systemd between: a last line without its end comes when the app has ended.
    bed.ok(&["rpmctl", "stop", "fo-bytes"]);
    talk.logs_to(&["fo-bytes"], "no line end");
    let dump = "rpmctl logs fo-bytes --raw --out | od -An -v -tx1 | tr -d ' \\n'";
    let hex: String = b" \xff\x01 \t \"q\" \\ \x1b[1mx\nend of it\nno line end\n"
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    // Byte for byte what journald keeps: not empty lines, not spaces at the end of a line.
    assert_eq!(bed.sh_ok(dump), hex);

    let output = talk.rpmctl(&["logs", "fo-bytes", "fo", "--json", "-n", "all"]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    let lines: Vec<serde_json::Value> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        for key in ["message", "timestamp", "type", "process_id", "app_name"] {
            assert!(line.get(key).is_some(), "no {key} in {line}");
        }
        let kind = line["type"].as_str().unwrap();
        assert!(["out", "err", "process_event"].contains(&kind), "{line}");
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    }
    let of = |kind: &str| {
        let of_kind = lines.iter().filter(|line| line["type"] == kind);
        let bytes = of_kind.filter(|line| line["app_name"] == "fo-bytes");
        bytes
            .map(|line| line["message"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("out"),
        [
            " \u{fffd}\u{1} \t \"q\" \\ \u{1b}[1mx",
            "end of it",
            "no line end"
        ]
    );
    assert_eq!(of("err"), ["oops"]);
    assert!(
        of("process_event")
            .iter()
            .any(|line| line.starts_with("Started ")),
        "{lines:?}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line["app_name"] == "fo" && line["process_id"] == 0)
    );
}

#[test]
fn dates_come_as_the_file_says() {
    let bed = bed::shared();
    let talk = Talkers::of_root(bed, "dates");
    talk.apply(&[
        (
            "da-format",
            1,
            "log_date_format = \"YYYY-MM-DD HH:mm:ss Z\"",
        ),
        ("da-time", 1, "time = true"),
        ("da-none", 1, ""),
    ]);
    let digits = |line: &str| line.replace(|c: char| c.is_ascii_digit(), "9");
    let line = |app: &str, more: &[&str]| {
        let lines = talk.logs_to(&[&[app, "--out", "-n", "1"], more].concat(), "up 0");
        assert_eq!(lines.len(), 1, "{lines:?}");
        digits(&lines[0])
    };
    assert_eq!(
        line("da-format", &[]),
        "da-format@9 | 9999-99-99 99:99:99 +99:99: up 9"
    );
    assert_eq!(
        line("da-time", &[]),
        "da-time@9 | 9999-99-99T99:99:99: up 9"
    );
    assert_eq!(line("da-none", &[]), "da-none@9 | up 9");
    assert_eq!(
        line("da-none", &["--timestamp"]),
        "da-none@9 | 9999-99-99 99:99:99: up 9"
    );
    assert_eq!(
        line("da-time", &["--timestamp=HH:mm"]),
        "da-time@9 | 99:99: up 9"
    );
    // The zone is the reader's.
    let in_zone = |zone: &str| {
        let output = bed
            .cmd(&["rpmctl", "logs", "da-format", "--out", "-n", "1"])
            .env("TZ", zone)
            .ok();
        output.split(' ').nth(4).map(str::to_owned)
    };
    assert_eq!(in_zone("IST-5:30").as_deref(), Some("+05:30:"));
    assert_eq!(in_zone("UTC").as_deref(), Some("+00:00:"));
    let output = bed.ok(&["rpmctl", "logs", "da-time", "--out", "-n", "1", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(
        digits(line["timestamp"].as_str().unwrap()),
        "9999-99-99T99:99:99"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_failure_and_escapes_are_for_terminals() {
    let bed = bed::shared();
    let talk = Talkers::of_root(bed, "pipe");
    bed.write("/srv/pipe/many.sh", 0o644, "seq -f 'line %.0f of many, made long enough to fill a pipe' 3000; echo oops >&2; exec sleep 1000\n");
    bed.write(
        "/srv/pipe/many.toml",
        0o644,
        "[[apps]]\nname = \"many\"\nscript = \"many.sh\"\ninterpreter = \"/bin/sh\"\nmin_uptime = 50\n",
    );
    bed.ok(&["rpmctl", "apply", "/srv/pipe/many.toml"]);
    // journald takes the two streams in no order.
    talk.logs_to(
        &["many", "-n", "all"],
        "line 3000 of many, made long enough to fill a pipe",
    );
    talk.logs_to(&["many", "--err"], "oops");
    for options in ["-n all", "-n all --json", "-n all --raw", "-n all -f"] {
        let script = format!(
            "{{ rpmctl logs many {options} 2>/run/pipe.err; echo $? >/run/pipe.rc; }} | head -n 1 >/run/pipe.out"
        );
        bed.sh_ok(&script);
        let ended = ["rc", "err"].map(|what| bed.read(&format!("/run/pipe.{what}")));
        assert_eq!(ended, ["0\n", ""], "{options}");
    }
    let on_terminal = |variables: &str| {
        bed.sh_ok(&format!(
            "{variables} TERM=xterm script -qec 'rpmctl logs many --err' /dev/null </dev/null"
        ))
    };
    let coloured = on_terminal("");
    assert!(coloured.contains("\u{1b}[31moops\u{1b}[0m"), "{coloured:?}");
    let plain = on_terminal("NO_COLOR=1");
    assert!(
        plain.contains("many@0 | oops") && !plain.contains('\u{1b}'),
        "{plain:?}"
    );
    assert!(
        on_terminal("NO_COLOR=").contains('\u{1b}'),
        "an empty NO_COLOR means nothing"
    );
    let piped = bed.ok(&["rpmctl", "logs", "many", "-n", "all"]);
    assert!(piped.contains("many@0 | oops") && !piped.contains('\u{1b}'));
}
