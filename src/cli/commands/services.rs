//! services, start, stop, restart.

use crate::cli::session::{Outcome, Session};
use crate::cli::table::Table;
use crate::client::escaped;
use crate::client::types::App;
use serde_json::{Value, json};

pub async fn list(session: &Session, names: &[String]) -> Outcome {
    let mut path = String::from("/v2/apps?select=service");
    if !names.is_empty() {
        let names: Vec<String> = names.iter().map(|name| escaped(name)).collect();
        path.push_str(&format!("&names={}", names.join("%2C")));
    }
    let Some(apps) = session.read_or_print::<Vec<App>>(&path).await? else {
        return Ok(());
    };
    if apps.is_empty() {
        session.remark("There are no services provided by installed snaps.");
        return Ok(());
    }
    session.print(table(&apps))
}

fn table(apps: &[App]) -> Table {
    let mut table = Table::new(&["Service", "Startup", "Current", "Notes"]);
    for app in apps {
        let mut notes: Vec<String> = app
            .activators
            .iter()
            .map(|activator| format!("{}-activated", activator.kind))
            .collect();
        notes.sort();
        notes.dedup();
        table.row([
            &format!("{}.{}", app.snap, app.name),
            if app.enabled { "enabled" } else { "disabled" },
            if app.active { "active" } else { "inactive" },
            &notes.join(","),
        ]);
    }
    table
}

/// What is asked of services, and its option (`enable`, `disable`, `reload`).
pub struct Order<'a> {
    pub action: &'a str,
    pub names: &'a [String],
    pub option: Option<&'a str>,
    pub no_wait: bool,
}

pub async fn control(session: &Session, order: Order<'_>) -> Outcome {
    let mut body = json!({"action": order.action, "names": order.names});
    if let Some(option) = order.option {
        body[option] = Value::Bool(true);
    }
    let answer = session.client.post("/v2/apps", &body).await?;
    let done = match order.action {
        "start" => "Started.",
        "stop" => "Stopped.",
        _ => "Restarted.",
    };
    if session.finish(answer, order.no_wait).await?.is_some() {
        session.say(done)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_services() {
        let apps: Vec<App> = serde_json::from_value(json!([
            {"snap": "a", "name": "web", "daemon": "simple", "enabled": true, "active": true},
            {"snap": "a", "name": "db", "daemon": "simple",
             "activators": [{"Name": "s", "Type": "socket", "Active": true, "Enabled": true}]}]))
        .expect("apps");
        assert_eq!(
            table(&apps).to_string(),
            "Service  Startup   Current   Notes\n\
             a.web    enabled   active    -\n\
             a.db     disabled  inactive  socket-activated\n"
        );
    }
}
