//! Configuration of snaps, their hooks, and what snapctl asks for.
