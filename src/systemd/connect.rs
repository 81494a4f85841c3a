//! Reaching the service manager, or saying exactly why it cannot be reached and what to do.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use zbus::connection::Builder;
use zbus::message::Type;

use super::call::{self, Refusal};
use super::link::{Heard, Link, SYSTEMD};

/// Connecting, authenticating and finding the manager together take at most this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the manager may take to join a bus that has just been started.
const JOINING: Duration = Duration::from_secs(3);

/// Which manager to talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bus {
    /// The machine's: $DBUS_SYSTEM_BUS_ADDRESS, else /run/dbus/system_bus_socket.
    System,
    /// The user's own: $XDG_RUNTIME_DIR/bus, else /run/user/UID/bus, else $DBUS_SESSION_BUS_ADDRESS.
    User,
    /// A bus at a D-Bus address, e.g. `unix:path=/run/dbus/system_bus_socket`.
    Address(String),
}

/// What stands between us and the manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// systemd is not the service manager here (a container, another init).
    NoSystemd,
    /// systemd runs, but there is no message bus.
    NoBus,
    /// The user has no manager running (no login session, no linger).
    NoUserManager,
    /// The socket or the bus does not let us in.
    Denied,
    /// No answer in time.
    Late,
    /// Anything else: a bad address, a broken bus.
    Other,
}

/// The manager cannot be reached. `what` is one line, `hints` are what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectError {
    pub why: Unreachable,
    pub what: String,
    pub hints: Vec<String>,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for hint in &self.hints {
            write!(f, "\n  {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectError {}

fn error(why: Unreachable, what: impl Into<String>, hints: &[&str]) -> ConnectError {
    ConnectError {
        why,
        what: what.into(),
        hints: hints.iter().map(|h| (*h).to_owned()).collect(),
    }
}

/// Where to connect to: a socket's path, or an address for the bus library to take apart.
enum Place {
    Socket(PathBuf),
    Address(String),
}

fn place(bus: &Bus) -> Result<Place, ConnectError> {
    match bus {
        Bus::Address(address) => Ok(Place::Address(address.clone())),
        Bus::System => Ok(match std::env::var("DBUS_SYSTEM_BUS_ADDRESS") {
            Ok(address) if !address.is_empty() => Place::Address(address),
            _ => Place::Socket("/run/dbus/system_bus_socket".into()),
        }),
        Bus::User => {
            let uid = rustix::process::getuid().as_raw();
            let set = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
            // Under su, sudo -u and cron the variable is missing although the manager runs.
            let usual = PathBuf::from(format!("/run/user/{uid}"));
            let socket = set.map_or(usual.clone(), PathBuf::from).join("bus");
            if socket.exists() {
                return Ok(Place::Socket(socket));
            }
            if usual.join("bus").exists() {
                return Ok(Place::Socket(usual.join("bus")));
            }
            match std::env::var("DBUS_SESSION_BUS_ADDRESS") {
                Ok(address) if !address.is_empty() => Ok(Place::Address(address)),
                _ => Err(no_user_manager(&socket)),
            }
        }
    }
}

fn no_user_manager(socket: &Path) -> ConnectError {
    if !booted() {
        return no_systemd();
    }
    if socket.with_file_name("systemd").exists() {
        return error(
            Unreachable::NoBus,
            format!(
                "your user manager runs, but has no message bus: no {}",
                socket.display()
            ),
            &[
                "install it and log in again: apt install dbus-user-session (Fedora, Arch: part of dbus)",
            ],
        );
    }
    error(
        Unreachable::NoUserManager,
        format!(
            "no user manager is running for you: no {}",
            socket.display()
        ),
        &[
            "start it now and at boot: sudo loginctl enable-linger $USER",
            "or log in as that user: sudo machinectl shell USER@ (su and sudo -u do not)",
        ],
    )
}

/// Whether systemd is the service manager of this machine: sd_booted(3).
fn booted() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

fn no_systemd() -> ConnectError {
    let init = std::fs::read_to_string("/proc/1/comm").unwrap_or_default();
    let init = match init.trim() {
        "" => String::new(),
        name => format!(" (process 1 is `{name}`)"),
    };
    error(
        Unreachable::NoSystemd,
        format!("systemd is not the service manager here{init}"),
        &[
            "run the apps in the foreground on a private systemd: rpmctl run ecosystem.toml",
            "or only write the unit files: rpmctl render ecosystem.toml --root DIR",
        ],
    )
}

fn not_opened(bus: &Bus, socket: &Path, cause: &io::Error) -> ConnectError {
    let at = socket.display();
    match cause.kind() {
        io::ErrorKind::PermissionDenied => error(
            Unreachable::Denied,
            format!("no permission to use the bus at {at}"),
            &["use sudo, or --user for your own manager"],
        ),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused if *bus == Bus::User => {
            no_user_manager(socket)
        }
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused if booted() => error(
            Unreachable::NoBus,
            format!("systemd runs here, but no message bus answers at {at}"),
            &[
                "install and start it: apt install dbus (Fedora: dbus-broker); systemctl start dbus.socket",
            ],
        ),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => no_systemd(),
        _ => error(
            Unreachable::Other,
            format!("cannot connect to the bus at {at}: {cause}"),
            &[],
        ),
    }
}

/// Connects and finds the manager on the bus; never takes longer than five seconds.
pub(super) async fn connect(bus: &Bus) -> Result<Link, ConnectError> {
    match timeout(PATIENCE, try_connect(bus)).await {
        Ok(result) => result,
        Err(_) => Err(error(
            Unreachable::Late,
            format!("the bus did not answer within {} s", PATIENCE.as_secs()),
            &["is it frozen? see: systemctl status dbus"],
        )),
    }
}

async fn try_connect(bus: &Bus) -> Result<Link, ConnectError> {
    let builder = match place(bus)? {
        Place::Socket(path) => {
            // Blocks only while dbus-daemon's backlog is full, which its 5 s deadline cannot end; so on a thread.
            let at = path.clone();
            let stream = tokio::task::spawn_blocking(move || UnixStream::connect(&at)).await;
            let stream = stream.unwrap_or_else(|cause| Err(io::Error::other(cause)));
            Builder::unix_stream(stream.map_err(|cause| not_opened(bus, &path, &cause))?)
        }
        Place::Address(address) => Builder::address(address.as_str()),
    };
    let conn = builder.build().await.map_err(|cause| match cause {
        zbus::Error::Connection(cause, address) => match address.to_string() {
            at if at.starts_with("unix:path=") => {
                let at = at.trim_start_matches("unix:path=");
                let at = at.split(',').next().unwrap_or(at);
                not_opened(bus, Path::new(at), &cause)
            }
            at => error(
                Unreachable::Other,
                format!("cannot connect to the bus at {at}: {cause}"),
                &[],
            ),
        },
        cause => error(
            Unreachable::Other,
            format!("cannot connect to the bus: {cause}"),
            &["is $DBUS_SYSTEM_BUS_ADDRESS or $DBUS_SESSION_BUS_ADDRESS set to something else?"],
        ),
    })?;
    let link = Link::new(conn);
    find_manager(&link).await?;
    Ok(link)
}

/// Learns who owns the manager's name, and hears of every change of it.
async fn find_manager(link: &Link) -> Result<(), ConnectError> {
    let broken = |cause: &dyn fmt::Display| {
        error(
            Unreachable::Other,
            format!("the bus does not work: {cause}"),
            &[],
        )
    };
    let rule = format!(
        "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{SYSTEMD}'"
    );
    let (ear, mut heard) = mpsc::unbounded_channel();
    link.listen(&ear);
    let calls = [
        ("AddMatch", rule.as_str()),
        ("GetNameOwner", SYSTEMD),
        ("GetConnectionUnixProcessID", SYSTEMD),
    ];
    let calls = calls
        .iter()
        .map(|(member, argument)| bus_call(member, argument))
        .collect::<zbus::Result<Vec<_>>>()
        .map_err(|cause| broken(&cause))?;
    let answers = call::send_all(link, calls, PATIENCE).await;
    let mut answers = answers.map_err(|cause| broken(&cause))?.into_iter();
    if let Some(Err(refusal)) = answers.next() {
        return Err(broken(&refusal));
    }
    let owner = answers.next();
    // Where the bus does not know, it is not needed.
    let pid = answers.next().and_then(Result::ok);
    link.set_pid(pid.and_then(|reply| reply.body().deserialize().ok()));
    match owner {
        Some(Ok(reply)) if reply.message_type() == Type::MethodReturn => {
            let body = reply.body();
            let owner: &str = body.deserialize().map_err(|cause| broken(&cause))?;
            link.set_owner(Some(owner.to_owned()));
            Ok(())
        }
        Some(Err(refusal)) if refusal.name.ends_with(".NameHasNoOwner") => {
            if !booted() {
                return Err(no_systemd());
            }
            // A user's bus is started by the first who connects, and the manager joins it after that.
            let joined = async {
                while let Some(heard) = heard.recv().await {
                    if matches!(heard, Heard::Present(true)) {
                        return true;
                    }
                }
                false
            };
            match timeout(JOINING, joined).await {
                Ok(true) => Ok(()),
                _ => Err(error(
                    Unreachable::NoSystemd,
                    "systemd runs here, but is not on this message bus",
                    &[
                        "is $DBUS_SYSTEM_BUS_ADDRESS or $DBUS_SESSION_BUS_ADDRESS set to something else?",
                    ],
                )),
            }
        }
        Some(Err(refusal)) => Err(refused(&refusal)),
        _ => Err(broken(&"no answer")),
    }
}

fn refused(refusal: &Refusal) -> ConnectError {
    if refusal.is_denied() {
        return error(
            Unreachable::Denied,
            format!("the bus does not let us talk to systemd: {refusal}"),
            &["use sudo, or --user for your own manager"],
        );
    }
    error(
        Unreachable::Other,
        format!("the bus does not work: {refusal}"),
        &[],
    )
}

/// A call to the bus itself, with one string.
pub(super) fn bus_call(member: &str, argument: &str) -> zbus::Result<zbus::Message> {
    zbus::Message::method_call("/org/freedesktop/DBus", member)
        .destination("org.freedesktop.DBus")
        .interface("org.freedesktop.DBus")
        .build(&argument)
}
