//! Services and what they print.

use super::{NO_WAIT, waiting};
use crate::cli::args::Ask;
use crate::cli::words::{Spec, any, flag, option, some};

pub const SERVICES: Spec = Spec::new("services", "List services", |found| {
    let names = found.texts("SNAP|SNAP.APP");
    Ask::Services { names }.into()
})
.takes(&[any("SNAP|SNAP.APP", "")]);

pub const START: Spec = Spec::new("start", "Start services", |found| {
    Ask::Start {
        names: found.texts("SNAP|SNAP.APP"),
        enable: found.flag("--enable"),
        wait: waiting(found),
    }
    .into()
})
.takes(&[
    some("SNAP|SNAP.APP", ""),
    flag("--enable", "Also start them at each start of the agent"),
    NO_WAIT,
]);

pub const STOP: Spec = Spec::new("stop", "Stop services", |found| {
    Ask::Stop {
        names: found.texts("SNAP|SNAP.APP"),
        disable: found.flag("--disable"),
        wait: waiting(found),
    }
    .into()
})
.takes(&[
    some("SNAP|SNAP.APP", ""),
    flag("--disable", "Also stop starting them at each start of the agent"),
    NO_WAIT,
]);

pub const RESTART: Spec = Spec::new("restart", "Restart services", |found| {
    Ask::Restart {
        names: found.texts("SNAP|SNAP.APP"),
        reload: found.flag("--reload"),
        wait: waiting(found),
    }
    .into()
})
.takes(&[
    some("SNAP|SNAP.APP", ""),
    flag("--reload", "Reload those that can"),
    NO_WAIT,
]);

pub const LOGS: Spec = Spec::new("logs", "Print what services printed", |found| {
    Ask::Logs {
        names: found.texts("SNAP|SNAP.APP"),
        lines: found.text("--lines"),
        follow: found.flag("--follow"),
    }
    .into()
})
.takes(&[
    any("SNAP|SNAP.APP", ""),
    option("--lines", "N|all", "How many lines [default: 10]").short(b'n'),
    flag("--follow", "Go on with what they will print, until Ctrl-C").short(b'f'),
]);
