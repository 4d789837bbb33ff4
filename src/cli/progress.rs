//! Waiting with something to look at: the task that runs, a spinner, how far it is.

use super::session::{Failure, Session};
use super::terminal::{self, CLEAR_LINE, NO_WRAP, WRAP};
use crate::client::types::{Change, Task};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Waits until a change is ready. Ctrl-C asks the agent to take it back, as `snap` does; a second one stops waiting.
/// A change that did not end well is a failure with its reason.
pub async fn wait(session: &Session, id: &str) -> Result<Change, Failure> {
    let mut view = View::new(session);
    let mut followed = session.client.follow(id);
    let mut interrupted = false;
    let change = loop {
        tokio::select! {
            look = followed.next() => {
                let change = match look {
                    Ok(change) => change,
                    Err(error) => {
                        view.clear();
                        return Err(error.into());
                    }
                };
                view.show(&change);
                if change.ready {
                    break change;
                }
            }
            pressed = tokio::signal::ctrl_c() => {
                if interrupted || pressed.is_err() {
                    view.clear();
                    return Err(Failure::new(format!(
                        "stopped waiting; change {id} goes on, follow it with `pinion watch {id}`"
                    )));
                }
                interrupted = true;
                // It may be ready by now: then there is nothing to take back and the next look tells.
                let _ = session.client.abort(id).await;
            }
        }
    };
    view.clear();
    verdict(change)
}

/// Whether a ready change did what was asked.
fn verdict(change: Change) -> Result<Change, Failure> {
    match change.status.as_str() {
        "Done" => Ok(change),
        _ if !change.err.is_empty() => Err(Failure::Failed(change.err)),
        "Undone" => Err(Failure::new(format!("change {} was taken back", change.id))),
        status => Err(Failure::new(format!(
            "change {} finished in status {status:?} with no error message",
            change.id
        ))),
    }
}

/// What is shown meanwhile.
struct View {
    kind: ViewKind,
    spin: usize,
    seen: BTreeSet<String>,
}

enum ViewKind {
    /// One line that is drawn over and over.
    Live,
    /// A line for each task.
    Lines,
    Nothing,
}

const SPINNER: [char; 4] = ['/', '-', '\\', '|'];

impl View {
    fn new(session: &Session) -> Self {
        let kind = match (terminal::is_live_stderr(), session.json) {
            (true, _) => ViewKind::Live,
            (false, false) => ViewKind::Lines,
            (false, true) => ViewKind::Nothing,
        };
        Self {
            kind,
            spin: 0,
            seen: BTreeSet::new(),
        }
    }

    fn show(&mut self, change: &Change) {
        let mut err = io::stderr().lock();
        // Without anyone to look there is nothing to do about it.
        let _ = match self.kind {
            ViewKind::Nothing => Ok(()),
            ViewKind::Live => {
                self.spin += 1;
                let text = live_text(change, SPINNER[self.spin % SPINNER.len()]);
                write!(err, "{CLEAR_LINE}{NO_WRAP}{text}{WRAP}").and_then(|()| err.flush())
            }
            ViewKind::Lines => {
                let fresh: Vec<&Task> = change
                    .tasks
                    .iter()
                    .filter(|task| is_begun(task) && !self.seen.contains(&task.id))
                    .collect();
                let mut outcome = Ok(());
                for task in fresh {
                    self.seen.insert(task.id.clone());
                    outcome = outcome.and_then(|()| writeln!(err, "{}", task.summary));
                }
                outcome
            }
        };
    }

    fn clear(&mut self) {
        if matches!(self.kind, ViewKind::Live) {
            let _ = write!(io::stderr(), "{CLEAR_LINE}");
        }
    }
}

fn is_begun(task: &Task) -> bool {
    !matches!(task.status.as_str(), "Do" | "Hold")
}

/// The line of a running change: the task at work, how far it is, the spinner.
fn live_text(change: &Change, spinner: char) -> String {
    let running = |status: &str| change.tasks.iter().find(|task| task.status == status);
    let Some(task) = running("Doing")
        .or_else(|| running("Abort"))
        .or_else(|| running("Undoing"))
    else {
        return format!("{} {spinner}", change.summary);
    };
    let undo = if task.status == "Doing" { "" } else { "Undo: " };
    let label = match task.progress.label.as_str() {
        "" => String::new(),
        label => format!(" ({label})"),
    };
    let far = match (task.progress.done, task.progress.total) {
        (done, total) if total > 1 => format!(" {}%", done.min(total) * 100 / total),
        _ => String::new(),
    };
    format!("{undo}{}{label}{far} {spinner}", task.summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(value: serde_json::Value) -> Change {
        serde_json::from_value(value).expect("a change")
    }

    #[test]
    fn the_running_task_is_shown() {
        let change = change(json!({"summary": "Install \"a\" snap", "tasks": [
            {"id": "1", "summary": "Prepare", "status": "Done"},
            {"id": "2", "summary": "Mount snap \"a\" (x1)", "status": "Doing",
             "progress": {"label": "", "done": 1, "total": 4}}]}));
        assert_eq!(live_text(&change, '-'), "Mount snap \"a\" (x1) 25% -");
    }

    #[test]
    fn an_undo_says_so() {
        let change = change(
            json!({"summary": "S", "tasks": [{"summary": "Mount", "status": "Undoing",
            "progress": {"label": "", "done": 0, "total": 1}}]}),
        );
        assert_eq!(live_text(&change, '-'), "Undo: Mount -");
    }

    #[test]
    fn endings() {
        let ended = |status: &str, err: &str| change(json!({"id": "3", "status": status, "err": err}));
        assert!(verdict(ended("Done", "")).is_ok());
        let text = |outcome| match outcome {
            Err(Failure::Failed(text)) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(verdict(ended("Error", "cannot perform"))), "cannot perform");
        assert_eq!(text(verdict(ended("Undone", ""))), "change 3 was taken back");
        assert!(text(verdict(ended("Hold", ""))).contains("\"Hold\""));
    }
}
