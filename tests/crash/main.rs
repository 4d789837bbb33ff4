//! Kill -9 at every boundary of every task kind (R1), and at random under load (R2), and hung (R16), with the real daemon;
//! disks that tear and reorder what was written (R4) and that fail (R5).
//!
//! Built with the feature `fault-inject`: `cargo test --features fault-inject --test crash`. `PINION_CRASH_KILLS` says
//! how often the random test kills (60 without it), `PINION_DISK_STATES` how many states of a torn disk are opened,
//! `PINION_DISK_FAULTS` how many calls fail.

mod agent;
mod boundaries;
mod disk;
mod model;
mod random;
mod scenario;
mod snaps;
mod watchdog;
