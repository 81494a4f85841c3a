//! `rpmctl metrics`: all figures as Prometheus reads them, on stdout, in a file, or at an address.

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::compile::{self, For};
use super::report::Stop;
use super::{apply, machine, out};
use crate::apply::Machine;
use crate::apply::metrics::{self as endpoint, There};
use crate::host::owner;
use crate::metrics::{self, Format, serve};
use crate::model::Listen;
use crate::unit_files::write::Changes;
use crate::units;
use crate::units::metrics::SOCKET;

/// The port that Prometheus' list of exporters has for PM2's.
pub(super) const LISTEN: &str = "127.0.0.1:9209";
/// What serves ends when nobody has asked for so long.
const IDLE: Duration = Duration::from_secs(3);

#[derive(Args, Debug)]
pub struct MetricsArgs {
    /// Write them to FILE, all at once, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE", conflicts_with = "openmetrics")]
    pub textfile: Option<PathBuf>,
    /// In OpenMetrics' format
    #[arg(long)]
    pub openmetrics: bool,
    /// Answer at an address from now on: systemd listens there and starts rpmctl for who asks
    #[arg(long, conflicts_with_all = ["textfile", "openmetrics", "uninstall"])]
    pub install: bool,
    /// Where: a port of 127.0.0.1, or an address with a port; 127.0.0.1:9209 at first
    #[arg(long, value_name = "ADDRESS", requires = "install", value_parser = address)]
    pub listen: Option<Listen>,
    /// Answer there no longer
    #[arg(long, conflicts_with_all = ["textfile", "openmetrics"])]
    pub uninstall: bool,
    /// Answer at the socket on standard input until nobody asks; rpmctl-metrics.service does
    #[arg(long, hide = true, exclusive = true)]
    pub serve: bool,
}

fn address(text: &str) -> Result<Listen, &'static str> {
    // A port alone would be one of every interface.
    let local = match text.bytes().all(|digit| digit.is_ascii_digit()) {
        true => format!("127.0.0.1:{text}"),
        false => text.to_owned(),
    };
    match Listen::parse(&local) {
        Ok(Listen::Path(_)) | Err(_) => Err("write 9209, 127.0.0.1:9209 or [::1]:9209"),
        Ok(listen) => Ok(listen),
    }
}

pub async fn run(args: MetricsArgs, user: bool) -> anyhow::Result<ExitCode> {
    if args.serve {
        serve(user).await?;
    } else if args.install {
        install(&machine::connect(user).await?, args.listen, user).await?;
    } else if args.uninstall {
        uninstall(&machine::connect(user).await?).await?;
    } else {
        let format = match args.openmetrics {
            true => Format::OpenMetrics,
            false => Format::Prometheus,
        };
        let text = metrics::collect(&machine::connect(user).await?, format).await?;
        match &args.textfile {
            Some(file) => write(file, &text)?,
            None => out::text(&text)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whoever reads it finds the old text or the new one; node_exporter reads it as another user.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let path = std::path::absolute(file)?;
    let named = path.extension().is_some_and(|ending| ending == "prom");
    if !named && !path.is_dir() {
        let shown = file.display();
        return Err(Stop::new(format!("{shown} does not end with .prom"))
            .hint(format!(
                "node_exporter reads no other: --textfile {}.prom",
                file.with_extension("").display()
            ))
            .hint("for any other reader: rpmctl metrics > FILE")
            .into());
    }
    let folder = path.parent().filter(|folder| folder.is_dir());
    if folder.is_none() || path.is_dir() {
        let shown = file.display();
        return Err(match path.is_dir() {
            true => Stop::new(format!("{shown} is a folder"))
                .hint("name a file in it that ends with .prom"),
            false => Stop::new(format!("{shown}: its folder is not there"))
                .hint("it is the one of node_exporter's --collector.textfile.directory"),
        }
        .into());
    }
    let mut changes = Changes::default();
    changes.write(path, text, 0o644);
    Ok(changes.commit()?)
}

/// A connection to the manager that is lost is made anew; one that cannot be made is told who asks.
async fn serve(user: bool) -> anyhow::Result<()> {
    let no_socket = || {
        Stop::new("standard input is no socket that listens").hint(format!(
            "it is {SOCKET} that starts this: rpmctl metrics --install"
        ))
    };
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    let listens = rustix::net::sockopt::socket_acceptconn(&socket);
    if !listens.unwrap_or(false) {
        return Err(no_socket().into());
    }
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener).context("the socket")?;
    let connected: tokio::sync::OnceCell<Machine> = tokio::sync::OnceCell::new();
    let text = async move |format| {
        let machine = connected.get_or_try_init(|| machine::connect(user)).await?;
        metrics::collect(machine, format).await
    };
    serve::serve(listener, IDLE, text).await
}

async fn install(machine: &Machine, listen: Option<Listen>, user: bool) -> anyhow::Result<()> {
    let lock = apply::take_lock(&machine.places)?;
    let there = unless_foreign(There::read(&machine.places))?;
    let units = match listen.is_none() && there.is_shipped() {
        true => None,
        false => Some(compiled(machine, listen, &there, user).await?),
    };
    let changed = endpoint::install(machine, &there, units.as_ref(), &lock).await?;
    let at = There::read(&machine.places).listens().unwrap_or_default();
    if let Ok(at) = Listen::parse(&at)
        && !units::metrics::is_loopback(&at)
    {
        out::say(
            "note: whoever reaches this machine there may read them; a firewall, or IPAddressAllow= in a drop-in of the socket, says who does",
        );
    }
    let done = if changed { "done" } else { "nothing to do" };
    // A port alone, in a unit of a package or of somebody, is one of every address.
    let host = if at.contains(':') { "" } else { "localhost:" };
    out::line(&format!("{done}: http://{host}{at}/metrics"))?;
    Ok(())
}

async fn compiled(
    machine: &Machine,
    listen: Option<Listen>,
    there: &There,
    user: bool,
) -> anyhow::Result<[units::UnitFile; 2]> {
    let site = compile::site(&For {
        places: &machine.places,
        user_manager: user,
        systemd: machine::version(&machine.manager).await?,
        can_switch_user: !user,
        bind_to: None,
        foreground: false,
    })?;
    if let Some(closed) = owner::others_may_not_run(&site.rpmctl).filter(|_| !user) {
        let rpmctl = site.rpmctl.display();
        return Err(Stop::new(format!(
            "{rpmctl} is out of reach for the user that answers: others may not enter {}",
            closed.display()
        ))
        .hint(format!(
            "`sudo install {rpmctl} /usr/local/bin/`, and install with that one"
        ))
        .into());
    }
    let present = || Listen::parse(&there.listens()?).ok();
    let listen = match listen.or_else(present) {
        Some(listen) => listen,
        None => Listen::parse(LISTEN).map_err(anyhow::Error::msg)?,
    };
    let units = units::metrics::units(&site, &listen);
    Ok(units.map_err(|error| Stop::new(error).hint("nothing was changed"))?)
}

async fn uninstall(machine: &Machine) -> anyhow::Result<()> {
    let lock = apply::take_lock(&machine.places)?;
    let there = unless_foreign(There::read(&machine.places))?;
    out::line(match endpoint::uninstall(machine, &there, &lock).await? {
        true => "done: nobody answers any more",
        false => "nothing to do: nobody answers",
    })?;
    Ok(())
}

fn unless_foreign(there: There) -> anyhow::Result<There> {
    match there.foreign() {
        None => Ok(there),
        Some((unit, file)) => Err(Stop::new(format!(
            "{unit} is there already and is not ours: {}",
            file.display()
        ))
        .hint("nothing was changed; remove that unit first, or let it be")
        .into()),
    }
}
