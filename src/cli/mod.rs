//! The command line: one file a command, and the one place that turns an error into a heading, hints and an exit code.

mod apply;
pub mod args;
mod check;
mod compile;
mod completions;
mod control;
mod doctor;
mod ecosystem;
mod flush;
pub mod hosts;
mod init;
mod interrupt;
mod list;
mod logs;
mod machine;
mod metrics;
mod monit;
mod out;
mod own_metrics;
mod packaged;
mod patience;
mod plan;
mod progress;
mod reload;
mod reload_logs;
mod render;
pub mod report;
mod rollback;
mod run;
pub mod scale;
mod schema;
mod shape;
mod show;
mod status;
mod table;
mod trigger;
mod verbs;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::apply::control::Order;
use crate::apply::guest;
use args::{Cli, Command};

pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&verbs::with_tip(error)),
    };
    // Each file says its own mode; under root's umask of 077 apps of other users could not read the listen shim.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // Nothing of ours has threads before this: a private systemd is process 1 of its own.
    if let Command::PrivateInit { args } = cli.command {
        return crate::private::init_main(args);
    }
    if let Command::MonitGuard = cli.command {
        return crate::monit::guard::main();
    }
    if let Command::TidyLog {
        account,
        rule,
        file,
    } = &cli.command
    {
        return crate::watch::logs::tidy::main(account.as_deref(), rule, file);
    }
    let cli = match cli.command {
        Command::At(args) => match hosts::at::asked(&args) {
            Ok(Ok(cli)) => {
                hosts::at::end_with_the_caller();
                cli
            }
            Ok(Err(error)) => return usage(&verbs::with_tip(error)),
            Err(error) => return report::end(error),
        },
        _ => cli,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report::end(error.into()),
    };
    let result = runtime.block_on(dispatch(cli));
    // A blocking read of stdin or of a pipe must not hold the end up.
    runtime.shutdown_background();
    result.unwrap_or_else(report::end)
}

/// Help and version on stdout with 0, wrong usage on stderr with 2.
fn usage(error: &clap::Error) -> ExitCode {
    let printed = error
        .print()
        .and_then(|()| std::io::Write::flush(&mut std::io::stdout()));
    match printed {
        Err(failed) if failed.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failed) if !error.use_stderr() => report::end(out::not_written(failed).into()),
        _ => ExitCode::from(error.exit_code() as u8),
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    if !cli.hosts.is_empty() {
        return hosts::run(cli, std::env::args_os().skip(1).collect()).await;
    }
    let user = cli.user;
    match cli.command {
        Command::Init(args) => init::run(args),
        Command::Check(args) => check::run(args, user),
        Command::Plan(args) => plan::run(args, user).await,
        Command::Apply(args) => apply::run(args, user).await,
        Command::Start(args) => control::run(args, Order::Start, user).await,
        Command::Stop(args) => control::run(args, Order::Stop, user).await,
        Command::Restart(args) => control::run(args, Order::Restart, user).await,
        Command::Reload(args) => reload::run(args, user).await,
        Command::Scale(args) => scale::run(args, user).await,
        Command::Delete(args) => control::delete(args, user).await,
        Command::List(args) => list::run(&args.targets, args.json, user).await,
        Command::Jlist => list::run(&[], true, user).await,
        Command::Status(args) => status::run(args, user).await,
        Command::Monit(args) => monit::run(args, user).await,
        Command::Metrics(args) => metrics::run(args, user).await,
        Command::Show(args) => show::run(args, user).await,
        Command::Trigger(args) => trigger::run(args, user).await,
        Command::Logs(args) => control::logs(args, user).await,
        Command::Flush(args) => flush::run(args, user).await,
        Command::Rollback(args) => rollback::run(args, user).await,
        Command::Render(args) => render::run(args, user),
        Command::Run(args) => run::run(args, user).await,
        Command::ReloadLogs => reload_logs::run(user).await,
        Command::Watch => watch::run(user).await,
        Command::Doctor(args) => doctor::run(args, user).await,
        Command::Schema(args) => schema::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Targets(args) => completions::targets(&args, user),
        Command::PolkitCheck { unit, verb } => {
            let may = guest::may(&machine::places(false)?, &unit, &verb);
            Ok(if may {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(report::FAILED)
            })
        }
        Command::PackagedUnits { folder } => packaged::run(&folder),
        Command::PrivateInit { .. }
        | Command::MonitGuard
        | Command::TidyLog { .. }
        | Command::At(_) => {
            unreachable!("handled before the runtime starts")
        }
    }
}
