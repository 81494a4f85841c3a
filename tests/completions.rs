//! What `rpmctl completions` prints, in the shells themselves: commands, flags, files and the names of apps where each belongs.

use std::path::{Path, PathBuf};
use std::process::Command;

const APPS: &str = r#"
[[apps]]
name = "api"
script = "/bin/true"
instances = 2
[[apps]]
name = "dev:bot"
script = "/bin/true"
namespace = "side"
[[apps]]
name = "my guest"
script = "/bin/true"
"#;

/// A user's home with units of these apps, rpmctl on PATH, and the script of a shell.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().expect("a folder"));
        std::fs::write(home.path("ecosystem.toml"), APPS).expect("write");
        let mut render = home.run(env!("CARGO_BIN_EXE_rpmctl"));
        render.args(["--user", "render", "--root", "root"]);
        said(&mut render);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// In the home, with nothing of ours in its environment.
    fn run(&self, program: &str) -> Command {
        let rpmctl = Path::new(env!("CARGO_BIN_EXE_rpmctl")).parent();
        let rpmctl = rpmctl.expect("its folder").display();
        let root = self.path("root").display().to_string();
        let mut command = Command::new(program);
        command
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", format!("{rpmctl}:/usr/local/bin:/usr/bin:/bin"))
            .env("HOME", self.0.path())
            .env(
                "XDG_CONFIG_HOME",
                format!("{root}{}/.config", self.0.path().display()),
            )
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "dumb");
        if program == env!("CARGO_BIN_EXE_rpmctl") {
            command.env_remove("XDG_CONFIG_HOME");
        }
        command
    }

    fn script(&self, shell: &str, name: &str) {
        let mut print = self.run(env!("CARGO_BIN_EXE_rpmctl"));
        let script = said(print.args(["completions", shell]));
        std::fs::write(self.path(name), script).expect("write");
    }
}

/// Its standard output. The shells are from the packages bash, zsh and fish.
#[track_caller]
fn said(command: &mut Command) -> String {
    let ran = command.output();
    let ran = ran.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(
        ran.status.success() && !error.contains("error"),
        "{command:?}: {error}"
    );
    String::from_utf8(ran.stdout).expect("UTF-8")
}

/// As readline splits it, at COMP_WORDBREAKS too.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let last = words.last_mut().expect("one");
        match c {
            '"' | '\'' if last.is_empty() => {
                last.push(c);
                last.extend(chars.by_ref());
            }
            ' ' if !last.is_empty() => words.push(String::new()),
            ' ' => {}
            '\\' => last.extend(['\\'].into_iter().chain(chars.next())),
            '@' | ':' | '=' => {
                if last.is_empty() {
                    last.push(c);
                } else {
                    words.push(c.to_string());
                }
                words.push(String::new());
            }
            c => last.push(c),
        }
    }
    words
}

fn in_bash(home: &Home, line: &str) -> Vec<String> {
    let words = words(line);
    let word = &words[words.len() - 1];
    let before = words.len().checked_sub(2).map_or("", |at| &words[at]);
    let mut bash = home.run("bash");
    bash.args(["--norc", "-c"])
        .arg(
            r#"source rpmctl.bash || exit 1
               line=$1 word=$2 before=$3; shift 3
               COMP_LINE=$line COMP_POINT=${#line} COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
               _rpmctl_and_names rpmctl "$word" "$before"
               for one in "${COMPREPLY[@]}"; do printf '%s\n' "$one"; done"#,
        )
        .args(["bash", line, word, before])
        .args(&words);
    let said = said(&mut bash);
    said.lines().map(str::to_owned).collect()
}

const ALL: [&str; 8] = [
    "api", "dev:bot", "my guest", "api@0", "api@1", "default", "side", "all",
];
const WHOLE: [&str; 6] = ["api", "dev:bot", "my guest", "default", "side", "all"];

#[test]
fn bash() {
    let home = Home::new();
    home.script("bash", "rpmctl.bash");
    let quoted = |names: &[&str]| -> Vec<String> {
        let quoted = names.iter().map(|name| name.replace(' ', "\\ "));
        quoted.collect()
    };
    for (line, offered) in [
        ("rpmctl --user restart ", &ALL[..]),
        ("rpmctl --user restart api ", &ALL),
        ("rpmctl --user describe ", &ALL),
        ("rpmctl --user logs -n 5 ap", &["api", "api@0", "api@1"]),
        ("rpmctl --user restart api@", &["0", "1"]),
        ("rpmctl --user restart dev:", &["bot"]),
        ("rpmctl --user restart my\\ g", &["my guest"]),
        ("rpmctl --user delete ", &WHOLE),
        ("rpmctl --user scale ", &WHOLE),
        ("rpmctl --user scale api ", &[]),
        ("rpmctl --user trigger api ", &[]),
        // Names are those of the manager that is asked, and of this machine.
        ("rpmctl --user -H root@web1 restart ", &[]),
        ("rpmctl --user restart --json -H web1 ", &[]),
        // Files, which readline takes where nothing is offered.
        ("rpmctl apply ", &[]),
        ("rpmctl rest", &["restart"]),
        ("rpmctl apply --pr", &["--prune"]),
    ] {
        assert_eq!(in_bash(&home, line), quoted(offered), "{line}");
    }
    // In quotes a name is one word, and is written as it is.
    for (line, offered) in [
        ("rpmctl --user restart \"my g", &["my guest"][..]),
        ("rpmctl --user restart \"my", &["my guest"]),
        ("rpmctl --user restart api 'dev:b", &["dev:bot"]),
        ("rpmctl --user scale \"my guest\" ", &[]),
    ] {
        assert_eq!(in_bash(&home, line), offered, "{line}");
    }
    // Nothing that is hidden is offered.
    let commands = in_bash(&home, "rpmctl ");
    assert!(commands.contains(&"doctor".to_owned()), "{commands:?}");
    assert!(
        !commands
            .iter()
            .any(|one| one.starts_with("__") || one == "jlist"),
        "{commands:?}"
    );
}

#[test]
fn fish() {
    let home = Home::new();
    home.script("fish", "rpmctl.fish");
    let offered = |line: &str| -> Vec<String> {
        let mut fish = home.run("fish");
        let ask = format!("source rpmctl.fish; complete -C '{line}'");
        let said = said(fish.args(["--no-config", "-c", &ask]));
        let lines = said
            .lines()
            .map(|line| line.split('\t').next().unwrap_or(line));
        lines.map(str::to_owned).collect()
    };
    for (line, wanted) in [
        ("rpmctl --user restart ", &ALL[..]),
        ("rpmctl --user describe ", &ALL),
        ("rpmctl --user restart api ap", &["api", "api@0", "api@1"]),
        ("rpmctl --user restart dev:", &["dev:bot"]),
        ("rpmctl --user delete ", &WHOLE),
        ("rpmctl --user scale ", &WHOLE),
        ("rpmctl --user trigger --timeout 5 ", &ALL),
        ("rpmctl --user --host-timeout 5 restart ", &ALL),
        ("rpmctl --user -H web1 restart ", &[]),
        ("rpmctl rest", &["restart"]),
        ("rpmctl apply --pr", &["--prune"]),
        ("rpmctl apply ecos", &["ecosystem.toml"]),
    ] {
        assert_eq!(offered(line), wanted, "{line}");
    }
    let after = offered("rpmctl --user scale api ");
    assert!(!after.contains(&"dev:bot".to_owned()), "{after:?}");
    let commands = offered("rpmctl ");
    assert!(commands.contains(&"doctor".to_owned()), "{commands:?}");
    assert!(!commands.iter().any(|one| one.starts_with("__")));
}

/// At a prompt, as completion of zsh's is nothing without its line editor: what stands on the line after Tab.
#[test]
fn zsh() {
    let home = Home::new();
    home.script("zsh", "_rpmctl");
    std::fs::write(
        home.path(".zshrc"),
        "fpath=($HOME $fpath); autoload -Uz compinit; compinit -D -u; unsetopt beep zle_bracketed_paste\n\
         shown() { zle expand-or-complete; print -r -- \"<<$BUFFER>>\"; BUFFER= }\n\
         zle -N shown; bindkey '^I' shown\n",
    )
    .expect("write");
    std::fs::write(
        home.path("ask"),
        "zmodload zsh/zpty\nzpty inner zsh -i\n\
         for line in \"$@\"; do\n  zpty -w -n inner \"$line\"$'\\t'\n  zpty -r inner read '*<<*>>*' || exit 1\n  \
         print -r -- ${${read#*<<}%%>>*}\ndone\nzpty -d inner\n",
    )
    .expect("write");
    let asked = [
        (
            "rpmctl --user restart dev:",
            "rpmctl --user restart dev:bot",
        ),
        (
            "rpmctl --user restart my",
            "rpmctl --user restart my\\ guest",
        ),
        ("rpmctl --user describe api@", "rpmctl --user describe api@"),
        ("rpmctl --user scale ap", "rpmctl --user scale api"),
        (
            "rpmctl --user -H web1 restart ap",
            "rpmctl --user -H web1 restart ap",
        ),
        ("rpmctl apply --pru", "rpmctl apply --prune"),
        ("rpmctl apply ecos", "rpmctl apply ecosystem.toml"),
        ("rpmctl docto", "rpmctl doctor"),
        ("rpmctl __tar", "rpmctl __tar"),
    ];
    let mut zsh = home.run("timeout");
    zsh.args(["120", "zsh", "-f", "ask"]);
    zsh.args(asked.iter().map(|(line, _)| line));
    let said = said(&mut zsh);
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    let wanted: Vec<&str> = asked.iter().map(|(_, after)| *after).collect();
    assert_eq!(lines, wanted);
}
