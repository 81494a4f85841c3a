//! `rpmctl completions`: what a shell needs to complete commands and flags.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;
use super::out;

/// Print completions of commands and flags for a shell
#[derive(clap::Args, Debug)]
pub struct CompletionsArgs {
    /// The shell that is to complete
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

pub fn run(args: CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rpmctl", &mut script);
    out::text(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}
