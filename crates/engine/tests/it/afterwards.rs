//! What is over leaves nothing behind in the indexes by which the machine finds what goes on.

use std::collections::BTreeSet;

use qnt9_model::fact::Outcome::Success;
use qnt9_model::{AttemptId, CallKey, Command, NotificationId, Order, RunId};

use crate::world::{MINUTE, RULES, SECOND, World};

fn members(world: &World, group: &str) -> BTreeSet<RunId> {
    world.project().groups.get(group).cloned().unwrap_or_default()
}

/// A run is in the groups of itself and of its jobs for as long as it or one of them is.
#[test]
fn groups_know_who_is_in_them() {
    let text = "# w.yml
on: push
concurrency: whole
jobs:
  a: { runs-on: x, concurrency: part, steps: [{ run: x }] }
  b: { needs: a, runs-on: x, steps: [{ run: x }] }
";
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[text])[0];
    let alone = BTreeSet::from([run]);
    assert_eq!((members(&world, "whole"), members(&world, "part")), (alone.clone(), alone.clone()));
    assert!(world.project().runs[&run].is_in_group("part"));
    assert!(!world.project().runs[&run].is_in_group("moon"));
    world.work(run, "a", Success);
    assert_eq!(members(&world, "whole"), alone);
    assert!(!world.project().groups.contains_key("part"), "its job is done");
    world.work(run, "b", Success);
    assert!(world.project().groups.is_empty());
    assert!(!world.project().runs[&run].is_in_group("whole"));
}

#[test]
fn only_runs_with_something_for_runners_are_looked_through() {
    let mut world = World::new(RULES);
    let run = world.push("dev", "main", "c1", "dev", &[crate::world::STAGING])[0];
    let at_work = |world: &World| world.project().at_work.contains(&run);
    assert!(at_work(&world));
    for suite in ["test.1", "test.2"] {
        world.work(run, suite, Success);
    }
    world.by("dev", Command::CancelRun { run }).expect("may cancel");
    assert!(!at_work(&world));
    assert!(world.project().at_work.is_empty() && world.project().live.is_empty());
    let mut waiting = World::in_production("r1");
    assert!(waiting.project().at_work.is_empty());
    let run = waiting.dispatched("plan-2");
    assert!(waiting.project().live.contains(&run));
    assert!(waiting.project().at_work.is_empty(), "it waits for its gates");
}

/// A workflow is kept once for all runs that have the very same, of each file by itself.
#[test]
fn the_same_workflow_is_kept_once() {
    let text = |path: &str, job: &str| {
        format!("# {path}\non: push\njobs:\n  {job}: {{ runs-on: x, steps: [{{ run: x }}] }}\n")
    };
    let mut world = World::new(RULES);
    let files = [text("one.yml", "a"), text("two.yml", "a")];
    let mut push = |sha, files: &[String]| {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        world.push("dev", "main", sha, "dev", &files)
    };
    let (first, second) = (push("c1", &files), push("c2", &files));
    let changed = push("c3", &[text("one.yml", "b")])[0];
    let kept: Vec<RunId> = world.project().workflows.keys().copied().collect();
    assert_eq!(kept, [first[0], first[1], changed]);
    for (run, written) in [(second[0], first[0]), (second[1], first[1]), (changed, changed)] {
        let run = &world.project().runs[&run];
        assert_eq!(run.written, written);
        assert_eq!(world.project().workflows[&written].path, run.path);
    }
    assert_eq!(world.to_start(changed), ["b"]);
}

/// Whom nobody waits for any more, nobody asks: of several jobs only the one that ended.
#[test]
fn checks_of_ended_jobs_are_asked_no_more() {
    let check = "checks = [{ name = \"ticket\", url = \"http://tickets/ask\" }]";
    let rules =
        RULES.replace("[environment.staging]\n", &format!("[environment.staging]\n{check}\n"));
    let text = |path: &str| {
        format!(
            "# {path}\non: push\njobs:\n  a: {{ runs-on: x, environment: staging, steps: [{{ run: x }}] }}\n"
        )
    };
    let mut world = World::new(&rules);
    let (one, two) = (text("one.yml"), text("two.yml"));
    let runs = world.push("dev", "main", "c1", "dev", &[&one, &two]);
    let asked = |world: &World| {
        world.orders().iter().filter(|order| matches!(order, Order::AskCheck(_))).count()
    };
    assert_eq!((asked(&world), world.project().checks.len()), (2, 2));
    world.by("dev", Command::CancelRun { run: runs[0] }).expect("may cancel");
    assert_eq!((asked(&world), world.project().checks.len()), (1, 1));
    assert_eq!(world.project().checks.values().next().map(|(run, _)| *run), Some(runs[1]));
}

#[test]
fn a_notification_is_tried_again_later_and_after_its_delivery_no_more() {
    let mut world = World::new(RULES);
    let entries = world.tell(Command::Notify {
        call: None,
        title: "Done".to_owned(),
        text: "It works".to_owned(),
        webhook: Some("http://127.0.0.1:1/".to_owned()),
    });
    let notification = NotificationId(entries[0].sequence);
    let order = Order::Notify(notification);
    let not_before = |world: &World| qnt9_engine::orders::not_before(world.project(), &order);
    let tried = |failure: Option<&str>| {
        let failure = failure.map(str::to_owned);
        Command::NotificationTried { notification, failure }
    };
    assert_eq!(not_before(&world), None);
    world.tell(tried(Some("connection refused")));
    assert_eq!(not_before(&world), Some(world.now.plus(5 * SECOND)));
    world.pass(5 * SECOND);
    world.tell(tried(Some("connection refused")));
    assert_eq!(not_before(&world), Some(world.now.plus(20 * SECOND)), "longer each time");
    assert!(world.orders().contains(&order));
    world.tell(tried(None));
    assert!(!world.orders().contains(&order));
    assert_eq!(world.project().notifications[&notification].delivered, Some(world.now));
    assert!(world.tell(tried(None)).is_empty(), "said twice, delivered once");
}

#[test]
fn a_removed_secret_is_gone_where_it_was_removed() {
    let mut world = World::new(RULES);
    let set = |environment: Option<&str>| Command::SetSecret {
        name: "key".to_owned(),
        environment: environment.map(Into::into),
        value: "s3cret".to_owned(),
    };
    let remove = Command::RemoveSecret { name: "KEY".to_owned(), environment: None };
    world.by("ada", set(None)).expect("may set");
    world.by("ada", set(Some("staging"))).expect("may set");
    world.by("ada", remove).expect("may remove");
    let left: Vec<_> = world.project().secrets.keys().cloned().collect();
    assert_eq!(left, [("KEY".to_owned(), Some("staging".into()))]);
}

/// A call of a later attempt stands for the same call of an earlier one, and for no other.
#[test]
fn a_deployment_is_found_by_its_call_and_by_the_same_call_of_a_later_attempt() {
    let mut world = World::in_production("r1");
    world.staged("c2", "r2");
    let attempt = world.released();
    let id = world.deploy(&attempt, "production", "r2").expect("its gates are open");
    world.carry();
    let call = world.deployment(id).call.clone().expect("a job asked");
    let of = |call: &CallKey| world.project().deployment_of(call).map(|found| found.id);
    let later = AttemptId { attempt: 2, ..attempt.clone() };
    assert_eq!(of(&call), Some(id));
    assert_eq!(of(&CallKey { attempt: later.clone(), ..call }), Some(id));
    let others = [
        CallKey { attempt: later.clone(), call: call.call + 1, ..call.clone() },
        CallKey { attempt: later.clone(), step: call.step + 1, ..call.clone() },
        CallKey { attempt: AttemptId { job: "verify".into(), ..later.clone() }, ..call.clone() },
        CallKey { attempt: AttemptId { run: RunId(1), ..later }, ..call.clone() },
        CallKey { attempt: AttemptId { attempt: 0, ..attempt.clone() }, ..call.clone() },
        CallKey { call: call.call + 1, ..call },
    ];
    for other in others {
        assert_eq!(of(&other), None, "{other:?}");
    }
}

/// Under a time scale, declared durations are divided by it.
#[test]
fn a_time_scale_shortens_declared_waits() {
    let mut project = World::new(RULES).project().clone();
    assert_eq!(project.scaled(10 * MINUTE), 10 * MINUTE);
    project.time_scale = 60;
    assert_eq!(project.scaled(10 * MINUTE), 10 * SECOND);
}
