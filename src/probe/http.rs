//! As much of HTTP/1.1 (RFC 9112) as a question after health needs: a request line out, a status line in.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::Bad;
use super::connect::words;

/// Bytes in which the status must have come.
const LONGEST: usize = 16 << 10;

/// What an app may still send after its status is read for so long and so far, so that it meets no reset.
const REST: Duration = Duration::from_millis(200);
const REST_BYTES: usize = 1 << 20;

/// The status of the answer.
pub async fn get(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    path: &str,
) -> Result<u16, Bad> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nUser-Agent: rpmctl-health\r\nHost: localhost\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    // Who closes without reading may still have answered.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut text = Vec::new();
    loop {
        match status(&text) {
            Parsed::Status(status) => return Ok(status),
            Parsed::Not => return Err(Bad::Said("answered something that is not HTTP".to_owned())),
            Parsed::More if text.len() >= LONGEST => {
                return Err(Bad::Said("answered without a status".to_owned()));
            }
            Parsed::More => {}
        }
        let mut buffer = [0; 1024];
        let closed = || match text.is_empty() {
            true => Bad::Closed,
            false => Bad::Said("closed without a whole answer".to_owned()),
        };
        match stream.read(&mut buffer).await {
            // The request may have met a connection that was closed.
            Ok(0) => return Err(closed()),
            Ok(count) => text.extend_from_slice(&buffer[..count]),
            // What closes with the request unread.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Err(closed()),
            Err(error) => return Err(Bad::Said(words(&error))),
        }
    }
}

pub async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let rest = async {
        let mut buffer = [0; 4096];
        let mut left = REST_BYTES;
        while let Ok(count) = stream.read(&mut buffer).await
            && count > 0
            && left > count
        {
            left -= count;
        }
    };
    let _ = timeout(REST, rest).await;
}

#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    Status(u16),
    More,
    Not,
}

/// Of the first answer that is no interim one (1xx).
fn status(mut text: &[u8]) -> Parsed {
    loop {
        const BEGIN: &[u8] = b"HTTP/1.";
        let known = text.len().min(BEGIN.len());
        if text[..known] != BEGIN[..known] {
            return Parsed::Not;
        }
        let Some(end) = text.iter().position(|byte| *byte == b'\n') else {
            return Parsed::More;
        };
        let line = String::from_utf8_lossy(&text[..end]);
        let code = line.split_ascii_whitespace().nth(1);
        let code = code
            .filter(|code| code.len() == 3)
            .and_then(|code| code.parse().ok());
        match code {
            Some(100..200) => {
                let Some(over) = text.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                    return Parsed::More;
                };
                text = &text[over + 4..];
            }
            Some(code) => return Parsed::Status(code),
            None => return Parsed::Not,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        for (text, parsed) in [
            ("", Parsed::More),
            ("HTT", Parsed::More),
            ("HTTP/1.1 20", Parsed::More),
            ("HTTP/1.1 200 OK\r\n", Parsed::Status(200)),
            ("HTTP/1.0 503\n", Parsed::Status(503)),
            ("HTTP/1.1 100 Continue\r\n\r\n", Parsed::More),
            (
                "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\n",
                Parsed::Status(404),
            ),
            ("SSH-2.0-x\r\n", Parsed::Not),
            ("HTTP/1.1 20000 OK\r\n", Parsed::Not),
            ("HTTP/2 200\r\n", Parsed::Not),
        ] {
            assert_eq!(status(text.as_bytes()), parsed, "{text:?}");
        }
    }
}
