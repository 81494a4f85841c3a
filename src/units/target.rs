//! `app.target`: the app as one.

use tera::Context;

use super::compile::Site;
use super::facts::Facts;
use super::service::lines;
use crate::model::{App, Name};

/// Units a line: lines stay readable, and far below systemd's limit however many instances there are.
const A_LINE: usize = 8;

pub fn fill(context: &mut Context, app: &App, site: &Site, facts: &Facts) {
    let mut wants = Vec::new();
    // A socket of one instance comes and goes with it.
    let shared = super::socket::shared(app);
    if !shared.is_empty() {
        wants.extend(shared.into_iter().map(|(name, _)| name));
        wants.push(app.name.holder());
    }
    wants.extend(app.schedule.is_some().then(|| app.name.timer()));
    if !facts.by_clock_alone() {
        wants.extend(instances(&app.name, app.instances));
    }
    context.insert("wants", &wants);
    context.insert(
        "wanted_by",
        if site.user_manager {
            "default.target"
        } else {
            "multi-user.target"
        },
    );
    context.insert("install_directives", &lines(&app.directives.install));
}

/// The instances as they stand behind `Wants=`, a few a line.
pub(super) fn instances(app: &Name, count: u32) -> Vec<String> {
    let units: Vec<String> = (0..count).map(|index| app.instance(index)).collect();
    units.chunks(A_LINE).map(|line| line.join(" ")).collect()
}
