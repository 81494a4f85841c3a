//! `health`: a path, or a table under the names that users of containers know.

use std::time::Duration;

use crate::model::{Command, Door, Health, Listen, Probe, parse_duration};

use super::defaults;
use super::fields::{At, Fields};
use super::keys::Form;
use super::problem::{Problem, Span};
use super::suggest;
use super::value::{Entry, Kind, Value};

/// Each key of the table, other tools' names for it, and its form in the schema.
pub const KEYS: &[(&str, &[&str], Form)] = &[
    ("http", &["path", "url"], Form::Text),
    ("tcp", &[], Form::Any),
    ("exec", &["cmd", "command"], Form::Text),
    ("port", &[], Form::Port),
    ("status", &[], Form::Any),
    ("interval", &[], Form::Duration),
    ("timeout", &[], Form::Duration),
    (
        "threshold",
        &["retries", "failure_threshold"],
        Form::Count(1, 1000),
    ),
    ("restart", &[], Form::Bool),
];

/// What is known of how the instances listen.
pub struct Ground<'a> {
    pub listen: &'a [At<Listen>],
    pub listen_fds: bool,
    pub reuseport: bool,
    pub command: Option<&'a Command>,
    /// PORT of the environment.
    pub port: Option<&'a str>,
    /// `increment_var = "PORT"`.
    pub own_ports: bool,
    pub instances: u32,
}

/// None when off.
pub fn read(fields: &mut Fields, ground: &Ground<'_>) -> Option<Health> {
    let field = fields.field("health")?;
    let before = fields.problems.len();
    let mut found = Found::default();
    match &field.value.kind {
        Kind::Bool(false) => return None,
        Kind::Text(path) => match http(path) {
            Ok(path) => found.http = Some((path, field.value.span.clone())),
            Err((what, hint)) => {
                let said = format!("`health` {path:?} {what}");
                let problem = Problem::at(&field.value.span, said).label(hint);
                fields.problems.push(problem);
            }
        },
        Kind::Table(entries) => table(entries, &mut found, &mut fields.problems),
        _ => fields.wrong(field, &field.value),
    }
    if fields.problems.len() > before {
        return None;
    }
    let span = field.value.span.clone();
    let health = found
        .health(&span, ground)
        .map_err(|problem| fields.problems.push(*problem));
    health.ok()
}

#[derive(Default)]
struct Found {
    http: Option<At<String>>,
    tcp: Option<Span>,
    exec: Option<At<String>>,
    port: Option<At<u16>>,
    statuses: Option<At<Vec<u16>>>,
    interval: Option<At<Duration>>,
    timeout: Option<At<Duration>>,
    threshold: Option<u32>,
    restart: Option<At<bool>>,
}

impl Found {
    fn health(self, span: &Span, ground: &Ground<'_>) -> Result<Health, Box<Problem>> {
        let refuse = |span: &Span, what: &str, hint: &str| {
            Err(Box::new(Problem::at(span, what.to_owned()).label(hint)))
        };
        let kinds: Vec<&Span> = [
            self.http.as_ref().map(|(_, span)| span),
            self.tcp.as_ref(),
            self.exec.as_ref().map(|(_, span)| span),
        ]
        .into_iter()
        .flatten()
        .collect();
        match kinds.as_slice() {
            [_] => {}
            [] => {
                return refuse(
                    span,
                    "`health` does not say what to ask",
                    "write http = \"/healthz\", tcp = true or exec = \"command\"",
                );
            }
            [_, second, ..] => {
                return refuse(
                    second,
                    "`health` asks two things",
                    "keep one of http, tcp and exec",
                );
            }
        }
        if let (Some((_, span)), None) = (&self.statuses, &self.http) {
            return refuse(
                span,
                "`status` of `health` is of an HTTP answer",
                "it goes with http",
            );
        }
        if let (Some((_, span)), Some(_)) = (&self.port, &self.exec) {
            return refuse(
                span,
                "`port` of `health` does not go with exec",
                "a command knows its own",
            );
        }
        let interval = self
            .interval
            .map_or(defaults::HEALTH_INTERVAL, |(span, _)| span);
        let timeout = match self.timeout {
            None => defaults::HEALTH_TIMEOUT.min(interval),
            Some((timeout, span)) if timeout > interval => {
                return refuse(
                    &span,
                    "`timeout` of `health` is longer than its interval",
                    "an answer is waited for until the next question at most",
                );
            }
            Some((timeout, _)) => timeout,
        };
        let probe = match (self.http, self.exec) {
            (Some((path, _)), _) => Probe::Http {
                path,
                statuses: self.statuses.map(|(codes, _)| codes).unwrap_or_default(),
                at: door(&self.port, span, ground)?,
            },
            (_, Some((command, _))) => Probe::Exec { command },
            _ => Probe::Tcp {
                at: door(&self.port, span, ground)?,
            },
        };
        let held = |listen: &Listen| ground.listen.iter().any(|(held, _)| held == listen);
        if let (
            Probe::Tcp {
                at: Door::Address(listen),
            },
            Some(span),
        ) = (&probe, &self.tcp)
            && held(listen)
        {
            return refuse(
                span,
                "a connection says nothing of this app: systemd itself listens for it",
                "write http or exec",
            );
        }
        let health = Health {
            probe,
            interval,
            timeout,
            threshold: self.threshold.unwrap_or(defaults::HEALTH_THRESHOLD),
            restart: self.restart.as_ref().is_some_and(|(on, _)| *on),
        };
        match self.restart {
            Some((true, span)) if !health.tells_apart(ground.instances) => refuse(
                &span,
                "`restart` of `health` needs to know which instance answered, and any of them answers here",
                match ground.reuseport {
                    true => "write exec, or leave balance = \"reuseport\" out",
                    false => {
                        "write exec, which asks each instance by itself, or leave `restart` out"
                    }
                },
            ),
            _ => Ok(health),
        }
    }
}

/// Where instances are asked: at the port that is given, else where the app listens.
fn door(port: &Option<At<u16>>, span: &Span, ground: &Ground<'_>) -> Result<Door, Box<Problem>> {
    let of = |listen: &Listen| {
        let shim = !ground.listen_fds && ground.command.is_none_or(|command| command.preloadable);
        match shim && !ground.reuseport && ground.listen.len() == 1 {
            true => Door::Shared(listen.clone()),
            false => Door::Address(listen.clone()),
        }
    };
    if let Some((port, _)) = port {
        let same = ground
            .listen
            .iter()
            .find(|(listen, _)| listen.port() == Some(*port));
        return Ok(match same {
            Some((listen, _)) => of(listen),
            None => Door::Address(Listen::Port(*port)),
        });
    }
    if let Some((listen, _)) = ground.listen.first() {
        return Ok(of(listen));
    }
    let base = ground.port.and_then(|text| text.trim().parse::<u16>().ok());
    match base.filter(|port| *port > 0) {
        Some(base) if ground.own_ports => Ok(Door::Ports(base)),
        Some(port) => Ok(Door::Address(Listen::Port(port))),
        None => Err(Box::new(
            Problem::at(span, "`health` does not know where the app listens")
                .label("set `port`, or ask at one: health = { http = \"/healthz\", port = 3000 }"),
        )),
    }
}

/// What is wrong, and what to write.
type Bad = (&'static str, String);

fn table(entries: &[Entry], found: &mut Found, problems: &mut Vec<Problem>) {
    let mut seen: Vec<(&str, &Span)> = Vec::new();
    for entry in entries {
        let written = entry.key.as_str();
        let known = KEYS
            .iter()
            .find(|(name, aliases, _)| *name == written || aliases.contains(&written));
        let Some((name, _, _)) = known else {
            problems.push(unknown(entry));
            continue;
        };
        if let Some((_, first)) = seen.iter().find(|(other, _)| other == name) {
            problems.push(
                Problem::at(&entry.key_span, format!("`{name}` is set twice"))
                    .label("keep one of them")
                    .also(first, "the first is here"),
            );
            continue;
        }
        seen.push((name, &entry.key_span));
        if let Err((what, hint)) = set(found, name, &entry.value) {
            let shown = match &entry.value.kind {
                Kind::Text(text) => format!("{text:?}"),
                _ => entry
                    .value
                    .scalar()
                    .unwrap_or_else(|| entry.value.noun().to_owned()),
            };
            let said = format!("`{written}` of `health` {shown} {what}");
            problems.push(Problem::at(&entry.value.span, said).label(hint));
        }
    }
}

fn unknown(entry: &Entry) -> Problem {
    let names = KEYS.iter().map(|(name, _, _)| *name);
    let label = suggest::did_you_mean(&entry.key, names.clone()).unwrap_or_else(|| {
        let names: Vec<&str> = names.collect();
        format!("there are: {}", names.join(", "))
    });
    Problem::at(
        &entry.key_span,
        format!("`health` has no key `{}`", entry.key),
    )
    .label(label)
}

fn set(found: &mut Found, name: &str, value: &Value) -> Result<(), Bad> {
    let span = value.span.clone();
    match name {
        "http" => found.http = Some((http(&text(value)?)?, span)),
        "exec" => {
            let command = text(value)?;
            if command.trim().is_empty() || command.contains(['\0', '\n', '\r']) {
                return Err(("is no command", "write it in one line".to_owned()));
            }
            found.exec = Some((command, span));
        }
        "tcp" => match &value.kind {
            Kind::Bool(true) => found.tcp = Some(span),
            Kind::Bool(false) => {}
            _ => {
                if found.port.is_some() {
                    return Err((
                        "has a port, and `port` stands here too",
                        "write tcp = true".to_owned(),
                    ));
                }
                found.port = Some((port(value, "write true or a port")?, span.clone()));
                found.tcp = Some(span);
            }
        },
        "port" => {
            if found.port.is_some() {
                return Err(("is the second port", "`tcp` has one already".to_owned()));
            }
            found.port = Some((port(value, "write a port from 1 to 65535")?, span));
        }
        "status" => found.statuses = Some((statuses(value)?, span)),
        "interval" => found.interval = Some((time(value)?, span)),
        "timeout" => found.timeout = Some((time(value)?, span)),
        "threshold" => found.threshold = Some(count(value)?),
        _ => match value.kind {
            Kind::Bool(on) => found.restart = Some((on, span)),
            _ => {
                return Err((
                    "is neither true nor false",
                    "write true or false".to_owned(),
                ));
            }
        },
    }
    Ok(())
}

fn text(value: &Value) -> Result<String, Bad> {
    match &value.kind {
        Kind::Text(text) => Ok(text.clone()),
        _ => Err(("is not text", "write it in quotes".to_owned())),
    }
}

/// The path of a request (RFC 9112, 3.2.1).
fn http(path: &str) -> Result<String, Bad> {
    let hint = || "write a path: \"/healthz\"; `port` says where".to_owned();
    match path {
        _ if !path.starts_with('/') => Err(("is not a path", hint())),
        _ if path.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(path.to_owned()),
        _ => Err((
            "has a character that no request can have",
            "write it as %20 and the like".to_owned(),
        )),
    }
}

fn port(value: &Value, hint: &str) -> Result<u16, Bad> {
    let number = match &value.kind {
        Kind::Integer(number) => u16::try_from(*number).ok(),
        Kind::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    let port = number.filter(|port| *port > 0);
    port.ok_or_else(|| ("is not a port", hint.to_owned()))
}

fn statuses(value: &Value) -> Result<Vec<u16>, Bad> {
    let items: Vec<&Value> = match &value.kind {
        Kind::List(items) => items.iter().collect(),
        _ => vec![value],
    };
    let code = |value: &&Value| match value.kind {
        Kind::Integer(number) => u16::try_from(number).ok(),
        _ => None,
    };
    let codes: Option<Vec<u16>> = items.iter().map(code).collect();
    codes
        .filter(|codes| !codes.is_empty() && codes.iter().all(|code| (100..600).contains(code)))
        .ok_or_else(|| {
            let hint =
                "write a number such as 200, or an array of them; 200 to 399 are good without it";
            ("is no status of HTTP", hint.to_owned())
        })
}

fn time(value: &Value) -> Result<Duration, Bad> {
    let hint = || "write a time from 100 ms on: \"10s\", \"500ms\"".to_owned();
    let text = value.scalar().ok_or_else(|| ("is not a time", hint()))?;
    match parse_duration(&text) {
        Ok(span) if span < defaults::HEALTH_SHORTEST => Err(("is too short", hint())),
        Ok(span) => Ok(span),
        Err(_) => Err(("is not a time", hint())),
    }
}

fn count(value: &Value) -> Result<u32, Bad> {
    let number = match &value.kind {
        Kind::Integer(number) => u32::try_from(*number).ok(),
        Kind::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .filter(|number| (1..=1000).contains(number))
        .ok_or_else(|| {
            (
                "is not a number of failures",
                "write a whole number from 1 to 1000".to_owned(),
            )
        })
}
