//! The typed HTTP client that the command line and the tests use.
