//! The real daemon under a temporary root, and a small blocking client for it.

#![allow(dead_code)] // each area uses its part

pub mod daemon;
pub mod described;
pub mod http;
pub mod snap;
pub mod snaps;
pub mod somebody;

pub use daemon::TestDaemon;
pub use http::Request;
