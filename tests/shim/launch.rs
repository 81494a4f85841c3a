//! Starts apps as a unit does: listening sockets from descriptor 3 on, `LISTEN_FDS`, `LISTEN_PID`,
//! `NOTIFY_SOCKET`, the shim in `LD_PRELOAD`, a shell that execs the program.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The shell hands its input (and, for two sockets, its output) on as descriptors 3 and 4, and
/// becomes the program, which therefore has the process id in LISTEN_PID.
const HAND_OVER: &str = r#"exec 3<&0 </dev/null
if [ "$LISTEN_FDS" = 2 ]; then exec 4<&1 >/dev/null; fi
export LISTEN_PID=$$ LD_PRELOAD="$SHIM"
exec /bin/sh -c 'exec "$@"' sh "$@""#;

/// One app's sockets, files and shim.
pub struct Unit {
    pub dir: TempDir,
    shim: PathBuf,
    sockets: Vec<OwnedFd>,
    pub env: Vec<(&'static str, String)>,
}

impl Unit {
    pub fn new(sockets: impl IntoIterator<Item = OwnedFd>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let shim = rpmctl::unit_files::shim::install(&dir.path().join("lib")).unwrap();
        let env = vec![("RPMCTL_SHIM", "1".to_string())];
        let sockets: Vec<OwnedFd> = sockets.into_iter().collect();
        for socket in &sockets {
            rustix::io::ioctl_fionbio(socket, true).unwrap(); // NonBlocking=yes
        }
        Self {
            dir,
            shim,
            sockets,
            env,
        }
    }

    /// A unit with one TCP socket, and its port.
    pub fn tcp(address: &str) -> (Self, u16) {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        (Self::new([listener.into()]), port)
    }

    /// A unit with a unix socket, and its path.
    pub fn unix() -> (Self, PathBuf) {
        let mut unit = Self::new([]);
        let path = unit.dir.path().join("app.sock");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        unit.sockets.push(listener.into());
        (unit, path)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    }

    /// The O_NONBLOCK that all instances share.
    pub fn is_nonblocking(&self) -> bool {
        let flags = rustix::fs::fcntl_getfl(&self.sockets[0]).unwrap();
        flags.contains(rustix::fs::OFlags::NONBLOCK)
    }

    pub fn start(&self, command: &[&str]) -> App {
        let cwd = tempfile::tempdir_in(self.dir.path()).unwrap();
        let name = format!("rpmctl-shim-test/{}", cwd.path().display());
        let notify = UnixAddr::from_abstract_name(&name).unwrap();
        let notify = UnixDatagram::bind_addr(&notify).unwrap();
        self.start_notifying(command, cwd, notify, &format!("@{name}"))
    }

    /// As `start`, in the runtime folder of the app's instance of this number.
    pub fn start_instance(&self, number: u32, command: &[&str]) -> App {
        let folder = self.runtime_folder(number);
        fs::create_dir_all(&folder).unwrap();
        let variable = format!("RUNTIME_DIRECTORY={}", folder.display());
        let mut with_folder = vec!["env", &variable];
        with_folder.extend(command);
        self.start(&with_folder)
    }

    pub fn runtime_folder(&self, number: u32) -> PathBuf {
        self.dir.path().join(format!("app@{number}"))
    }

    /// As `start`, with a notify socket at a path.
    pub fn start_with_notify_path(&self, command: &[&str]) -> App {
        let cwd = tempfile::tempdir_in(self.dir.path()).unwrap();
        let path = cwd.path().join("notify");
        let notify = UnixDatagram::bind(&path).unwrap();
        self.start_notifying(command, cwd, notify, path.to_str().unwrap())
    }

    fn start_notifying(
        &self,
        command: &[&str],
        cwd: TempDir,
        notify: UnixDatagram,
        name: &str,
    ) -> App {
        let stdio = |index: usize| match self.sockets.get(index) {
            Some(socket) => Stdio::from(socket.try_clone().unwrap()),
            None => Stdio::null(),
        };
        let messages = File::create(cwd.path().join("stderr")).unwrap();
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", HAND_OVER, "sh"])
            .args(command)
            .current_dir(cwd.path())
            .env("SHIM", &self.shim)
            .env("NOTIFY_SOCKET", name)
            .env("LISTEN_FDS", self.sockets.len().to_string())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(stdio(0))
            .stdout(stdio(1))
            .stderr(messages)
            .process_group(0);
        let child = shell.spawn().unwrap();
        App { child, notify, cwd }
    }
}

/// A running app, ended with all its processes when dropped.
pub struct App {
    child: Child,
    notify: UnixDatagram,
    pub cwd: TempDir,
}

impl App {
    /// Waits for `READY=1`.
    pub fn ready(&self) -> &Self {
        self.notify.set_nonblocking(false).unwrap();
        self.notify.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut text = [0; 64];
        match self.notify.recv(&mut text) {
            Ok(size) => assert_eq!(&text[..size], b"READY=1"),
            Err(e) => panic!("no READY=1: {e}; the app said: {}", self.messages()),
        }
        self
    }

    /// That it has said nothing (more) to the notify socket.
    pub fn assert_silent(&self) {
        self.notify.set_nonblocking(true).unwrap();
        let mut text = [0; 64];
        let got = self.notify.recv(&mut text);
        assert!(
            matches!(&got, Err(e) if e.kind() == ErrorKind::WouldBlock),
            "{got:?}: {}",
            String::from_utf8_lossy(&text)
        );
    }

    pub fn messages(&self) -> String {
        fs::read_to_string(self.cwd.path().join("stderr")).unwrap()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process_group(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end; the exit code, or minus the signal.
    pub fn wait(&mut self) -> i32 {
        self.wait_doing(|_| {})
    }

    /// Signals it until it ends: a plain program misses one that comes just before it blocks.
    pub fn interrupt(&mut self, signal: Signal) -> i32 {
        self.wait_doing(|app| app.signal(signal))
    }

    fn wait_doing(&mut self, each_time: impl Fn(&Self)) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or_else(|| -status.signal().unwrap());
            }
            assert!(Instant::now() < deadline, "still runs: {}", self.messages());
            each_time(self);
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// The answer to `GET path` of whichever instance takes it.
pub fn get(address: SocketAddr, path: &str) -> String {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    ask(stream, path)
}

/// As `get`, on a unix socket.
pub fn get_unix(socket: &Path, path: &str) -> String {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    ask(stream, path)
}

fn ask(mut stream: impl Read + Write, path: &str) -> String {
    // In one piece: a server may answer and close after its first read.
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}");
    body.to_string()
}

/// Asks each app in turn, with all the others stopped, so that none can answer for it.
pub fn answers(apps: &[App], get: impl Fn() -> String) -> Vec<String> {
    let mut answers = Vec::new();
    for asked in 0..apps.len() {
        let others = || apps.iter().enumerate().filter(|(i, _)| *i != asked);
        others().for_each(|(_, app)| app.signal(Signal::STOP));
        answers.push(get());
        others().for_each(|(_, app)| app.signal(Signal::CONT));
    }
    answers
}
