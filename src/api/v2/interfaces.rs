//! `/v2/interfaces`: what interfaces there are; connect and disconnect (contract: v2, Interfaces / connections).

use super::call::Call;
use super::connections::{PlugEnd, SlotEnd};
use super::envelope::Reply;
use crate::domain::Fault;
use crate::managers::interfaces::{InterfaceFilter, InterfaceView, Named};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PlugsAndSlots"))]
struct Ends {
    plugs: Vec<PlugEnd>,
    slots: Vec<SlotEnd>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Interface {
    name: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    summary: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plugs: Vec<PlugEnd>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    slots: Vec<SlotEnd>,
}

impl From<InterfaceView> for Interface {
    fn from(view: InterfaceView) -> Self {
        Self {
            name: view.name,
            summary: view.summary,
            plugs: view.plugs.into_iter().map(PlugEnd::from).collect(),
            slots: view.slots.into_iter().map(SlotEnd::from).collect(),
        }
    }
}

/// GET: without `select` the older list of all ends, else the interfaces themselves.
pub async fn list(call: Call) -> Result<Reply, Fault> {
    let query = &call.query;
    let connected = match query.get("select").unwrap_or_default() {
        "" => {
            let (plugs, slots) = call.managers.interfaces.ends();
            return Reply::of(&Ends {
                plugs: plugs.into_iter().map(PlugEnd::from).collect(),
                slots: slots.into_iter().map(SlotEnd::from).collect(),
            });
        }
        "all" => false,
        "connected" => true,
        _ => return Err(Fault::bad("unsupported select qualifier")),
    };
    let names = query.get("names").unwrap_or_default();
    let filter = InterfaceFilter {
        names: names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        connected,
        plugs: query.get("plugs") == Some("true"),
        slots: query.get("slots") == Some("true"),
    };
    let views = call.managers.interfaces.interface_list(&filter);
    Reply::of(&views.into_iter().map(Interface::from).collect::<Vec<_>>())
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "InterfaceAction"))]
#[serde(default)]
struct Request {
    action: String,
    forget: bool,
    plugs: Vec<PlugEnds>,
    slots: Vec<SlotEnds>,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "PlugAsked"))]
#[serde(default)]
struct PlugEnds {
    snap: String,
    plug: String,
}

#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "SlotAsked"))]
#[serde(default)]
struct SlotEnds {
    snap: String,
    slot: String,
}

/// POST: connect or disconnect one plug and one slot; a change.
pub async fn post(mut call: Call) -> Result<Reply, Fault> {
    let request: Request = call.json().await?;
    let plugs: Vec<Named> = request
        .plugs
        .into_iter()
        .map(|end| Named {
            snap: end.snap,
            name: end.plug,
        })
        .collect();
    let slots: Vec<Named> = request
        .slots
        .into_iter()
        .map(|end| Named {
            snap: end.snap,
            name: end.slot,
        })
        .collect();
    let interfaces = &call.managers.interfaces;
    let plan = match request.action.as_str() {
        "connect" => interfaces.plan_connect(&plugs, &slots, &call.who)?,
        "disconnect" => interfaces.plan_disconnect(&plugs, &slots, request.forget, &call.who)?,
        "" => {
            return Err(Fault::bad(
                "interface action not specified; say \"connect\" or \"disconnect\"",
            ));
        }
        other => return Err(Fault::bad(format!("unsupported interface action: {other:?}"))),
    };
    let change = call.managers.changes.submit(plan).await?;
    Ok(Reply::change(change))
}

/// What the verbs here take and answer, for the description of the API.
#[cfg(test)]
pub(super) fn described() -> Vec<super::openapi::describe::Operation> {
    use super::openapi::describe::{get, post};
    use crate::domain::ErrorKind as E;
    #[derive(schemars::JsonSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Interfaces {
        Ends(Ends),
        Interfaces(Vec<Interface>),
    }
    vec![
        get("/v2/interfaces", "Interfaces; without select all plugs and slots")
            .words("select", &["all", "connected"], "Which interfaces")
            .list("names", "Only these interfaces")
            .flag("plugs", "With their plugs")
            .flag("slots", "With their slots")
            .flag(
                "doc",
                "Accepted and not needed: there is no documentation to link to",
            )
            .result::<Interfaces>()
            .fails(&[E::BadRequest]),
        post("/v2/interfaces", "Connect or disconnect a plug and a slot")
            .body::<Request>()
            .change()
            .fails(&[
                E::InterfacesUnchanged,
                E::NotImplemented,
                E::SnapNotInstalled,
                E::SnapChangeConflict,
            ]),
    ]
}
