//! The bus of volatile events.
