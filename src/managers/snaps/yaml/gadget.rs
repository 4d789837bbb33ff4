//! `meta/gadget.yaml`: the configuration that snaps start with, and the connections that a gadget asks for (contract:
//! snaps-and-assertions, section 4; interfaces-and-hardware, section 2). What it says of volumes is for those who
//! build images. Bounded like snap.yaml.

use super::node::{Node, Wrong};
use super::{GADGET, SnapYamlError};
use crate::domain::error::shortened;
use crate::domain::snap::{GadgetConnection, GadgetInfo};
use crate::domain::{SnapName, names};
use serde_json::{Map, Value};

/// How many snaps may be configured, and how many connections asked for.
const MANY: usize = 1000;

fn rule(text: impl Into<String>) -> SnapYamlError {
    SnapYamlError::Rule(GADGET, shortened(text.into()))
}

/// What a gadget asks for.
pub fn parse_gadget_yaml(bytes: &[u8]) -> Result<GadgetInfo, SnapYamlError> {
    let (defaults, connections) = super::read(GADGET, bytes, asked)?;
    let mut gadget = GadgetInfo::default();
    match defaults {
        Value::Null => {}
        Value::Object(defaults) if defaults.len() <= MANY => {
            for (snap, values) in defaults {
                let values = match values {
                    Value::Object(map) => map,
                    Value::Null => Map::new(),
                    _ => return Err(rule(format!("the defaults of {snap:?} are no map of options"))),
                };
                if !is_snap(&snap) {
                    return Err(rule(format!(
                        "defaults has {snap:?}: use system, a snap's id, or the name of a snap that is installed from a file"
                    )));
                }
                gadget.defaults.insert(snap, values);
            }
        }
        _ => return Err(rule(format!("defaults must be a map of at most {MANY} snaps"))),
    }
    match connections {
        Value::Null => {}
        Value::Array(wanted) if wanted.len() <= MANY => {
            for one in &wanted {
                gadget.connections.push(connection(one)?);
            }
        }
        _ => {
            return Err(rule(format!(
                "connections must be a list of at most {MANY} entries"
            )));
        }
    }
    Ok(gadget)
}

/// The values of `defaults` and `connections`.
fn asked(top: Node) -> Result<(Value, Value), Wrong> {
    let (mut defaults, mut connections) = (Value::Null, Value::Null);
    for (key, node) in top.map()?.unwrap_or_default() {
        match key.as_str() {
            "defaults" => defaults = node.value()?,
            "connections" => connections = node.value()?,
            _ => {}
        }
    }
    Ok((defaults, connections))
}

/// An id of 32 letters and digits, or a snap's name, `system` among them.
fn is_snap(text: &str) -> bool {
    SnapName::new(text).is_ok() || (text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// `{plug: SNAP:PLUG, slot: SNAP:SLOT}`; without a slot, the system's of the plug's name.
fn connection(entry: &Value) -> Result<GadgetConnection, SnapYamlError> {
    let text = |side: &str| match entry.get(side) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => end(side, text).map(Some),
        Some(_) => Err(rule(format!(
            "a connection's {side} must be a text such as SNAP:NAME"
        ))),
    };
    let (plug_snap, plug) =
        text("plug")?.ok_or_else(|| rule("a connection has no plug: add one as SNAP:PLUG"))?;
    let (slot_snap, slot) = match text("slot")? {
        Some(slot) => slot,
        None => (String::from(SnapName::SYSTEM), plug.clone()),
    };
    Ok(GadgetConnection {
        plug_snap,
        plug,
        slot_snap,
        slot,
    })
}

fn end(side: &str, text: &str) -> Result<(String, String), SnapYamlError> {
    match text.split_once(':') {
        Some((snap, name)) if is_snap(snap) && names::is_interface_word(name) => {
            Ok((snap.to_owned(), name.to_owned()))
        }
        _ => Err(rule(format!(
            "a connection's {side} is {text:?}: write system, a snap's id or its name, a colon, and the {side}'s name"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_gadget_asks_for() {
        let gadget = parse_gadget_yaml(
            b"volumes: {pi: {bootloader: u-boot}}\n\
              defaults:\n  system: {refresh: {retain: 4}}\n  lights: {colour: red, level: 12345678901234567890123}\n  \
              99T7MUlRhtI3U0QFgl5mXXESAiSwt776: {}\n\
              connections:\n- plug: lights:lamp\n  slot: pi:pin-13\n- {plug: 'lights:net'}\n",
        )
        .expect("it is valid");
        assert_eq!(
            gadget.defaults["system"],
            *json!({"refresh": {"retain": 4}}).as_object().expect("a map")
        );
        assert_eq!(gadget.defaults["lights"]["colour"], "red");
        assert_eq!(gadget.defaults.len(), 3);
        let shown: Vec<String> = gadget
            .connections
            .iter()
            .map(|one| format!("{}:{} {}:{}", one.plug_snap, one.plug, one.slot_snap, one.slot))
            .collect();
        assert_eq!(shown, ["lights:lamp pi:pin-13", "lights:net system:net"]);
        for empty in ["", "volumes: {}\n", "defaults:\nconnections:\n"] {
            assert_eq!(
                parse_gadget_yaml(empty.as_bytes()),
                Ok(GadgetInfo::default()),
                "{empty:?}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, told) in [
            ("[1]", "there is a list: write a map"),
            ("defaults: 7", "defaults must be a map"),
            ("defaults: {lights: red}", "the defaults of \"lights\" are no map"),
            ("defaults: {Bad_Snap: {}}", "defaults has \"Bad_Snap\""),
            ("connections: {}", "connections must be a list"),
            ("connections: [{}]", "a connection has no plug"),
            ("connections: [{plug: 1}]", "a connection's plug must be a text"),
            (
                "connections: [{plug: lights}]",
                "a connection's plug is \"lights\"",
            ),
            (
                "connections: [{plug: 'a-b:c', slot: ':x'}]",
                "a connection's slot is \":x\"",
            ),
            ("a: [", "meta/gadget.yaml cannot be read"),
        ] {
            let error = parse_gadget_yaml(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains(told), "{text}: {error}");
            assert!(error.starts_with("meta/gadget.yaml"), "{error}");
        }
        let deep = "[".repeat(200);
        assert!(parse_gadget_yaml(deep.as_bytes()).is_err());
        let large = vec![b' '; super::super::MAX_SIZE + 1];
        let error = parse_gadget_yaml(&large).expect_err("too large").to_string();
        assert!(error.contains("is larger than"), "{error}");
    }
}
