//! `app.socket`: the listener that all instances share.

use tera::Context;

use super::service::lines;
use crate::model::{App, Listen};

pub fn fill(context: &mut Context, app: &App) {
    let listen: Vec<String> = app
        .listen
        .iter()
        .map(|address| address.to_string().replace('%', "%%"))
        .collect();
    context.insert("listen", &listen);
    context.insert(
        "unix",
        &app.listen
            .iter()
            .any(|address| matches!(address, Listen::Path(_))),
    );
    context.insert("socket_directives", &lines(&app.directives.socket));
}
