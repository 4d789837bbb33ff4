//! Which task may run next and what an abort takes along: pure functions over a change (contract: v2, section 5).

use crate::domain::status::{Step, TaskStatus, transition};
use crate::domain::{Change, PlannedTask, Task, TaskId, Timestamp};
use std::collections::BTreeSet;

/// Whether a kind of task can be undone.
pub type CanUndo<'a> = &'a dyn Fn(&str) -> bool;

/// Moves a task by a step of its life, if the step applies.
pub fn step(task: &mut Task, step: Step, now: Timestamp, can_undo: CanUndo<'_>) -> bool {
    let Some(next) = transition(task.status, step, can_undo(&task.kind)) else {
        return false;
    };
    task.status = next;
    task.ready = next.is_ready().then_some(now);
    true
}

/// Starts every task whose turn has come and answers them. A task to undo whose kind cannot be undone is passed over
/// to Done, which may free others at once.
pub fn start_runnable(change: &mut Change, now: Timestamp, can_undo: CanUndo<'_>) -> Vec<TaskId> {
    let mut started = Vec::new();
    loop {
        let next: Vec<TaskId> = change
            .tasks
            .iter()
            .filter(|task| change.may_start(task))
            .map(|task| task.id)
            .collect();
        if next.is_empty() {
            return started;
        }
        for id in next {
            if let Some(task) = change.task_mut(id) {
                step(task, Step::Start, now, can_undo);
                if task.status.is_running() {
                    started.push(id);
                }
            }
        }
    }
}

/// Aborts tasks, everything that waits for them, and the lanes that are lost with them.
fn abort_tasks(
    change: &mut Change,
    first: Vec<TaskId>,
    now: Timestamp,
    can_undo: CanUndo<'_>,
    seen: &mut BTreeSet<TaskId>,
    lost: &mut BTreeSet<u64>,
) {
    let mut queue = first;
    let mut lanes = BTreeSet::new();
    while let Some(id) = queue.pop() {
        if !seen.insert(id) {
            continue;
        }
        let Some(task) = change.task_mut(id) else { continue };
        step(task, Step::Abort, now, can_undo);
        lanes.extend(
            task.lane_set()
                .iter()
                .copied()
                .filter(|lane| !lost.contains(lane)),
        );
        queue.extend(
            change
                .tasks
                .iter()
                .filter(|other| other.waits.contains(&id))
                .map(|other| other.id),
        );
    }
    if !lanes.is_empty() {
        abort_lanes_once(change, lanes, now, can_undo, seen, lost);
    }
}

fn abort_lanes_once(
    change: &mut Change,
    lanes: BTreeSet<u64>,
    now: Timestamp,
    can_undo: CanUndo<'_>,
    seen: &mut BTreeSet<TaskId>,
    lost: &mut BTreeSet<u64>,
) {
    lost.extend(lanes.iter().copied());
    // Lanes that are not lost speak for their tasks as long as they live and nothing in them has died.
    let (mut live, mut dead) = (BTreeSet::new(), BTreeSet::new());
    for task in change
        .tasks
        .iter()
        .filter(|task| !task.lane_set().iter().any(|lane| lanes.contains(lane)))
    {
        let alive = matches!(
            task.status,
            TaskStatus::Do | TaskStatus::Doing | TaskStatus::Wait | TaskStatus::Done
        );
        if alive { &mut live } else { &mut dead }.extend(task.lane_set().iter().copied());
    }
    let doomed = change
        .tasks
        .iter()
        .filter(|task| task.lane_set().iter().any(|lane| lanes.contains(lane)))
        .filter(|task| {
            !task
                .lane_set()
                .iter()
                .any(|lane| live.contains(lane) && !dead.contains(lane))
        })
        .map(|task| task.id)
        .collect();
    abort_tasks(change, doomed, now, can_undo, seen, lost);
}

/// A task failed: the lanes it is in are aborted with everything that depends on them.
pub fn abort_lanes_of(change: &mut Change, task: TaskId, now: Timestamp, can_undo: CanUndo<'_>) {
    let lanes = change
        .task(task)
        .map(|task| task.lane_set().to_vec())
        .unwrap_or_default();
    let (mut seen, mut lost) = (BTreeSet::from([task]), BTreeSet::new());
    abort_lanes_once(
        change,
        lanes.into_iter().collect(),
        now,
        can_undo,
        &mut seen,
        &mut lost,
    );
}

/// A client's abort: every task.
pub fn abort_all(change: &mut Change, now: Timestamp, can_undo: CanUndo<'_>) {
    for task in &mut change.tasks {
        step(task, Step::Abort, now, can_undo);
    }
}

/// Whether every task has come to its end.
pub fn is_settled(change: &Change) -> bool {
    change.tasks.iter().all(|task| task.status.is_ready())
}

/// Turns planned tasks into tasks with ids from `first_task` and lanes from `first_lane`.
pub fn materialise(planned: Vec<PlannedTask>, first_task: u64, first_lane: u64, now: Timestamp) -> Vec<Task> {
    planned
        .into_iter()
        .enumerate()
        .map(|(position, planned)| Task {
            id: TaskId(first_task + position as u64),
            kind: planned.kind.to_owned(),
            summary: planned.summary,
            status: TaskStatus::Do,
            waits: planned
                .waits
                .iter()
                .map(|wait| TaskId(first_task + *wait as u64))
                .collect(),
            lanes: planned
                .lanes
                .iter()
                .filter(|lane| **lane > 0)
                .map(|lane| first_lane + *lane as u64 - 1)
                .collect(),
            progress: None,
            log: Vec::new(),
            spawn: now,
            ready: None,
            not_before: None,
            params: planned.params,
            memory: serde_json::Map::new(),
        })
        .collect()
}

/// Puts new tasks behind a task of a running change: they wait for it, and whoever waits for it waits for them too.
/// They share its lanes.
pub fn inject(change: &mut Change, after: TaskId, mut tasks: Vec<Task>) {
    let new: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
    let lanes = change
        .task(after)
        .map(|task| task.lanes.clone())
        .unwrap_or_default();
    for task in &mut tasks {
        if task.waits.is_empty() {
            task.waits.push(after);
        }
        if task.lanes.is_empty() {
            task.lanes.clone_from(&lanes);
        }
    }
    for task in change.tasks.iter_mut().filter(|task| task.waits.contains(&after)) {
        task.waits.extend(new.iter().copied());
    }
    change.tasks.extend(tasks);
}

#[cfg(test)]
mod tests;
