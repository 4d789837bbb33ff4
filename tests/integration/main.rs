//! Integration tests: the real daemon over its real sockets.
