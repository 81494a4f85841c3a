//! The edges: the cluster and its changes, figures, lines of the journal, commands. Each sends actions.

pub mod cluster;
pub mod figures;
pub mod lines;
pub mod order;

use tokio::sync::mpsc;

use super::action::Action;

/// Where actions go. Bounded: who writes faster than is shown waits.
pub type Tell = mpsc::Sender<Action>;
