//! The manual pages are what --help and the table of keys say: `UPDATE_EXPECTED=1 cargo test --test man` writes
//! them, a plain run compares.

#[path = "man/app_part.rs"]
mod app_part;
#[path = "man/command_page.rs"]
mod command_page;
#[path = "man/commands_part.rs"]
mod commands_part;
#[path = "man/file_page.rs"]
mod file_page;
#[path = "man/health_part.rs"]
mod health_part;
#[path = "man/json.rs"]
mod json;
#[path = "man/lint.rs"]
mod lint;
#[path = "man/logs_part.rs"]
mod logs_part;
#[path = "man/metrics_part.rs"]
mod metrics_part;
#[path = "man/restarts.rs"]
mod restarts;
#[path = "man/rights_part.rs"]
mod rights_part;
#[path = "man/roff.rs"]
mod roff;
#[path = "man/walk.rs"]
mod walk;
#[path = "man/watch_page.rs"]
mod watch_page;

use std::fs;
use std::path::PathBuf;

use rpmctl::journal::send;

/// Each page's file and text.
fn pages() -> [(&'static str, String); 3] {
    [
        ("rpmctl.1", command_page::text()),
        ("ecosystem.toml.5", file_page::text()),
        ("rpmctl-watch.8", watch_page::text()),
    ]
}

fn page(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("man")
        .join(name);
    assert!(
        text.is_ascii(),
        "{name} has a letter that not every roff takes"
    );
    if std::env::var_os("UPDATE_EXPECTED").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().expect("man/")).expect("man/ can be made");
        fs::write(&path, text).expect("man/ can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "man/{name} is not what the code says: UPDATE_EXPECTED=1 cargo test --test man\n{}",
        similar::TextDiff::from_lines(written.as_str(), text).unified_diff()
    );
}

#[test]
fn rpmctl_1() {
    page("rpmctl.1", &command_page::text());
}

#[test]
fn ecosystem_toml_5() {
    page("ecosystem.toml.5", &file_page::text());
}

#[test]
fn rpmctl_watch_8() {
    let text = watch_page::text();
    for id in [
        send::RESTARTING,
        send::TROUBLE,
        send::UNHEALTHY,
        send::HEALTHY,
    ] {
        assert!(text.contains(id), "{id}");
    }
    page("rpmctl-watch.8", &text);
}

#[test]
fn roff_keeps_what_is_written() {
    let mut page = roff::Page::new("x", 1, "x");
    page.text(".a line with a dot, a \\ and --two\n'quoted'");
    assert!(
        page.end()
            .ends_with("\\&.a line with a dot, a \\e and \\-\\-two\n\\&'quoted'\n"),
    );
}
