//! alias, aliases, unalias, prefer.

use crate::cli::session::{Failure, Outcome, Session};
use crate::cli::table::Table;
use crate::client::types::Change;
use crate::domain::names::app_command;
use serde_json::{Map, Value, json};

pub async fn list(session: &Session, snap: Option<&str>) -> Outcome {
    let Some(all) = session.read_or_print::<Map<String, Value>>("/v2/aliases").await? else {
        return Ok(());
    };
    let mut table = Table::new(&["Command", "Alias", "Notes"]);
    for (_, aliases) in all
        .iter()
        .filter(|(name, _)| snap.is_none_or(|snap| snap == *name))
    {
        for (alias, body) in aliases.as_object().into_iter().flatten() {
            let text = |name: &str| body[name].as_str().unwrap_or_default();
            let notes = if text("status") == "auto" {
                ""
            } else {
                text("status")
            };
            table.row([text("command"), alias, notes]);
        }
    }
    if table.is_empty() {
        session.remark("There are no aliases; `pinion alias SNAP.APP ALIAS` gives one.");
        return Ok(());
    }
    session.print(table)
}

/// Sends a request and tells what it has changed.
async fn ask(session: &Session, body: &Value, no_wait: bool) -> Outcome {
    let answer = session.client.post("/v2/aliases", body).await?;
    match session.finish(answer, no_wait).await? {
        Some(change) => session.print(told(&change)),
        None => Ok(()),
    }
}

fn told(change: &Change) -> String {
    let mut text = String::new();
    for (key, title) in [("aliases-added", "Added"), ("aliases-removed", "Removed")] {
        let Some(Value::Array(entries)) = change.data.get(key) else {
            continue;
        };
        text.push_str(&format!("{title}:\n"));
        for entry in entries {
            let part = |name: &str| entry[name].as_str().unwrap_or_default();
            let command = app_command(part("snap"), part("app"));
            text.push_str(&format!("  - {command} as {}\n", part("alias")));
        }
    }
    text
}

pub async fn alias(session: &Session, command: &str, alias: &str, no_wait: bool) -> Outcome {
    // An app of its snap's own name is meant by the snap's name alone.
    let (snap, app) = command.split_once('.').unwrap_or((command, command));
    if snap.is_empty() || app.is_empty() {
        return Err(Failure::Usage(format!(
            "{command:?} is no command: give SNAP.APP"
        )));
    }
    let body = json!({"action": "alias", "snap": snap, "app": app, "alias": alias});
    ask(session, &body, no_wait).await
}

/// `name` is an alias, or a snap all of whose aliases go.
pub async fn unalias(session: &Session, name: &str, no_wait: bool) -> Outcome {
    let body = json!({"action": "unalias", "snap": name, "alias": name});
    ask(session, &body, no_wait).await
}

pub async fn prefer(session: &Session, snap: &str, no_wait: bool) -> Outcome {
    ask(session, &json!({"action": "prefer", "snap": snap}), no_wait).await
}
