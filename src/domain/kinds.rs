//! The names of task kinds, shared so that one manager's plan can name another's task without knowing its code.
//! They are the contract's names (v2, section 6).

macro_rules! kinds {
    ($($name:ident = $text:literal),* $(,)?) => {
        $(#[doc = concat!("Task kind `", $text, "`.")] pub const $name: &str = $text;)*
        /// Every kind that is named here.
        pub const ALL: &[&str] = &[$($text),*];
    };
}

/// The kinds that promise a single effect, though their handlers may run again after a kill: an entry in the state, a
/// mount, a set of files. A change never has two tasks of such a kind for the same thing. Hooks and restarts cannot
/// promise that (decision 23); what is written whole each time (profiles, aliases) need not.
pub const ONCE: &[&str] = &[
    MOUNT_SNAP,
    COPY_SNAP_DATA,
    LINK_SNAP,
    UNLINK_SNAP,
    UNLINK_CURRENT_SNAP,
    CLEAR_SNAP,
    DISCARD_SNAP,
    AUTO_CONNECT,
    AUTO_DISCONNECT,
    CONNECT,
    DISCONNECT,
    START_SNAP_SERVICES,
    MARK_SEEDED,
];

/// The kinds of changes, by the contract's names (v2-observed, section 3); an integration test sees all of them.
pub const CHANGES: &[&str] = &[
    "seed",
    "install-snap",
    "try-snap",
    "refresh-snap",
    "revert-snap",
    "enable-snap",
    "disable-snap",
    "switch-snap",
    "remove-snap",
    "connect-snap",
    "disconnect-snap",
    "configure-snap",
    SERVICE_CONTROL,
    ALIAS,
    UNALIAS,
    "prefer",
];

kinds! {
    PREREQUISITES = "prerequisites",
    PREPARE_SNAP = "prepare-snap",
    MOUNT_SNAP = "mount-snap",
    COPY_SNAP_DATA = "copy-snap-data",
    SETUP_PROFILES = "setup-profiles",
    REMOVE_PROFILES = "remove-profiles",
    LINK_SNAP = "link-snap",
    UNLINK_SNAP = "unlink-snap",
    UNLINK_CURRENT_SNAP = "unlink-current-snap",
    CLEAR_SNAP = "clear-snap",
    DISCARD_SNAP = "discard-snap",
    CLEANUP = "cleanup",
    SET_AUTO_ALIASES = "set-auto-aliases",
    SETUP_ALIASES = "setup-aliases",
    REMOVE_ALIASES = "remove-aliases",
    ALIAS = "alias",
    UNALIAS = "unalias",
    DISABLE_ALIASES = "disable-aliases",
    PREFER_ALIASES = "prefer-aliases",
    AUTO_CONNECT = "auto-connect",
    AUTO_DISCONNECT = "auto-disconnect",
    CONNECT = "connect",
    DISCONNECT = "disconnect",
    RUN_HOOK = "run-hook",
    START_SNAP_SERVICES = "start-snap-services",
    STOP_SNAP_SERVICES = "stop-snap-services",
    SWITCH_SNAP = "switch-snap",
    SERVICE_CONTROL = "service-control",
    MARK_SEEDED = "mark-seeded",
}
