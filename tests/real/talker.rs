//! An app that says what it is told to, and readers of what `rpmctl logs` shows of it.

use std::time::Duration;

use crate::bed::{Bed, Spawned};

pub const PATIENCE: Duration = Duration::from_secs(120);

/// Reads commands from /run/talk/NAME@N: `o TEXT` to stdout, `e TEXT` to stderr, `x CODE` exits.
const TALKER: &str = r#"f=${TALK:-/run/talk}/$1@$NODE_APP_INSTANCE
mkdir -p "${f%/*}"
[ -p "$f" ] || mkfifo "$f"
exec 3<>"$f"
echo "up $NODE_APP_INSTANCE"
while read -r command text <&3; do
    case $command in
    o) printf '%s\n' "$text" ;;
    e) printf '%s\n' "$text" >&2 ;;
    x) exit "$text" ;;
    esac
done
"#;

/// Apps of one ecosystem file, whose names and folder no other test uses.
pub struct Talkers<'a> {
    pub bed: &'a Bed,
    user: &'a str,
    file: String,
    pipes: &'static str,
}

impl<'a> Talkers<'a> {
    pub fn of_root(bed: &'a Bed, folder: &str) -> Talkers<'a> {
        Talkers {
            bed,
            user: "root",
            file: format!("/srv/{folder}/ecosystem.toml"),
            pipes: "/run/talk",
        }
    }

    pub fn of_user(bed: &'a Bed, folder: &str) -> Talkers<'a> {
        Talkers {
            bed,
            user: "app",
            file: format!("/home/app/{folder}/ecosystem.toml"),
            pipes: "/run/user/1000/talk",
        }
    }

    /// Applies apps `(name, instances, further keys)`; returns when all instances are up.
    pub fn apply(&self, apps: &[(&str, u32, &str)]) {
        let mut text = String::new();
        for (name, instances, more) in apps {
            let (name, pipes) = (serde_json::json!(name), self.pipes);
            text.push_str(&format!(
                "[[apps]]\nname = {name}\nscript = \"./talk.sh\"\nargs = [{name}]\ninterpreter = \"/bin/sh\"\ninstances = {instances}\n\
                 exec_mode = \"fork\"\nmin_uptime = 50\nkill_timeout = 2000\nenv = {{ TALK = \"{pipes}\" }}\n{more}\n"
            ));
        }
        self.write("talk.sh", TALKER);
        self.write("ecosystem.toml", &text);
        let output = self.rpmctl(&["apply", &self.file]);
        let plan = self.rpmctl(&["plan", &self.file]);
        assert_eq!(output.status, 0, "{output}\nand then:\n{plan}");
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        self.bed.write_as(self.user, &path, 0o644, text);
    }

    pub fn path(&self, name: &str) -> String {
        self.file.replace("ecosystem.toml", name)
    }

    pub fn rpmctl(&self, args: &[&str]) -> crate::bed::Output {
        self.bed.run_as(self.user, &self.line(args))
    }

    fn line<'b>(&self, args: &[&'b str]) -> Vec<&'b str> {
        let user: &[&str] = if self.user == "app" { &["--user"] } else { &[] };
        [&["rpmctl"], user, args].concat()
    }

    /// `instance` is `app@0`.
    pub fn tell(&self, instance: &str, command: &str) {
        let pipe = format!("{}/{instance}", self.pipes);
        self.bed
            .wait_until(&format!("{instance} listens"), PATIENCE, || {
                self.bed.run(&["test", "-p", &pipe]).status == 0
            });
        // The pipe stays between runs: writing to it waits for nobody.
        let script = r#"printf '%s\n' "$1" 1<>"$2""#;
        self.bed
            .cmd(&["sh", "-ec", script, "tell", command, &pipe])
            .user(self.user)
            .ok();
    }

    /// What `rpmctl logs ARGS` shows once `holds` of its lines.
    pub fn logs(
        &self,
        args: &[&str],
        what: &str,
        holds: impl Fn(&[String]) -> bool,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        let args = [&["logs"], args].concat();
        self.bed.wait_until(what, PATIENCE, || {
            let output = self.rpmctl(&args);
            assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{output}");
            lines = output.stdout.lines().map(str::to_owned).collect();
            holds(&lines)
        });
        lines
    }

    /// The same, until a line ends in `last`.
    pub fn logs_to(&self, args: &[&str], last: &str) -> Vec<String> {
        self.logs(args, &format!("{args:?} has {last:?}"), |lines| {
            lines.iter().any(|line| line.ends_with(last))
        })
    }

    pub fn follow(&self, args: &[&str]) -> Spawned {
        let args = [&["logs", "-f"], args].concat();
        self.bed.cmd(&self.line(&args)).user(self.user).spawn()
    }

    pub fn restarts(&self, unit: &str) -> u32 {
        let manager: &[&str] = if self.user == "app" { &["--user"] } else { &[] };
        let show = [&["systemctl"], manager, &["show", "-P", "NRestarts", unit]].concat();
        let text = self.bed.ok_as(self.user, &show);
        text.trim().parse().expect("a number")
    }
}

/// Waits until the follower printed a line that ends in `text`.
pub fn shows(bed: &Bed, follower: &Spawned, text: &str) {
    bed.wait_until(&format!("the follower shows {text:?}"), PATIENCE, || {
        let (stdout, stderr) = follower.printed();
        assert_eq!(stderr, "");
        stdout.lines().any(|line| line.ends_with(text))
    });
}
