//! Integration tests: the real daemon over its real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic, too
mod check;
mod cli;
mod demo;
mod fuzz_corpus;
mod glib_client;
mod golden;
mod recovery;
mod report;
mod services;
mod services_control;
mod snap_aliases;
mod snap_cli;
mod snap_debug;
mod snap_revisions;
mod snap_services;
mod snap_settings;
mod snapctl_table;
mod supply_chain;
mod support;
mod v2_access;
mod v2_frame;
mod v2_hardware;
mod v2_interfaces;
mod v2_notices;
mod v2_snaps;
mod v2_sockets;
