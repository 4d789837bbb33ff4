//! `/v2/connections`: what is connected, and what could be (contract: v2, Interfaces / connections).

use super::call::Call;
use super::envelope::Reply;
use crate::domain::{Attrs, Fault, PlugRef, SlotRef};
use crate::managers::interfaces::{ConnectionFilter, ConnectionView, EndView, PlugView, SlotView};
use serde::Serialize;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Connections {
    established: Vec<Connection>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    undesired: Vec<Connection>,
    plugs: Vec<PlugEnd>,
    slots: Vec<SlotEnd>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct Connection {
    slot: SlotName,
    plug: PlugName,
    interface: String,
    #[serde(skip_serializing_if = "is_false")]
    manual: bool,
    #[serde(skip_serializing_if = "is_false")]
    gadget: bool,
    #[serde(skip_serializing_if = "Attrs::is_empty")]
    slot_attrs: Attrs,
    #[serde(skip_serializing_if = "Attrs::is_empty")]
    plug_attrs: Attrs,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PlugName {
    snap: String,
    plug: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SlotName {
    snap: String,
    slot: String,
}

/// A plug as it stands in lists.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct PlugEnd {
    #[serde(flatten)]
    name: PlugName,
    #[serde(flatten)]
    about: About,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    connections: Vec<SlotName>,
}

/// A slot as it stands in lists.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct SlotEnd {
    #[serde(flatten)]
    name: SlotName,
    #[serde(flatten)]
    about: About,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    connections: Vec<PlugName>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "EndAttributes"))]
struct About {
    interface: &'static str,
    #[serde(skip_serializing_if = "Attrs::is_empty")]
    attrs: Attrs,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    apps: Vec<String>,
    /// Always there, empty when the snap gives none.
    label: String,
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

impl From<PlugRef> for PlugName {
    fn from(plug: PlugRef) -> Self {
        Self {
            snap: plug.snap.into(),
            plug: plug.name,
        }
    }
}

impl From<SlotRef> for SlotName {
    fn from(slot: SlotRef) -> Self {
        Self {
            snap: slot.snap.into(),
            slot: slot.name,
        }
    }
}

impl From<EndView> for About {
    fn from(view: EndView) -> Self {
        Self {
            interface: view.interface,
            attrs: view.attrs,
            apps: view.apps,
            label: view.label,
        }
    }
}

impl From<PlugView> for PlugEnd {
    fn from(view: PlugView) -> Self {
        Self {
            name: view.plug.into(),
            about: view.about.into(),
            connections: view.connections.into_iter().map(SlotName::from).collect(),
        }
    }
}

impl From<SlotView> for SlotEnd {
    fn from(view: SlotView) -> Self {
        Self {
            name: view.slot.into(),
            about: view.about.into(),
            connections: view.connections.into_iter().map(PlugName::from).collect(),
        }
    }
}

impl From<ConnectionView> for Connection {
    fn from(view: ConnectionView) -> Self {
        Self {
            slot: view.connection.slot.into(),
            plug: view.connection.plug.into(),
            interface: view.interface,
            manual: view.manual,
            gadget: view.gadget,
            slot_attrs: view.slot_attrs,
            plug_attrs: view.plug_attrs,
        }
    }
}

/// GET: established connections and their ends; with `select=all` every end and what is not wanted any more.
pub async fn list(call: Call) -> Result<Reply, Fault> {
    let text = |name: &str| call.query.get(name).unwrap_or_default().to_owned();
    let select = text("select");
    if !select.is_empty() && select != "all" {
        return Err(Fault::bad("unsupported select qualifier"));
    }
    let filter = ConnectionFilter {
        snap: text("snap"),
        interface: text("interface"),
        all: select == "all",
    };
    let view = call.managers.interfaces.connections(&filter)?;
    Reply::of(&Connections {
        established: view.established.into_iter().map(Connection::from).collect(),
        undesired: view.undesired.into_iter().map(Connection::from).collect(),
        plugs: view.plugs.into_iter().map(PlugEnd::from).collect(),
        slots: view.slots.into_iter().map(SlotEnd::from).collect(),
    })
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::get;
    use crate::domain::ErrorKind as E;
    vec![
        get("/v2/connections", "Connections and their plugs and slots")
            .text("snap", "Only those of this snap")
            .text("interface", "Only those of this interface")
            .words("select", &["all"], "Also plugs and slots that are not connected")
            .result::<Connections>()
            .fails(&[E::BadRequest, E::SnapNotFound]),
    ]
}
