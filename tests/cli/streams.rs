//! Readers that go away, disks that are full, input that is not there, terminals.

use crate::here::Here;

const APP: &str = "[[apps]]\nname = \"api\"\nscript = \"sleep 100\"\n";

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let here = Here::new();
    here.write("ecosystem.toml", APP);
    // The pipe is closed before anything is written: `sleep` holds the writer up.
    for command in [
        "schema",
        "--help",
        "check",
        "check --json",
        "render --root root",
    ] {
        let script =
            format!("{{ sleep 0.2; \"$RPMCTL\" {command}; echo \"$?\" >code; }} | true; cat code");
        here.shell(&script).is(0, "0\n", "");
    }
    here.shell("\"$RPMCTL\" schema | head -n 1; echo \"${PIPESTATUS[0]}\"")
        .is(0, "{\n0\n", "");
}

#[test]
fn a_full_disk_is_a_failure() {
    let here = Here::new();
    here.write("ecosystem.toml", APP);
    here.write("app.js", "");
    for command in [
        "schema",
        "--help",
        "--version",
        "apply --help",
        "check",
        "check --json",
        "render --root root",
        "init --stdout",
        "--user rollback --list",
        "--user rollback --list --json",
    ] {
        here.shell(&format!("\"$RPMCTL\" {command} >/dev/full")).is(
            1,
            "",
            "error: cannot write to standard output: no space left on device\n",
        );
    }
    // Nobody can be told; the exit code still does.
    here.shell("\"$RPMCTL\" check nothing.toml 2>/dev/full")
        .is(1, "", "");
}

#[test]
fn closed_streams() {
    let here = Here::new();
    here.write("ecosystem.toml", APP);
    here.shell("\"$RPMCTL\" check >&-").is(0, "", "");
    here.shell("\"$RPMCTL\" check nothing.toml 2>&-")
        .is(1, "", "");
    let empty = "error: the file has no apps
  --> <stdin>:1:1
   |
 1 | 
   | ^ write [[apps]] and below it name = \"…\" and script = \"…\"

error: 1 problem in <stdin>; nothing was changed
";
    here.shell("\"$RPMCTL\" check - <&-").is(1, "", empty);
    here.shell("\"$RPMCTL\" check - </dev/null")
        .is(1, "", empty);
    here.shell("\"$RPMCTL\" check - </").is(
        1,
        "",
        "error: cannot read standard input: is a directory\n",
    );
}

/// On a terminal (script(1) lends one) there is colour, unless NO_COLOR is set to something.
#[test]
fn colour_is_for_terminals_and_no_color_is_honoured() {
    let here = Here::new();
    here.write("bad.toml", "[[apps]]\nname = \"api\"\nscrip = \"x\"\n");
    let on_terminal = |env: &str| {
        here.shell(&format!(
            "{env} script -qec '\"$RPMCTL\" check bad.toml' /dev/null"
        ))
        .stdout
    };
    assert!(
        on_terminal("TERM=xterm").contains("\x1b["),
        "no colour on a terminal"
    );
    assert!(
        on_terminal("TERM=xterm NO_COLOR=").contains("\x1b["),
        "empty is not set"
    );
    let plain = here.shell("\"$RPMCTL\" check bad.toml");
    assert_eq!(plain.code, Some(1));
    assert_eq!(
        on_terminal("TERM=xterm NO_COLOR=1").replace("\r\n", "\n"),
        plain.stderr
    );
    assert_eq!(on_terminal("TERM=dumb").replace("\r\n", "\n"), plain.stderr);
}
