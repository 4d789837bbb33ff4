//! Integration tests: the real daemon over its real sockets.
mod supply_chain;
