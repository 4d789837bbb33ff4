//! The daemon's settings and the board files.

pub mod board;
pub mod settings;
