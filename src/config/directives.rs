//! `[apps.systemd.*]`: directives of systemd passed through, but for those that a key of the file decides.

use crate::model::Directives;

use super::fields::Fields;
use super::problem::Problem;
use super::suggest;
use super::value::{Entry, Kind, Value};

const SECTIONS: [&str; 4] = ["Unit", "Service", "Socket", "Install"];

/// Directives that the units are built around: section, name, what to use instead, or `nothing: ` and why.
#[rustfmt::skip]
const OWNED: &[(&str, &str, &str)] = &[
    ("Unit", "StartLimitIntervalSec", "`min_uptime` and `max_restarts`: an instance at systemd's own limit takes the shared socket down"),
    ("Unit", "StartLimitBurst", "`max_restarts`: an instance at systemd's own limit takes the shared socket down"),
    ("Unit", "StartLimitAction", "nothing: failed starts are counted outside of systemd"),
    ("Unit", "RefuseManualStart", "`autostart`: rpmctl itself starts each instance"),
    ("Unit", "RefuseManualStop", "nothing: rpmctl itself stops each instance"),
    ("Service", "ExecStart", "`script` and `args`"),
    ("Service", "ExecStop", "`stop_signal`"),
    ("Service", "Type", "`wait_ready`"),
    ("Service", "NotifyAccess", "`wait_ready`"),
    ("Service", "Restart", "`autorestart`"),
    ("Service", "RestartSec", "`restart_delay`"),
    ("Service", "RestartPreventExitStatus", "`stop_exit_codes`: an instance that gave up is known by its exit status"),
    ("Service", "RemainAfterExit", "nothing: an instance that ended would look up, and not start again"),
    ("Service", "RestartSteps", "`exp_backoff_restart_delay`"),
    ("Service", "RestartMaxDelaySec", "`exp_backoff_restart_delay`"),
    ("Service", "User", "`user`"),
    ("Service", "Group", "`group`"),
    ("Service", "WorkingDirectory", "`cwd`"),
    ("Service", "Environment", "`env`, which no other user can read"),
    ("Service", "KillSignal", "`stop_signal`"),
    ("Service", "KillMode", "`treekill`"),
    ("Service", "TimeoutSec", "`listen_timeout` and `kill_timeout`"),
    ("Service", "TimeoutStartSec", "`listen_timeout`"),
    ("Service", "TimeoutStopSec", "`kill_timeout`"),
    ("Service", "Sockets", "`listen`"),
    ("Service", "NonBlocking", "nothing: it is always on, else event loops hang"),
    ("Service", "StandardOutput", "`out_file` or `disable_logs`"),
    ("Service", "StandardError", "`error_file` or `disable_logs`"),
    ("Service", "LogNamespace", "nothing: the lines would be in a journal that rpmctl logs does not read"),
    ("Service", "SyslogIdentifier", "nothing: it is the app's name"),
    ("Service", "RuntimeDirectoryPreserve", "nothing: the count of failed starts lies there"),
    ("Service", "StartLimitIntervalSec", "`min_uptime` and `max_restarts`"),
    ("Service", "StartLimitBurst", "`max_restarts`"),
    ("Service", "StartLimitAction", "nothing: failed starts are counted outside of systemd"),
    ("Unit", "StartLimitInterval", "`min_uptime` and `max_restarts`: it is the old name of StartLimitIntervalSec"),
    ("Service", "StartLimitInterval", "`min_uptime` and `max_restarts`"),
    ("Install", "Alias", "`name`: the target is enabled without systemctl, which alone makes aliases"),
    ("Install", "Also", "`autostart` of the other app"),
    ("Install", "DefaultInstance", "nothing: the target is enabled, not the template"),
    ("Install", "UpheldBy", "WantedBy or RequiredBy"),
    ("Socket", "ListenStream", "`listen`"),
    ("Socket", "Service", "nothing: an idle service holds the socket"),
    ("Socket", "ReusePort", "`balance`: one shared socket is open once"),
    ("Socket", "Accept", "nothing: the instances accept"),
];

/// Lists that an empty value would empty of what the units need there; any other value adds to them. Section, name, what to do instead.
#[rustfmt::skip]
const NEVER_EMPTY: &[(&str, &str, &str)] = &[
    ("Service", "EnvironmentFile", "it would take `env` away; leave it out"),
    ("Service", "LogExtraFields", "it would hide the lines from rpmctl logs; leave it out"),
    ("Service", "RuntimeDirectory", "the count of failed starts lies there; leave it out"),
    ("Service", "SuccessExitStatus", "a stop would look like a failure; leave it out, and see `stop_exit_codes`"),
];

pub fn read(fields: &mut Fields) -> Directives {
    let mut directives = Directives::default();
    let Some(field) = fields.field("systemd") else {
        return directives;
    };
    let Kind::Table(sections) = &field.value.kind else {
        fields.wrong(field, &field.value);
        return directives;
    };
    for section in sections {
        let list = match section.key.as_str() {
            "Unit" => &mut directives.unit,
            "Service" => &mut directives.service,
            "Socket" => &mut directives.socket,
            "Install" => &mut directives.install,
            other => {
                let label = suggest::did_you_mean(other, SECTIONS)
                    .unwrap_or_else(|| "write Unit, Service, Socket or Install".into());
                fields.problems.push(
                    Problem::at(
                        &section.key_span,
                        format!("unknown section `{other}` of systemd"),
                    )
                    .label(label),
                );
                continue;
            }
        };
        let Kind::Table(entries) = &section.value.kind else {
            fields.problems.push(
                Problem::at(
                    &section.value.span,
                    format!("`systemd.{}` is {}", section.key, section.value.noun()),
                )
                .label(format!("write a table: [apps.systemd.{}]", section.key)),
            );
            continue;
        };
        for entry in entries {
            match directive(&section.key, entry) {
                Ok(lines) => list.extend(lines.into_iter().map(|line| (entry.key.clone(), line))),
                Err(problem) => fields.problems.push(problem),
            }
        }
    }
    directives
}

/// The lines of one directive; an array repeats it.
fn directive(section: &str, entry: &Entry) -> Result<Vec<String>, Problem> {
    let name = &entry.key;
    let well_formed = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !well_formed {
        return Err(Problem::at(
            &entry.key_span,
            format!("{name:?} is not the name of a directive"),
        )
        .label("systemd's names are like MemoryHigh"));
    }
    if let Some((_, _, instead)) = OWNED.iter().find(|(s, n, _)| *s == section && n == name) {
        return Err(
            Problem::at(&entry.key_span, format!("`{name}` is for rpmctl to set")).label(
                match instead.strip_prefix("nothing: ") {
                    Some(why) => format!("leave it out: {why}"),
                    None => format!("use {instead}"),
                },
            ),
        );
    }
    let values: Vec<&Value> = match &entry.value.kind {
        Kind::List(items) => items.iter().collect(),
        _ => vec![&entry.value],
    };
    let lines: Vec<String> = values
        .iter()
        .map(|value| line(name, value))
        .collect::<Result<_, _>>()?;
    let emptied = NEVER_EMPTY
        .iter()
        .find(|(s, n, _)| *s == section && n == name);
    if let Some((_, _, why)) = emptied
        && lines.iter().any(|line| line.trim().is_empty())
    {
        return Err(
            Problem::at(&entry.value.span, format!("`{name}` cannot be emptied")).label(*why),
        );
    }
    let links = section == "Install" && matches!(name.as_str(), "WantedBy" | "RequiredBy");
    let no_unit = |word: &&str| !super::depends::is_unit(word);
    match lines
        .iter()
        .flat_map(|l| l.split_whitespace())
        .find(no_unit)
    {
        Some(word) if links => Err(Problem::at(
            &entry.value.span,
            format!("{word:?} is not the name of a unit"),
        )
        .label("write a unit that starts the app, such as multi-user.target")),
        _ => Ok(lines),
    }
}

fn line(name: &str, value: &Value) -> Result<String, Problem> {
    let bad = |what: &str| Problem::at(&value.span, format!("the value of `{name}` {what}"));
    match &value.kind {
        Kind::Bool(true) => Ok("yes".to_owned()),
        Kind::Bool(false) => Ok("no".to_owned()),
        Kind::Text(text) if text.chars().any(char::is_control) => {
            Err(bad("has a line break or another control character")
                .label("a directive is one line; an array repeats it"))
        }
        Kind::Text(text) if text.ends_with('\\') => {
            Err(bad("ends with a backslash").label("systemd would join the next line to it"))
        }
        _ => value.scalar().ok_or_else(|| {
            bad(&format!("is {}", value.noun()))
                .label("write text, a number, true or false, or an array of these")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_made_for_units_alone() {
        let value = |text: &str| Entry {
            key: "WantedBy".to_owned(),
            key_span: 0..8,
            value: Value {
                kind: Kind::Text(text.to_owned()),
                span: 9..20,
            },
        };
        assert!(directive("Install", &value("multi-user.target a@1.service")).is_ok());
        for bad in ["../../../srv/x", "multi-user", "a/b.target", ".target"] {
            assert!(directive("Install", &value(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn owned_directives_are_of_known_sections() {
        for (section, name, instead) in OWNED.iter().chain(NEVER_EMPTY) {
            assert!(SECTIONS.contains(section), "{section}.{name}");
            for word in instead.split('`').skip(1).step_by(2) {
                assert!(crate::config::keys::find(word).is_some(), "{name}: {word}");
            }
        }
    }
}
