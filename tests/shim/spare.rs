//! What is left alone: other ports, other processes, everything without its variables.

use std::net::{Ipv4Addr, SocketAddr};

use crate::launch::{Unit, get};
use crate::share::NODE;

/// Runs a Python script whose first argument is the port, and expects it to end well.
fn python(unit: &Unit, port: u16, script: &str) {
    let script = unit.write("check.py", script);
    let mut app = unit.start(&["python3", &script, &port.to_string()]);
    assert_eq!(app.wait(), 0, "{}", app.messages());
}

#[test]
fn other_ports_and_other_protocols_are_bound_as_ever() {
    let (unit, port) = Unit::tcp("127.0.0.1");
    python(
        &unit,
        port,
        r#"
import socket, sys, os, errno
port = int(sys.argv[1])
def bound(family, kind, address):
    s = socket.socket(family, kind)
    before = os.fstat(s.fileno()).st_ino
    s.bind(address)
    assert os.fstat(s.fileno()).st_ino == before, address
    return s
free = bound(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
free.listen()
other = free.getsockname()[1]
again = socket.socket()
try:
    again.bind(("127.0.0.1", other))
    assert False, "bound a port that is taken"
except OSError as e:
    assert e.errno == errno.EADDRINUSE, e
c = socket.create_connection(("127.0.0.1", other))
s, _ = free.accept()
c.shutdown(socket.SHUT_WR)
assert s.recv(1) == b""
bound(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port))
bound(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.2", port))
bound(socket.AF_INET6, socket.SOCK_STREAM, ("::1", port))
bound(socket.AF_UNIX, socket.SOCK_STREAM, "own.sock")
os.unlink("own.sock")
assert not os.path.exists("own.sock")
"#,
    );
}

#[test]
fn the_listener_of_the_others_survives_what_one_does_to_its_own() {
    let (unit, port) = Unit::tcp("127.0.0.1");
    python(
        &unit,
        port,
        r#"
import socket, sys, threading, fcntl, os
port = int(sys.argv[1])
a = socket.socket()
a.bind(("", port))
assert a.getsockname() == ("127.0.0.1", port)
a.listen(1)
before = a.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
# Blocking and not, per process.
a.setblocking(False)
try:
    a.accept()
    assert False, "accepted nothing"
except BlockingIOError:
    pass
a.setblocking(True)
assert fcntl.fcntl(a, fcntl.F_GETFL) & os.O_NONBLOCK == 0
got = []
t = threading.Thread(target=lambda: got.append(a.accept()))
t.start()
c = socket.create_connection(("127.0.0.1", port))
t.join(30)
assert got, "accept did not wake"
a.settimeout(0.05)
try:
    a.accept()
    assert False, "accepted nothing"
except TimeoutError:
    pass
# Gone for this process, not for the socket.
a.shutdown(socket.SHUT_RDWR)
a.close()
b = socket.socket()
b.bind(("0.0.0.0", port))
b.listen()
c = socket.create_connection(("127.0.0.1", port))
s, _ = b.accept()
s.sendall(b"x")
assert c.recv(1) == b"x"
"#,
    );
    assert!(unit.is_nonblocking());
}

#[test]
fn the_app_may_close_every_descriptor_it_does_not_know() {
    let (unit, port) = Unit::tcp("127.0.0.1");
    python(
        &unit,
        port,
        r#"
import socket, sys, os, errno
port = int(sys.argv[1])
os.closerange(3, 1024)
# Its own listener where the kept duplicate was.
own = socket.socket()
own.bind(("127.0.0.2", port))
own.listen()
os.dup2(own.fileno(), 720)
s = socket.socket()
try:
    s.bind(("0.0.0.0", port))
    assert False, "took a socket that is no longer open here"
except OSError as e:
    assert e.errno == errno.EADDRINUSE, e
"#,
    );
}

#[test]
fn nothing_happens_without_its_variable() {
    for value in ["0", ""] {
        let (mut unit, port) = Unit::tcp("127.0.0.1");
        unit.env.retain(|(name, _)| *name != "RPMCTL_SHIM");
        unit.env.push(("RPMCTL_SHIM", value.to_string()));
        python(
            &unit,
            port,
            r#"
import socket, sys, os, errno
try:
    os.fstat(720)
    assert False, "a duplicate was made"
except OSError as e:
    assert e.errno == errno.EBADF, e
s = socket.socket()
try:
    s.bind(("127.0.0.1", int(sys.argv[1])))
    assert False, "took the inherited socket"
except OSError as e:
    assert e.errno == errno.EADDRINUSE, e
"#,
        );
    }
}

#[test]
fn descriptors_meant_for_another_process_are_left_alone() {
    let (mut unit, port) = Unit::tcp("127.0.0.1");
    unit.env.clear();
    let script = unit.write(
        "check.py",
        r#"
import socket, sys, os, errno
assert os.environ["RPMCTL_SHIM"] == "1" and os.environ["LISTEN_PID"] == str(os.getppid())
os.fstat(3)
try:
    os.fstat(720)
    assert False, "a duplicate was made"
except OSError as e:
    assert e.errno == errno.EBADF, e
s = socket.socket()
try:
    s.bind(("127.0.0.1", int(sys.argv[1])))
    assert False, "took the inherited socket"
except OSError as e:
    assert e.errno == errno.EADDRINUSE, e
"#,
    );
    // A child of the process that LISTEN_PID names, where the shim was off.
    let line = "(RPMCTL_SHIM=1 exec python3 \"$0\" \"$1\"); exit $?";
    let mut app = unit.start(&["/bin/sh", "-c", line, &script, &port.to_string()]);
    assert_eq!(app.wait(), 0, "{}", app.messages());
}

#[test]
fn wait_ready_is_left_to_the_app() {
    let (mut unit, port) = Unit::tcp("127.0.0.1");
    unit.env.push(("PORT", port.to_string()));
    unit.env.push(("RPMCTL_NOTIFY", "0".to_string()));
    let script = unit.write("app.js", NODE);
    let app = unit.start(&["node", &script]);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // The connection waits in the queue until the app listens.
    assert_eq!(get(address, "/"), app.id().to_string());
    app.assert_silent();
}

#[test]
fn harmless_in_every_program_of_a_build() {
    let (unit, _) = Unit::tcp("127.0.0.1");
    let folder = unit.dir.path().to_str().unwrap();
    let commands: [&[&str]; 6] = [
        &["/bin/sh", "-c", "echo a | cat | grep -q a && (exit 0)"],
        &[
            "bash",
            "-c",
            "exec 200>lock; flock 200; x=$(ls | wc -l); [ $x -gt 0 ]",
        ],
        &["npm", "--version"],
        &["git", "init", "-q", folder],
        &["cc", "--version"],
        &[
            "python3",
            "-c",
            "import subprocess; subprocess.check_call(['ls', '-l'])",
        ],
    ];
    for command in commands {
        let mut app = unit.start(command);
        assert_eq!(app.wait(), 0, "{command:?}: {}", app.messages());
        assert!(!app.messages().contains("ld.so"), "{}", app.messages());
    }
}

#[test]
fn an_app_that_bound_ipv4_is_told_ipv4_addresses() {
    let (unit, port) = Unit::tcp("::");
    python(
        &unit,
        port,
        r#"
import socket, sys
port = int(sys.argv[1])
a = socket.socket()
a.bind(("0.0.0.0", port))
a.listen()
assert a.getsockname() == ("0.0.0.0", port), a.getsockname()
def connection(to):
    c = socket.create_connection((to, port))
    s, peer = a.accept()
    assert s.getpeername() == peer, (s.getpeername(), peer)
    return c.getsockname(), peer, s.getsockname()
client, peer, own = connection("127.0.0.1")
assert peer == client, (peer, client)
assert own == ("127.0.0.1", port), own
# By IPv6: that has no IPv4 address.
client, peer, own = connection("::1")
assert peer == ("0.0.0.0", client[1]), peer
# Its other sockets are what they are.
free = socket.socket(socket.AF_INET6)
free.bind(("::1", 0))
free.listen()
c = socket.create_connection(free.getsockname()[:2])
s, peer = free.accept()
assert peer[0] == "::1" and c.getpeername() == free.getsockname(), peer
# Bound as both, each is told its own.
b = socket.socket(socket.AF_INET6)
b.bind(("::", port))
b.listen()
client, peer, own = connection("127.0.0.1")
assert peer == client, (peer, client)
c = socket.create_connection(("127.0.0.1", port))
s, peer = b.accept()
assert peer[:2] == ("::ffff:127.0.0.1", c.getsockname()[1]), peer
assert s.getpeername() == peer, s.getpeername()
"#,
    );
}
