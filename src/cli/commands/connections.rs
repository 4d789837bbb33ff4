//! connections, connect, disconnect, interface.

use crate::cli::session::{Failure, Outcome, Session};
use crate::cli::table::Table;
use crate::client::escaped;
use crate::client::types::{Connections, Interface, Plug};
use crate::domain::sort;
use serde_json::{Map, Value, json};

/// An end as people write it; the system's own stand without a snap.
fn end(snap: &str, name: &str) -> String {
    match (snap, name) {
        ("", "") => String::new(),
        ("snapd" | "core" | "system", name) => format!(":{name}"),
        (snap, name) => format!("{snap}:{name}"),
    }
}

/// Reads `SNAP:NAME`, `SNAP` or `:NAME`.
fn parse_end(text: &str) -> Result<(&str, &str), Failure> {
    let (snap, name) = text.split_once(':').unwrap_or((text, ""));
    if name.contains(':') || (snap.is_empty() && name.is_empty()) {
        return Err(Failure::Usage(format!("{text:?} is not of the form SNAP:NAME")));
    }
    Ok((snap, name))
}

pub async fn connections(session: &Session, all: bool, snap: Option<&str>) -> Outcome {
    if all && snap.is_some() {
        return Err(Failure::Usage(String::from(
            "--all and SNAP do not go together: a snap's are always listed all",
        )));
    }
    let path = match snap {
        Some(snap) => format!("/v2/connections?select=all&snap={}", escaped(snap)),
        None if all => String::from("/v2/connections?select=all"),
        None => String::from("/v2/connections"),
    };
    let Some(connections) = session.read_or_print::<Connections>(&path).await? else {
        return Ok(());
    };
    let table = connection_table(&connections);
    if table.is_empty() {
        if !all && snap.is_none() {
            session.remark("Nothing is connected; see what could be with `pinion connections --all`.");
        }
        return Ok(());
    }
    session.print(table)
}

fn connection_table(connections: &Connections) -> Table {
    let mut rows: Vec<[String; 4]> = connections
        .established
        .iter()
        .map(|connection| {
            let notes = [(connection.manual, "manual"), (connection.gadget, "gadget")];
            let notes: Vec<&str> = notes
                .into_iter()
                .filter(|(set, _)| *set)
                .map(|(_, note)| note)
                .collect();
            [
                connection.interface.clone(),
                end(&connection.plug.snap, &connection.plug.plug),
                end(&connection.slot.snap, &connection.slot.slot),
                notes.join(","),
            ]
        })
        .collect();
    for plug in connections
        .plugs
        .iter()
        .filter(|plug| plug.connections.is_empty())
    {
        rows.push([
            plug.interface.clone(),
            end(&plug.snap, &plug.plug),
            String::new(),
            String::new(),
        ]);
    }
    for slot in connections
        .slots
        .iter()
        .filter(|slot| slot.connections.is_empty())
    {
        rows.push([
            slot.interface.clone(),
            String::new(),
            end(&slot.snap, &slot.slot),
            String::new(),
        ]);
    }
    // By interface, connected ones and plugs before free slots; natural order keeps pin-9 before pin-10.
    sort::by_key(&mut rows, |row| {
        (
            row[0].clone(),
            row[1].is_empty(),
            natural(&row[1]),
            natural(&row[2]),
        )
    });
    let mut table = Table::new(&["Interface", "Plug", "Slot", "Notes"]);
    for [interface, plug, slot, notes] in &rows {
        table.row([interface, plug, slot, notes]);
    }
    table
}

/// A text as pieces that compare as people count.
pub(super) fn natural(text: &str) -> Vec<(String, u64)> {
    let mut pieces = vec![(String::new(), 0_u64)];
    let mut in_number = false;
    for c in text.chars() {
        let last = pieces.len() - 1;
        match c.to_digit(10) {
            Some(digit) => {
                pieces[last].1 = pieces[last].1.saturating_mul(10).saturating_add(u64::from(digit));
                in_number = true;
            }
            None => {
                if in_number {
                    pieces.push((String::new(), 0));
                    in_number = false;
                }
                let last = pieces.len() - 1;
                pieces[last].0.push(c);
            }
        }
    }
    pieces
}

pub async fn connect(session: &Session, plug: &str, slot: Option<&str>, no_wait: bool) -> Outcome {
    let (plug_snap, plug_name) = parse_end(plug)?;
    if plug_name.is_empty() {
        return Err(Failure::Usage(format!("{plug:?} names no plug; write SNAP:PLUG")));
    }
    let (slot_snap, slot_name) = slot.map_or(Ok(("", "")), parse_end)?;
    let body = json!({
        "action": "connect",
        "plugs": [{"snap": plug_snap, "plug": plug_name}],
        "slots": [{"snap": slot_snap, "slot": slot_name}],
    });
    let answer = session.client.post("/v2/interfaces", &body).await?;
    session.finish(answer, no_wait).await?;
    Ok(())
}

pub async fn disconnect(
    session: &Session,
    first: &str,
    slot: Option<&str>,
    forget: bool,
    no_wait: bool,
) -> Outcome {
    let named = |text| match parse_end(text)? {
        (_, "") => Err(Failure::Usage(format!(
            "{text:?} names no plug or slot; write SNAP:NAME"
        ))),
        end => Ok(end),
    };
    let first = named(first)?;
    // With one end only, the agent finds out whether it is a plug or a slot (contract: v2-observed, section 4).
    let (plug, slot) = match slot {
        Some(slot) => (first, named(slot)?),
        None => (("", ""), first),
    };
    let mut body = json!({
        "action": "disconnect",
        "plugs": [{"snap": plug.0, "plug": plug.1}],
        "slots": [{"snap": slot.0, "slot": slot.1}],
    });
    if forget {
        body["forget"] = json!(true);
    }
    let answer = session.client.post("/v2/interfaces", &body).await?;
    session.finish(answer, no_wait).await?;
    Ok(())
}

pub async fn interface(session: &Session, all: bool, attrs: bool, name: Option<&str>) -> Outcome {
    let Some(name) = name else {
        return list_interfaces(session, all).await;
    };
    let path = format!(
        "/v2/interfaces?select=all&doc=true&plugs=true&slots=true&names={}",
        escaped(name)
    );
    let Some(found) = session.read_or_print::<Vec<Interface>>(&path).await? else {
        return Ok(());
    };
    match found.first() {
        Some(interface) => session.print(interface_details(interface, attrs)),
        None => Err(Failure::new(format!(
            "no interface is called {name:?}; see them with `pinion interface --all`"
        ))),
    }
}

async fn list_interfaces(session: &Session, all: bool) -> Outcome {
    let select = if all { "all" } else { "connected" };
    let path = format!("/v2/interfaces?select={select}");
    let Some(interfaces) = session.read_or_print::<Vec<Interface>>(&path).await? else {
        return Ok(());
    };
    if interfaces.is_empty() {
        session.remark("No interface has a connection; see all with `pinion interface --all`.");
        return Ok(());
    }
    let mut table = Table::new(&["Name", "Summary"]);
    for interface in &interfaces {
        table.row([&interface.name, &interface.summary]);
    }
    session.print(table)
}

fn interface_details(interface: &Interface, with_attrs: bool) -> String {
    let mut table = Table::plain();
    table.row(["name:", &interface.name]);
    if !interface.summary.is_empty() {
        table.row(["summary:", &interface.summary]);
    }
    if !interface.doc_url.is_empty() {
        table.row(["documentation:", &interface.doc_url]);
    }
    let mut text = table.to_string();
    let mut ends = |title: &str, ends: Vec<(String, &Map<String, Value>)>| {
        if !ends.is_empty() {
            text.push_str(&format!("{title}:\n"));
        }
        for (name, attrs) in ends {
            let colon = if with_attrs && !attrs.is_empty() { ":" } else { "" };
            text.push_str(&format!("  - {name}{colon}\n"));
            if with_attrs {
                for (key, value) in attrs {
                    text.push_str(&format!("      {key}: {value}\n"));
                }
            }
        }
    };
    let plug = |plug: &Plug| end(&plug.snap, &plug.plug);
    ends(
        "plugs",
        interface.plugs.iter().map(|it| (plug(it), &it.attrs)).collect(),
    );
    ends(
        "slots",
        interface
            .slots
            .iter()
            .map(|it| (end(&it.snap, &it.slot), &it.attrs))
            .collect(),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connected_come_first_and_pins_count() {
        let connections: Connections = serde_json::from_value(json!({
            "established": [{"plug": {"snap": "kl", "plug": "led"}, "slot": {"snap": "pi", "slot": "pin-13"},
                             "interface": "bool-file", "manual": true}],
            "plugs": [{"snap": "kl", "plug": "led", "interface": "bool-file",
                       "connections": [{"snap": "pi", "slot": "pin-13"}]},
                      {"snap": "kl", "plug": "net", "interface": "network"}],
            "slots": [{"snap": "pi", "slot": "pin-13", "interface": "bool-file",
                       "connections": [{"snap": "kl", "plug": "led"}]},
                      {"snap": "pi", "slot": "pin-11", "interface": "bool-file"},
                      {"snap": "pi", "slot": "pin-7", "interface": "bool-file"},
                      {"snap": "system", "slot": "network", "interface": "network"}]
        }))
        .expect("connections");
        assert_eq!(
            connection_table(&connections).to_string(),
            "Interface  Plug    Slot       Notes\n\
             bool-file  kl:led  pi:pin-13  manual\n\
             bool-file  -       pi:pin-7   -\n\
             bool-file  -       pi:pin-11  -\n\
             network    kl:net  -          -\n\
             network    -       :network   -\n"
        );
    }

    #[test]
    fn ends_are_read() {
        assert_eq!(parse_end("a:b").expect("an end"), ("a", "b"));
        assert_eq!(parse_end("a").expect("an end"), ("a", ""));
        assert_eq!(parse_end(":b").expect("an end"), ("", "b"));
        assert!(parse_end(":").is_err() && parse_end("a:b:c").is_err());
    }
}
