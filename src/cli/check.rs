//! `rpmctl check`: every problem of a file, nothing touched.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::ecosystem::{self, DEFAULT_FILE};
use super::{out, table};
use crate::config::{Checked, Options, Written};

/// Check an ecosystem file: every problem in one run, nothing is touched
#[derive(clap::Args, Debug)]
pub struct CheckArgs {
    /// The file; - for standard input
    #[arg(default_value = DEFAULT_FILE)]
    pub file: PathBuf,
    /// Overlay the env_<NAME> tables
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// With -: the file that standard input is the text of, there or not; relative paths in it start from its folder
    #[arg(long, value_name = "FILE")]
    stdin_filename: Option<PathBuf>,
    /// One JSON object: ok, apps, problems, notes
    #[arg(long)]
    json: bool,
}

/// Exit code 0 when the file is right, 1 with its problems. Errors: the file cannot be read.
pub fn run(args: CheckArgs, user: bool) -> anyhow::Result<ExitCode> {
    let options = Options {
        profile: args.env,
        user_manager: user,
        ..Options::default()
    };
    let loaded = ecosystem::load(&args.file, args.stdin_filename.as_deref(), options)?;
    let (written, checked) = (&loaded.written, &loaded.checked);
    if args.json {
        out::line(&format!("{:#}", to_json(written, checked)))?;
    } else if let Some(model) = &checked.model {
        for note in &checked.notes {
            out::line(&format!("note: {}", note.to_text(&written.name)))?;
        }
        let plural = if model.apps.len() == 1 { "" } else { "s" };
        out::line(&format!("ok: {} app{plural}", model.apps.len()))?;
    } else {
        let report = written.report(&checked.problems);
        out::say(report.to_text(table::colour_err()).trim_end());
    }
    Ok(match checked.model {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    })
}

fn to_json(written: &Written, checked: &Checked) -> serde_json::Value {
    let apps = checked.model.as_ref().map(|model| {
        model
            .apps
            .iter()
            .map(|app| json!({ "name": app.name.as_str(), "mode": app.mode.as_str(), "instances": app.instances }))
            .collect::<Vec<_>>()
    });
    let notes: Vec<_> = checked
        .notes
        .iter()
        .map(|note| json!({ "app": note.app, "line": note.line, "message": note.what }))
        .collect();
    json!({
        "ok": checked.model.is_some(),
        "file": written.name,
        "apps": apps.unwrap_or_default(),
        "problems": written.report(&checked.problems).to_json(),
        "notes": notes,
    })
}
