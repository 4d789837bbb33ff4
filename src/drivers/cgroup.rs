//! Control groups of services.
