//! The shape of `meta/snap.yaml` as it stands in the file, before any rule was held against it.

use super::node::{Node, Wrong};
use serde_json::Value;
use std::collections::BTreeMap;

/// The top of the file. Keys that are not here are ignored (contract: snaps-and-assertions, section 1).
#[derive(Default)]
pub(super) struct Raw {
    pub name: Option<String>,
    pub version: Option<String>,
    pub kind: Option<String>,
    pub architectures: Option<Vec<String>>,
    pub assumes: Option<Vec<String>>,
    pub title: Option<String>,
    pub summary: Option<String>,
    pub description: Option<String>,
    pub provenance: Option<String>,
    pub license: Option<String>,
    pub epoch: Option<Value>,
    pub base: Option<String>,
    pub confinement: Option<String>,
    pub grade: Option<String>,
    pub environment: Ordered,
    pub plugs: Option<BTreeMap<String, Value>>,
    pub slots: Option<BTreeMap<String, Value>>,
    pub apps: Option<BTreeMap<String, Option<RawApp>>>,
    pub hooks: Option<BTreeMap<String, Option<RawHook>>>,
    pub layout: Option<BTreeMap<String, RawLayout>>,
    pub layouts: Option<Value>,
    pub links: Option<BTreeMap<String, Value>>,
}

/// A map of texts in the order of the file: later entries may use earlier ones.
pub(super) type Ordered = Vec<(String, String)>;

impl Raw {
    pub fn read(node: Node) -> Result<Self, Wrong> {
        let mut raw = Self::default();
        for (key, node) in node.map()?.unwrap_or_default() {
            match key.as_str() {
                "name" => raw.name = node.text()?,
                "version" => raw.version = node.text()?,
                "type" => raw.kind = node.text()?,
                "architectures" => raw.architectures = node.texts()?,
                "assumes" => raw.assumes = node.texts()?,
                "title" => raw.title = node.text()?,
                "summary" => raw.summary = node.text()?,
                "description" => raw.description = node.text()?,
                "provenance" => raw.provenance = node.text()?,
                "license" => raw.license = node.text()?,
                "epoch" => raw.epoch = any(node)?,
                "base" => raw.base = node.text()?,
                "confinement" => raw.confinement = node.text()?,
                "grade" => raw.grade = node.text()?,
                "environment" => raw.environment = ordered(node)?,
                "plugs" => raw.plugs = each(node, Node::value)?,
                "slots" => raw.slots = each(node, Node::value)?,
                "apps" => raw.apps = each(node, RawApp::read)?,
                "hooks" => raw.hooks = each(node, RawHook::read)?,
                "layout" => raw.layout = each(node, RawLayout::read)?,
                "layouts" => raw.layouts = any(node)?,
                "links" => raw.links = each(node, Node::value)?,
                _ => {}
            }
        }
        Ok(raw)
    }
}

/// One entry of `apps`.
#[derive(Default)]
pub(super) struct RawApp {
    pub command: Option<String>,
    pub command_chain: Option<Vec<String>>,
    pub daemon: Option<String>,
    pub daemon_scope: Option<String>,
    pub stop_command: Option<String>,
    pub reload_command: Option<String>,
    pub post_stop_command: Option<String>,
    pub start_timeout: Option<String>,
    pub stop_timeout: Option<String>,
    pub watchdog_timeout: Option<String>,
    pub restart_condition: Option<String>,
    pub restart_delay: Option<String>,
    pub refresh_mode: Option<String>,
    pub stop_mode: Option<String>,
    pub install_mode: Option<String>,
    pub slots: Option<Vec<String>>,
    pub plugs: Option<Vec<String>>,
    pub bus_name: Option<String>,
    pub activates_on: Option<Vec<String>>,
    pub common_id: Option<String>,
    pub environment: Ordered,
    pub sockets: Option<BTreeMap<String, Option<RawSocket>>>,
    pub after: Option<Vec<String>>,
    pub before: Option<Vec<String>>,
    pub timer: Option<String>,
    pub autostart: Option<String>,
    pub completer: Option<String>,
    pub aliases: Option<Vec<String>>,
}

impl RawApp {
    fn read(node: Node) -> Result<Option<Self>, Wrong> {
        let Some(entries) = node.map()? else {
            return Ok(None);
        };
        let mut raw = Self::default();
        for (key, node) in entries {
            match key.as_str() {
                "command" => raw.command = node.text()?,
                "command-chain" => raw.command_chain = node.texts()?,
                "daemon" => raw.daemon = node.text()?,
                "daemon-scope" => raw.daemon_scope = node.text()?,
                "stop-command" => raw.stop_command = node.text()?,
                "reload-command" => raw.reload_command = node.text()?,
                "post-stop-command" => raw.post_stop_command = node.text()?,
                "start-timeout" => raw.start_timeout = node.text()?,
                "stop-timeout" => raw.stop_timeout = node.text()?,
                "watchdog-timeout" => raw.watchdog_timeout = node.text()?,
                "restart-condition" => raw.restart_condition = node.text()?,
                "restart-delay" => raw.restart_delay = node.text()?,
                "refresh-mode" => raw.refresh_mode = node.text()?,
                "stop-mode" => raw.stop_mode = node.text()?,
                "install-mode" => raw.install_mode = node.text()?,
                "slots" => raw.slots = node.texts()?,
                "plugs" => raw.plugs = node.texts()?,
                "bus-name" => raw.bus_name = node.text()?,
                "activates-on" => raw.activates_on = node.texts()?,
                "common-id" => raw.common_id = node.text()?,
                "environment" => raw.environment = ordered(node)?,
                "sockets" => raw.sockets = each(node, RawSocket::read)?,
                "after" => raw.after = node.texts()?,
                "before" => raw.before = node.texts()?,
                "timer" => raw.timer = node.text()?,
                "autostart" => raw.autostart = node.text()?,
                "completer" => raw.completer = node.text()?,
                "aliases" => raw.aliases = node.texts()?,
                _ => {}
            }
        }
        Ok(Some(raw))
    }
}

/// One socket of an app.
#[derive(Default)]
pub(super) struct RawSocket {
    pub listen_stream: Option<String>,
    pub socket_mode: Option<String>,
}

impl RawSocket {
    fn read(node: Node) -> Result<Option<Self>, Wrong> {
        let Some(entries) = node.map()? else {
            return Ok(None);
        };
        let mut raw = Self::default();
        for (key, node) in entries {
            match key.as_str() {
                "listen-stream" => raw.listen_stream = node.text()?,
                "socket-mode" => raw.socket_mode = node.text()?,
                _ => {}
            }
        }
        Ok(Some(raw))
    }
}

/// One entry of `hooks`.
#[derive(Default)]
pub(super) struct RawHook {
    pub plugs: Option<Vec<String>>,
    pub slots: Option<Vec<String>>,
    pub environment: Ordered,
    pub command_chain: Option<Vec<String>>,
}

impl RawHook {
    fn read(node: Node) -> Result<Option<Self>, Wrong> {
        let Some(entries) = node.map()? else {
            return Ok(None);
        };
        let mut raw = Self::default();
        for (key, node) in entries {
            match key.as_str() {
                "plugs" => raw.plugs = node.texts()?,
                "slots" => raw.slots = node.texts()?,
                "environment" => raw.environment = ordered(node)?,
                "command-chain" => raw.command_chain = node.texts()?,
                _ => {}
            }
        }
        Ok(Some(raw))
    }
}

/// One entry of `layout`.
#[derive(Default)]
pub(super) struct RawLayout {
    pub bind: Option<String>,
    pub bind_file: Option<String>,
    pub kind: Option<String>,
    pub symlink: Option<String>,
    pub user: Option<String>,
    pub group: Option<String>,
    pub mode: Option<String>,
}

impl RawLayout {
    fn read(node: Node) -> Result<Self, Wrong> {
        let missing = node.wrong("a layout is empty: say bind, bind-file, type or symlink");
        let mut raw = Self::default();
        for (key, node) in node.map()?.ok_or(missing)? {
            match key.as_str() {
                "bind" => raw.bind = node.text()?,
                "bind-file" => raw.bind_file = node.text()?,
                "type" => raw.kind = node.text()?,
                "symlink" => raw.symlink = node.text()?,
                "user" => raw.user = node.text()?,
                "group" => raw.group = node.text()?,
                "mode" => raw.mode = node.text()?,
                _ => {}
            }
        }
        Ok(raw)
    }
}

/// Any value; nothing is `None`.
fn any(node: Node) -> Result<Option<Value>, Wrong> {
    Ok(Some(node.value()?).filter(|value| !value.is_null()))
}

/// A map of entries of one form.
fn each<T>(node: Node, read: fn(Node) -> Result<T, Wrong>) -> Result<Option<BTreeMap<String, T>>, Wrong> {
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
