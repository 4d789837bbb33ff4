use super::*;
use crate::domain::ChangeId;
use TaskStatus as S;

const NOW: Timestamp = Timestamp(7);

fn yes(_: &str) -> bool {
    true
}

/// A change of tasks given as (waits, lanes), numbered from 1.
fn change(tasks: &[(&[u64], &[u64])]) -> Change {
    let tasks = tasks
        .iter()
        .zip(1..)
        .map(|((waits, lanes), id)| Task {
            id: TaskId(id),
            kind: "k".into(),
            summary: String::new(),
            status: S::Do,
            waits: waits.iter().map(|wait| TaskId(*wait)).collect(),
            lanes: lanes.to_vec(),
            progress: None,
            log: vec![],
            spawn: NOW,
            ready: None,
            not_before: None,
            params: serde_json::Value::Null,
            memory: serde_json::Map::new(),
        })
        .collect();
    Change {
        id: ChangeId(1),
        kind: String::new(),
        summary: String::new(),
        spawn: NOW,
        ready: None,
        status: None,
        data: serde_json::Map::new(),
        snaps: vec![],
        requester: String::new(),
        noticed: None,
        tasks,
    }
}

fn statuses(change: &Change) -> Vec<S> {
    change.tasks.iter().map(|task| task.status).collect()
}

fn finish(change: &mut Change, id: u64) {
    let task = change.task_mut(TaskId(id)).expect("the task");
    assert!(step(task, Step::Finish, NOW, &yes));
}

fn fail(change: &mut Change, id: u64) {
    abort_lanes_of(change, TaskId(id), NOW, &yes);
    let task = change.task_mut(TaskId(id)).expect("the task");
    assert!(step(task, Step::Fail, NOW, &yes));
}

#[test]
fn tasks_run_when_what_they_wait_for_is_done() {
    let mut c = change(&[(&[], &[]), (&[1], &[]), (&[1], &[]), (&[2, 3], &[])]);
    assert_eq!(start_runnable(&mut c, NOW, &yes), [TaskId(1)]);
    finish(&mut c, 1);
    assert_eq!(start_runnable(&mut c, NOW, &yes), [TaskId(2), TaskId(3)]);
    finish(&mut c, 2);
    assert_eq!(start_runnable(&mut c, NOW, &yes), []);
    finish(&mut c, 3);
    assert_eq!(start_runnable(&mut c, NOW, &yes), [TaskId(4)]);
}

#[test]
fn an_error_undoes_backwards_and_holds_what_comes_after() {
    let mut c = change(&[(&[], &[]), (&[1], &[]), (&[2], &[]), (&[3], &[])]);
    for id in 1..=2 {
        start_runnable(&mut c, NOW, &yes);
        finish(&mut c, id);
    }
    start_runnable(&mut c, NOW, &yes);
    fail(&mut c, 3);
    assert_eq!(statuses(&c), [S::Undo, S::Undo, S::Error, S::Hold]);
    assert_eq!(start_runnable(&mut c, NOW, &yes), [TaskId(2)]);
    finish(&mut c, 2);
    assert_eq!(start_runnable(&mut c, NOW, &yes), [TaskId(1)]);
    finish(&mut c, 1);
    assert_eq!(statuses(&c), [S::Undone, S::Undone, S::Error, S::Hold]);
    assert!(is_settled(&c));
    assert_eq!(c.shown_status(), S::Error);
}

#[test]
fn a_kind_without_undo_becomes_done_and_frees_the_next() {
    let mut c = change(&[(&[], &[]), (&[1], &[]), (&[2], &[])]);
    c.tasks[1].kind = "fixed".into();
    let can_undo = |kind: &str| kind != "fixed";
    for id in 1..=2 {
        start_runnable(&mut c, NOW, &can_undo);
        finish(&mut c, id);
    }
    abort_all(&mut c, NOW, &can_undo);
    assert_eq!(statuses(&c), [S::Undo, S::Undo, S::Hold]);
    assert_eq!(start_runnable(&mut c, NOW, &can_undo), [TaskId(1)]);
    assert_eq!(statuses(&c), [S::Undoing, S::Done, S::Hold]);
}

#[test]
fn a_lane_fails_alone_but_takes_what_depends_on_it() {
    // Two snaps, one lane each, and a last task in both lanes.
    let mut c = change(&[(&[], &[1]), (&[1], &[1]), (&[], &[2]), (&[3], &[2])]);
    start_runnable(&mut c, NOW, &yes);
    finish(&mut c, 1);
    finish(&mut c, 3);
    start_runnable(&mut c, NOW, &yes);
    fail(&mut c, 2);
    assert_eq!(statuses(&c), [S::Undo, S::Error, S::Done, S::Doing]);
}

#[test]
fn a_task_of_two_lanes_stays_while_the_other_lane_lives() {
    let mut c = change(&[(&[], &[1, 2]), (&[1], &[1]), (&[1], &[2])]);
    start_runnable(&mut c, NOW, &yes);
    finish(&mut c, 1);
    start_runnable(&mut c, NOW, &yes);
    fail(&mut c, 2);
    assert_eq!(statuses(&c), [S::Done, S::Error, S::Doing]);
    fail(&mut c, 3);
    assert_eq!(statuses(&c), [S::Undo, S::Error, S::Error]);
}

#[test]
fn injected_tasks_come_between() {
    let mut c = change(&[(&[], &[3]), (&[1], &[3])]);
    start_runnable(&mut c, NOW, &yes);
    let planned = vec![
        PlannedTask::new("connect", "a", serde_json::Value::Null),
        PlannedTask {
            waits: vec![0],
            ..PlannedTask::new("setup-profiles", "b", serde_json::Value::Null)
        },
    ];
    inject(&mut c, TaskId(1), materialise(planned, 10, 1, NOW));
    finish(&mut c, 1);
    assert_eq!(start_runnable(&mut c, NOW, &yes), [TaskId(10)]);
    finish(&mut c, 10);
    assert_eq!(start_runnable(&mut c, NOW, &yes), [TaskId(11)]);
    assert_eq!(c.task(TaskId(11)).expect("task").lanes, [3]);
    finish(&mut c, 11);
    assert_eq!(start_runnable(&mut c, NOW, &yes), [TaskId(2)]);
}

#[test]
fn an_abort_of_everything_stops_what_runs() {
    let mut c = change(&[(&[], &[]), (&[1], &[]), (&[2], &[])]);
    start_runnable(&mut c, NOW, &yes);
    finish(&mut c, 1);
    start_runnable(&mut c, NOW, &yes);
    abort_all(&mut c, NOW, &yes);
    assert_eq!(statuses(&c), [S::Undo, S::Abort, S::Hold]);
    assert_eq!(start_runnable(&mut c, NOW, &yes), []);
    finish(&mut c, 2);
    assert_eq!(statuses(&c), [S::Undo, S::Undo, S::Hold]);
}
