//! Metrics over HTTP/1, for a scraper on this machine: one request a connection, and an end when nobody has asked for a while.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Format;

/// Connections at a time; the others wait in the listen queue.
const CONNECTIONS: usize = 16;
/// Of a request's head.
const LONGEST: usize = 8 << 10;
const MOST_HEADERS: usize = 64;

/// How long a client is waited for.
#[derive(Clone, Copy)]
struct Patience {
    /// Until a request's head is there whole, and what else a client sends.
    asked: Duration,
    /// Until the answer is taken.
    taken: Duration,
}

const PATIENCE: Patience = Patience {
    asked: Duration::from_secs(5),
    taken: Duration::from_secs(30),
};

/// Answers with what `text` gives, asked once at a time; ends when no connection was there for `idle`.
/// Errors: the listener is none.
pub async fn serve(
    listener: TcpListener,
    idle: Duration,
    text: impl AsyncFn(Format) -> anyhow::Result<String> + 'static,
) -> anyhow::Result<()> {
    let text = Rc::new((Mutex::new(()), text));
    let answering = async {
        let mut clients = JoinSet::new();
        let mut last = Instant::now();
        loop {
            tokio::select! {
                accepted = listener.accept(), if clients.len() < CONNECTIONS => match accepted {
                    Ok((client, _)) => {
                        let text = text.clone();
                        clients.spawn_local(async move {
                            let once = async |format| {
                                let _alone = text.0.lock().await;
                                (text.1)(format).await
                            };
                            converse(client, PATIENCE, once).await;
                        });
                    }
                    // The client has gone again; or descriptors lack, which goes by.
                    Err(_) => sleep(Duration::from_millis(50)).await,
                },
                Some(_) = clients.join_next(), if !clients.is_empty() => last = Instant::now(),
                () = sleep_until(last + idle), if clients.is_empty() => return,
            }
        }
    };
    LocalSet::new().run_until(answering).await;
    Ok(())
}

async fn converse(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    patience: Patience,
    text: impl AsyncFn(Format) -> anyhow::Result<String>,
) {
    let asked = timeout(patience.asked, read(&mut client)).await;
    let answer = match asked {
        // Gone, or it sends nothing more: nobody waits for an answer.
        Ok(None) => return,
        Ok(Some(Ok(request))) => answer(request, text).await,
        Ok(Some(Err(status))) => Answer::words(status),
        Err(_) => Answer::words("408 Request Timeout"),
    };
    let written = async {
        client.write_all(answer.head.as_bytes()).await?;
        client.write_all(answer.body.as_bytes()).await?;
        client.shutdown().await
    };
    let Ok(Ok(())) = timeout(patience.taken, written).await else {
        return;
    };
    // What is left unread at the end would take the answer back (a reset).
    let rest = async {
        let mut rest = client.take(1 << 20);
        let mut bytes = [0; 1024];
        while rest.read(&mut bytes).await.is_ok_and(|length| length > 0) {}
    };
    let _ = timeout(patience.asked, rest).await;
}

/// What a client wants.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    method: String,
    path: String,
    format: Format,
}

/// The head of a request, or the status for what is none. None: the client went away before.
async fn read(client: &mut (impl AsyncRead + Unpin)) -> Option<Result<Request, &'static str>> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if bytes.len() >= LONGEST {
            return Some(Err("431 Request Header Fields Too Large"));
        }
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(read) = parse(&bytes) {
            return Some(read);
        }
    }
}

/// None: there must be more of it.
fn parse(bytes: &[u8]) -> Option<Result<Request, &'static str>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Some(Err("431 Request Header Fields Too Large"));
        }
        Err(_) => return Some(Err("400 Bad Request")),
    }
    let accept = request
        .headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("accept"))
        .filter_map(|header| std::str::from_utf8(header.value).ok());
    let accept: Vec<&str> = accept.collect();
    let target = request.path.unwrap_or_default();
    Some(Ok(Request {
        method: request.method.unwrap_or_default().to_owned(),
        path: target.split('?').next().unwrap_or_default().to_owned(),
        format: format(&accept.join(",")),
    }))
}

/// What a client likes best, by `Accept` (RFC 9110); OpenMetrics only where it is named.
fn format(accept: &str) -> Format {
    let liking = |wanted: &[&str]| {
        let of = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let is_it = wanted.contains(&parts.next()?.to_ascii_lowercase().as_str());
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            is_it.then(|| weight.map_or(Some(1.0), |q| q.parse::<f64>().ok()))?
        };
        accept.split(',').filter_map(of).fold(0.0, f64::max)
    };
    let open = liking(&["application/openmetrics-text"]);
    if open > 0.0 && open >= liking(&["text/plain", "text/*", "*/*"]) {
        Format::OpenMetrics
    } else {
        Format::Prometheus
    }
}

struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn new(status: &str, kind: &str, more: &str, body: String) -> Answer {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n"
        );
        Answer { head, body }
    }

    fn words(status: &str) -> Answer {
        let plain = "text/plain; charset=utf-8";
        let body = match status {
            "404 Not Found" => "the metrics are at /metrics\n".to_owned(),
            _ => format!("{status}\n"),
        };
        let more = match status.starts_with("405") {
            true => "Allow: GET, HEAD\r\n",
            false => "",
        };
        Answer::new(status, plain, more, body)
    }
}

async fn answer(request: Request, text: impl AsyncFn(Format) -> anyhow::Result<String>) -> Answer {
    let head_alone = request.method == "HEAD";
    let mut answer = match request.method.as_str() {
        "GET" | "HEAD" if request.path != "/metrics" => Answer::words("404 Not Found"),
        "GET" | "HEAD" => match text(request.format).await {
            Ok(text) => Answer::new("200 OK", request.format.content_type(), "", text),
            Err(error) => Answer::new(
                "503 Service Unavailable",
                "text/plain; charset=utf-8",
                "",
                format!("error: {error:#}\n"),
            ),
        },
        _ => Answer::words("405 Method Not Allowed"),
    };
    if head_alone {
        answer.body.clear();
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use tokio::net::TcpStream;

    use super::*;

    const IDLE: Duration = Duration::from_millis(300);

    /// What the server answers to each of these, sent as they are; it ends by itself then.
    fn answers(requests: &[&str]) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let at = listener.local_addr().unwrap();
            let text = async |format| match format {
                Format::OpenMetrics => anyhow::bail!("no bus"),
                Format::Prometheus => Ok("x 1\n".to_owned()),
            };
            let asking = async {
                let mut answers = vec![];
                for request in requests {
                    answers.push(ask(at, request).await);
                }
                answers
            };
            let (served, answers) = tokio::join!(serve(listener, IDLE, text), asking);
            served.unwrap();
            answers
        })
    }

    async fn ask(at: SocketAddr, request: &str) -> String {
        let mut server = TcpStream::connect(at).await.unwrap();
        server.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        server.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn status(answer: &str) -> &str {
        answer.lines().next().unwrap_or_default()
    }

    #[test]
    fn who_asks_is_answered() {
        let body = "x".repeat(20_000);
        let post = format!("POST /metrics HTTP/1.1\r\nContent-Length: 20000\r\n\r\n{body}");
        let long = format!("GET /metrics HTTP/1.1\r\nX: {body}\r\n\r\n");
        let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(100));
        let open = "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1\r\n\r\n";
        let answers = answers(&[
            "GET /metrics?a=b HTTP/1.1\r\nHost: a\r\n\r\n",
            "HEAD /metrics HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            &post,
            "nonsense\r\n\r\n",
            &long,
            &many,
            open,
        ]);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 4\r\nConnection: close\r\n\r\n";
        assert_eq!(answers[0], format!("{head}x 1\n"));
        assert_eq!(answers[1], head);
        assert_eq!(status(&answers[2]), "HTTP/1.1 404 Not Found");
        assert!(answers[2].ends_with("\r\n\r\nthe metrics are at /metrics\n"));
        assert_eq!(status(&answers[3]), "HTTP/1.1 405 Method Not Allowed");
        assert!(answers[3].contains("\r\nAllow: GET, HEAD\r\n"));
        assert_eq!(status(&answers[4]), "HTTP/1.1 400 Bad Request");
        let large = "HTTP/1.1 431 Request Header Fields Too Large";
        assert_eq!([status(&answers[5]), status(&answers[6])], [large; 2]);
        assert_eq!(status(&answers[7]), "HTTP/1.1 503 Service Unavailable");
        assert!(answers[7].ends_with("\r\n\r\nerror: no bus\n"));
    }

    #[tokio::test]
    async fn who_dawdles_is_not_waited_for() {
        let soon = Duration::from_millis(100);
        let patience = Patience {
            asked: soon,
            taken: soon,
        };
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let text = async |_| Ok(String::new());
        let slow = async {
            // Byte by byte keeps nothing open: it never comes to its end.
            while client.write_all(b"G").await.is_ok() {
                sleep(soon / 20).await;
            }
            let mut said = String::new();
            client.read_to_string(&mut said).await.unwrap();
            said
        };
        let (said, ()) = tokio::join!(slow, converse(server, patience, text));
        assert_eq!(status(&said), "HTTP/1.1 408 Request Timeout");

        // Nor who takes no answer.
        let (mut client, server) = tokio::io::duplex(64);
        let text = async |_| Ok("x 1\n".repeat(1 << 16));
        let ask = client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n");
        let (asked, ()) = tokio::join!(ask, converse(server, patience, text));
        asked.unwrap();
    }

    #[test]
    fn the_format_that_is_liked_best() {
        let open = "application/openmetrics-text;version=1.0.0";
        for (accept, expected) in [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            (open, Format::OpenMetrics),
            (
                &format!("{open};q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"),
                Format::OpenMetrics,
            ),
            (&format!("text/plain, {open};q=0.5"), Format::Prometheus),
            (&format!("{open};q=0"), Format::Prometheus),
            ("APPLICATION/OpenMetrics-Text", Format::OpenMetrics),
        ] {
            assert_eq!(format(accept), expected, "{accept}");
        }
    }
}
