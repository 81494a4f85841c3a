//! `rpmctl schema`: the JSON Schema of ecosystem files.

use std::io::Write;
use std::process::ExitCode;

/// Print the JSON Schema of ecosystem.toml, for editors
#[derive(clap::Args, Debug)]
pub struct SchemaArgs {}

pub fn run(_: SchemaArgs) -> anyhow::Result<ExitCode> {
    writeln!(
        std::io::stdout().lock(),
        "{:#}",
        crate::config::schema::schema()
    )?;
    Ok(ExitCode::SUCCESS)
}
