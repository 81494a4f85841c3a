//! What instances said to a request: as text, as JSON, as errors.

use std::time::Duration;

use serde_json::{Value, json};

use crate::model::unseen;
use crate::process::actions::{NoReply, Reply, UNKNOWN};

/// An instance, and what it said.
pub struct Asked {
    pub app: String,
    pub instance: u32,
    pub unit: String,
    /// Whether systemd runs it.
    pub runs: bool,
    pub said: Result<Reply, NoReply>,
}

/// The reply, or why the action was not done.
pub fn outcome<'a>(one: &'a Asked, action: &str, timeout: Duration) -> Result<&'a Reply, String> {
    match &one.said {
        Ok(reply) if reply.text.starts_with(UNKNOWN) => Err(format!("has no action {action}")),
        Ok(reply) => match reply.text.strip_prefix("error:") {
            Some(why) => Err(format!("{action} failed: {}", plain(why.trim()))),
            None => Ok(reply),
        },
        Err(_) if !one.runs => Err("is not running".to_owned()),
        Err(why) => Err(match why {
            NoReply::NoSocket => "has no actions".to_owned(),
            NoReply::NoListener => "does not listen for actions any more".to_owned(),
            NoReply::Foreign => {
                "what listens for its actions is not its own, so it was not asked".to_owned()
            }
            NoReply::Nothing => "closed without a reply".to_owned(),
            NoReply::TooLate => format!("no reply within {} s", timeout.as_secs_f64()),
            NoReply::Io(error) => format!("cannot be asked: {}", error.kind()),
        }),
    }
}

/// `api@0, api@1: why`, or `api: why` where it is the same for all its instances; each reason once.
pub fn failures(asked: &[Asked], results: &[Result<&Reply, String>]) -> Vec<String> {
    let mut by_reason: Vec<(&str, &str, Vec<u32>)> = Vec::new();
    for (one, result) in asked.iter().zip(results) {
        let Err(why) = result else { continue };
        let same = by_reason
            .iter_mut()
            .find(|(app, known, _)| *app == one.app && *known == why.as_str());
        match same {
            Some((_, _, instances)) => instances.push(one.instance),
            None => by_reason.push((&one.app, why, vec![one.instance])),
        }
    }
    by_reason
        .into_iter()
        .map(|(app, why, instances)| {
            let all = asked.iter().filter(|one| one.app == app).count();
            if instances.len() == all && all > 1 {
                return format!("{app}: {why}");
            }
            let names: Vec<String> = instances.iter().map(|n| format!("{app}@{n}")).collect();
            format!("{}: {why}", names.join(", "))
        })
        .collect()
}

/// The actions in the reply to an empty request, each with the words about it.
pub fn offered(one: &Asked) -> Vec<(String, String)> {
    let Ok(reply) = &one.said else { return vec![] };
    let named = |line: &str| {
        let (name, about) = line.split_once('\t').unwrap_or((line, ""));
        (plain(name.trim()), plain(about.trim()))
    };
    let lines = reply.text.lines().map(named);
    match reply.text.starts_with("error:") {
        true => vec![],
        false => lines.filter(|(name, _)| !name.is_empty()).collect(),
    }
}

/// Each line of the reply behind the instance's name, as in `logs`.
pub fn lines(one: &Asked, reply: &Reply, terminal: bool) -> String {
    let mut text = String::new();
    let cut = reply.cut.then_some("(cut here: it is longer than 64 KiB)");
    let said = if reply.text.is_empty() {
        ""
    } else {
        &reply.text
    };
    for line in said.split('\n').chain(cut) {
        let line = match terminal {
            true => plain(line),
            false => line.to_owned(),
        };
        text.push_str(format!("{}@{} | {line}", one.app, one.instance).trim_end());
        text.push('\n');
    }
    text
}

/// As text that no terminal obeys, in the order it is written.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => plain.push(c),
            c if c.is_control() || unseen(c) => plain.extend(c.escape_default()),
            c => plain.push(c),
        }
    }
    plain
}

/// `trigger --json`: a list of `name`, `instance` (number), `unit`, `action`, `param`, `ok` (bool), `reply` (text), `data` (the reply where it is JSON),
/// `cut` (the reply was longer than 64 KiB), `error`. What is not known is null. Without an action: `name`, `instance`, `unit`, `actions` (list of
/// `name` and `about`), `error`.
pub fn json_of(
    one: &Asked,
    action: &str,
    param: &Option<String>,
    result: &Result<&Reply, String>,
) -> Value {
    let reply = one.said.as_ref().ok();
    let data = reply.and_then(|reply| serde_json::from_str::<Value>(&reply.text).ok());
    json!({
        "name": one.app,
        "instance": one.instance,
        "unit": one.unit,
        "action": action,
        "param": param,
        "ok": result.is_ok(),
        "reply": reply.map(|reply| &reply.text),
        "data": data,
        "cut": reply.is_some_and(|reply| reply.cut),
        "error": result.as_ref().err(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(app: &str, instance: u32, said: Result<&str, NoReply>) -> Asked {
        Asked {
            app: app.to_owned(),
            instance,
            unit: format!("{app}@{instance}.service"),
            runs: true,
            said: said.map(|text| Reply {
                text: text.to_owned(),
                cut: false,
            }),
        }
    }

    #[test]
    fn each_reason_once_an_app() {
        let all = [
            asked("api", 0, Err(NoReply::TooLate)),
            asked("api", 1, Ok("done")),
            asked("api", 2, Err(NoReply::TooLate)),
            asked("web", 0, Err(NoReply::NoSocket)),
            asked("web", 1, Err(NoReply::NoSocket)),
            asked("job", 0, Ok("error: \x1b[2Jno room\n")),
            asked("old", 0, Ok("error: unknown action clean")),
        ];
        let timeout = Duration::from_millis(1500);
        let results: Vec<_> = all
            .iter()
            .map(|one| outcome(one, "clean", timeout))
            .collect();
        assert_eq!(
            failures(&all, &results),
            [
                "api@0, api@2: no reply within 1.5 s",
                "web: has no actions",
                "job@0: clean failed: \\u{1b}[2Jno room",
                "old@0: has no action clean",
            ]
        );
    }

    #[test]
    fn replies_are_shown_line_by_line() {
        let one = asked("api", 1, Ok("a\n\x1b[2Jb"));
        let reply = one.said.as_ref().unwrap();
        assert_eq!(lines(&one, reply, true), "api@1 | a\napi@1 | \\u{1b}[2Jb\n");
        assert_eq!(lines(&one, reply, false), "api@1 | a\napi@1 | \x1b[2Jb\n");
        let nothing = asked("api", 1, Ok(""));
        assert_eq!(
            lines(&nothing, nothing.said.as_ref().unwrap(), true),
            "api@1 |\n"
        );
    }

    #[test]
    fn offered_actions() {
        let one = asked("api", 0, Ok("clean\tempty the cache\r\nping\n\n"));
        let named = |name: &str, about: &str| (name.to_owned(), about.to_owned());
        assert_eq!(
            offered(&one),
            [named("clean", "empty the cache"), named("ping", "")]
        );
        assert_eq!(offered(&asked("api", 0, Ok("error: what?"))), []);
    }
}
