//! Clients that never stop asking: what became of each request while something changed.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::bed::{Bed, http};

/// Requests at once, to each port.
const CLIENTS: usize = 4;
/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(8);

#[derive(Clone, Debug)]
pub struct Asked {
    /// Since the load began.
    pub at: Duration,
    pub took: Duration,
    /// The body, or why there is none.
    pub answer: Result<String, String>,
}

/// Every request to one port, in the order of their beginning.
#[derive(Debug)]
pub struct Record {
    pub port: u16,
    pub asked: Vec<Asked>,
}

impl Record {
    fn failed(&self) -> impl Iterator<Item = &Asked> {
        self.asked.iter().filter(|asked| asked.answer.is_err())
    }

    pub fn failures(&self) -> usize {
        self.failed().count()
    }

    pub fn answered(&self) -> usize {
        self.asked.len() - self.failures()
    }

    pub fn longest(&self) -> Duration {
        let answered = self.asked.iter().filter(|asked| asked.answer.is_ok());
        answered.map(|asked| asked.took).max().unwrap_or_default()
    }

    /// From the first failure to the end of the last.
    pub fn outage(&self) -> Duration {
        match (self.failed().next(), self.failed().last()) {
            (Some(first), Some(last)) => last.at + last.took - first.at,
            _ => Duration::ZERO,
        }
    }

    /// Failures that began after the first request that was answered.
    pub fn failures_once_open(&self) -> usize {
        let open = self.asked.iter().find(|asked| asked.answer.is_ok());
        let open = open
            .unwrap_or_else(|| panic!("{} was never answered", self.port))
            .at;
        self.failed().filter(|asked| asked.at >= open).count()
    }

    /// Failures that began before the last request that was answered.
    pub fn failures_while_open(&self) -> usize {
        let open = self.asked.iter().rfind(|asked| asked.answer.is_ok());
        let open = open
            .unwrap_or_else(|| panic!("{} was never answered", self.port))
            .at;
        self.failed().filter(|asked| asked.at < open).count()
    }

    /// Figures, and what failed.
    pub fn summary(&self) -> String {
        let mut why: Vec<&str> = self
            .failed()
            .filter_map(|asked| asked.answer.as_ref().err().map(String::as_str))
            .collect();
        why.sort_unstable();
        why.dedup();
        format!(
            "port {}: {} answered, {} failed within {:?} {why:?}, longest wait {:?}",
            self.port,
            self.answered(),
            self.failures(),
            self.outage(),
            self.longest()
        )
    }
}

/// Does the work while clients ask on each port, a connection a request, from a while before to a while after it. Prints the figures under this name.
pub fn under_load<T: Send>(
    bed: &Bed,
    name: &str,
    ports: &[u16],
    work: impl FnOnce() -> T + Send,
) -> (T, Vec<Record>) {
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let records: Vec<Mutex<Vec<Asked>>> = ports.iter().map(|_| Mutex::default()).collect();
    let settled = || {
        let counts = || -> Vec<usize> {
            records
                .iter()
                .map(|record| record.lock().expect("no panic").len())
                .collect()
        };
        let before = counts();
        bed.wait_until("40 more requests each", Duration::from_secs(60), || {
            counts()
                .iter()
                .zip(&before)
                .all(|(now, before)| *now >= before + 40)
        });
    };
    let result = std::thread::scope(|scope| {
        let (stop, records) = (&stop, &records);
        let load = scope.spawn(move || {
            bed.in_network(|| {
                std::thread::scope(|scope| {
                    for (port, record) in ports.iter().zip(records) {
                        for _ in 0..CLIENTS {
                            scope.spawn(move || ask(*port, begun, stop, record));
                        }
                    }
                });
            });
        });
        settled();
        // A failed assertion must not leave the clients asking for ever.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let result = work();
            settled();
            result
        }));
        stop.store(true, Ordering::Relaxed);
        load.join().expect("the clients");
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let records: Vec<Record> = ports
        .iter()
        .zip(records)
        .map(|(port, asked)| {
            let mut asked = asked.into_inner().expect("no panic");
            asked.sort_by_key(|asked| asked.at);
            Record { port: *port, asked }
        })
        .collect();
    for record in &records {
        println!("{name}: {}", record.summary());
    }
    (result, records)
}

fn ask(port: u16, begun: Instant, stop: &AtomicBool, record: &Mutex<Vec<Asked>>) {
    let address = format!("127.0.0.1:{port}");
    while !stop.load(Ordering::Relaxed) {
        let at = begun.elapsed();
        let answer = http::get(&address, "/");
        let asked = Asked {
            at,
            took: begun.elapsed() - at,
            answer: answer
                .map(|response| response.body)
                .map_err(|error| words(&error)),
        };
        record.lock().expect("no panic").push(asked);
        std::thread::sleep(PAUSE);
    }
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => error.to_string(),
        kind => kind.to_string(),
    }
}
