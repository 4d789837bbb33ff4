//! One room per domain; its `mod.rs` is its face.

pub mod changes;
pub mod hardware;
pub mod interfaces;
pub mod reconcile;
pub mod services;
pub mod settings;
pub mod snaps;
pub mod system;
