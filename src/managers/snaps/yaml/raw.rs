//! The shape of `meta/snap.yaml` as it stands in the file, before any rule was held against it.

use super::node::{Node, Wrong};
use serde_json::Value;
use std::collections::BTreeMap;

/// A map of texts in the order of the file: later entries may use earlier ones.
pub(super) type Ordered = Vec<(String, String)>;

/// A map with known keys, and how the value of each is read. Other keys are passed over.
macro_rules! shape {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $key:literal, $read:expr;)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(super) struct $name {
            $(pub $field: $type,)*
        }

        impl $name {
            /// Nothing where nothing stands.
            pub fn read(node: Node) -> Result<Option<Self>, Wrong> {
                let Some(entries) = node.map()? else {
                    return Ok(None);
                };
                let mut raw = Self::default();
                for (key, node) in entries {
                    match key.as_str() {
                        $($key => raw.$field = $read(node)?,)*
                        _ => {}
                    }
                }
                Ok(Some(raw))
            }
        }
    };
}

shape! {
    /// The top of the file. Keys that are not here are ignored (contract: snaps-and-assertions, section 1).
    Raw {
        name: Option<String> = "name", Node::text;
        version: Option<String> = "version", Node::text;
        kind: Option<String> = "type", Node::text;
        architectures: Option<Vec<String>> = "architectures", Node::texts;
        assumes: Option<Vec<String>> = "assumes", Node::texts;
        title: Option<String> = "title", Node::text;
        summary: Option<String> = "summary", Node::text;
        description: Option<String> = "description", Node::text;
        provenance: Option<String> = "provenance", Node::text;
        license: Option<String> = "license", Node::text;
        epoch: Option<Value> = "epoch", any;
        base: Option<String> = "base", Node::text;
        confinement: Option<String> = "confinement", Node::text;
        grade: Option<String> = "grade", Node::text;
        environment: Ordered = "environment", ordered;
        plugs: Option<BTreeMap<String, Value>> = "plugs", values;
        slots: Option<BTreeMap<String, Value>> = "slots", values;
        apps: Option<BTreeMap<String, Option<RawApp>>> = "apps", apps;
        hooks: Option<BTreeMap<String, Option<RawHook>>> = "hooks", hooks;
        layout: Option<BTreeMap<String, RawLayout>> = "layout", layouts;
        layouts: Option<Value> = "layouts", any;
        links: Option<BTreeMap<String, Value>> = "links", values;
    }
}

shape! {
    /// One entry of `apps`.
    RawApp {
        command: Option<String> = "command", Node::text;
        command_chain: Option<Vec<String>> = "command-chain", Node::texts;
        daemon: Option<String> = "daemon", Node::text;
        daemon_scope: Option<String> = "daemon-scope", Node::text;
        stop_command: Option<String> = "stop-command", Node::text;
        reload_command: Option<String> = "reload-command", Node::text;
        post_stop_command: Option<String> = "post-stop-command", Node::text;
        start_timeout: Option<String> = "start-timeout", Node::text;
        stop_timeout: Option<String> = "stop-timeout", Node::text;
        watchdog_timeout: Option<String> = "watchdog-timeout", Node::text;
        restart_condition: Option<String> = "restart-condition", Node::text;
        restart_delay: Option<String> = "restart-delay", Node::text;
        refresh_mode: Option<String> = "refresh-mode", Node::text;
        stop_mode: Option<String> = "stop-mode", Node::text;
        install_mode: Option<String> = "install-mode", Node::text;
        slots: Option<Vec<String>> = "slots", Node::texts;
        plugs: Option<Vec<String>> = "plugs", Node::texts;
        bus_name: Option<String> = "bus-name", Node::text;
        activates_on: Option<Vec<String>> = "activates-on", Node::texts;
        common_id: Option<String> = "common-id", Node::text;
        environment: Ordered = "environment", ordered;
        sockets: Option<BTreeMap<String, Option<RawSocket>>> = "sockets", sockets;
        after: Option<Vec<String>> = "after", Node::texts;
        before: Option<Vec<String>> = "before", Node::texts;
        timer: Option<String> = "timer", Node::text;
        autostart: Option<String> = "autostart", Node::text;
        completer: Option<String> = "completer", Node::text;
        aliases: Option<Vec<String>> = "aliases", Node::texts;
    }
}

shape! {
    /// One socket of an app.
    RawSocket {
        listen_stream: Option<String> = "listen-stream", Node::text;
        socket_mode: Option<String> = "socket-mode", Node::text;
    }
}

shape! {
    /// One entry of `hooks`.
    RawHook {
        plugs: Option<Vec<String>> = "plugs", Node::texts;
        slots: Option<Vec<String>> = "slots", Node::texts;
        environment: Ordered = "environment", ordered;
        command_chain: Option<Vec<String>> = "command-chain", Node::texts;
    }
}

shape! {
    /// One entry of `layout`.
    RawLayout {
        bind: Option<String> = "bind", Node::text;
        bind_file: Option<String> = "bind-file", Node::text;
        kind: Option<String> = "type", Node::text;
        symlink: Option<String> = "symlink", Node::text;
        user: Option<String> = "user", Node::text;
        group: Option<String> = "group", Node::text;
        mode: Option<String> = "mode", Node::text;
    }
}

/// Any value; nothing is `None`.
fn any(node: Node) -> Result<Option<Value>, Wrong> {
    Ok(Some(node.value()?).filter(|value| !value.is_null()))
}

/// A map of entries of one form.
fn each<T>(node: Node, read: fn(Node) -> Result<T, Wrong>) -> Each<T> {
    let Some(entries) = node.map()? else {
        return Ok(None);
    };
    let mut map = BTreeMap::new();
    for (key, node) in entries {
        map.insert(key, read(node)?);
    }
    Ok(Some(map))
}

fn ordered(node: Node) -> Result<Ordered, Wrong> {
    let mut texts = Vec::new();
    for (name, node) in node.map()?.unwrap_or_default() {
        texts.push((name, node.text()?.unwrap_or_default()));
    }
    Ok(texts)
}

type Each<T> = Result<Option<BTreeMap<String, T>>, Wrong>;

fn values(node: Node) -> Each<Value> {
    each(node, Node::value)
}

fn apps(node: Node) -> Each<Option<RawApp>> {
    each(node, RawApp::read)
}

fn hooks(node: Node) -> Each<Option<RawHook>> {
    each(node, RawHook::read)
}

fn sockets(node: Node) -> Each<Option<RawSocket>> {
    each(node, RawSocket::read)
}

fn layouts(node: Node) -> Each<RawLayout> {
    each(node, |node| {
        let missing = node.wrong("a layout is empty: say bind, bind-file, type or symlink");
        RawLayout::read(node)?.ok_or(missing)
    })
}
