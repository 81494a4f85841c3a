//! `app.target`: the app as one.

use tera::Context;

use super::compile::Site;
use super::service::lines;
use crate::model::App;

/// Units a line: lines stay readable, and far below systemd's limit however many instances there are.
const A_LINE: usize = 8;

pub fn fill(context: &mut Context, app: &App, site: &Site) {
    let mut wants = Vec::new();
    if !app.listen.is_empty() {
        wants.push(format!("{} {}", app.name.socket(), app.name.holder()));
    }
    let instances: Vec<String> = (0..app.instances)
        .map(|index| app.name.instance(index))
        .collect();
    wants.extend(instances.chunks(A_LINE).map(|line| line.join(" ")));
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
