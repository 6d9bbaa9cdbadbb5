//! Whether a service runs as it was told to: pure, from what the swarm says of it and of its tasks.
//!
//! A task counts as running when its health check has succeeded.

use std::collections::BTreeSet;

use bollard::models::{Service, ServiceUpdateStatusStateEnum as Update, Task, TaskSpec, TaskState};

use super::shown;

/// How far a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// It runs, where and as it should.
    Ready,
    /// Not yet.
    Waiting(String),
    /// The swarm gave it up, and took the definition before.
    GivenUp(String),
}

/// What a service had before it was changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Before {
    /// Its tasks.
    pub(super) tasks: BTreeSet<String>,
    /// What its tasks were made from, and its ports.
    pub(super) service: Option<Service>,
}

pub(super) fn is_of(task: &Task, service: &str) -> bool {
    task.service_id.as_deref() == Some(service)
}

pub(super) fn is_running(task: &Task) -> bool {
    task.desired_state == Some(TaskState::RUNNING) && state(task) == Some(TaskState::RUNNING)
}

/// Whether a container may still be there.
pub(super) fn is_alive(task: &Task) -> bool {
    matches!(
        state(task),
        Some(TaskState::RUNNING | TaskState::STARTING | TaskState::READY | TaskState::PREPARING)
    )
}

fn state(task: &Task) -> Option<TaskState> {
    task.status.as_ref().and_then(|status| status.state)
}

/// How far a service is on the way to run on `node`.
pub(super) fn progress(service: &Service, tasks: &[Task], node: &str, before: &Before) -> Progress {
    let id = service.id.as_deref().unwrap_or_default();
    let own: Vec<&Task> = tasks.iter().filter(|task| is_of(task, id)).collect();
    let update = service.update_status.as_ref();
    let gave_up =
        [Update::ROLLBACK_STARTED, Update::ROLLBACK_COMPLETED, Update::ROLLBACK_PAUSED, Update::PAUSED];
    let is_given_up = update.and_then(|update| update.state).is_some_and(|state| gave_up.contains(&state));
    // What an earlier change came to does not matter to who only waits.
    if is_given_up && before.service.is_some() {
        return Progress::GivenUp(trouble(&own));
    }
    let must_be_new = before.service.as_ref().is_some_and(|before| makes_new_tasks(before, service));
    let wanted = service.spec.as_ref().and_then(|spec| image(spec.task_template.as_ref()));
    let is_right = |task: &&&Task| {
        is_running(task)
            && task.node_id.as_deref() == Some(node)
            && image(task.spec.as_ref()) == wanted
            && !(must_be_new && task.id.as_ref().is_some_and(|id| before.tasks.contains(id)))
    };
    if own.iter().any(|task| is_right(&task)) { Progress::Ready } else { Progress::Waiting(trouble(&own)) }
}

fn image(template: Option<&TaskSpec>) -> Option<&str> {
    template?.container_spec.as_ref()?.image.as_deref()
}

/// Whether the swarm replaces tasks for the difference.
fn makes_new_tasks(before: &Service, now: &Service) -> bool {
    let made_from = |service: &Service| {
        service.spec.clone().map(|spec| (spec.task_template, spec.endpoint_spec.and_then(|spec| spec.ports)))
    };
    made_from(before) != made_from(now)
}

/// The newest thing that went wrong, or how far the newest task is.
fn trouble(tasks: &[&Task]) -> String {
    // Moments are texts of one form; the fraction of a second may be shorter.
    let at = |task: &&&Task| task.created_at.clone().map(|at| at.trim_end_matches('Z').to_owned());
    let failed = tasks.iter().filter_map(|task| {
        let error = task.status.as_ref()?.err.clone().filter(|error| !error.is_empty())?;
        Some((at(&task), error))
    });
    let newest = tasks.iter().max_by_key(at).and_then(|task| state(task));
    let has_ended = tasks.iter().any(|task| state(task) == Some(TaskState::COMPLETE));
    match (failed.max(), newest) {
        (Some((_, error)), _) => shown(&error),
        (None, Some(state)) if has_ended => {
            format!("its tasks end by themselves (see `docker service logs`), and its newest is {state}")
        }
        (None, Some(state)) => format!("its task is {state}"),
        (None, None) => "it has no task".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{ServiceSpec, ServiceUpdateStatus, TaskStatus};

    use super::*;

    fn service(force: u64) -> Service {
        let template = TaskSpec { force_update: Some(force), ..Default::default() };
        let spec = ServiceSpec { task_template: Some(template), ..Default::default() };
        Service { id: Some("s".to_owned()), spec: Some(spec), ..Default::default() }
    }

    fn task(id: &str, of: &Service, node: &str, state: TaskState) -> Task {
        Task {
            id: Some(id.to_owned()),
            service_id: of.id.clone(),
            node_id: Some(node.to_owned()),
            spec: of.spec.clone().and_then(|spec| spec.task_template),
            status: Some(TaskStatus { state: Some(state), ..Default::default() }),
            desired_state: Some(TaskState::RUNNING),
            created_at: Some("2026-11-23T00:00:00Z".to_owned()),
            ..Default::default()
        }
    }

    #[test]
    fn a_service_is_ready_when_a_task_runs_by_its_definition_on_its_node() {
        let (old, new) = (service(0), service(1));
        let before = Before { tasks: BTreeSet::from(["t".to_owned()]), service: Some(old.clone()) };
        let seen = |tasks: &[Task]| progress(&new, tasks, "n", &before);
        assert_eq!(seen(&[task("u", &new, "n", TaskState::RUNNING)]), Progress::Ready);
        let not_yet = [
            vec![],
            vec![task("u", &new, "n", TaskState::STARTING)],
            vec![task("u", &new, "other", TaskState::RUNNING)],
            vec![task("t", &old, "n", TaskState::RUNNING)],
            vec![task("t", &new, "n", TaskState::RUNNING)],
        ];
        assert!(not_yet.iter().all(|tasks| matches!(seen(tasks), Progress::Waiting(_))));
    }

    #[test]
    fn a_service_whose_tasks_need_not_be_new_is_ready_as_it_is() {
        let before = Before { tasks: BTreeSet::from(["t".to_owned()]), service: Some(service(1)) };
        let now = service(1);
        assert_eq!(
            progress(&now, &[task("t", &now, "n", TaskState::RUNNING)], "n", &before),
            Progress::Ready
        );
    }

    #[test]
    fn what_the_swarm_rolled_back_is_given_up_with_the_newest_reason() {
        let mut now = service(1);
        now.update_status =
            Some(ServiceUpdateStatus { state: Some(Update::ROLLBACK_STARTED), ..Default::default() });
        let failed = |at: &str, error: &str| {
            let mut task = task("u", &now, "n", TaskState::FAILED);
            task.created_at = Some(at.to_owned());
            task.status = Some(TaskStatus { err: Some(error.to_owned()), ..Default::default() });
            task
        };
        let tasks = [failed("2026-11-23T00:00:00.1Z", "first"), failed("2026-11-23T00:00:00.12Z", "second")];
        let before = Before { tasks: BTreeSet::new(), service: Some(service(0)) };
        assert_eq!(progress(&now, &tasks, "n", &before), Progress::GivenUp("second".to_owned()));
        let running = [task("u", &now, "n", TaskState::RUNNING)];
        assert_eq!(progress(&now, &running, "n", &Before::default()), Progress::Ready);
    }
}
