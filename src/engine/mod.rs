//! Changes and tasks.
