//! The one process runner.
