//! Where Ansible runs: this machine's files, in a network and a PID namespace of its own, with beds behind sshd.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::bed::Reached;

pub struct Controller {
    holder: Child,
    /// A process in the namespaces.
    inside: i32,
    folder: tempfile::TempDir,
    pub machines: Vec<Reached>,
}

/// What a run printed.
pub struct Run {
    pub code: Option<i32>,
    pub text: String,
}

impl Controller {
    /// Three machines, `m1` to `m3`, that `app` enters; `app` may do everything by sudo.
    pub fn start() -> Controller {
        let mut holder = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "--net",
                "--mount",
                "--pid",
                "--fork",
            ])
            .args(["--kill-child=KILL", "--mount-proc", "sh", "-c"])
            .arg("ip link set lo up && grep ^NSpid: /proc/self/status && exec cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start setpriv (package util-linux)");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().expect("its stdout"))
            .read_line(&mut line)
            .expect("a line");
        let unshare = holder.id();
        let children = format!("/proc/{unshare}/task/{unshare}/children");
        let children = std::fs::read_to_string(children).expect("its children");
        let inside: i32 = children.trim().parse().expect("one child");
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("key");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key)
            .status()
            .expect("start ssh-keygen (package openssh-client)");
        assert!(made.success());
        let public = std::fs::read_to_string(key.with_extension("pub")).expect("the key");
        let booting = [1, 2, 3].map(|number| {
            let public = public.clone();
            std::thread::spawn(move || Reached::boot(inside, number, &public))
        });
        let machines: Vec<Reached> = booting
            .into_iter()
            .map(|machine| machine.join().expect("a machine"))
            .collect();
        let controller = Controller {
            holder,
            inside,
            folder,
            machines,
        };
        controller.prepare();
        controller
    }

    fn prepare(&self) {
        let mut inventory = String::new();
        let mut known = String::new();
        for (number, machine) in (1..).zip(&self.machines) {
            inventory += &format!("m{number} ansible_host={}\n", machine.address);
            known += &machine.known();
            machine
                .bed
                .write("/etc/sudoers.d/app", 0o440, "app ALL=(ALL) NOPASSWD: ALL\n");
            machine
                .bed
                .write("/srv/app/app.js", 0o644, include_str!("files/app.js"));
        }
        let folder = self.folder.path().display();
        self.write("inventory", inventory);
        self.write("known", known);
        self.write(
            "ansible.cfg",
            format!(
                "[defaults]\nhome = {folder}/home\ninventory = {folder}/inventory\nremote_user = app\nprivate_key_file = {folder}/key\nforks = 3\n\
                 pipelining = true\ncollections_path = {folder}/collections\ninterpreter_python = /usr/bin/python3\nforce_color = false\n\
                 [ssh_connection]\ncontrol_path_dir = {folder}/ssh\nssh_extra_args = -o UserKnownHostsFile={folder}/known -o ServerAliveInterval=15\n"
            ),
        );
        let mut packed = self.tool("ansible-galaxy", &["collection", "build", "--output-path"]);
        let built = ended(
            packed
                .arg(self.folder.path())
                .arg(root().join("packaging/ansible")),
        );
        assert_eq!(built.code, Some(0), "{}", built.text);
        let archive = concat!("rpmctl-rpmctl-", env!("CARGO_PKG_VERSION"), ".tar.gz");
        let archive = self.path(archive);
        let mut install = self.tool("ansible-galaxy", &["collection", "install", "--offline"]);
        install.arg("-p").arg(self.path("collections")).arg(archive);
        let installed = ended(&mut install);
        assert_eq!(installed.code, Some(0), "{}", installed.text);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).expect("write");
    }

    /// Variables as `-e` takes them.
    pub fn vars(&self, json: &str) -> String {
        self.write("vars.json", json);
        format!("@{}", self.path("vars.json").display())
    }

    /// A program of Ansible's, in the namespaces.
    pub fn tool(&self, name: &str, args: &[&str]) -> Command {
        let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ansible/bin");
        assert!(
            tools.join(name).exists(),
            "there is no {name}: run tests/run, which installs it below {}",
            tools.display()
        );
        let mut command = Command::new("nsenter");
        command
            .args(["--net", "--pid", "--mount", "--target"])
            .arg(self.inside.to_string())
            .arg(tools.join(name))
            .args(args)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .env("ANSIBLE_CONFIG", self.path("ansible.cfg"));
        command
    }

    /// Ansible's Python, with the collection.
    pub fn python(&self, code: &str) -> Run {
        let mut command = self.tool("python3", &["-c", code]);
        ended(command.env("PYTHONPATH", self.path("collections")))
    }

    /// `ansible-playbook` of a file of this folder, or of the collection by its name. What it prints is shown with --nocapture.
    pub fn play(&self, playbook: &str, args: &[&str]) -> Run {
        let path = match playbook.ends_with(".yml") {
            true => root()
                .join("tests/ansible")
                .join(playbook)
                .display()
                .to_string(),
            false => playbook.to_owned(),
        };
        let begun = std::time::Instant::now();
        let run = ended(&mut self.tool("ansible-playbook", &[&[path.as_str()], args].concat()));
        println!(
            "$ ansible-playbook {playbook} {}\n{}({:.1} s)\n",
            args.join(" "),
            run.text,
            begun.elapsed().as_secs_f64()
        );
        run
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // Its namespaces go with it, and the connections that ssh keeps.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Run {
    /// The lines below PLAY RECAP, blanks as one.
    pub fn recap(&self) -> Vec<String> {
        let after = self.text.split("PLAY RECAP").nth(1).unwrap_or_default();
        after
            .lines()
            .skip(1)
            .take_while(|line| line.contains(" : ok="))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// # Panics
    /// When the recap is another one, or the exit code does not fit it.
    #[track_caller]
    pub fn recaps(&self, lines: &[&str]) {
        assert_eq!(self.recap(), lines, "{}", self.text);
        let failed = lines.iter().any(|line| !line.contains(" failed=0 "));
        assert_eq!(self.code, Some(if failed { 2 } else { 0 }), "{}", self.text);
    }
}

/// Runs it to its end; stdout and stderr in one.
fn ended(command: &mut Command) -> Run {
    let ran = command
        .stdin(Stdio::null())
        .output()
        .expect("start nsenter");
    let text = [ran.stdout, ran.stderr].concat();
    Run {
        code: ran.status.code(),
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
