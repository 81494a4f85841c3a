//! A server that does as it is told, clients that count what fails, and who was away when.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::apps::{property, units};
use crate::bed::Bed;

/// Answers `instance pid RELEASE` and finishes what it answers when it is to end. Told by a file /srv/WORD-APP, /srv/WORD-APP-INSTANCE, or by WORD or
/// WORD-INSTANCE as RELEASE or an argument: `crash` ends at once, `mute` never listens, `slow` takes a second to listen, `brief` ends by itself 300 ms after it listens.
const SERVER: &str = r#"
import http.server, os, signal, sys, threading, time

app, number = os.environ['APP'], os.environ['NODE_APP_INSTANCE']
release = os.environ.get('RELEASE', '')

def told(word):
    files = [f'/srv/{word}-{app}', f'/srv/{word}-{app}-{number}']
    words = (word, f'{word}-{number}')
    return any(map(os.path.exists, files)) or release in words or any(word in sys.argv for word in words)

if told('crash'):
    print('cannot find the database', file=sys.stderr)
    sys.exit(3)
if told('mute'):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    print('waits for the database', file=sys.stderr, flush=True)
    time.sleep(1000)
if told('slow'):
    time.sleep(1)

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = f'{number} {os.getpid()} {release}\n'.encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass

# A handler that starts a thread (server.shutdown() wants another one) may find a lock of the threading module held below it, for ever.
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 1024

    def service_actions(self):
        if asked:
            self._BaseServer__shutdown_request = True

asked = []
server = Server(('', int(os.environ['PORT'])), Answer)
for number_of_signal in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number_of_signal, lambda *_: asked.append(True))
if told('brief'):
    threading.Timer(0.3, lambda: os._exit(4)).start()
server.serve_forever(0.05)
server.server_close()
"#;

pub fn bed() -> Bed {
    let bed = crate::apps::bed();
    bed.write("/srv/steered.py", 0o644, SERVER);
    bed
}

/// `[[apps]]` of the server in cluster mode; `more` are further keys.
pub fn steered(name: &str, port: u16, instances: u32, release: &str, more: &str) -> String {
    format!(
        "[[apps]]\nname = \"{name}\"\nscript = \"steered.py\"\nexec_mode = \"cluster\"\ninstances = {instances}\nport = {port}\nmin_uptime = 3000\n\
         max_restarts = 3\nenv = {{ APP = \"{name}\", RELEASE = \"{release}\" }}\n{more}\n\n"
    )
}

/// The same in fork mode: each instance has a port of its own, from this one on.
pub fn forked(name: &str, port: u16, instances: u32, release: &str) -> String {
    let ports = format!(
        "increment_var = \"PORT\"\n[apps.env]\nAPP = \"{name}\"\nRELEASE = \"{release}\"\nPORT = {port}\n"
    );
    format!(
        "[[apps]]\nname = \"{name}\"\nscript = \"steered.py\"\nexec_mode = \"fork\"\ninstances = {instances}\nmax_restarts = 3\n{ports}\n"
    )
}

/// What clients saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub answers: usize,
    pub failures: Vec<String>,
}

/// Does `work` while four clients ask again and again, a connection a request.
pub fn under_load<T>(bed: &Bed, port: u16, work: impl FnOnce() -> T) -> (T, Seen) {
    let address = format!("127.0.0.1:{port}");
    let over = AtomicBool::new(false);
    let client = || {
        bed.in_network(|| {
            let mut seen = Seen::default();
            while !over.load(Ordering::Relaxed) {
                // Leaves some of the machine to the instances that start.
                std::thread::sleep(Duration::from_millis(3));
                match crate::bed::http::get(&address, "/") {
                    Ok(answer) if answer.status == 200 && !answer.body.is_empty() => {
                        seen.answers += 1;
                    }
                    Ok(answer) => seen.failures.push(format!("{answer:?}")),
                    Err(error) => seen.failures.push(error.to_string()),
                }
            }
            seen
        })
    };
    std::thread::scope(|scope| {
        // Over as well when `work` panics: its clients must not hold the test up.
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        let ends = Over(&over);
        let result = work();
        drop(ends);
        let mut all = Seen::default();
        for client in clients {
            let seen = client.join().expect("a client");
            all.answers += seen.answers;
            all.failures.extend(seen.failures);
        }
        (result, all)
    })
}

/// From when to when each instance was last away, in microseconds, in their order: from its stop order until it was up again.
pub fn away(bed: &Bed, app: &str, instances: u32) -> Vec<(u64, u64)> {
    let units = units(app, instances);
    let times = |name: &str| {
        let texts = property(bed, name, &units);
        texts
            .into_iter()
            .map(|text| text.parse::<u64>().expect("microseconds"))
            .collect::<Vec<_>>()
    };
    let begun = times("ActiveExitTimestampMonotonic");
    begun
        .into_iter()
        .zip(times("ActiveEnterTimestampMonotonic"))
        .collect()
}

/// The most that were away at one moment.
pub fn most_away(spans: &[(u64, u64)]) -> usize {
    spans
        .iter()
        .map(|(moment, _)| {
            let away = |(from, to): &&(u64, u64)| from <= moment && moment < to;
            spans.iter().filter(away).count()
        })
        .max()
        .unwrap_or(0)
}
