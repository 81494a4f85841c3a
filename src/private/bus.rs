//! What both kinds of `run` need of a service manager's bus.

use std::future::poll_fn;
use std::pin::Pin;

use zbus::export::futures_core::Stream;
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, MessageStream};

pub const MANAGER: &str = "org.freedesktop.systemd1";
pub const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
pub const MANAGER_INTERFACE: &str = "org.freedesktop.systemd1.Manager";
pub const BUS: &str = "org.freedesktop.DBus";
pub const BUS_PATH: &str = "/org/freedesktop/DBus";

/// Signals `member` of `interface`, those whose first argument is `first` where that is given.
pub async fn signals(
    connection: &Connection,
    interface: &str,
    member: &str,
    first: Option<&str>,
) -> zbus::Result<MessageStream> {
    let mut rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .interface(interface)
        .member(member);
    if let Some(first) = first {
        rule = rule.arg(0, first);
    }
    MessageStream::for_match_rule(rule.build()?, connection, None).await
}

/// The next one; an error when the connection is closed.
pub async fn next_signal(signals: &mut MessageStream) -> zbus::Result<Message> {
    let next = poll_fn(|context| Pin::new(&mut *signals).poll_next(context)).await;
    next.unwrap_or_else(|| Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into()))
}
