//! Views of changes, warnings and notices.
