//! The house rules, held against the source.
