//! Actions of an app: the unix socket `actions` in the instance's runtime folder, on which a process of the app listens (ecosystem.toml(5)).
//!
//! One request a connection: `ACTION`, or `ACTION<tab>PARAMETER`, and a line break. The reply is all that comes until the app closes. One that begins
//! with `error:` says that it failed; none at all is a failure too. The empty request asks for the names, a line each, `NAME` or `NAME<tab>WORDS`.
//!
//! The folder belongs to the app's user, who may put anything there: no link is followed, and only who the instance belongs to is talked to.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

/// Bytes of a request with its line break, and of a reply; what comes beyond is not read.
pub const LONGEST: usize = 1 << 16;

/// How the reply to an action begins that the app does not have.
pub const UNKNOWN: &str = "error: unknown action";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Without the line break at its end.
    pub text: String,
    /// It was longer.
    pub cut: bool,
}

/// Why there is no reply.
#[derive(Debug)]
pub enum NoReply {
    /// There is no socket: the app has no actions, or does not run.
    NoSocket,
    /// The socket is there, but nobody listens: left by a process that was killed.
    NoListener,
    /// What is there is no socket, or whoever listens is not the instance.
    Foreign,
    /// Closed without a word.
    Nothing,
    TooLate,
    Io(io::Error),
}

impl From<io::Error> for NoReply {
    fn from(error: io::Error) -> NoReply {
        NoReply::Io(error)
    }
}

impl From<Errno> for NoReply {
    fn from(error: Errno) -> NoReply {
        NoReply::Io(error.into())
    }
}

/// Asks the instance whose runtime folder this is. `request` has no line break. `is_its` says whether a process is the instance's; asked only where
/// the listener's user is not the folder's.
pub async fn ask(
    folder: &Path,
    request: &str,
    patience: Duration,
    is_its: impl Fn(u32) -> bool,
) -> Result<Reply, NoReply> {
    let talk = async {
        let mut stream = connect(folder, is_its).await?;
        let written = stream.write_all(format!("{request}\n").as_bytes()).await;
        match written {
            // Closed with the request unread: it may have replied all the same.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written?,
        }
        read(&mut stream).await
    };
    timeout(patience, talk)
        .await
        .unwrap_or(Err(NoReply::TooLate))
}

async fn connect(folder: &Path, is_its: impl Fn(u32) -> bool) -> Result<UnixStream, NoReply> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match openat(CWD, folder, flags | OFlags::DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => return Err(NoReply::NoSocket),
        Err(Errno::NOTDIR | Errno::LOOP) => return Err(NoReply::Foreign),
        opened => opened?,
    };
    let owner = fstat(&folder)?.st_uid;
    let socket: OwnedFd = match openat(&folder, "actions", flags, Mode::empty()) {
        Err(Errno::NOENT) => return Err(NoReply::NoSocket),
        opened => opened?,
    };
    if FileType::from_raw_mode(fstat(&socket)?.st_mode) != FileType::Socket {
        return Err(NoReply::Foreign);
    }
    // The very socket that was looked at, whatever its name is now; and its path may be longer than an address takes.
    let path = format!("/proc/self/fd/{}", socket.as_raw_fd());
    let stream = loop {
        match UnixStream::connect(&path).await {
            Ok(stream) => break stream,
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => return Err(NoReply::NoListener),
                // Its queue is full (connect(2)).
                io::ErrorKind::WouldBlock => sleep(Duration::from_millis(20)).await,
                _ => return Err(error.into()),
            },
        }
    };
    let peer = stream.peer_cred()?;
    let its = |pid: i32| u32::try_from(pid).is_ok_and(&is_its);
    if peer.uid() != owner && !peer.pid().is_some_and(its) {
        return Err(NoReply::Foreign);
    }
    Ok(stream)
}

async fn read(stream: &mut UnixStream) -> Result<Reply, NoReply> {
    let mut bytes = Vec::new();
    let mut beginning = stream.take(LONGEST as u64 + 1);
    match beginning.read_to_end(&mut bytes).await {
        // As above.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        read => drop(read?),
    }
    if bytes.is_empty() {
        return Err(NoReply::Nothing);
    }
    let cut = bytes.len() > LONGEST;
    bytes.truncate(LONGEST);
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Reply {
        text: text.strip_suffix('\r').unwrap_or(text).to_owned(),
        cut,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// Generous: nothing here waits for it.
    const LONG: Duration = Duration::from_secs(120);

    fn asked(folder: &Path, patience: Duration) -> Result<Reply, NoReply> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(ask(folder, "greet\tyou there", patience, |_| false))
    }

    /// What is said to an app that answers with these bytes and closes.
    fn answered(answer: &'static [u8]) -> Result<Reply, NoReply> {
        answered_by(answer, true)
    }

    fn answered_by(answer: &'static [u8], reads: bool) -> Result<Reply, NoReply> {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("actions")).unwrap();
        let app = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            if reads {
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                assert_eq!(line, "greet\tyou there\n");
            }
            // The reader may have had enough.
            let _ = stream.write_all(answer);
        });
        let reply = asked(folder.path(), LONG);
        app.join().unwrap();
        reply
    }

    #[test]
    fn a_reply_is_all_until_the_end() {
        let text = |reply: Result<Reply, NoReply>| {
            let reply = reply.unwrap();
            assert!(!reply.cut);
            reply.text
        };
        assert_eq!(text(answered(b"two\nlines\n")), "two\nlines");
        assert_eq!(text(answered(b"no line break")), "no line break");
        assert_eq!(text(answered(b"\r\n")), "");
        assert_eq!(text(answered(b"\xff\n")), "\u{fffd}");
        assert!(matches!(answered(b""), Err(NoReply::Nothing)));
        for _ in 0..100 {
            let unread = answered_by(b"whatever it was\n", false);
            assert_eq!(text(unread), "whatever it was");
        }
        let long = answered(&[b'x'; 3 * LONGEST]).unwrap();
        assert_eq!(long.text.len(), LONGEST);
        assert!(long.cut);
        assert!(!answered(&[b'x'; LONGEST]).unwrap().cut);
    }

    #[test]
    fn who_is_not_there_or_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("actions");
        let reply = || asked(folder.path(), LONG).unwrap_err();
        assert!(matches!(reply(), NoReply::NoSocket));
        let gone = asked(&folder.path().join("gone"), LONG);
        assert!(matches!(gone, Err(NoReply::NoSocket)));

        drop(UnixListener::bind(&path).unwrap());
        assert!(matches!(reply(), NoReply::NoListener));
        fs::remove_file(&path).unwrap();

        let _silent = UnixListener::bind(&path).unwrap();
        let late = asked(folder.path(), Duration::from_millis(50));
        assert!(matches!(late, Err(NoReply::TooLate)));
    }

    #[test]
    fn no_link_and_nothing_but_a_socket_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("actions");
        let reply = || asked(folder.path(), LONG).unwrap_err();
        let other = tempfile::tempdir().unwrap();
        let _listener = UnixListener::bind(other.path().join("actions")).unwrap();
        symlink(other.path().join("actions"), &path).unwrap();
        assert!(matches!(reply(), NoReply::Foreign), "a link");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "x").unwrap();
        assert!(matches!(reply(), NoReply::Foreign), "a file");

        let link = other.path().join("link");
        symlink(other.path(), &link).unwrap();
        let through = asked(&link, LONG);
        assert!(matches!(through, Err(NoReply::Foreign)), "a folder's link");
    }
}
