//! `rpmctl monit`: the cluster on a screen.

use std::io::IsTerminal;
use std::process::ExitCode;

use super::args::MonitArgs;
use super::report::Stop;
use super::{control, machine, table};
use crate::monit::{self, Options};

pub async fn run(args: MonitArgs, user: bool) -> anyhow::Result<ExitCode> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Stop::new("monit needs a terminal, on standard input and output")
            .hint("without one: rpmctl status, rpmctl logs -f; over ssh: ssh -t HOST rpmctl monit")
            .into());
    }
    let term = std::env::var_os("TERM").unwrap_or_default();
    if term.is_empty() || term == "dumb" {
        return Err(Stop::new("monit needs a terminal that can move its cursor")
            .hint(format!(
                "TERM is {:?}; set it to what the terminal is",
                term.display().to_string()
            ))
            .into());
    }
    let machine = machine::connect(user).await?;
    let apps = control::apps(&machine)?;
    let targets = match args.targets.is_empty() {
        true => vec!["all".to_owned()],
        false => {
            control::select(&apps, &args.targets)?;
            args.targets
        }
    };
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    let options = Options {
        targets,
        host: if user { format!("{host} (user)") } else { host },
        colour: table::colour(),
    };
    Ok(ExitCode::from(monit::run(machine, options).await?))
}
