//! `instances`, `exec_mode`, `listen`: how many, and what they share.

use crate::model::{Balance, Command, Listen, Mode};

use super::fields::{At, Fields};
use super::keys::INSTANCES_MAX;
use super::problem::{Problem, Span};
use super::value::{Kind, Value};

/// `instances` as written: the number that was given, resolved and raw.
pub struct Instances {
    pub count: u32,
    /// The number as PM2 reads it; None when not given.
    given: Option<i64>,
}

/// A number also in quotes; `"max"` and 0 are the processors, a negative number is the processors less that many, at least 1.
pub fn instances(fields: &mut Fields, cpus: u32) -> Instances {
    let one = Instances {
        count: 1,
        given: None,
    };
    let Some(field) = fields.field("instances") else {
        return one;
    };
    let given = match &field.value.kind {
        Kind::Integer(number) => Some(*number),
        Kind::Text(text) if text.trim().eq_ignore_ascii_case("max") => Some(0),
        Kind::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    let Some(given) = given else {
        if matches!(field.value.kind, Kind::Text(_)) {
            fields.bad(field, &field.value, "is not a number");
        } else {
            fields.wrong(field, &field.value);
        }
        return one;
    };
    let cpus = i64::from(cpus.max(1));
    let count = match given {
        0 => cpus,
        given if given < 0 => cpus.saturating_add(given).max(1),
        given => given,
    };
    if count > INSTANCES_MAX as i64 {
        fields.bad(
            field,
            &field.value,
            &format!("is too many: {INSTANCES_MAX} at most"),
        );
        return one;
    }
    Instances {
        count: count as u32,
        given: Some(given),
    }
}

/// `exec_mode`; where it is not given, PM2's rule: cluster for JavaScript files when `instances` is given as at least 1, 0, "max" or -1.
pub fn mode(fields: &mut Fields, instances: &Instances, javascript: bool) -> Mode {
    match fields.choice("exec_mode").as_deref() {
        Some("cluster" | "cluster_mode") => return Mode::Cluster,
        Some(_) => return Mode::Fork,
        None if fields.field("exec_mode").is_some() => return Mode::Fork,
        None => {}
    }
    match instances.given {
        Some(given) if given >= -1 && javascript => Mode::Cluster,
        Some(_) if instances.count > 1 => {
            let span = fields.span("instances");
            fields.note(
                span,
                format!(
                    "{} instances in fork mode, each with a listener of its own: exec_mode = \"cluster\" lets them share one, also under npm, Python and others",
                    instances.count
                ),
            );
            Mode::Fork
        }
        _ => Mode::Fork,
    }
}

/// PORT of the environment, which `listen` falls back to.
pub enum Port<'a> {
    None,
    /// The same for all instances.
    Shared(&'a At<String>),
    /// `increment_var = "PORT"`: each instance listens on one of its own.
    Own,
}

impl<'a> Port<'a> {
    pub fn of(written: Option<&'a At<String>>) -> Port<'a> {
        written.map_or(Port::None, Port::Shared)
    }
}

/// What the instances share, each with its place: `listen`, else PORT of the environment. Nothing in fork mode, unless the app takes descriptors itself.
pub fn listen(
    fields: &mut Fields,
    mode: Mode,
    count: u32,
    listen_fds: bool,
    port: Port<'_>,
    command: Option<&Command>,
) -> Vec<At<Listen>> {
    let written = fields.field("listen");
    let list = match written {
        Some(field) => match &field.value.kind {
            Kind::Bool(false) => return Vec::new(),
            Kind::List(items) => addresses(fields, items.iter().collect()),
            _ => addresses(fields, vec![&field.value]),
        },
        None if mode == Mode::Fork => return Vec::new(),
        None => match &port {
            Port::Shared((text, span)) => match Listen::parse(text) {
                Ok(listen) => vec![(listen, span.clone())],
                Err(_) => {
                    fields.note(
                        span.clone(),
                        "PORT is not a port, so the instances share nothing: `listen` says what they share",
                    );
                    Vec::new()
                }
            },
            Port::None | Port::Own => Vec::new(),
        },
    };
    if list.is_empty() {
        if matches!(port, Port::Own) && mode == Mode::Cluster && count > 1 {
            let span = fields.span("increment_var");
            fields.note(
                span,
                "each instance has a PORT of its own, so they share nothing: without increment_var they share one",
            );
        } else if written.is_none()
            && mode == Mode::Cluster
            && count > 1
            && matches!(port, Port::None)
        {
            let span = fields.app.span.clone();
            fields.note(
                span,
                "no port is known, so the instances share nothing: set `listen`, `port` or PORT in `env`",
            );
        }
        return list;
    }
    let place = list[0].1.clone();
    if mode == Mode::Fork && !listen_fds {
        fields.problems.push(
            Problem::at(&place, "`listen` is for cluster mode, and this app is in fork mode")
                .label("write exec_mode = \"cluster\", or listen_fds = true if the app takes its listeners from systemd"),
        );
        return Vec::new();
    }
    if let Some(command) = command
        && !command.preloadable
        && !listen_fds
    {
        sharing(fields, &place, command);
    }
    list
}

/// `balance`; a socket an instance needs TCP, where one address can have several.
pub fn balance(fields: &mut Fields, listen: &[At<Listen>]) -> Balance {
    if fields.choice("balance").as_deref() != Some("reuseport") {
        return Balance::Shared;
    }
    let span = fields.span("balance");
    let problem = |label: &str| {
        Problem::at(
            &span,
            "balance = \"reuseport\" gives each instance a TCP listener on the same address",
        )
        .label(label)
    };
    let found = match listen.iter().find(|(address, _)| address.port().is_none()) {
        _ if listen.is_empty() => Some(problem(
            "this app has none: set `listen` or `port` in cluster mode, or leave `balance` out",
        )),
        Some((path, place)) => Some(
            problem("the path of a unix socket can have one listener alone: leave `balance` out")
                .also(place, format!("{path} is such a path")),
        ),
        None => None,
    };
    fields.problems.extend(found);
    Balance::Reuseport
}

/// A program into which nothing can be loaded binds the port itself, which fails while systemd holds it.
fn sharing(fields: &mut Fields, place: &Span, command: &Command) {
    fields.problems.push(
        Problem::at(
            place,
            format!("{} cannot share a listener by itself: no library can be loaded into it", command.program.display()),
        )
        .label("write listen_fds = true if the app takes its listeners from systemd (sd_listen_fds(3)), else exec_mode = \"fork\" or listen = false")
        .help("programs linked statically (Go), or with set-user-ID, and scripts of such are of this kind")
        .on_this_machine(),
    );
}

fn addresses(fields: &mut Fields, values: Vec<&Value>) -> Vec<At<Listen>> {
    let field = fields.field("listen").expect("the caller has it");
    let mut list: Vec<At<Listen>> = Vec::new();
    for value in values {
        let text = match &value.kind {
            Kind::Text(text) => text.clone(),
            Kind::Integer(number) => number.to_string(),
            _ => {
                fields.wrong(field, value);
                continue;
            }
        };
        match Listen::parse(&text) {
            Ok(listen) => match list.iter().find(|(other, _)| *other == listen) {
                Some((_, first)) => {
                    let first = first.clone();
                    fields.problems.push(
                        Problem::at(&value.span, format!("`listen` has {listen} twice"))
                            .also(&first, "first here"),
                    );
                }
                None => list.push((listen, value.span.clone())),
            },
            Err(why) => fields.bad(field, value, why),
        }
    }
    list
}

/// Whether two addresses cannot be held by two sockets at once.
pub fn clash(a: &Listen, b: &Listen) -> bool {
    match (a, b) {
        (Listen::Port(_), _) | (_, Listen::Port(_)) => a.port().is_some() && a.port() == b.port(),
        _ => a == b,
    }
}
