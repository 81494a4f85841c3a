//! Ecosystem files: right ones, wrong ones, and what is no such file at all.

use crate::here::Here;

const APP: &str = "[[apps]]\nname = \"api\"\nscript = \"sleep 100\"\n";

#[test]
fn a_right_file() {
    let here = Here::new();
    here.write("ecosystem.toml", APP);
    here.run(&["check"]).is(0, "ok: 1 app\n", "");
    here.run(&["check", "ecosystem.toml"])
        .is(0, "ok: 1 app\n", "");
    here.shell("\"$RPMCTL\" check - <ecosystem.toml")
        .is(0, "ok: 1 app\n", "");
    here.write(
        "two.toml",
        format!("{APP}{}", APP.replace("api", "b") + "vizion = false\n"),
    );
    here.run(&["check", "two.toml"]).is(
        0,
        "note: two.toml:7: b: `vizion` has no meaning here: version control is not read\nok: 2 apps\n",
        "",
    );
    let json = here.run(&["check", "--json", "two.toml"]);
    let value: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, json.stderr.as_str()), (Some(0), ""));
    assert_eq!(value["ok"], true);
    assert_eq!(value["apps"][1]["name"], "b");
    assert_eq!(value["notes"][0]["line"], 7);
    assert_eq!(here.tree(""), ["ecosystem.toml", "two.toml"]);
}

#[test]
fn what_this_machine_lacks_is_told_apart() {
    let here = Here::new();
    let app = "[[apps]]\nname = \"a\"\nscript = \"./server\"\n[[apps]]\nname = \"b\"\nscript = \"sleep 1\"\nuser = \"no-such-user\"\n";
    here.write("ecosystem.toml", app);
    here.write("mistake.toml", format!("{app}instances = true\n"));
    for (file, machine) in [
        ("ecosystem.toml", &[true, true][..]),
        ("mistake.toml", &[true, true, false]),
    ] {
        let output = here.run(&["check", file, "--json"]);
        let value: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        let problems = value["problems"].as_array().unwrap();
        let told: Vec<bool> = problems
            .iter()
            .filter_map(|problem| problem["machine"].as_bool())
            .collect();
        assert_eq!(told, machine, "{problems:?}");
    }
}

#[test]
fn standard_input_is_the_text_of_a_file() {
    let here = Here::new();
    here.write("apps/server", "#!/bin/sh\n");
    here.shell("chmod +x apps/server").is(0, "", "");
    let as_file = |name: &str| {
        here.shell(&format!(
            "printf '[[apps]]\\nscript = \"./server\"\\n' | \"$RPMCTL\" check - --stdin-filename {name} --json"
        ))
    };
    let told = as_file("apps/new.toml");
    let value: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(value["ok"], true, "{told:?}");
    assert_eq!(value["file"], "apps/new.toml");
    let told = as_file("new.toml");
    let value: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(value["problems"][0]["file"], "new.toml", "{told:?}");
    here.write("ecosystem.toml", APP);
    here.run(&["check", "ecosystem.toml", "--stdin-filename", "x.toml"])
        .is(
            1,
            "",
            "error: --stdin-filename goes with -, and ecosystem.toml is read here\n",
        );
}

#[test]
fn what_is_no_ecosystem_file() {
    let here = Here::new();
    here.write("latin1.toml", b"[[apps]]\nname = \"caf\xe9\"\n");
    here.write("large.toml", vec![b'#'; (16 << 20) + 1]);
    std::fs::create_dir(here.path("folder")).unwrap();
    let init = "  write an ecosystem.toml for what is in a folder with: rpmctl init\n";
    let pm2 = "  write an ecosystem.toml with: rpmctl init\n  then carry the settings over; the keys have the same names\n";
    for (args, said) in [
        (
            &["check"][..],
            format!("error: there is no ecosystem.toml\n{init}"),
        ),
        (
            &["check", "x/y.toml"],
            format!("error: there is no x/y.toml\n{init}"),
        ),
        (
            &["check", "folder"],
            "error: folder is a folder\n  name the file in it: folder/ecosystem.toml\n".to_owned(),
        ),
        (
            &["check", "latin1.toml"],
            "error: latin1.toml:2: not UTF-8 text\n  save the file as UTF-8\n".to_owned(),
        ),
        (
            &["check", "large.toml"],
            "error: large.toml is larger than 16 MiB: that is no ecosystem file\n".to_owned(),
        ),
        (
            &["check", "ecosystem.config.js"],
            format!("error: ecosystem.config.js is a file of PM2's, and rpmctl reads TOML\n{pm2}"),
        ),
        (
            &["render", "--root", "root", "process.json"],
            format!("error: process.json is a file of PM2's, and rpmctl reads TOML\n{pm2}"),
        ),
        (
            &["check", "latin1.toml/x"],
            "error: cannot read latin1.toml/x: not a directory\n".to_owned(),
        ),
    ] {
        here.run(args).is(1, "", &said);
    }
    assert_eq!(here.tree(""), ["large.toml", "latin1.toml"]);
}

#[test]
fn ten_mistakes_are_told_in_one_run_and_nothing_is_touched() {
    let here = Here::new();
    here.write("app.js", "");
    here.write(
        "ecosystem.toml",
        r#"[[apps]]
name = "api"
script = "ap.js"
interpreter = "nodee"
user = "nobody-like-this"
instnaces = 4
max_memory_restart = "1X"
watch = "maybe"
exec_mode = "custer"
kill_timeout = "soon"
max_restarts = -3

[[apps]]
name = "api"
script = "./none.sh"

[[apps]]
name = "../x"
script = "app.js"

[[apps]]
name = "no-script"
cwd = "/no/such/folder"
"#,
    );
    let output = here.run(&["check"]);
    let expected = include_str!("mistakes.txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/mistakes.txt");
        std::fs::write(path, &output.stderr).unwrap();
    } else {
        output.is(1, "", expected);
    }
    let told = output.stderr.matches("\n  --> ecosystem.toml:").count()
        + output.stderr.matches("\n   --> ecosystem.toml:").count();
    assert!(told >= 10, "{told} problems:\n{}", output.stderr);
    let json = here.run(&["check", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, json.stderr.as_str()), (Some(1), ""));
    let problems = value["problems"].as_array().unwrap();
    assert_eq!(problems.len(), told);
    assert!(
        problems
            .iter()
            .all(|problem| problem["line"].is_u64() && problem["column"].is_u64())
    );
    assert!(problems.iter().any(|problem| problem["machine"] == false));
    // The same from a command that would write.
    here.run(&["render", "--root", "root"])
        .is(1, "", &output.stderr);
    assert_eq!(here.tree(""), ["app.js", "ecosystem.toml"]);
}

#[test]
fn init_writes_a_file_that_is_right() {
    let here = Here::new();
    here.run(&["init"]);
    here.write("task.sh", "#!/bin/sh\nexec sleep 100\n");
    here.write("main.py", "print(1)\n");
    let init = here.run(&["init"]);
    assert_eq!((init.code, init.stderr.as_str()), (Some(0), ""), "{init:?}");
    assert!(
        init.stdout
            .ends_with("`rpmctl check` checks it, `rpmctl apply` starts it\n")
    );
    here.run(&["check"]).is(0, "ok: 1 app\n", "");
    here.run(&["init"]).is(
        1,
        "",
        "error: ./ecosystem.toml is there already; --force replaces it, --stdout prints the new one\n",
    );
    let before = here.read("ecosystem.toml");
    here.run(&["init", "--stdout"]).is(0, &before, "");
    assert_eq!(here.run(&["init", "--force"]).code, Some(0));
    here.run(&["init", "nowhere"]).is(
        1,
        "",
        "error: there is no folder nowhere: no such file or directory\n",
    );
}
