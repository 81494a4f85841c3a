//! Several machines asked at once, and one table of what they answer. A machine that does not answer is a row of it.

use std::process::ExitCode;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Host;
use super::lines;
use super::ssh::Call;
use crate::cli::report::{FAILED, NOT_RUNNING};
use crate::cli::status::room;
use crate::cli::{out, table};

/// What a machine answered: the rows of its table, or why there are none.
pub struct Answer {
    pub host: Host,
    pub rows: Result<Vec<Value>, String>,
    /// It answered that it has none of what was asked for, in its words.
    pub missing: Option<String>,
    /// Something wanted is not running there.
    pub lacks: bool,
}

/// What a machine says that has none of the apps asked for.
const MISSING: &str = "no app is called ";

/// Exit 1 when a machine did not answer or none has what was asked for, else 3 when something wanted is not running on one of them.
pub async fn status(hosts: &[Host], call: Call, as_json: bool) -> anyhow::Result<ExitCode> {
    let answers = ask(hosts, &call).await;
    match as_json {
        true => out::line(&json_of(&answers).to_string())?,
        false => out::text(&lines::apps(&answers, room(), table::colour()))?,
    }
    Ok(code(&answers))
}

pub async fn list(hosts: &[Host], call: Call, as_json: bool) -> anyhow::Result<ExitCode> {
    let answers = ask(hosts, &call).await;
    match as_json {
        true => out::line(&json_of(&answers).to_string())?,
        false => out::text(&lines::instances(&answers, room(), table::colour()))?,
    }
    Ok(code(&answers))
}

fn code(answers: &[Answer]) -> ExitCode {
    let nowhere = answers.iter().all(|one| one.missing.is_some());
    if nowhere || answers.iter().any(|one| one.rows.is_err()) {
        ExitCode::from(FAILED)
    } else if answers.iter().any(|one| one.lacks) {
        ExitCode::from(NOT_RUNNING)
    } else {
        ExitCode::SUCCESS
    }
}

/// In the order of `hosts`.
async fn ask(hosts: &[Host], call: &Call) -> Vec<Answer> {
    let mut asked = JoinSet::new();
    for (number, host) in hosts.iter().enumerate() {
        let (call, host) = (call.clone(), host.clone());
        asked.spawn(async move {
            let told = call.ask(&host).await;
            let lacks = told.as_ref().is_ok_and(|told| told.lacks);
            let missing = told.as_ref().err().filter(|why| why.starts_with(MISSING));
            let missing = missing.cloned();
            let rows = match missing {
                Some(_) => Ok(vec![]),
                None => told.and_then(|told| rows(&told.text)),
            };
            let answer = Answer {
                host,
                rows,
                missing,
                lacks,
            };
            (number, answer)
        });
    }
    let mut answers = asked.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn rows(text: &[u8]) -> Result<Vec<Value>, String> {
    match serde_json::from_slice(text) {
        Ok(Value::Array(rows)) => Ok(rows),
        // A login shell that prints something of its own.
        _ => Err("what it answered cannot be read; does its shell print something when a command is run by ssh?".to_owned()),
    }
}

/// Each row with its `host`; a machine that did not answer as `host` and `unreachable`, one that has none of the apps as `host` and `missing`.
fn json_of(answers: &[Answer]) -> Value {
    let mut all = Vec::new();
    for answer in answers {
        let host = answer.host.to_string();
        if let Some(why) = &answer.missing {
            all.push(json!({ "host": host, "missing": why }));
        }
        match &answer.rows {
            Ok(rows) => all.extend(rows.iter().cloned().map(|mut row| {
                if let Value::Object(row) = &mut row {
                    row.insert("host".to_owned(), json!(host));
                }
                row
            })),
            Err(why) => all.push(json!({ "host": host, "unreachable": why })),
        }
    }
    Value::Array(all)
}
