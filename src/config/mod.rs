//! The daemon's settings and the board files.

pub mod board;

pub mod gadget;
pub mod settings;
mod table;
