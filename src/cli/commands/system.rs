//! warnings, okay, notices, debug, version, help.

use crate::cli::session::{Failure, Outcome, Session};
use crate::cli::table::Table;
use crate::cli::tree::ROOT;
use crate::cli::{time, words};
use crate::client::escaped;
use crate::client::types::{SystemInfo, Warning};
use serde_json::{Value, json};

pub async fn warnings(session: &Session, all: bool) -> Outcome {
    let select = if all { "all" } else { "pending" };
    let path = format!("/v2/warnings?select={select}");
    let Some(warnings) = session.read_or_print::<Vec<Warning>>(&path).await? else {
        return Ok(());
    };
    if warnings.is_empty() {
        session.remark("No warnings.");
        return Ok(());
    }
    session.print(warning_text(&warnings))
}

fn warning_text(warnings: &[Warning]) -> String {
    let texts: Vec<String> = warnings
        .iter()
        .map(|warning| {
            format!(
                "last-occurrence:  {}\nwarning: |\n  {}\n",
                time::shown(&warning.last_added, false),
                warning.message.replace('\n', "\n  ")
            )
        })
        .collect();
    texts.join("---\n")
}

/// Shows what it acknowledges, so that nothing is acknowledged unseen.
pub async fn okay(session: &Session) -> Outcome {
    let warnings: Vec<Warning> = session.client.read("/v2/warnings?select=pending").await?;
    let Some(newest) = warnings.iter().map(|warning| &warning.last_added).max() else {
        session.remark("No warnings.");
        return Ok(());
    };
    if !session.json {
        session.print(warning_text(&warnings))?;
    }
    let body = json!({"action": "okay", "timestamp": newest});
    let answer = session.client.post("/v2/warnings", &body).await?;
    if session.json {
        return session.print_json(&answer.result);
    }
    session.remark(format_args!("{} acknowledged.", answer.result));
    Ok(())
}

pub async fn notices(
    session: &Session,
    kinds: Option<&str>,
    after: Option<&str>,
    wait: Option<&str>,
) -> Outcome {
    let asked = [("types", kinds), ("after", after), ("timeout", wait)];
    let query: Vec<String> = asked
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", escaped((*value)?))))
        .collect();
    let path = format!("/v2/notices?{}", query.join("&"));
    let Some(notices) = session.read_or_print::<Vec<Value>>(&path).await? else {
        return Ok(());
    };
    if notices.is_empty() {
        session.remark("No notices.");
        return Ok(());
    }
    let mut table = Table::new(&["ID", "User", "Type", "Key", "Repeated", "Occurrences"]);
    for notice in &notices {
        let text = |name: &str| match &notice[name] {
            Value::String(text) => text.clone(),
            Value::Null => String::from("public"),
            other => other.to_string(),
        };
        table.row([
            &text("id"),
            &text("user-id"),
            &text("type"),
            &text("key"),
            &text("last-repeated"),
            &text("occurrences"),
        ]);
    }
    session.print(table)
}

pub async fn debug(session: &Session, what: &str, text: Option<&str>) -> Outcome {
    let answer = if matches!(what, "features" | "seeding") {
        session.client.get(&format!("/v2/debug?aspect={what}")).await?
    } else {
        let body = json!({"action": what, "message": text.unwrap_or_default()});
        session.client.post("/v2/debug", &body).await?
    };
    match answer.result.as_str() {
        Some(threads) if !session.json => session.print(threads),
        _ => session.print_json(&answer.result),
    }
}

pub async fn version(session: &Session) -> Outcome {
    let answer = session.client.get("/v2/system-info").await;
    if session.json {
        let agent = answer.map_or(json!(null), |answer| answer.result);
        return session.print_json(&json!({"client": env!("CARGO_PKG_VERSION"), "agent": agent}));
    }
    let mut table = Table::plain();
    table.row(["pinion", env!("CARGO_PKG_VERSION")]);
    match answer.and_then(|answer| answer.parse::<SystemInfo>()) {
        Ok(info) => {
            table.row(["agent", &info.version]);
            table.row(["series", &info.series]);
            table.row([
                &info.os_release.id,
                if info.os_release.version_id.is_empty() {
                    "-"
                } else {
                    &info.os_release.version_id
                },
            ]);
            table.row(["kernel", &info.kernel_version]);
        }
        Err(_) => table.row(["agent", "unavailable"]),
    }
    session.print(table)
}

/// The topics, each a page of `src/docs`.
const TOPICS: [(&str, &str); 5] = [
    ("hardware", include_str!("../../docs/hardware.md")),
    ("snaps", include_str!("../../docs/snaps.md")),
    ("api", include_str!("../../docs/api.md")),
    ("boards", include_str!("../../docs/boards.md")),
    ("reliability", include_str!("../../docs/reliability.md")),
];

pub fn help(session: &Session, topic: &[String]) -> Outcome {
    if let [topic] = topic
        && let Some((_, page)) = TOPICS.iter().find(|(name, _)| name == topic)
    {
        return session.print(page);
    }
    let (mut spec, mut path) = (&ROOT, ROOT.name.to_owned());
    for word in topic {
        let Some(inner) = spec.find(word.as_ref()) else {
            let topics: Vec<&str> = TOPICS.iter().map(|(name, _)| *name).collect();
            return Err(Failure::Usage(format!(
                "there is no command or topic {:?}; topics are {}",
                topic.join(" "),
                topics.join(", ")
            )));
        };
        (spec, path) = (inner, format!("{path} {}", inner.name));
    }
    session.print(words::help(spec, &path))
}
