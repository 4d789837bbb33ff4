//! get, set, unset: the configuration of snaps and of the system.

use crate::cli::session::{Failure, Outcome, Session};
use crate::cli::table::Table;
use crate::client::escaped;
use crate::domain::assignment::{self, Typing};
use serde_json::{Map, Value};

/// What `get` was asked for.
pub struct Get {
    pub snap: String,
    pub keys: Vec<String>,
    pub document: bool,
    pub typed: bool,
}

/// What `set` was asked for; `unset` is the same with nulls.
pub struct Set {
    pub snap: String,
    pub assignments: Vec<String>,
    pub string: bool,
    pub typed: bool,
    pub no_wait: bool,
}

pub async fn get(session: &Session, wanted: &Get) -> Outcome {
    let keys: Vec<String> = wanted.keys.iter().map(|key| escaped(key)).collect();
    let path = format!(
        "/v2/snaps/{}/conf?keys={}",
        escaped(&wanted.snap),
        keys.join("%2C")
    );
    let values: Map<String, Value> = session.client.get(&path).await?.parse()?;
    if session.json {
        return session.print_json(&Value::Object(values));
    }
    if wanted.document {
        return session.say(assignment::with_tabs(&Value::Object(values)));
    }
    if let [key] = wanted.keys.as_slice() {
        return session.say(assignment::shown(values.get(key).cloned(), wanted.typed));
    }
    if values.is_empty() {
        return Err(Failure::new(format!(
            "snap {:?} has no configuration",
            wanted.snap
        )));
    }
    session.print(table(&values))
}

fn table(values: &Map<String, Value>) -> Table {
    let mut table = Table::new(&["Key", "Value"]);
    for (key, value) in values {
        let shown = match value {
            Value::Object(_) => String::from("{...}"),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        table.row([key, &shown]);
    }
    table
}

pub async fn set(session: &Session, wanted: &Set) -> Outcome {
    let typing = match (wanted.string, wanted.typed) {
        (true, _) => Typing::Text,
        (_, true) => Typing::Strict,
        _ => Typing::Lenient,
    };
    let patch =
        assignment::read(&wanted.assignments, typing).map_err(|error| Failure::Usage(error.to_string()))?;
    change(session, &wanted.snap, patch, wanted.no_wait).await
}

pub async fn unset(session: &Session, snap: &str, keys: &[String], no_wait: bool) -> Outcome {
    let patch = keys.iter().map(|key| (key.clone(), Value::Null)).collect();
    change(session, snap, patch, no_wait).await
}

async fn change(session: &Session, snap: &str, patch: Map<String, Value>, no_wait: bool) -> Outcome {
    let path = format!("/v2/snaps/{}/conf", escaped(snap));
    let answer = session.client.put(&path, &Value::Object(patch)).await?;
    session.finish(answer, no_wait).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_of_values() {
        let values = json!({"a": 1, "doc": {"x": 1}, "list": [1, "b"], "text": "some words"});
        assert_eq!(
            table(values.as_object().expect("a map")).to_string(),
            "Key   Value\na     1\ndoc   {...}\nlist  [1,\"b\"]\ntext  some words\n"
        );
    }
}
