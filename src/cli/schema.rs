//! `rpmctl schema`: the JSON Schema of ecosystem files.

use std::process::ExitCode;

use super::out;

/// Print the JSON Schema of ecosystem.toml, for editors
#[derive(clap::Args, Debug)]
pub struct SchemaArgs {}

pub fn run(_: SchemaArgs) -> anyhow::Result<ExitCode> {
    out::line(&format!("{:#}", crate::config::schema::schema()))?;
    Ok(ExitCode::SUCCESS)
}
