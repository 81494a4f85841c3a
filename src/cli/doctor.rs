//! `rpmctl doctor`: what commonly goes wrong, each with its remedy.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::report::FAILED;
use super::table::{self, Tone};
use super::{machine, out};
use crate::doctor::{self, Asked, Finding, Level};

#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Show what is well, too
    #[arg(short, long)]
    pub verbose: bool,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// Exit 1 when something is broken; warnings alone are 0.
pub async fn run(args: DoctorArgs, user: bool) -> anyhow::Result<ExitCode> {
    let asked = Asked {
        places: machine::places(user)?,
        user,
        journal: machine::journal(user),
        home: machine::home(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let found = doctor::examine(&asked).await;
    if args.json {
        out::line(&json_of(&found).to_string())?;
    } else {
        out::text(&text(&found, args.verbose, table::colour()))?;
    }
    Ok(match doctor::worst(&found) {
        Level::Broken => ExitCode::from(FAILED),
        _ => ExitCode::SUCCESS,
    })
}

fn count(found: &[Finding], level: Level) -> usize {
    found.iter().filter(|one| one.level == level).count()
}

/// A line a finding, below it its remedy; the checks that found nothing in one line.
fn text(found: &[Finding], verbose: bool, colour: bool) -> String {
    let shown = |one: &&Finding| verbose || one.level != Level::Ok;
    let widest = |part: fn(&Finding) -> usize| found.iter().filter(shown).map(part).max();
    let level = widest(|one| one.level.as_str().len())
        .unwrap_or_default()
        .max(2);
    let check = widest(|one| one.check.len()).unwrap_or_default();
    let mut out = String::new();
    for one in found.iter().filter(shown) {
        let word = table::paint(
            &format!("{:<level$}", one.level.as_str()),
            tone(one.level),
            colour,
        );
        let about = match &one.about {
            Some(about) if !one.named => format!("{about}: "),
            _ => String::new(),
        };
        out.push_str(&format!(
            "{word}  {:<check$}  {about}{}\n",
            one.check, one.what
        ));
        if let Some(fix) = &one.fix {
            let blanks = " ".repeat(level + check + 4);
            out.push_str(&format!(
                "{blanks}{} {fix}\n",
                table::paint("fix:", Tone::Faint, colour)
            ));
        }
    }
    if !verbose {
        let mut well: Vec<&str> = found
            .iter()
            .filter(|one| one.level == Level::Ok)
            .map(|one| one.check)
            .collect();
        well.dedup();
        if !well.is_empty() {
            let word = table::paint(&format!("{:<level$}", "ok"), Tone::Good, colour);
            out.push_str(&format!("{word}  {}\n", well.join(" ")));
        }
    }
    let plural = |number: usize| if number == 1 { "" } else { "s" };
    let (broken, warnings) = (count(found, Level::Broken), count(found, Level::Warning));
    out.push_str(&match (broken, warnings) {
        (0, 0) => "nothing is wrong\n".to_owned(),
        _ => format!("{broken} broken, {warnings} warning{}\n", plural(warnings)),
    });
    out
}

fn tone(level: Level) -> Tone {
    match level {
        Level::Broken => Tone::Bad,
        Level::Warning => Tone::Busy,
        Level::Note => Tone::Faint,
        Level::Ok => Tone::Good,
    }
}

/// `level` (the worst: broken, warning, note, ok), `broken` and `warnings` (how many), `checks`: list of `check`, `level`, `about` (app, unit or file; null:
/// the machine), `what`, `fix` (null where nothing is to be done).
fn json_of(found: &[Finding]) -> Value {
    let checks: Vec<Value> = found
        .iter()
        .map(|one| {
            json!({
                "check": one.check,
                "level": one.level.as_str(),
                "about": one.about,
                "what": one.what,
                "fix": one.fix,
            })
        })
        .collect();
    json!({
        "level": doctor::worst(found).as_str(),
        "broken": count(found, Level::Broken),
        "warnings": count(found, Level::Warning),
        "checks": checks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever letters the app's name has.
    #[test]
    fn what_it_is_about_stands_before_it() {
        let told = |one: Finding| text(&[one], false, false);
        let folder = || Finding::warning("programs", "its folder of the app is gone", "mkdir");
        for name in ["app", "is", "a", "folder"] {
            let line = format!("warning  programs  {name}: its folder of the app is gone\n");
            assert!(told(folder().about(name)).starts_with(&line), "{name}");
        }
        let unit = Finding::warning("leftovers", "old@0.service runs", "stop it");
        let line = "warning  leftovers  old@0.service runs\n";
        assert!(told(unit.naming("old@0.service")).starts_with(line));
    }

    #[test]
    fn aligned_and_collapsed() {
        let found = [
            Finding::broken(
                "ports",
                "127.0.0.1:3000 is held by process 7 (node)",
                "end it",
            )
            .about("api"),
            Finding::warning("journal", "kept in memory", "mkdir"),
            Finding::note("rights", "not root"),
            Finding::ok("systemd", "systemd 252"),
            Finding::ok("bus", "it answers"),
        ];
        let expected = "\
broken   ports    api: 127.0.0.1:3000 is held by process 7 (node)
                  fix: end it
warning  journal  kept in memory
                  fix: mkdir
note     rights   not root
ok       systemd bus
1 broken, 1 warning
";
        assert_eq!(text(&found, false, false), expected);
        let verbose = text(&found, true, false);
        assert!(
            verbose.contains("\nok       systemd  systemd 252\n"),
            "{verbose}"
        );
        assert!(text(&found[..1], false, true).contains("\x1b[31mbroken\x1b[0m"));
        assert_eq!(
            text(&found[3..], false, false),
            "ok  systemd bus\nnothing is wrong\n"
        );
        let json = json_of(&found);
        assert_eq!(json["level"], "broken");
        assert_eq!((&json["broken"], &json["warnings"]), (&json!(1), &json!(1)));
        assert_eq!(
            json["checks"][1],
            json!({ "check": "journal", "level": "warning", "about": null, "what": "kept in memory", "fix": "mkdir" })
        );
    }
}
