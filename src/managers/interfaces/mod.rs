//! Plugs, slots and the connections between them.

pub mod builtin;
