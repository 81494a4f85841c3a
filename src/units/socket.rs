//! The sockets that systemd holds for an app: shared by its instances, or one for each.

use tera::Context;

use super::service::lines;
use crate::model::{App, Balance, Listen};

/// The sockets that all instances share, each with its addresses. One an address, so that a new one can be opened beside the others. Where the app takes
/// the descriptors itself one holds them all: systemd.service(5) keeps no order between sockets, and the app may go by their order.
pub fn shared(app: &App) -> Vec<(String, Vec<&Listen>)> {
    if app.balance == Balance::Reuseport || app.listen.is_empty() {
        return vec![];
    }
    if app.listen_fds {
        return vec![(app.name.socket(&app.listen[0]), app.listen.iter().collect())];
    }
    app.listen
        .iter()
        .map(|address| (app.name.socket(address), vec![address]))
        .collect()
}

/// What the template of the instances says of its sockets: `Requires=` and `After=`, and `Sockets=`, which unlike those reads a backslash as an escape.
pub fn of_instance(context: &mut Context, app: &App) {
    let sockets: Vec<String> = match app.balance {
        Balance::Reuseport if !app.listen.is_empty() => {
            vec![format!("{}@%i.socket", app.name.stem())]
        }
        _ => shared(app).into_iter().map(|(name, _)| name).collect(),
    };
    let some = (!sockets.is_empty()).then(|| sockets.join(" "));
    context.insert("sockets", &some);
    context.insert(
        "sockets_escaped",
        &some.map(|names| names.replace('\\', "\\\\")),
    );
    context.insert("shared_sockets", &(app.balance == Balance::Shared));
}

pub fn fill(context: &mut Context, app: &App, addresses: &[&Listen]) {
    let listen: Vec<String> = addresses
        .iter()
        .map(|address| address.to_string().replace('%', "%%"))
        .collect();
    context.insert("listen", &listen);
    context.insert(
        "unix",
        &addresses
            .iter()
            .any(|address| matches!(address, Listen::Path(_))),
    );
    context.insert("descriptor", &format!("{}.socket", app.name.stem()));
    context.insert("socket_directives", &lines(&app.directives.socket));
}
