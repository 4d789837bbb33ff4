//! The daemon's settings and the board files.
