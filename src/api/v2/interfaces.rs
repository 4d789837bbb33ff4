//! `/v2/interfaces`: what interfaces there are; connect and disconnect (contract: v2, Interfaces / connections).

use super::call::Call;
use super::connections::{PlugEnd, SlotEnd};
use super::envelope::Reply;
use crate::domain::Fault;
use crate::managers::interfaces::{InterfaceFilter, InterfaceView, Named};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Ends {
    plugs: Vec<PlugEnd>,
    slots: Vec<SlotEnd>,
}

#[derive(Serialize)]
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
#[serde(default)]
struct Request {
    action: String,
    forget: bool,
    plugs: Vec<PlugEnds>,
    slots: Vec<SlotEnds>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PlugEnds {
    snap: String,
    plug: String,
}

#[derive(Debug, Default, Deserialize)]
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
