//! pinion manages Ubuntu Core boards and other Linux boards: one small daemon that speaks snapd's `/v2` REST API,
//! installs snaps from files, and gives each snap exactly the pins and LEDs that were connected to it.
//!
//! # The way of a request
//!
//! ```text
//! request ──► api/<dialect> ──► managers/<domain> ──► engine (a Change of Tasks) ──► managers/<domain>/tasks ──► drivers ──► the board
//!    ▲              │                   │                        │
//!    └── envelope ◄─┴──── view ◄────────┘          store (SQLite) ◄┘
//! ```
//!
//! A read is answered from memory: the [`store`] keeps one immutable `World` behind an atomic pointer and replaces it
//! after each commit. A plan is a pure function from a request and the world to tasks or an error; a task's handler is
//! the only place that acts. The [`engine`] commits each step before it is relied on and resumes after a kill.
//!
//! # Invariants
//!
//! 1. Dependency runs one way: `domain <- drivers`, `domain <- store <- engine <- managers <- api <- app <- main`
//!    (`tests/architecture.rs`).
//! 2. Only [`api`] knows wire names, HTTP codes and `kind` strings.
//! 3. Access is decided once, before the handler, from the route table.
//! 4. A task's next status is committed before its effect is relied on; `do` and `undo` are idempotent; every kind has
//!    a probe.
//! 5. All SQL is in [`store`]; all paths come from [`domain::Dirs`].
//! 6. Everything that parses bytes from outside is one pure, bounded function with a fuzz target.
//! 7. Safe values are held while the agent runs, written before it lets go, restored at the next start.
//! 8. Nothing wakes an idle agent.
//! 9. Errors carry data and say what to do; no `unwrap` outside tests.
//! 10. Secrets are 0600 and never logged.

pub mod access;
pub mod api;
pub mod app;
pub mod cli;
pub mod client;
pub mod config;
pub mod confine;
pub mod domain;
pub mod drivers;
pub mod engine;
pub mod events;
pub mod managers;
pub mod store;
