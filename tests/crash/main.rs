//! Kill -9 at every boundary of every task kind (R1), and at random under load (R2), and hung (R16), with the real daemon.
//!
//! Built with the feature `fault-inject`: `cargo test --features fault-inject --test crash`. `PINION_CRASH_KILLS` says
//! how often the random test kills (60 without it).

mod agent;
mod boundaries;
mod model;
mod random;
mod scenario;
mod snaps;
mod watchdog;
