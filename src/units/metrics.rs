//! `rpmctl-metrics.socket` and `rpmctl-metrics.service`: who asks there for metrics gets them.

use tera::Context;

use super::compile::Site;
use super::section::Sections;
use super::{UnitFile, install, marker, quote};
use crate::model::Listen;

/// Names of the units; no app's unit can have them.
pub const SOCKET: &str = "rpmctl-metrics.socket";
pub const SERVICE: &str = "rpmctl-metrics.service";

/// The socket and the service as this rpmctl writes them. Errors: as of the watcher's.
pub fn units(site: &Site, listen: &Listen) -> Result<[UnitFile; 2], String> {
    let rpmctl = site
        .rpmctl
        .to_str()
        .ok_or_else(|| format!("{} is not text", site.rpmctl.display()))?;
    let user = if site.user_manager { " --user" } else { "" };
    let program = quote::word(rpmctl);
    let mut context = Context::new();
    context.insert("exec_start", &format!("{program}{user} metrics --serve"));
    context.insert("user_manager", &site.user_manager);
    context.insert("listen", &listen.to_string().replace('%', "%%"));
    context.insert("loopback", &is_loopback(listen));
    let unit = |name: &str| {
        let text = site.templates.render(name, &context)?;
        Ok::<UnitFile, String>(UnitFile {
            name: name.to_owned(),
            text: marker::mark_own(name, &text),
        })
    };
    Ok([unit(SOCKET)?, unit(SERVICE)?])
}

/// Whether nobody but this machine reaches it.
pub fn is_loopback(listen: &Listen) -> bool {
    match listen {
        Listen::Port(_) => false,
        Listen::Address(address) => address.ip().is_loopback(),
        Listen::Path(_) => true,
    }
}

/// Where this socket listens.
pub fn listens(socket: &str) -> Option<String> {
    let address = Sections::parse(socket)
        .get("Socket", "ListenStream")?
        .to_owned();
    Some(address.replace("%%", "%"))
}

/// Folders below the unit directory that hold a link to the socket.
pub fn enabled_by(socket: &str) -> Vec<String> {
    install::enabled_by(socket, true)
}
