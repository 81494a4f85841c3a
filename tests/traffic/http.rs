//! One HTTP/1.1 connection of a client that hides nothing: no retry, and a request fails unless its response came whole.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No client waits longer than this, for a connection or for a whole response.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Why a request has no complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// Nobody listens.
    Refused,
    /// Any other end of `connect`.
    NotConnected,
    Reset,
    /// Closed before the response was complete, or before its first byte.
    Closed,
    /// Not complete within [`PATIENCE`].
    TimedOut,
    /// Complete, and not 200.
    Status(u16),
    /// No HTTP/1.1 response with `Content-Length`.
    Garbled,
}

#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// `processId` of the app's response; 0 when it has none.
    pub worker: u32,
    /// It said `Connection: close`.
    pub last: bool,
    pub first_byte: Instant,
}

pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Connection, Failure> {
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                Ok(Connection { stream })
            }
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Err(Failure::Refused),
            Ok(Err(_)) => Err(Failure::NotConnected),
            Err(_) => Err(Failure::TimedOut),
        }
    }

    /// The other side has closed it already: whoever sees this before sending has lost nothing.
    pub fn is_over(&self) -> bool {
        let mut byte = [0];
        !matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    pub async fn get(&mut self, path: &str, keep_alive: bool) -> Result<Answer, Failure> {
        match timeout(PATIENCE, self.exchange(path, keep_alive)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::TimedOut),
        }
    }

    async fn exchange(&mut self, path: &str, keep_alive: bool) -> Result<Answer, Failure> {
        let close = if keep_alive {
            ""
        } else {
            "Connection: close\r\n"
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: bed\r\n{close}\r\n");
        let sent = self.stream.write_all(request.as_bytes()).await;
        sent.map_err(|error| broken(&error))?;
        let mut received = Vec::with_capacity(1024);
        let mut first_byte = None;
        loop {
            let size = self.stream.read_buf(&mut received).await;
            if size.map_err(|error| broken(&error))? == 0 {
                return Err(Failure::Closed);
            }
            let first_byte = *first_byte.get_or_insert_with(Instant::now);
            if let Some(response) = Response::whole(&received)? {
                if response.status != 200 {
                    return Err(Failure::Status(response.status));
                }
                return Ok(Answer {
                    worker: worker(response.body),
                    last: response.close,
                    first_byte,
                });
            }
        }
    }
}

fn broken(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Failure::Reset,
        _ => Failure::Closed,
    }
}

struct Response<'a> {
    status: u16,
    close: bool,
    body: &'a [u8],
}

impl Response<'_> {
    /// None while bytes are missing.
    fn whole(bytes: &[u8]) -> Result<Option<Response<'_>>, Failure> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| Failure::Garbled)?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 "))
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or(Failure::Garbled)?;
        let (mut length, mut close) = (None, false);
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse::<usize>().ok();
            } else if name.eq_ignore_ascii_case("connection") {
                close = value.eq_ignore_ascii_case("close");
            }
        }
        let length = length.ok_or(Failure::Garbled)?;
        let body = bytes.get(end + 4..end + 4 + length);
        Ok(body.map(|body| Response {
            status,
            close,
            body,
        }))
    }
}

fn worker(body: &[u8]) -> u32 {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let digits = text.split_once("\"processId\":").map_or("", |(_, rest)| {
        let end = rest.find(|c: char| !c.is_ascii_digit());
        &rest[..end.unwrap_or(rest.len())]
    });
    digits.parse().unwrap_or(0)
}
