//! Help, version, and command lines that are wrong.

use crate::here::Here;

/// Every command of `--help`, in its order.
fn commands(help: &str) -> Vec<&str> {
    let list = help.split("Commands:\n").nth(1).unwrap();
    let list = list.split("\n\n").next().unwrap();
    list.lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap())
        .collect()
}

#[test]
fn help_and_version() {
    let here = Here::new();
    let version = format!("rpmctl {}\n", env!("CARGO_PKG_VERSION"));
    here.run(&["--version"]).is(0, &version, "");
    here.run(&["-V"]).is(0, &version, "");
    let help = here.run(&["--help"]);
    let expected = include_str!("help.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/help.txt");
        std::fs::write(path, &help.stdout).unwrap();
    } else {
        help.is(0, expected, "");
    }
    here.run(&["-h"]).is(0, &help.stdout, "");
    // Without a command: the same, as wrong usage.
    here.run(&[]).is(2, "", &help.stdout);
    let commands = commands(&help.stdout);
    assert!(commands.len() >= 16, "{commands:?}");
    for command in commands {
        let help = here.run(&[command, "--help"]);
        assert_eq!(
            (help.code, help.stderr.as_str()),
            (Some(0), ""),
            "{command}"
        );
        let usage = format!("\n\nUsage: rpmctl {command}");
        assert!(help.stdout.contains(&usage), "{}", help.stdout);
        assert!(
            help.stdout.lines().all(|line| line.len() <= 100),
            "{}",
            help.stdout
        );
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_meant() {
    let here = Here::new();
    let more = "\nFor more information, try '--help'.\n";
    for (args, said) in [
        (
            &["aply"][..],
            "error: unrecognized subcommand 'aply'\n\n  tip: a similar subcommand exists: 'apply'\n\nUsage: rpmctl [OPTIONS] <COMMAND>\n",
        ),
        (
            &["--frobnicate"],
            "error: unexpected argument '--frobnicate' found\n\nUsage: rpmctl [OPTIONS] <COMMAND>\n",
        ),
        (
            &["apply", "--chek"],
            "error: unexpected argument '--chek' found\n\n  tip: a similar argument exists: '--check'\n\nUsage: rpmctl apply --check [FILE]\n",
        ),
        (
            &["start"],
            "error: the following required arguments were not provided:\n  <TARGET>...\n\nUsage: rpmctl start <TARGET>...\n",
        ),
        (
            &["relod"],
            "error: unrecognized subcommand 'relod'\n\n  tip: a similar subcommand exists: 'reload'\n\nUsage: rpmctl [OPTIONS] <COMMAND>\n",
        ),
        (
            &["restrat", "api"],
            "error: unrecognized subcommand 'restrat'\n\n  tip: a similar subcommand exists: 'restart'\n\nUsage: rpmctl [OPTIONS] <COMMAND>\n",
        ),
        (
            &["save"],
            "error: unrecognized subcommand 'save'\n\n  tip: nothing is to be saved: what was applied starts at boot\n\nUsage: rpmctl [OPTIONS] <COMMAND>\n",
        ),
        (
            &["xyzzy"],
            "error: unrecognized subcommand 'xyzzy'\n\nUsage: rpmctl [OPTIONS] <COMMAND>\n",
        ),
        (
            &["reload"],
            "error: the following required arguments were not provided:\n  <TARGET>...\n\nUsage: rpmctl reload <TARGET>...\n",
        ),
        (
            &["reload", "api", "--parallel", "0"],
            "error: invalid value '0' for '--parallel <N>': 0 is not in 1..=4294967295\n",
        ),
        (
            &["scale", "api"],
            "error: the following required arguments were not provided:\n  <N>\n\nUsage: rpmctl scale <APP> <N>\n",
        ),
        (
            &["scale", "api", "many"],
            "error: invalid value 'many' for '<N>': write a number of instances, +N for so many more, -N for so many fewer, or max for one a processor\n",
        ),
        (
            &["logs", "-n", "many"],
            "error: invalid value 'many' for '--lines <N>': write a number of lines, or all\n",
        ),
        (
            &["logs", "--err", "--out"],
            "error: the argument '--err' cannot be used with '--out'\n\nUsage: rpmctl logs --err [TARGET]...\n",
        ),
        (
            &["rollback", "x"],
            "error: invalid value 'x' for '[GENERATION]': write the number of a generation, as `rpmctl rollback --list` shows it\n",
        ),
        (
            &["check", "a.toml", "b.toml"],
            "error: unexpected argument 'b.toml' found\n\nUsage: rpmctl check [OPTIONS] [FILE]\n",
        ),
    ] {
        here.run(args).is(2, "", &format!("{said}{more}"));
    }
}

#[test]
fn the_schema_is_json_and_knows_every_spelling() {
    use rpmctl::config::keys::KEYS;
    let output = Here::new().run(&["schema"]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    let schema: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    let app = &schema["$defs"]["app"];
    let mut count = 0;
    for spelling in KEYS.iter().flat_map(|key| key.spellings()) {
        let described = app["properties"][&spelling]["description"].as_str();
        assert!(described.is_some_and(|text| !text.is_empty()), "{spelling}");
        count += 1;
    }
    assert_eq!(app["properties"].as_object().unwrap().len(), count);
    assert!(count > 100, "{count}");
    assert_eq!(app["additionalProperties"], false);
}
