//! Each folder of tests/cases/config is an ecosystem.toml, the machine it is checked on (its own host.toml, else the shared one) and what must come
//! out: the model or the problems, word for word. UPDATE_EXPECTED=1 rewrites the expectations.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rpmctl::config::{self, Checked, Options, Written};

#[path = "cases/machine.rs"]
mod machine;

use machine::Machine;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/config")
}

fn shared() -> Machine {
    Machine::read(&cases().join("host.toml"))
}

fn outcome(written: &Written, checked: &Checked) -> String {
    let mut out = String::new();
    for note in &checked.notes {
        writeln!(out, "note: {}", note.to_text("ecosystem.toml")).unwrap();
    }
    match &checked.model {
        Some(model) => {
            assert!(checked.problems.is_empty());
            writeln!(out, "{model:#?}").unwrap();
        }
        None => {
            assert!(!checked.problems.is_empty());
            out.push_str(&written.report(&checked.problems).to_text(false));
        }
    }
    out
}

#[test]
fn cases_come_out_as_expected() {
    let mut failed = Vec::new();
    let mut seen = 0;
    let mut folders: Vec<PathBuf> = std::fs::read_dir(cases())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    for folder in folders {
        seen += 1;
        let own = folder.join("host.toml");
        let machine = if own.exists() {
            Machine::read(&own).over(shared())
        } else {
            shared()
        };
        let text = std::fs::read_to_string(folder.join("ecosystem.toml")).unwrap();
        let (written, checked) = machine.check(&text);
        let found = outcome(&written, &checked);
        let expected = folder.join("expected.txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&expected, &found).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            failed.push(format!("--- {}\n{found}", folder.display()));
        }
    }
    assert!(seen > 15, "only {seen} cases found");
    assert!(
        failed.is_empty(),
        "UPDATE_EXPECTED=1 accepts:\n{}",
        failed.join("\n")
    );
}

#[test]
fn ten_mistakes_are_ten_problems_each_with_its_place() {
    let text = std::fs::read_to_string(cases().join("ten-mistakes/ecosystem.toml")).unwrap();
    let (written, checked) = shared().check(&text);
    assert_eq!(checked.problems.len(), 10);
    let lines: BTreeSet<usize> = checked
        .problems
        .iter()
        .map(|problem| written.line(problem.span.as_ref().unwrap()))
        .collect();
    assert_eq!(lines.len(), 10);
    let shown = written.report(&checked.problems).to_text(false);
    assert!(shown.ends_with("error: 10 problems in ecosystem.toml; nothing was changed\n"));
    let json = written.report(&checked.problems).to_json();
    assert!(
        json.as_array()
            .unwrap()
            .iter()
            .all(|p| p["line"].is_u64() && p["column"].is_u64())
    );
}

/// Every key refuses a value of a form it does not take, at that value, and every spelling of a key means the same.
#[test]
fn every_key_checks_its_form_under_every_spelling() {
    use config::keys::{Form, KEYS};
    for key in KEYS.iter().filter(|key| key.form != Form::Any) {
        for spelling in key.spellings() {
            let script = if key.name == "script" {
                ""
            } else {
                "script = \"app.js\"\n"
            };
            let text = format!("[[apps]]\n{script}{spelling} = [[{{ a = 1 }}]]\n");
            let (written, checked) = shared().check(&text);
            assert_eq!(
                checked.problems.len(),
                1,
                "{spelling}: {:?}",
                checked.problems
            );
            let problem = &checked.problems[0];
            let line = written.line(problem.span.as_ref().unwrap());
            assert_eq!(line, text.lines().count(), "{spelling}");
            assert!(
                problem.what.contains(key.name),
                "{spelling}: {}",
                problem.what
            );
        }
    }
}

/// Line starts that make text look like a file; everything else is noise.
fn noise() -> impl Strategy<Value = String> {
    let keys: Vec<String> = config::keys::KEYS
        .iter()
        .flat_map(|key| key.spellings())
        .chain([
            "env_production".into(),
            "env.PORT".into(),
            "systemd.Service.Nice".into(),
            "instnaces".into(),
        ])
        .collect();
    let values = prop::sample::select(vec![
        "1",
        "0",
        "-1",
        "-99999999999",
        "99999999999999999999",
        "1.5",
        "nan",
        "true",
        "false",
        "\"\"",
        "\"max\"",
        "\"x y\"",
        "\"a && b\"",
        "\"node app.js\"",
        "\"app.js\"",
        "\"~/x\"",
        "\"../..\"",
        "[]",
        "[1, \"a\"]",
        "{}",
        "{ A = 1 }",
        "{ PORT = 3000 }",
        "1979-05-27",
        "\"\\u0000\"",
        "\"node@16\"",
        "'it''s'",
        "\"é日\u{301}\"",
        "bare",
        "",
        "\"unclosed",
        "[1,",
        "\"* * * * *\"",
        "\"10s\"",
        "\"1G\"",
        "\"none\"",
        "'\"'",
    ]);
    let line = prop_oneof![
        6 => (prop::sample::select(keys), values).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => Just("[[apps]]".to_owned()),
        1 => Just("[apps.env]".to_owned()),
        1 => Just("[apps.systemd.Service]".to_owned()),
        1 => "\\PC{0,30}",
    ];
    (prop::collection::vec(line, 0..12), prop::bool::ANY).prop_map(|(lines, crlf)| {
        format!("[[apps]]\n{}", lines.join(if crlf { "\r\n" } else { "\n" }))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_file_is_answered_with_a_model_or_located_problems(text in noise()) {
        let machine = shared();
        let (written, checked) = machine.check_with(&text, &Options::default());
        prop_assert_eq!(checked.model.is_some(), checked.problems.is_empty());
        for problem in &checked.problems {
            let span = problem.span.clone().expect("every problem of a file has a place");
            prop_assert!(span.start <= span.end && span.end <= text.len());
            prop_assert!(!problem.what.is_empty());
        }
        let shown = written.report(&checked.problems).to_text(false);
        prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
        if let Some(model) = checked.model {
            for app in model.apps {
                prop_assert!(app.cwd.is_absolute() && app.command.program.is_absolute() && app.instances >= 1);
                prop_assert!(app.command.args.iter().all(|arg| !arg.contains('\0')));
                prop_assert!(app.env.values().all(|value| !value.contains('\0')));
            }
        }
    }
}
