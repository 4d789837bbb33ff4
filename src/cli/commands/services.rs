//! services, start, stop, restart, logs.

use crate::cli::session::{Failure, Outcome, Session};
use crate::cli::table::Table;
use crate::cli::time;
use crate::client::escaped;
use crate::client::types::App;
use crate::domain::sort;
use serde_json::{Value, json};

pub async fn list(session: &Session, names: &[String]) -> Outcome {
    let path = format!("/v2/apps?select=service{}", named(names));
    let Some(apps) = session.read_or_print::<Vec<App>>(&path).await? else {
        return Ok(());
    };
    if apps.is_empty() {
        session.remark("There are no services provided by installed snaps.");
        return Ok(());
    }
    session.print(table(&apps))
}

/// The part of a query that names services.
fn named(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<String> = names.iter().map(|name| escaped(name)).collect();
    format!("&names={}", names.join("%2C"))
}

fn table(apps: &[App]) -> Table {
    let mut table = Table::new(&["Service", "Startup", "Current", "Notes"]);
    for app in apps {
        let mut notes: Vec<String> = app
            .activators
            .iter()
            .map(|activator| format!("{}-activated", activator.kind))
            .collect();
        sort::by(&mut notes, Ord::cmp);
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

/// Prints what services printed, the newest lines or `all`, and goes on with `follow` until Ctrl-C.
pub async fn logs(session: &Session, names: &[String], lines: Option<&str>, follow: bool) -> Outcome {
    let count = match lines {
        None => 10,
        Some("all") => -1,
        Some(text) => text
            .parse::<u32>()
            .map(i64::from)
            .map_err(|_| Failure::Usage(format!("{text:?} is not a number of lines, nor all")))?,
    };
    let path = format!("/v2/logs?n={count}&follow={follow}{}", named(names));
    let mut records = session.client.events(&path).await?;
    loop {
        let record = tokio::select! {
            record = records.next() => record?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        match record {
            Some(record) if session.json => session.say(record)?,
            Some(record) => session.say(line(&record))?,
            None if follow => return Err(Failure::new("the agent ended the stream")),
            None => return Ok(()),
        }
    }
}

/// A record in one line: when, which service, its process, what.
fn line(record: &Value) -> String {
    let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or("-");
    format!(
        "{} {}[{}]: {}",
        time::shown(text("timestamp"), true),
        text("sid"),
        text("pid"),
        text("message")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line() {
        let record = json!({"timestamp": "x", "sid": "a.web", "pid": "7", "message": "up"});
        assert_eq!(line(&record), "x a.web[7]: up");
    }

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
