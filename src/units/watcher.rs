//! `rpmctl-watch.service`: the watcher, one for all apps that need it.

use tera::Context;

use super::compile::Site;
use super::{UnitFile, install, marker, quote};

/// Its unit's name; no app's unit can have it.
pub const UNIT: &str = "rpmctl-watch.service";

/// As this rpmctl writes it. Errors: a site's template that cannot be filled, or a path of rpmctl's that is not text.
pub fn unit(site: &Site) -> Result<UnitFile, String> {
    let rpmctl = site
        .rpmctl
        .to_str()
        .ok_or_else(|| format!("{} is not text", site.rpmctl.display()))?;
    let mut context = Context::new();
    let user = if site.user_manager { " --user" } else { "" };
    let program = quote::word(rpmctl);
    context.insert("exec_start", &format!("{program}{user} watch"));
    context.insert("user_manager", &site.user_manager);
    context.insert("systemd", &site.systemd);
    context.insert(
        "wanted_by",
        match site.user_manager {
            true => "default.target",
            false => "multi-user.target",
        },
    );
    let text = site.templates.render(UNIT, &context)?;
    Ok(UnitFile {
        name: UNIT.to_owned(),
        text: marker::mark_watcher(&text),
    })
}

/// Folders below the unit directory that hold a link to it.
pub fn enabled_by(text: &str) -> Vec<String> {
    install::enabled_by(text, true)
}
