//! changes, tasks, watch, abort.

use crate::cli::args::Which;
use crate::cli::session::{Failure, Outcome, Session};
use crate::cli::table::Table;
use crate::cli::{progress, time};
use crate::client::escaped;
use crate::client::types::{Change, Task};
use crate::domain::sort;
use serde_json::json;

/// Ids count upwards; what is no number comes last.
fn order(id: &str) -> u64 {
    id.parse().unwrap_or(u64::MAX)
}

pub async fn list(session: &Session, snap: Option<&str>, abs_time: bool) -> Outcome {
    let path = match snap {
        Some(snap) => format!("/v2/changes?select=all&for={}", escaped(snap)),
        None => String::from("/v2/changes?select=all"),
    };
    let Some(mut changes) = session.read_or_print::<Vec<Change>>(&path).await? else {
        return Ok(());
    };
    if changes.is_empty() {
        session.remark("No changes of this kind are known.");
        return Ok(());
    }
    sort::by_key(&mut changes, |change| order(&change.id));
    let mut table = Table::new(&["ID", "Status", "Spawn", "Ready", "Summary"]);
    for change in &changes {
        table.row([
            &change.id,
            &change.status,
            &time::shown(&change.spawn_time, abs_time),
            &ready(change.ready_time.as_deref(), abs_time),
            &change.summary,
        ]);
    }
    session.print(table)
}

fn ready(moment: Option<&str>, abs_time: bool) -> String {
    moment.map_or(String::new(), |moment| time::shown(moment, abs_time))
}

/// The id that was meant.
async fn id_of(session: &Session, which: &Which) -> Result<String, Failure> {
    match (&which.id, &which.last) {
        (Some(id), _) => Ok(id.clone()),
        (None, Some(kind)) => {
            let changes: Vec<Change> = session.client.read("/v2/changes?select=all").await?;
            last_of(&changes, kind)
                .map(|change| change.id.clone())
                .ok_or_else(|| Failure::new(format!("no change of kind {kind:?} found")))
        }
        (None, None) => Err(Failure::Usage(String::from(
            "give the id of a change, or --last=KIND",
        ))),
    }
}

/// The newest change of a kind; `install` means `install-snap` too.
fn last_of<'a>(changes: &'a [Change], kind: &str) -> Option<&'a Change> {
    let of_snap = format!("{kind}-snap");
    changes
        .iter()
        .filter(|change| change.kind == kind || change.kind == of_snap)
        .max_by_key(|change| order(&change.id))
}

pub async fn tasks(session: &Session, which: &Which, abs_time: bool) -> Outcome {
    let id = id_of(session, which).await?;
    let path = format!("/v2/changes/{}", escaped(&id));
    let Some(change) = session.read_or_print::<Change>(&path).await? else {
        return Ok(());
    };
    let mut table = Table::new(&["Status", "Spawn", "Ready", "Summary"]);
    for task in &change.tasks {
        table.row([
            &task.status,
            &time::shown(&task.spawn_time, abs_time),
            &ready(task.ready_time.as_deref(), abs_time),
            &with_progress(task),
        ]);
    }
    session.print(table)?;
    for task in change.tasks.iter().filter(|task| !task.log.is_empty()) {
        session.print(format_args!(
            "\n{}\n{}\n\n{}\n",
            ".".repeat(70),
            task.summary,
            task.log.join("\n")
        ))?;
    }
    Ok(())
}

fn with_progress(task: &Task) -> String {
    let progress = &task.progress;
    if task.status == "Doing" && progress.total > 1 {
        let far = progress.done.min(progress.total) * 100 / progress.total;
        format!("{} ({far}%)", task.summary)
    } else {
        task.summary.clone()
    }
}

pub async fn watch(session: &Session, which: &Which) -> Outcome {
    let id = id_of(session, which).await?;
    progress::wait(session, &id).await.map(drop)
}

pub async fn abort(session: &Session, which: &Which) -> Outcome {
    let id = id_of(session, which).await?;
    let path = format!("/v2/changes/{}", escaped(&id));
    let answer = session.client.post(&path, &json!({"action": "abort"})).await?;
    if session.json {
        session.print_json(&answer.result)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_kind() {
        let changes: Vec<Change> = serde_json::from_value(json!([
            {"id": "9", "kind": "install-snap"}, {"id": "10", "kind": "install-snap"},
            {"id": "11", "kind": "seed"}]))
        .expect("changes");
        let last = |kind| last_of(&changes, kind).map(|change| change.id.as_str());
        assert_eq!(last("install"), Some("10"));
        assert_eq!(last("seed"), Some("11"));
        assert_eq!(last("remove"), None);
    }
}
