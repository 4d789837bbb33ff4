//! The daemon's settings and the board files.

pub mod board;
#[cfg(all(test, feature = "sim"))]
mod gadget;
pub mod settings;
