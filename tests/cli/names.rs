//! Hostile names: refused before anything is written, or encoded.

use crate::here::{Here, Output};

fn render(here: &Here, name: &str) -> Output {
    let name = toml::Value::from(name).to_string();
    here.write(
        "ecosystem.toml",
        format!("[[apps]]\nname = {name}\nscript = \"sleep 100\"\n"),
    );
    here.run(&["render", "--root", "root"])
}

#[test]
fn names_that_cannot_be_are_refused() {
    let here = Here::new();
    let long = "x".repeat(300);
    for (name, why) in [
        (
            "../x",
            "has a '/', which would lead out of the unit directory",
        ),
        (
            "/etc/passwd",
            "has a '/', which would lead out of the unit directory",
        ),
        (
            "@",
            "has a '@', which separates the name from the instance (name@2)",
        ),
        (
            "api@1",
            "has a '@', which separates the name from the instance (name@2)",
        ),
        ("-x", "starts with '-' and would be taken for an option"),
        (".x", "starts with '.' and would be a hidden file"),
        ("..", "starts with '.' and would be a hidden file"),
        ("all", "is the word for every app"),
        ("", "is empty"),
        ("  ", "is empty"),
        ("a\nb", "has a control character"),
        (
            &long,
            "is too long for a unit name (200 bytes after escaping)",
        ),
        (
            &"é".repeat(30),
            "is too long for a unit name (200 bytes after escaping)",
        ),
    ] {
        let output = render(&here, name);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(1), ""),
            "{name:?}"
        );
        assert!(
            output.stderr.contains(" --> ecosystem.toml:2:8\n"),
            "{}",
            output.stderr
        );
        assert!(
            output.stderr.contains(&format!("^ it {why}\n")),
            "{}",
            output.stderr
        );
        assert!(
            output
                .stderr
                .ends_with("error: 1 problem in ecosystem.toml; nothing was changed\n")
        );
    }
    assert_eq!(here.tree(""), ["ecosystem.toml"]);
}

#[test]
fn other_names_are_encoded() {
    let here = Here::new();
    for (name, stem) in [
        ("a b", "a\\x20b"),
        ("dev:api", "dev\\x3aapi"),
        ("$(id)", "\\x24\\x28id\\x29"),
        ("*", "\\x2a"),
        ("é", "\\xc3\\xa9"),
        ("a\\x20b", "a\\x5cx20b"),
        ("{{ app }}", "\\x7b\\x7b\\x20app\\x20\\x7d\\x7d"),
        ("ALL", "ALL"),
    ] {
        let stdout = format!(
            "DIR/root/etc/systemd/system/{stem}@.service\nDIR/root/etc/systemd/system/{stem}.target\nDIR/root/etc/rpmctl/env/{stem}.env\n"
        );
        render(&here, name).is(0, &stdout, "");
    }
}

#[test]
fn units_of_others_are_not_touched() {
    let here = Here::new();
    let theirs = [
        ("usr/lib/systemd/system/multi-user.target", "multi-user"),
        ("usr/lib/systemd/system/ssh@.service", "ssh"),
        ("lib/systemd/system/getty@0.service", "getty"),
        ("etc/systemd/system/mine.target", "mine"),
        ("run/systemd/generator/made@.service", "made"),
    ];
    for (file, _) in theirs {
        here.write(&format!("root/{file}"), "[Unit]\nDescription=not ours\n");
    }
    let before = here.tree("root");
    for (file, name) in theirs {
        let unit = file.rsplit('/').next().unwrap();
        render(&here, name).is(
            1,
            "",
            &format!(
                "error: {unit} is there already and is not ours: DIR/root/{file}\n  nothing was changed; give the app another name, or remove that unit first\n"
            ),
        );
    }
    assert_eq!(here.tree("root"), before);
    // A name beside theirs is free.
    assert_eq!(render(&here, "sshd").code, Some(0));
}
