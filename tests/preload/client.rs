//! A keep-alive HTTP client that hides nothing: a connection that ends before the answer is an error.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::start::PATIENCE;

pub struct Client {
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
pub struct Answer {
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Whether the server says that it ends the connection.
    pub fn closes(&self) -> bool {
        self.head
            .to_lowercase()
            .contains("\r\nconnection: close\r\n")
    }
}

impl Client {
    pub fn connect(port: u16) -> Self {
        Self::at("127.0.0.1", port)
    }

    pub fn at(address: &str, port: u16) -> Self {
        let stream = TcpStream::connect((address, port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub fn send(&mut self, path: &str) -> io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.raw(request.as_bytes())
    }

    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send(path)?;
        self.answer()
    }

    pub fn head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "no answer"));
            }
        }
        Ok(head)
    }

    pub fn answer(&mut self) -> io::Result<Answer> {
        let head = self.head()?;
        let lower = head.to_lowercase();
        let mut body = Vec::new();
        if let Some((_, rest)) = lower.split_once("\r\ncontent-length: ") {
            let size: usize = rest.lines().next().unwrap().parse().unwrap();
            body.resize(size, 0);
            self.stream.read_exact(&mut body)?;
        } else {
            assert!(lower.contains("transfer-encoding: chunked"), "{head}");
            loop {
                let mut line = String::new();
                if self.stream.read_line(&mut line)? == 0 {
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, "cut off"));
                }
                let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
                let mut part = vec![0; size + 2];
                self.stream.read_exact(&mut part)?;
                if size == 0 {
                    break;
                }
                body.extend(&part[..size]);
            }
        }
        Ok(Answer {
            head,
            body: String::from_utf8(body).unwrap(),
        })
    }

    /// What comes until the other side ends; an error when it is reset.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    pub fn exactly(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }
}

/// Keep-alive clients, each with one request after the other.
pub struct Load {
    over: Arc<AtomicBool>,
    pub answered: Arc<AtomicUsize>,
    failures: Arc<Mutex<Vec<String>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(port: u16, clients: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let failures = Arc::new(Mutex::new(Vec::new()));
        let run = |number: usize| {
            let (over, answered, failures) = (over.clone(), answered.clone(), failures.clone());
            std::thread::spawn(move || {
                while !over.load(Relaxed) {
                    let mut client = Client::connect(port);
                    for request in 0.. {
                        match client.get("/") {
                            Ok(answer) => {
                                answered.fetch_add(1, Relaxed);
                                if answer.closes() || over.load(Relaxed) {
                                    break;
                                }
                            }
                            Err(error) => {
                                failures
                                    .lock()
                                    .unwrap()
                                    .push(format!("request {request}: {error}"));
                                break;
                            }
                        }
                        // Some without, some with a pause between requests.
                        std::thread::sleep(Duration::from_millis(number as u64 % 4 * 7));
                    }
                }
            })
        };
        let clients = (0..clients).map(run).collect();
        Self {
            over,
            answered,
            failures,
            clients,
        }
    }

    /// Waits for this many further answers.
    pub fn more(&self, count: usize) {
        let wanted = self.answered.load(Relaxed) + count;
        let begun = std::time::Instant::now();
        while self.answered.load(Relaxed) < wanted {
            assert!(begun.elapsed() < PATIENCE, "no answers");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it. Nothing may have failed.
    pub fn end(self) {
        self.over.store(true, Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
        let failures = self.failures.lock().unwrap();
        assert!(
            failures.is_empty(),
            "{} failed: {failures:?}",
            failures.len()
        );
    }
}
