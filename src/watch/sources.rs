//! What the loop listens to. A source is a line here: a type with
//!
//! - `new(&Ground)`;
//! - `set(&mut self, &[Facts])`: the apps as they are now; what is unchanged goes on;
//! - `async next(&mut self) -> Event`: cancel safe, never ends while there is nothing to tell;
//! - `says(&self) -> Option<String>`: what it watches, for `STATUS=`: `memory of 12 instances`;
//! - `async close(&mut self)`: finishes what must not be cut short.

use super::event::Event;
use super::run::Ground;
use crate::units::Facts;

macro_rules! sources {
    ($($field:ident: $source:ty,)+) => {
        pub struct Sources {
            $($field: $source,)+
        }

        impl Sources {
            pub fn new(ground: &Ground) -> Sources {
                Sources { $($field: <$source>::new(ground),)+ }
            }

            pub fn set(&mut self, apps: &[Facts]) {
                $(self.$field.set(apps);)+
            }

            pub async fn next(&mut self) -> Event {
                tokio::select! {
                    $(event = self.$field.next() => event,)+
                }
            }

            /// `watching memory of 12 instances`.
            pub fn says(&self) -> String {
                let said: Vec<String> = [$(self.$field.says(),)+].into_iter().flatten().collect();
                match said.is_empty() {
                    true => "nothing to watch".to_owned(),
                    false => format!("watching {}", said.join(", ")),
                }
            }

            pub async fn close(&mut self) {
                $(self.$field.close().await;)+
            }
        }
    };
}

sources! {
    memory: super::memory::Memory,
    files: super::files::Files,
    logs: super::logs::Logs,
    health: super::health::Health,
}
