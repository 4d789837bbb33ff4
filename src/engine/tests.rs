use super::context::Leavings;
use super::*;
use crate::domain::status::TaskStatus as S;
use crate::domain::{Dirs, PlannedTask, SnapName};
use crate::drivers::clock::Clock;
use std::path::Path;
use std::time::Duration;

/// A kind whose handlers are closures and that writes down what ran.
struct Scripted {
    name: &'static str,
    perform: fn(&TaskContext) -> Result<Outcome, TaskError>,
    undo: bool,
    ran: Arc<Mutex<Vec<String>>>,
}

impl TaskKind for Scripted {
    fn kind(&self) -> &'static str {
        self.name
    }
    fn perform(&self, task: &TaskContext) -> Result<Outcome, TaskError> {
        self.ran
            .lock()
            .expect("unpoisoned")
            .push(format!("do {}", self.name));
        (self.perform)(task)
    }
    fn can_undo(&self) -> bool {
        self.undo
    }
    fn undo(&self, _: &TaskContext) -> Result<(), TaskError> {
        self.ran
            .lock()
            .expect("unpoisoned")
            .push(format!("undo {}", self.name));
        Ok(())
    }
    fn probe(&self, _: &TaskContext) -> Probe {
        Probe::NoEffect
    }
}

struct Bench {
    engine: Arc<Engine>,
    store: Arc<Store>,
    ran: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn ran(&self) -> Vec<String> {
        self.ran.lock().expect("unpoisoned").clone()
    }
}

fn bench(root: &Path) -> Bench {
    let (store, _) = Store::open(&Dirs::new(root), Clock::system()).expect("the store opens");
    let ran = Arc::new(Mutex::new(Vec::new()));
    let mut registry = Registry::default();
    let mut add = |name, undo, perform: fn(&TaskContext) -> Result<Outcome, TaskError>| {
        registry.add(Scripted {
            name,
            perform,
            undo,
            ran: ran.clone(),
        });
    };
    add("good", true, |_| Ok(Outcome::Done));
    add("fixed", false, |_| Ok(Outcome::Done));
    add("bad", true, |_| Err(TaskError::new("it does not work")));
    add("panics", true, |_| panic!("a bug"));
    add("stays", true, |task| {
        task.abort_signal().wait(Duration::from_secs(20));
        if task.is_aborted() {
            Err(TaskError::new("interrupted"))
        } else {
            Ok(Outcome::Done)
        }
    });
    add("thrice", true, |task| {
        let count = task.memory::<u32>("count").unwrap_or(0) + 1;
        task.remember("count", count)?;
        if count < 3 {
            Ok(Outcome::Retry(Duration::from_millis(1)))
        } else {
            Ok(Outcome::Done)
        }
    });
    add("injects", true, |task| {
        task.inject(vec![PlannedTask::new(
            "fixed",
            "injected",
            serde_json::Value::Null,
        )]);
        task.with_commit(|tx| tx.add_warning("with the status"));
        Ok(Outcome::Done)
    });
    add("refused", true, |task| {
        task.with_commit(|_| Err(StoreError::Refused("the record says no".into())));
        Ok(Outcome::Done)
    });
    let engine = Engine::new(
        store.clone(),
        Bus::new(|| Timestamp(0)),
        registry,
        History::default(),
    );
    tokio::spawn(engine.clone().run());
    Bench { engine, store, ran }
}

fn plan(kinds: &[&'static str]) -> Plan {
    let mut plan = Plan::new("test", "Test");
    for kind in kinds {
        plan.then(PlannedTask::new(
            kind,
            format!("Task {kind}"),
            serde_json::Value::Null,
        ));
    }
    plan
}

async fn run(bench: &Bench, kinds: &[&'static str]) -> Arc<Change> {
    let id = bench.engine.submit(plan(kinds)).await.expect("submitted");
    tokio::time::timeout(Duration::from_secs(10), bench.engine.wait(id))
        .await
        .expect("in time")
        .expect("ready")
}

fn statuses(change: &Change) -> Vec<S> {
    change.tasks.iter().map(|task| task.status).collect()
}

#[tokio::test]
async fn a_change_runs_its_tasks_in_order_with_one_commit_each() {
    let dir = tempfile::tempdir().expect("a folder");
    let bench = bench(dir.path());
    let before = bench.store.commits();
    let change = run(&bench, &["good"; 15]).await;
    assert_eq!(change.shown_status(), S::Done);
    assert_eq!(bench.ran().len(), 15);
    let commits = bench.store.commits() - before;
    assert!(commits <= 16, "{commits} commits for 15 tasks");
}

#[tokio::test]
async fn a_failure_undoes_what_was_done_and_tells_why() {
    let dir = tempfile::tempdir().expect("a folder");
    let bench = bench(dir.path());
    let change = run(&bench, &["good", "fixed", "good", "bad", "good"]).await;
    assert_eq!(
        statuses(&change),
        [S::Undone, S::Done, S::Undone, S::Error, S::Hold]
    );
    assert_eq!(
        bench.ran(),
        [
            "do good",
            "do fixed",
            "do good",
            "do bad",
            "undo good",
            "undo good"
        ]
    );
    let text = change.error_text().expect("a text");
    assert_eq!(
        text,
        "cannot perform the following tasks:\n- Task bad (it does not work)"
    );
}

#[tokio::test]
async fn a_panic_and_a_refused_record_are_errors_of_their_task() {
    let dir = tempfile::tempdir().expect("a folder");
    let bench = bench(dir.path());
    let change = run(&bench, &["good", "panics"]).await;
    assert_eq!(statuses(&change), [S::Undone, S::Error]);
    assert!(change.error_text().expect("a text").contains("a bug"));
    let change = run(&bench, &["good", "refused"]).await;
    assert_eq!(statuses(&change), [S::Undone, S::Error]);
    assert!(
        change
            .error_text()
            .expect("a text")
            .contains("the record says no")
    );
}

#[tokio::test]
async fn retries_and_injected_tasks() {
    let dir = tempfile::tempdir().expect("a folder");
    let bench = bench(dir.path());
    let change = run(&bench, &["thrice", "injects", "good"]).await;
    assert_eq!(statuses(&change), [S::Done; 4]);
    assert_eq!(
        bench.ran(),
        [
            "do thrice",
            "do thrice",
            "do thrice",
            "do injects",
            "do fixed",
            "do good"
        ]
    );
    assert!(bench.store.world().warnings.contains_key("with the status"));
}

#[tokio::test]
async fn an_abort_stops_what_runs() {
    let dir = tempfile::tempdir().expect("a folder");
    let bench = bench(dir.path());
    let id = bench
        .engine
        .submit(plan(&["good", "stays", "good"]))
        .await
        .expect("submitted");
    while bench.ran().len() < 2 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    bench.engine.abort(id).await.expect("aborted");
    let change = bench.engine.wait(id).await.expect("ready");
    // A handler that ends with an error when it is asked to stop leaves an error (contract: v2, section 5).
    assert_eq!(statuses(&change), [S::Undone, S::Error, S::Hold]);
    let refused = bench.engine.abort(id).await.expect_err("it is over");
    assert_eq!(
        refused.message,
        format!("cannot abort change {id} with nothing pending")
    );
    let refused = bench.engine.abort(ChangeId(77)).await.expect_err("there is none");
    assert_eq!(refused.message, "cannot find change with id \"77\"");
}

#[tokio::test]
async fn two_changes_of_one_snap_conflict() {
    let dir = tempfile::tempdir().expect("a folder");
    let bench = bench(dir.path());
    let snap = SnapName::new("lights").expect("a name");
    let first = Plan {
        snaps: vec![snap.clone()],
        ..plan(&["stays"])
    };
    let id = bench.engine.submit(first).await.expect("submitted");
    let refused = bench
        .engine
        .submit(Plan {
            snaps: vec![snap.clone()],
            ..plan(&["good"])
        })
        .await
        .expect_err("a conflict");
    assert_eq!(refused.kind, ErrorKind::SnapChangeConflict);
    assert_eq!(
        refused.value,
        Some(json!({"change-kind": "test", "snap-name": "lights"}))
    );
    bench.engine.abort(id).await.expect("aborted");
    bench.engine.wait(id).await.expect("ready");
    bench
        .engine
        .submit(Plan {
            snaps: vec![snap],
            ..plan(&["good"])
        })
        .await
        .expect("free again");
}

#[tokio::test]
async fn nothing_to_do_is_done_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let bench = bench(dir.path());
    let change = run(&bench, &[]).await;
    assert_eq!((change.shown_status(), change.is_ready()), (S::Done, true));
}

#[tokio::test]
async fn what_ran_when_the_agent_ended_runs_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let id = {
        let first = bench(dir.path());
        let id = first
            .engine
            .submit(plan(&["good", "stays", "fixed"]))
            .await
            .expect("submitted");
        while first.ran().len() < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        first.engine.stop().await;
        first.store.close();
        id
    };
    let second = bench(dir.path());
    assert_eq!(
        second.store.world().change(id).expect("it was kept").tasks[1].status,
        S::Doing
    );
    second.engine.resume().await.expect("resumed");
    while second.ran().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(second.ran(), ["do stays"]);
    second.engine.abort(id).await.expect("aborted");
    assert_eq!(
        statuses(&second.engine.wait(id).await.expect("ready")),
        [S::Undone, S::Error, S::Hold]
    );
}

#[tokio::test]
async fn a_task_that_was_running_at_too_many_starts_fails() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut id = None;
    for start in 0..7 {
        let bench = bench(dir.path());
        bench.engine.resume().await.expect("resumed");
        if id.is_none() {
            id = Some(bench.engine.submit(plan(&["stays"])).await.expect("submitted"));
        }
        let change = bench
            .store
            .world()
            .change(id.expect("set"))
            .cloned()
            .expect("kept");
        if start >= 6 {
            assert_eq!(statuses(&change), [S::Error]);
        }
        bench.engine.stop().await;
        bench.store.close();
    }
}

#[tokio::test]
async fn a_task_ends_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let bench = bench(dir.path());
    let change = run(&bench, &["good"]).await;
    let leavings = Leavings {
        effects: vec![Box::new(|tx| tx.add_warning("it happened again"))],
        log: vec![String::from("it happened again")],
        ..Leavings::default()
    };
    let id = change.tasks[0].id;
    let again = bench.engine.finish(change.id, id, "do", Ok(()), leavings).await;
    assert!(matches!(again, Err(StoreError::Refused(_))), "it was taken");
    let world = bench.store.world();
    assert!(world.warnings.is_empty(), "{:?}", world.warnings);
    assert_eq!(
        world.change(change.id).expect("kept").tasks[0].log,
        change.tasks[0].log
    );
}

#[tokio::test]
async fn the_notices_of_a_plain_change() {
    // contract: v2-newer, section 1: new, Doing, Done.
    let dir = tempfile::tempdir().expect("a folder");
    let bench = bench(dir.path());
    let change = run(&bench, &["good", "good"]).await;
    let world = bench.store.world();
    let notice = world
        .notices
        .values()
        .find(|notice| notice.key == change.id.to_string())
        .expect("a notice");
    assert_eq!(notice.occurrences, 3);
    assert_eq!(notice.last_data["kind"], "test");
}
