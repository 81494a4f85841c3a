//! The app's own handlers win; those that only watch do not count.

use rustix::process::Signal;

use crate::client::{Client, Load};
use crate::nodes;
use crate::start::{SERVER, Setting, says};

fn with(more: &str) -> String {
    format!("{SERVER}\n{more}")
}

#[test]
fn an_own_handler_that_closes_the_server_loses_nothing() {
    for (place, signal) in [
        ("after", "SIGINT"),
        ("before", "SIGINT"),
        ("after", "SIGTERM"),
    ] {
        let handler = format!(
            "process.{} ('{signal}', () => {{ console.error('own'); \
             server.close(() => {{ console.error('closed'); process.exitCode = 7; }}); }});",
            if place == "after" { "on" } else { "once" }
        );
        let text = if place == "after" {
            with(&handler)
        } else {
            SERVER.replacen("server.listen", &format!("{handler}\nserver.listen"), 1)
        };
        nodes::each(|node| {
            let setting = Setting::new("server.js", &text);
            let mut first = setting.ready(node);
            let second = setting.ready(node);
            let load = Load::start(setting.port, 8);
            load.more(100);
            first.signal(Signal::INT);
            first.signal(Signal::INT);
            assert_eq!(first.wait(), 7, "{}", first.messages());
            load.more(50);
            load.end();
            drop(second);
            let said = first.messages();
            assert_eq!(said.matches("own").count(), 1, "{said}");
            assert!(said.contains("closed"), "{said}");
        });
    }
}

#[test]
fn an_own_handler_that_exits_exits_at_once() {
    nodes::each(|node| {
        let text = with(
            "process.removeAllListeners('SIGINT'); process.on('SIGINT', () => process.exit(9));",
        );
        let setting = Setting::new("server.js", &text);
        let mut app = setting.ready(node);
        let mut open = Client::connect(setting.port);
        open.get("/").unwrap();
        app.signal(Signal::INT);
        assert_eq!(app.wait(), 9, "{}", app.messages());
    });
}

/// NestJS's way: its own handlers, then the default.
#[test]
fn who_signals_itself_after_its_handler_ends() {
    nodes::each(|node| {
        let text = with(
            "function own() { server.close(() => { console.error('closed'); \
             process.removeListener('SIGINT', own); process.kill(process.pid, 'SIGINT'); }); }\n\
             process.on('SIGINT', own);",
        );
        let setting = Setting::new("server.js", &text);
        let mut app = setting.ready(node);
        let mut open = Client::connect(setting.port);
        open.send("/slow/500").unwrap();
        says(&app, "asked");
        app.signal(Signal::INT);
        assert!(open.answer().unwrap().closes());
        assert_eq!(app.wait(), -2, "{}", app.messages());
        says(&app, "closed");
    });
}

#[test]
fn an_own_handler_that_goes_on_is_left_alone() {
    nodes::each(|node| {
        let text = with("process.on('SIGINT', () => console.error('own'));");
        let setting = Setting::new("server.js", &text).set("RPMCTL_STOP", "SIGINT,500");
        let mut app = setting.ready(node);
        let mut open = Client::connect(setting.port);
        open.send("/slow/2000").unwrap();
        says(&app, "asked");
        app.signal(Signal::INT);
        // Far beyond the time for the stop, which is systemd's to end.
        let answer = open.answer().unwrap();
        assert!(answer.closes() && answer.body == "slow", "{answer:?}");
        assert!(!app.messages().contains("exit"), "{}", app.messages());
        app.signal(Signal::TERM);
        assert_eq!(app.wait(), -15);
    });
}

#[test]
fn signal_exit_is_no_handler() {
    for version in ["3", "4"] {
        let load = format!(
            "const loaded = require(process.env.PACKAGES + '/signal-exit{version}');\n\
             (loaded.onExit || loaded)((code, signal) => console.error('left', code, signal));\n"
        );
        nodes::each(|node| {
            let setting = Setting::new("server.js", &(load.clone() + SERVER));
            let mut app = setting.ready(node);
            let mut client = Client::connect(setting.port);
            client.send("/slow/800").unwrap();
            says(&app, "asked");
            app.signal(Signal::INT);
            assert!(client.answer().unwrap().closes());
            assert_eq!(app.wait(), 0, "{}", app.messages());
            says(&app, "left 0 null");
        });
    }
}

#[test]
fn the_message_shutdown_comes_instead_of_the_signal() {
    nodes::each(|node| {
        let text = with(
            "process.on('SIGINT', () => console.error('interrupted'));\n\
             process.on('message', (m) => { console.error('told', m); server.close(() => process.exit(5)); });",
        );
        let setting = Setting::new("server.js", &text).set("RPMCTL_STOP", "SIGPWR,4000");
        let mut app = setting.ready(node);
        let mut client = Client::connect(setting.port);
        client.send("/slow/500").unwrap();
        says(&app, "asked");
        app.signal(Signal::POWER);
        assert!(client.answer().unwrap().closes());
        assert_eq!(app.wait(), 5, "{}", app.messages());
        let said = app.messages();
        assert!(
            said.contains("told shutdown") && !said.contains("interrupted"),
            "{said}"
        );
    });
}

#[test]
fn who_takes_no_messages_is_drained() {
    nodes::each(|node| {
        let setting = Setting::new("server.js", SERVER).set("RPMCTL_STOP", "SIGPWR,4000");
        let mut app = setting.ready(node);
        let mut client = Client::connect(setting.port);
        client.send("/slow/500").unwrap();
        says(&app, "asked");
        app.signal(Signal::POWER);
        assert!(client.answer().unwrap().closes());
        assert_eq!(app.wait(), 0, "{}", app.messages());
    });
}

#[test]
fn a_process_without_a_server_gets_the_message_too() {
    nodes::each(|node| {
        let text = "process.on('message', (m) => { console.error('told', m); process.exit(6); });\n\
                    setInterval(() => {}, 1000); console.error('up');";
        let setting = Setting::new("worker.js", text).set("RPMCTL_STOP", "SIGPWR,4000");
        let mut app = setting.start_alone(node);
        says(&app, "up");
        app.signal(Signal::POWER);
        assert_eq!(app.wait(), 6, "{}", app.messages());
        says(&app, "told shutdown");
    });
}

#[test]
fn a_process_without_a_server_keeps_the_default() {
    nodes::each(|node| {
        let text =
            "setInterval(() => {}, 1000); console.error('up', process.listenerCount('SIGINT'));";
        let setting = Setting::new("worker.js", text);
        let mut app = setting.start(node);
        says(&app, "up 0");
        app.signal(Signal::INT);
        assert_eq!(app.wait(), -2);
    });
}
