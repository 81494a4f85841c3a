//! What an instance that failed wrote last: of the run that failed, and of no earlier one.

use super::Machine;
use crate::journal::{Entry, LogApp, Query, Stream, read};
use crate::units::Facts;

/// Lines shown of an instance.
const SHOWN: usize = 10;

/// Lines read for that: systemd itself writes up to seven for each restart.
const READ: u64 = 100;

/// Oldest first, as they were written; none where the journal cannot be read: the failure itself is what matters.
pub async fn last_lines(machine: &Machine, facts: &Facts, unit: &str) -> Vec<String> {
    let app = &facts.app;
    let number = (0..facts.instances).find(|number| app.instance(*number) == unit);
    let of = LogApp {
        name: app.to_string(),
        stem: app.stem().to_owned(),
        instances: number.map(|number| vec![number]),
        namespace: facts.logs.namespace.clone(),
        ..LogApp::default()
    };
    let query = Query {
        lines: Some(READ),
        ..Query::new(machine.journal.clone(), vec![of])
    };
    let entries = read::past(&query).await.unwrap_or_default();
    let details = machine.manager.details(&[unit.to_owned()]).await;
    let details = details.unwrap_or_default().pop();
    // What systemd has forgotten of it, the journal knows.
    let newest = || entries.iter().rev().find_map(|one| one.invocation.clone());
    let restarts = details.as_ref().map_or(0, |details| details.restarts);
    let current = details.and_then(|details| details.invocation_id);
    match current.or_else(newest) {
        Some(current) => of_runs(&entries, &current, restarts),
        None => vec![],
    }
}

/// What the start script says when it does not start: why it failed stands elsewhere. It is in a run of its own, with lines of the run before that
/// journald came to too late: it takes the run's number from the unit as it is by then.
fn is_of_start_script(line: &str) -> bool {
    line.starts_with("gave up: ") && line.ends_with("(max_restarts)")
}

/// The lines of the newest run that has written any, `entries` being oldest first: the current one, or one of those before it that systemd has restarted
/// of itself since it was last told to start, for one of them failed.
fn of_runs(entries: &[Entry], current: &str, restarts: u32) -> Vec<String> {
    let mut runs: Vec<&str> = vec![current];
    for run in entries
        .iter()
        .rev()
        .filter_map(|one| one.invocation.as_deref())
    {
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    let may = usize::try_from(restarts)
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    for (number, run) in runs.iter().enumerate().take(may) {
        let begins = |run: &str| {
            let of = entries
                .iter()
                .filter(|one| one.invocation.as_deref() == Some(run));
            of.map(|one| one.at).min()
        };
        let since = begins(run);
        let until = number.checked_sub(1).and_then(|later| begins(runs[later]));
        let mine = |one: &&Entry| match &one.invocation {
            Some(of) => of == run,
            // Its process was gone before journald looked.
            None => since.is_some_and(|at| one.at >= at) && until.is_none_or(|at| one.at < at),
        };
        let mut lines: Vec<String> = entries
            .iter()
            .filter(|one| one.stream != Stream::Manager)
            .filter(mine)
            .flat_map(|one| one.text().lines().map(str::to_owned).collect::<Vec<_>>())
            .filter(|line| !is_of_start_script(line))
            .collect();
        lines.drain(..lines.len().saturating_sub(SHOWN));
        if !lines.is_empty() {
            return lines;
        }
    }
    vec![]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: u64, run: Option<&str>, stream: Stream, message: &str) -> Entry {
        Entry {
            at,
            app: Some("api".to_owned()),
            instance: Some(0),
            unit: Some("api@0.service".to_owned()),
            stream,
            message: message.as_bytes().to_vec(),
            pid: None,
            priority: None,
            invocation: run.map(str::to_owned),
            cursor: String::new(),
            message_id: None,
            exit_code: None,
            exit_status: None,
            result: None,
        }
    }

    #[test]
    fn of_the_run_that_failed() {
        let entries = [
            entry(1, Some("a"), Stream::Manager, "Started"),
            entry(2, Some("a"), Stream::Out, "listening"),
            entry(3, None, Stream::Out, "a child that was gone"),
            entry(4, Some("b"), Stream::Manager, "Starting"),
            entry(5, Some("b"), Stream::Err, "no database\n    at line 3"),
            entry(6, None, Stream::Err, "another child"),
            entry(7, Some("c"), Stream::Manager, "Starting"),
        ];
        let lines = |current, restarts| of_runs(&entries, current, restarts);
        let failed = ["no database", "    at line 3", "another child"];
        assert_eq!(lines("b", 0), failed);
        // Started by hand, it has written nothing.
        assert!(lines("c", 0).is_empty());
        // systemd has started it again.
        assert_eq!(lines("c", 1), failed);
        // The journal knows nothing of it yet.
        assert!(lines("d", 1).is_empty());
        assert_eq!(lines("d", 2), failed);
        assert_eq!(
            of_runs(&entries[..3], "a", 0),
            ["listening", "a child that was gone"]
        );
    }

    #[test]
    fn a_start_that_was_none_wrote_nothing() {
        let gave_up = "gave up: 1 starts in a row ended before min_uptime (max_restarts)";
        let mut entries = vec![
            entry(1, Some("a"), Stream::Out, "listening"),
            entry(2, Some("b"), Stream::Err, "no database"),
            entry(3, Some("c"), Stream::Err, gave_up),
        ];
        assert_eq!(of_runs(&entries, "c", 1), ["no database"]);
        // journald came to it when the unit had been started again.
        entries[1].invocation = Some("c".to_owned());
        assert_eq!(of_runs(&entries, "c", 1), ["no database"]);
        entries.remove(1);
        assert!(of_runs(&entries, "c", 0).is_empty());
    }

    #[test]
    fn the_last_of_many() {
        let mut entries: Vec<Entry> = Vec::new();
        for number in 0..30 {
            entries.push(entry(
                number,
                Some("a"),
                Stream::Out,
                &format!("line {number}"),
            ));
        }
        let lines = of_runs(&entries, "a", 0);
        assert_eq!((lines.len(), lines[0].as_str()), (SHOWN, "line 20"));
    }
}
