//! Plugs, slots and the connections between them.
