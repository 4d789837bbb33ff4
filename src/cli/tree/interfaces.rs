//! Plugs, slots and what connects them.

use super::{NO_WAIT, waiting};
use crate::cli::args::Ask;
use crate::cli::words::{Spec, flag, maybe, one};

pub const CONNECTIONS: Spec = Spec::new("connections", "List connections of plugs and slots", |found| {
    Ask::Connections {
        all: found.flag("--all"),
        snap: found.text("SNAP"),
    }
    .into()
})
.takes(&[
    flag("--all", "Also plugs and slots that are not connected"),
    maybe("SNAP", "Only those of a snap, connected or not"),
]);

pub const CONNECT: Spec = Spec::new("connect", "Connect a plug to a slot", |found| {
    Ask::Connect {
        plug: found.one("SNAP:PLUG"),
        slot: found.text("SNAP:SLOT"),
        wait: waiting(found),
    }
    .into()
})
.takes(&[
    one("SNAP:PLUG", ""),
    maybe(
        "SNAP:SLOT",
        "SNAP:SLOT, SNAP for its only fitting slot, or nothing for the system's",
    ),
    NO_WAIT,
]);

pub const DISCONNECT: Spec = Spec::new(
    "disconnect",
    "Disconnect a plug from a slot, or all that is connected to a plug or slot",
    |found| {
        Ask::Disconnect {
            first: found.one("SNAP:NAME"),
            slot: found.text("SNAP:SLOT"),
            forget: found.flag("--forget"),
            wait: waiting(found),
        }
        .into()
    },
)
.takes(&[
    one("SNAP:NAME", ""),
    maybe("SNAP:SLOT", ""),
    flag("--forget", "Also forget that there was a connection"),
    NO_WAIT,
]);

pub const INTERFACE: Spec = Spec::new("interface", "List interfaces, or tell about one", |found| {
    Ask::Interface {
        all: found.flag("--all"),
        attrs: found.flag("--attrs"),
        name: found.text("INTERFACE"),
    }
    .into()
})
.aliases(&["interfaces"])
.takes(&[
    flag("--all", "Also interfaces that nothing is connected by"),
    flag("--attrs", "Also the attributes of plugs and slots"),
    maybe("INTERFACE", ""),
]);
