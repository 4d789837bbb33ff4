//! The commands, by what they are about.

pub mod aliases;
pub mod changes;
pub mod connections;
pub mod hardware;
pub mod revisions;
pub mod services;
pub mod settings;
pub mod snaps;
pub mod system;
