//! On the stop signal nothing is lost, and the process goes when all is done.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::{Client, Load};
use crate::nodes;
use crate::start::{SERVER, Setting, says};

#[test]
fn keep_alive_clients_move_to_the_other_instance() {
    nodes::each(|node| {
        let setting = Setting::new("server.js", SERVER);
        let mut first = setting.ready(node);
        let second = setting.ready(node);
        let load = Load::start(setting.port, 12);
        load.more(200);
        first.signal(Signal::INT);
        assert_eq!(first.wait(), 0, "{}", first.messages());
        load.more(100);
        load.end();
        drop(second);
        says(&first, "exit 0");
    });
}

#[test]
fn idle_connections_are_closed_and_the_next_request_is_answered() {
    nodes::each(|node| {
        let setting = Setting::new("server.js", SERVER);
        let mut app = setting.ready(node);
        let mut idle = Client::connect(setting.port);
        assert!(!idle.get("/").unwrap().closes());
        let mut fresh = Client::connect(setting.port);
        let mut asks = Client::connect(setting.port);
        assert!(!asks.get("/").unwrap().closes());
        app.signal(Signal::INT);
        app.signal(Signal::INT);
        std::thread::sleep(Duration::from_millis(300));
        assert!(asks.get("/").unwrap().closes());
        assert!(asks.rest().unwrap().is_empty());
        assert!(idle.rest().unwrap().is_empty());
        assert!(fresh.rest().unwrap().is_empty());
        assert_eq!(app.wait(), 0, "{}", app.messages());
    });
}

#[test]
fn what_is_in_flight_is_finished() {
    nodes::each(|node| {
        let setting = Setting::new("server.js", SERVER);
        let mut app = setting.ready(node);
        let mut slow = Client::connect(setting.port);
        let mut keep = Client::connect(setting.port);
        let mut stream = Client::connect(setting.port);
        slow.send("/slow/1500").unwrap();
        keep.send("/keep/700").unwrap();
        stream.send("/stream/30").unwrap();
        says(&app, "asked");
        assert!(stream.head().unwrap().contains("chunked"));
        app.signal(Signal::INT);
        let answer = keep.answer().unwrap();
        assert!(answer.closes() && answer.body == "keep", "{answer:?}");
        let answer = slow.answer().unwrap();
        assert!(answer.closes() && answer.body == "slow", "{answer:?}");
        let text = String::from_utf8(stream.rest().unwrap()).unwrap();
        assert!(text.ends_with("end\n\r\n0\r\n\r\n"), "{text}");
        assert_eq!(text.matches("part").count(), 30);
        assert_eq!(app.wait(), 0, "{}", app.messages());
    });
}

#[test]
fn of_pipelined_requests_the_last_one_closes() {
    nodes::each(|node| {
        let setting = Setting::new("server.js", SERVER);
        let mut app = setting.ready(node);
        let mut client = Client::connect(setting.port);
        let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let all = request("/slow/600") + &request("/slow/1") + &request("/slow/300");
        client.raw(all.as_bytes()).unwrap();
        says(&app, "asked");
        app.signal(Signal::INT);
        let closes: Vec<bool> = (0..3).map(|_| client.answer().unwrap().closes()).collect();
        assert_eq!(closes, [false, false, true]);
        assert_eq!(app.wait(), 0, "{}", app.messages());
    });
}

#[test]
fn websockets_and_event_streams_last_until_shortly_before_the_kill() {
    nodes::each(|node| {
        let setting = Setting::new("server.js", SERVER).set("RPMCTL_STOP", "SIGINT,2000");
        let mut app = setting.ready(node);
        let mut socket = Client::connect(setting.port);
        let upgrade =
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        socket.raw(upgrade.as_bytes()).unwrap();
        assert!(socket.head().unwrap().contains("101"));
        let mut events = Client::connect(setting.port);
        events.send("/stream/events").unwrap();
        events.head().unwrap();
        let begun = Instant::now();
        app.signal(Signal::INT);
        std::thread::sleep(Duration::from_millis(1000));
        socket.raw(b"still").unwrap();
        assert_eq!(socket.exactly(5), b"still");
        assert_eq!(socket.rest().unwrap(), [0x88, 2, 0x03, 0xe9]);
        let lasted = begun.elapsed();
        assert!(lasted > Duration::from_millis(1500), "{lasted:?}");
        let text = String::from_utf8(events.rest().unwrap()).unwrap();
        assert!(text.ends_with("\r\n0\r\n\r\n"), "{text}");
        assert_eq!(app.wait(), 0, "{}", app.messages());
        assert!(begun.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn a_quiet_server_goes_at_once() {
    nodes::each(|node| {
        let setting = Setting::new("server.js", SERVER);
        let mut app = setting.ready(node);
        // Ready is said before Node calls back, and who ends in between has lost nothing.
        Client::connect(setting.port).get("/").unwrap();
        let begun = Instant::now();
        app.signal(Signal::INT);
        assert_eq!(app.wait(), 0, "{}", app.messages());
        assert!(begun.elapsed() < Duration::from_millis(2500));
    });
}

#[test]
fn a_listener_of_its_own_is_drained_too() {
    nodes::each(|node| {
        let setting = Setting::new(
            "server.js",
            &SERVER.replace("'127.0.0.1');", "'127.0.0.2', () => console.error('up'));"),
        );
        let mut app = setting.start_alone(node);
        says(&app, "up");
        let mut client = Client::at("127.0.0.2", setting.port);
        client.send("/slow/600").unwrap();
        says(&app, "asked");
        app.signal(Signal::INT);
        assert!(client.answer().unwrap().closes());
        assert_eq!(app.wait(), 0, "{}", app.messages());
    });
}
