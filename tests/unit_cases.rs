//! Each folder of tests/cases/units is an ecosystem.toml, the machine it is compiled for (its own host.toml over the shared one) and the files that must
//! come out, byte for byte; UPDATE_EXPECTED=1 rewrites them. systemd itself finds nothing to say against any of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use rpmctl::unit_files::Places;
use rpmctl::units::{self, Site, UnitSet, quote, template::Templates};

#[path = "hostile/mod.rs"]
mod hostile;
#[path = "cases/machine.rs"]
mod machine;

use machine::Machine;

struct Case {
    name: String,
    folder: PathBuf,
    user_manager: bool,
    set: UnitSet,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/units")
}

fn cases() -> Vec<Case> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(folders.len() >= 20, "only {} cases", folders.len());
    folders.into_iter().map(case).collect()
}

fn case(folder: PathBuf) -> Case {
    let shared = Machine::read(&self::folder().join("host.toml"));
    let own = folder.join("host.toml");
    let machine = if own.exists() {
        Machine::read(&own).over(shared)
    } else {
        shared
    };
    let text = std::fs::read_to_string(folder.join("ecosystem.toml")).unwrap();
    let (written, checked) = machine.check(&text);
    let Some(model) = checked.model else {
        let report = written.report(&checked.problems).to_text(false);
        panic!("{}:\n{report}", folder.display());
    };
    let user_manager = machine.options().user_manager;
    let places = if user_manager {
        let home = Path::new("/home/me");
        Places::user(
            &home.join(".config"),
            &home.join(".local/share"),
            &home.join(".local/state"),
            Path::new("/run/user/1000"),
        )
    } else {
        Places::system()
    };
    let site = Site {
        systemd: machine.table["systemd"].as_integer().unwrap() as u32,
        user_manager,
        bind_to: None,
        foreground: false,
        env_dir: places.env.clone(),
        shim: places.shim().join("listen.so"),
        preload: places.shim().join("node.cjs"),
        rpmctl: "/usr/bin/rpmctl".into(),
        templates: Templates::new(&BTreeMap::new()).unwrap(),
    };
    let set = units::compile(&model, &site)
        .unwrap_or_else(|errors| panic!("{}: {errors:?}", folder.display()));
    Case {
        name: folder.file_name().unwrap().to_str().unwrap().to_owned(),
        folder,
        user_manager,
        set,
    }
}

/// Everything the case compiles to, by file name; `notes` and `links` beside the files.
fn files(case: &Case) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut said = String::new();
    for app in &case.set.apps {
        let name = &app.facts.app;
        for unit in &app.units {
            files.insert(unit.name.clone(), unit.text.clone());
        }
        for env in &app.env {
            files.insert(env.name.clone(), env.text.clone());
        }
        for note in &app.notes {
            writeln!(said, "{name}: note: {note}").unwrap();
        }
        for folder in &app.enabled_by {
            writeln!(said, "{name}: at boot by {folder}").unwrap();
        }
    }
    if let Some(unit) = &case.set.watcher {
        files.insert(unit.name.clone(), unit.text.clone());
    }
    files.insert("said.txt".to_owned(), said);
    files
}

fn read_folder(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text)
        })
        .collect()
}

#[test]
fn cases_compile_to_the_expected_files() {
    let mut failed = String::new();
    for case in cases() {
        let found = files(&case);
        let expected = case.folder.join("expected");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            let _ = std::fs::remove_dir_all(&expected);
            std::fs::create_dir(&expected).unwrap();
            for (name, text) in &found {
                std::fs::write(expected.join(name), text).unwrap();
            }
            continue;
        }
        let known = read_folder(&expected);
        for name in known
            .keys()
            .chain(found.keys().filter(|name| !known.contains_key(*name)))
        {
            let (known, found) = (known.get(name), found.get(name));
            if known != found {
                let lines = |text: Option<&String>| text.cloned().unwrap_or_default();
                let (known, found) = (lines(known), lines(found));
                let diff = similar::TextDiff::from_lines(&known, &found);
                writeln!(failed, "--- {}/{name}\n{}", case.name, diff.unified_diff()).unwrap();
            }
        }
    }
    assert!(failed.is_empty(), "UPDATE_EXPECTED=1 accepts:\n{failed}");
}

fn analyze() -> Command {
    let mut command = Command::new("systemd-analyze");
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8");
    command
}

fn version() -> u32 {
    let output = analyze()
        .arg("--version")
        .output()
        .expect("start systemd-analyze (package systemd)");
    let text = String::from_utf8(output.stdout).unwrap();
    let number = text.split_whitespace().nth(1).expect("systemd 252 (…)");
    number.parse().unwrap()
}

/// What `systemd-analyze verify` says of these unit files; nothing when it is content.
fn verify(units: &BTreeMap<&str, String>, user_manager: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("units");
    std::fs::create_dir(&here).unwrap();
    let mut command = analyze();
    command
        .args(["verify", "--recursive-errors=no", "--man=no"])
        // A colon at the end: the folders of the machine after this one.
        .env("SYSTEMD_UNIT_PATH", format!("{}:", here.display()));
    if user_manager {
        command
            .arg("--user")
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("HOME", folder.path());
    }
    for (name, text) in units {
        let path = here.join(name);
        std::fs::write(&path, text).unwrap();
        command.arg(path);
    }
    let output = command
        .output()
        .expect("start systemd-analyze (package systemd)");
    let mut said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if !output.status.success() {
        write!(said, "{}", output.status).unwrap();
    }
    said
}

#[test]
fn systemd_finds_nothing_to_say_against_any_unit() {
    let version = version();
    let mut failed = String::new();
    let mut count = 0;
    for case in cases() {
        let units: BTreeMap<&str, String> = case
            .set
            .apps
            .iter()
            .flat_map(|app| &app.units)
            .map(|unit| (unit.name.as_str(), unit.text.clone()))
            .collect();
        count += units.len();
        let said = verify(&units, case.user_manager);
        if !said.is_empty() {
            writeln!(failed, "--- {}\n{said}", case.name).unwrap();
        }
    }
    assert!(failed.is_empty(), "{failed}");
    assert!(count > 60, "only {count} units");
    eprintln!("{count} units are clean under systemd {version}");

    // The same check does find fault.
    for (name, text) in [
        ("a.service", "[Service]\nExecStart=/bin/true\nNoSuchKey=1\n"),
        ("a.service", "[Service]\nExecStart=/no/such/program\n"),
        ("a.socket", "[Socket]\nListenStream=1\n"),
    ] {
        assert_ne!(
            verify(&BTreeMap::from([(name, text.to_owned())]), false),
            "",
            "{text}"
        );
    }
}

#[test]
fn values_stay_out_of_the_units() {
    for case in cases() {
        for unit in case.set.apps.iter().flat_map(|app| &app.units) {
            assert!(!unit.text.contains("hunter2"), "{}", unit.name);
        }
    }
}

/// One unit with `lines` in its [Service], as systemd understands it: its debug dump.
fn parsed(lines: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oracle.service");
    std::fs::write(&path, format!("[Service]\nType=oneshot\n{lines}")).unwrap();
    let output = analyze()
        .args(["verify", "--user", "--man=no", "--recursive-errors=no"])
        .arg(&path)
        .env("XDG_RUNTIME_DIR", folder.path())
        .env("HOME", folder.path())
        .env("SYSTEMD_LOG_LEVEL", "debug")
        .output()
        .expect("start systemd-analyze (package systemd)");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len())
        .any(|window| window == part.as_bytes())
}

#[test]
fn systemd_reads_back_what_was_quoted() {
    let strings = hostile::strings(1000, 5);
    let mut lines = String::from("ExecStart=:/bin/true");
    for text in &strings {
        write!(lines, " {}", quote::word(text)).unwrap();
    }
    lines.push('\n');
    for (index, text) in strings.iter().enumerate() {
        writeln!(
            lines,
            "Environment={}",
            quote::assignment(&format!("V{index}"), text)
        )
        .unwrap();
    }
    let dump = parsed(&lines);
    for (index, text) in strings.iter().enumerate() {
        assert!(
            contains(&dump, &format!("\tEnvironment: V{index}={text}\n")),
            "V{index} is {text:?}"
        );
    }
    let at = dump
        .windows(14)
        .position(|window| window == b"Command Line: ")
        .expect("a command line");
    let line = dump[at + 14..].split(|byte| *byte == b'\n').next().unwrap();
    let words = unquoted(line);
    assert_eq!(words.len(), strings.len() + 1);
    for (got, sent) in words[1..].iter().zip(&strings) {
        assert_eq!(got, sent);
    }
    eprintln!(
        "{} assignments and {} words read back by systemd",
        strings.len(),
        strings.len()
    );
}

/// The words of a command line as systemd prints it: quoted where needed, with C's escapes.
fn unquoted(line: &[u8]) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = Vec::new();
    let mut quoted = false;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' if !quoted => words.push(std::mem::take(&mut word)),
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                let next = bytes.next().expect("an escape");
                word.push(match next {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 0xb,
                    b'f' => 0xc,
                    b'r' => b'\r',
                    b'0'..=b'7' => {
                        let mut digit = || bytes.next().expect("an octal digit") - b'0';
                        let (b, c) = (digit(), digit());
                        ((next - b'0') << 6) + (b << 3) + c
                    }
                    other => other,
                });
            }
            other => word.push(other),
        }
    }
    words.push(word);
    words
        .into_iter()
        .map(|word| String::from_utf8(word).expect("UTF-8"))
        .collect()
}
