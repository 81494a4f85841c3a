//! Every string of an ecosystem file reaches the process byte for byte: environment, arguments, folder, script, name.

use std::time::{Duration, Instant};

use crate::bed;
use crate::hostile::{self, toml};

const PATIENCE: Duration = Duration::from_secs(120);

/// Values and arguments of one app.
const STRINGS: usize = 1200;

/// Rows of `rpmctl list --json` of these apps.
fn rows(bed: &bed::Bed, app: &str) -> Vec<serde_json::Value> {
    let text = bed.ok(&["rpmctl", "list", "--json", app]);
    serde_json::from_str::<Vec<serde_json::Value>>(&text).expect("a list")
}

#[test]
fn values_and_arguments_arrive_byte_for_byte() {
    let bed = bed::shared();
    let values: Vec<String> = hostile::strings(STRINGS, 1)
        .into_iter()
        .chain([hostile::long(100_000, 2), "%\\\"$\n".repeat(20_000)])
        .collect();
    let args: Vec<String> = hostile::strings(STRINGS, 3)
        .into_iter()
        .chain([hostile::long(100_000, 4), "\\\"%$\n\t".repeat(16_000)])
        .collect();
    let mut file = format!(
        "[[apps]]\nname = \"bytes\"\nscript = \"wait.py\"\ninterpreter = \"python3\"\nargs = [{}]\n[apps.env]\n",
        args.iter()
            .map(|arg| toml(arg))
            .collect::<Vec<_>>()
            .join(", ")
    );
    for (index, value) in values.iter().enumerate() {
        file.push_str(&format!("V{index} = {}\n", toml(value)));
    }
    bed.write(
        "/srv/bytes/wait.py",
        0o644,
        "import signal\nsignal.pause()\n",
    );
    bed.write("/srv/bytes/ecosystem.toml", 0o600, &file);
    let at = Instant::now();
    bed.cmd(&["rpmctl", "apply", "/srv/bytes/ecosystem.toml"])
        .deadline(PATIENCE)
        .ok();
    let applied = at.elapsed();
    let pid = rows(bed, "bytes")[0]["pid"].as_u64().expect("a pid");

    let got = bed.read(&format!("/proc/{pid}/cmdline"));
    let got: Vec<&str> = got
        .strip_suffix('\0')
        .expect("a NUL ends it")
        .split('\0')
        .collect();
    assert_eq!(got[1], "/srv/bytes/wait.py");
    assert_eq!(got.len() - 2, args.len());
    for (index, (got, sent)) in got[2..].iter().zip(&args).enumerate() {
        assert_eq!(got, sent, "argument {index}");
    }

    let environ = bed.read(&format!("/proc/{pid}/environ"));
    let mut seen = 0;
    for variable in environ.split('\0') {
        let Some((name, got)) = variable.split_once('=') else {
            continue;
        };
        if let Some(Ok(index)) = name.strip_prefix('V').map(str::parse::<usize>) {
            assert_eq!(got, values[index], "value {index}");
            seen += 1;
        }
    }
    assert_eq!(seen, values.len());
    eprintln!(
        "{} values and {} arguments exact; applied in {applied:?}",
        values.len(),
        args.len()
    );

    // The same strings compile to the same units: nothing is touched.
    let again = bed
        .cmd(&["rpmctl", "apply", "/srv/bytes/ecosystem.toml"])
        .deadline(PATIENCE)
        .ok();
    assert_eq!(
        again,
        "nothing to do: 1 app, 1 instance, all as the file says\n"
    );
    assert_eq!(rows(bed, "bytes")[0]["pid"].as_u64(), Some(pid));
    bed.ok(&["rpmctl", "delete", "bytes"]);
}

/// Name of the app, of its folder and of its script.
const ODD: &[[&str; 3]] = &[
    ["a b", "a b", "a b.py"],
    ["日本 é", "日本 é", "日本.py"],
    ["dev:api", "dev:api", "dev:api.py"],
    ["v1.2.3", "v1.2.3", "v1.2.py"],
    ["100%", "100%", "100%.py"],
    ["%i", "%i%n", "%i.py"],
    ["q\"u'o", "q\"u'o", "q\"u'o.py"],
    ["back\\slash\\", "back\\slash\\", "back\\slash\\.py"],
    ["$HOME", "${HOME}", "$HOME.py"],
    ["*", "*?[x]", "*?[x].py"],
    ["{{ app }}", "{{ app }}", "{% if %}.py"],
    ["#1;x", "#1;x", ";x#1.py"],
    ["x~!+|", "~!+|", "!+|~.py"],
    [" lead", " lead ", " lead.py"],
    ["trail ", "trail ", "-trail.py"],
    [
        "nb\u{a0}sp\u{2028}",
        "nb\u{a0}sp\u{2028}",
        "nb\u{a0}sp\u{2028}.py",
    ],
    ["\u{feff}bom🦀", "\u{feff}bom🦀", "\u{feff}🦀.py"],
    ["ta\\tb", "ta-b", "ta\tb\u{1b}\n.py"],
    ["=A=B", "=A=B", "=A=B.py"],
    ["`id`$(id)", "`id`$(id)", "`id`$(id).py"],
];

#[test]
fn odd_folders_scripts_and_names() {
    let bed = bed::shared();
    let script = r#"
import json, os, signal, sys
print(json.dumps([os.getcwd(), sys.argv[0], os.environ["NODE_APP_INSTANCE"], os.environ["COUNT"]]), flush=True)
signal.pause()
"#;
    let mut file = String::new();
    for [name, folder, script_name] in ODD {
        let path = format!("/srv/odd/{folder}/{script_name}");
        bed.write(&path, 0o644, script);
        file.push_str(&format!(
            "[[apps]]\nname = {}\ncwd = {}\nscript = {}\ninterpreter = \"python3\"\ninstances = 2\nexec_mode = \"fork\"\nincrement_var = \"COUNT\"\nenv = {{ COUNT = 40 }}\n",
            toml(name),
            toml(&format!("/srv/odd/{folder}")),
            toml(script_name)
        ));
    }
    bed.write("/srv/odd/ecosystem.toml", 0o644, &file);
    bed.cmd(&["rpmctl", "apply", "/srv/odd/ecosystem.toml"])
        .deadline(PATIENCE)
        .ok();
    for [name, folder, script_name] in ODD {
        let rows = rows(bed, name);
        assert_eq!(rows.len(), 2, "{name:?}");
        for row in &rows {
            assert_eq!(
                (&row["name"], &row["status"]),
                (&(*name).into(), &"online".into())
            );
        }
        // journald may still be storing the lines.
        let mut lines = Vec::new();
        bed.wait_until(
            &format!("both lines of {name:?} are in the journal"),
            PATIENCE,
            || {
                let text = bed.ok(&["rpmctl", "logs", name, "--json", "--out"]);
                lines = text
                    .lines()
                    .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
                    .collect();
                lines.len() >= 2
            },
        );
        let mut numbers = Vec::new();
        for line in &lines {
            assert_eq!(line["app_name"], *name);
            let message = line["message"].as_str().expect("a message").trim_end();
            let [cwd, argv0, number, count]: [String; 4] =
                serde_json::from_str(message).unwrap_or_else(|_| panic!("{name:?}: {line}"));
            assert_eq!(cwd, format!("/srv/odd/{folder}"), "{name:?}");
            assert_eq!(
                argv0,
                format!("/srv/odd/{folder}/{script_name}"),
                "{name:?}"
            );
            assert_eq!(line["instance"].as_u64(), number.parse().ok(), "{line}");
            assert_eq!(count, format!("4{number}"), "{name:?}");
            numbers.push(number);
        }
        numbers.sort();
        assert_eq!(numbers, ["0", "1"], "{name:?}");
        let one = bed.ok(&["rpmctl", "logs", &format!("{name}@1"), "--json", "--out"]);
        assert_eq!(one.lines().count(), 1, "{name:?}: {one}");
    }
    let again = bed.ok(&["rpmctl", "apply", "/srv/odd/ecosystem.toml"]);
    assert_eq!(
        again,
        format!(
            "nothing to do: {} apps, {} instances, all as the file says\n",
            ODD.len(),
            2 * ODD.len()
        )
    );
    for [name, ..] in ODD {
        bed.ok(&["rpmctl", "delete", name]);
    }
    let left = bed.sh("grep -rl /srv/odd /etc/systemd/system /etc/rpmctl");
    assert_eq!(
        (left.status, left.stdout.as_str()),
        (1, ""),
        "left after delete"
    );
}
